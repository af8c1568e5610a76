"""Which shard a node serves is what the client's own map of slots says; where it does not say, what was planned."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest

from harness.application import Asked
from harness.model.inventory import SLOTS
from harness.model.seams import Address
from harness.model.words import TopologyKind
from harness.redis_wire.scripted import ScriptedServer
from harness.sessions.apart import ApartClient
from harness.sessions.cluster import ClusterClient
from harness.sessions.fleet import Fleet
from tests.builders_faults import plan_of
from tests.builders_sessions import Written
from tests.fake_clock import the_clock
from tests.fakes import FakeTopology
from tests.unit.sessions.test_attempts import run


def served(address: tuple[str, int]) -> SimpleNamespace:
    return SimpleNamespace(host=address[0], port=address[1])


def test_node_counts_for_the_shard_whose_slots_it_serves() -> None:
    """redis-8 was planned for shard 2 and leads shard 1; of redis-9, which serves nothing, the plan is
    believed."""
    client = object.__new__(ClusterClient)
    slots = {0: [served(("10.0.0.8", 6379))], 1: [], 9: [served(("10.0.0.2", 6379))]}
    client._client = SimpleNamespace(nodes_manager=SimpleNamespace(slots_cache=slots))  # type: ignore[assignment]
    fleet = object.__new__(Fleet)
    fleet._topology = SimpleNamespace(address=lambda node: Address(f"10.0.0.{node[-1]}", 6379))
    fleet._shard_of_node = {"redis-8": 2, "redis-9": 3, "redis-2": 2}
    fleet._shard_of_slot = [1] * 5 + [2] * (SLOTS - 5)
    assert [fleet._shard_of(client, f"redis-{n}") for n in (8, 2, 9)] == [1, 2, 3]
    fleet._shard_of_slot = []
    assert fleet._shard_of(client, "redis-8") == 2


@pytest.mark.parametrize(
    ("session", "told", "shard"),
    [(b"*0\r\n", "please log in", 2), (b"-NOPERM not here\r\n", "try later", 1)],
)
def test_limiter_that_counts_with_the_cache_is_of_its_shard(session: bytes, told: str, shard: int) -> None:
    """One request, two instances: the count goes to the cache's, and the session is looked for at its own. Where
    that fails it is no outage of the cache."""

    async def scenario() -> None:
        async with (
            ScriptedServer(lambda asked: b":-2\r\n" if asked[0] == "PTTL" else session) as sessions,
            ScriptedServer(lambda _: b":1\r\n") as cache,
        ):
            ports = {"redis-1": sessions.port, "cache-1": cache.port}
            plan = plan_of(TopologyKind.SPLIT)
            options = {"try-password": {"asked": "before-session", "instance": "cache"}}
            workload = replace(plan.scenario.workload, mix={"try-password": 1.0}, options=options)
            plan = replace(plan, scenario=replace(plan.scenario, workload=workload))
            topology = FakeTopology(plan)
            topology.close()
            topology.address = lambda node: Address("127.0.0.1", ports[node])  # type: ignore[method-assign]
            fleet = Fleet(plan, topology, Written(), the_clock())
            await fleet.start()
            made = fleet.new_session("u1", 1, 7)
            asked = Asked(2, "try-password", "u1", made, 7, (), None)
            request = fleet.request(fleet.serving(0), asked)
            assert await request.carry_out() == told
            await fleet.close()
            assert (request.shard, request.shard_of("attempts:{u1}"), made.shard) == (shard, 2, 1)
            assert [command[0] for command in cache.received] == ["EVAL"]
            assert [command[0] for command in sessions.received] == ["HGETALL", "PTTL"]

    run(scenario)


def test_a_library_that_keeps_its_map_leaves_the_plans_shards() -> None:
    """Its sessions are of the shard of their slot, and not all of the first: the audit asks that shard's nodes."""
    fleet = object.__new__(Fleet)
    fleet._plan = plan_of(TopologyKind.CLUSTER)
    found = fleet._shards_of_slots(object.__new__(ApartClient))
    ranges = {shard: fleet._plan.inventory.slot_range(shard) for shard in (1, 2, 3)}
    assert {shard: (found.index(shard), SLOTS - 1 - found[::-1].index(shard)) for shard in ranges} == ranges
