"""Which shard a node serves is what the client's own map of slots says; where it does not say, what was planned."""

from __future__ import annotations

from types import SimpleNamespace

from harness.model.inventory import SLOTS
from harness.model.seams import Address
from harness.model.words import TopologyKind
from harness.sessions.apart import ApartClient
from harness.sessions.cluster import ClusterClient
from harness.sessions.fleet import Fleet
from tests.builders_faults import plan_of


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


def test_a_library_that_keeps_its_map_leaves_the_plans_shards() -> None:
    """Its sessions are of the shard of their slot, and not all of the first: the audit asks that shard's nodes."""
    fleet = object.__new__(Fleet)
    fleet._plan = plan_of(TopologyKind.CLUSTER)
    found = fleet._shards_of_slots(object.__new__(ApartClient))
    ranges = {shard: fleet._plan.inventory.slot_range(shard) for shard in (1, 2, 3)}
    assert {shard: (found.index(shard), SLOTS - 1 - found[::-1].index(shard)) for shard in ranges} == ranges
