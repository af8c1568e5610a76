"""How web servers find the primary after a failover, by discovery mode; and in a cluster."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.clock import wait_until
from harness.model.deployment import ClientProfile
from harness.model.records import Operation
from harness.model.scenario import Workload
from harness.model.words import Discovery, Outcome, Phase
from harness.sessions.engine import LoadEngine
from tests.builders_sessions import (
    MIX,
    SERVER,
    SERVICE,
    Local,
    Written,
    await_promoted,
    clustered,
    drive_for,
    driven,
    engine_for,
    fail_over,
    plan_for,
    settle,
    with_sentinel,
)

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]

LOAD = Workload(web_servers=2, users=20, rate_per_s=60, mix={**MIX, "logout-everywhere": 0.3})


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Local]:
    with with_sentinel(tmp_path) as found:
        yield found


def client(discovery: Discovery, **changes: Any) -> ClientProfile:
    return ClientProfile(discovery=discovery, **{"application_retries": 3, **changes})


def through_a_failover(
    local: Local, profile: ClientProfile, *, load: Workload = LOAD, to: str = "redis-2", redirected: int = 0
) -> Written:
    """Seed, kill the primary under load, wait for the promotion and for those who find it, go on for a while."""
    written = Written()

    async def drive() -> None:
        engine = engine_for(local, plan_for(local, workload=load, client=profile), written)
        assert await engine.seed() == load.users
        await fail_over(engine, local, written, to=to, redirected=redirected)
        assert engine.snapshot().crashes == 0

    asyncio.run(drive())
    return written


def settled(written: Written) -> list[Operation]:
    return [o for o in written.operations if o.phase is Phase.SETTLED and o.outcome is not Outcome.NOT_SENT]


@pytest.mark.parametrize("discovery", [Discovery.ON_ERROR, Discovery.FOLLOW_EVENTS])
def test_client_that_asks_or_listens_gets_to_the_new_primary(guarded: Local, discovery: Discovery) -> None:
    """Every web server is redirected, and everything is acked again once the dust has settled."""
    written = through_a_failover(guarded, client(discovery), redirected=2)
    after = settled(written)
    assert len(after) > 60
    assert {o.outcome for o in after} == {Outcome.ACKED}
    redirected = {(e.source, e.node) for e in written.events if e.name == "redirected"}
    assert redirected == {("web-1", "redis-2"), ("web-2", "redis-2")}


@pytest.mark.parametrize("discovery", [Discovery.RESOLVE_ONCE, Discovery.FIXED_ADDRESS])
def test_client_that_never_asks_again_stays_out(guarded: Local, discovery: Discovery) -> None:
    """Its address is that of a dead node: nothing is acked after the fault, and nothing is in doubt."""
    written = through_a_failover(guarded, client(discovery, application_retries=1))
    after = settled(written)
    assert after
    assert {o.outcome for o in after} == {Outcome.REJECTED}
    assert {o.told for o in after} == {"try later"}
    assert not [e for e in written.events if e.name == "redirected"]


def test_client_of_a_demoted_primary_notes_the_refusal_and_asks_again(guarded: Local) -> None:
    """redis-py makes a lost connection of READONLY; the attempt keeps what the server really said."""
    written = Written()

    async def drive() -> None:
        load = Workload(web_servers=1, users=10, rate_per_s=60, mix={"change-field": 1.0})
        engine = engine_for(
            guarded, plan_for(guarded, workload=load, client=client(Discovery.ON_ERROR)), written
        )
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        async with driven(engine):
            await asyncio.to_thread(hand_over, guarded)
            await settle(engine, written, "redis-2", redirected=1)

    asyncio.run(drive())
    refused = [a for a in written.attempts() if a.result == "error:READONLY"]
    assert refused
    assert {o.outcome for o in settled(written)} == {Outcome.ACKED}
    assert {e.node for e in written.events if e.name == "redirected"} == {"redis-2"}


def hand_over(local: Local) -> None:
    """A planned failover whose old primary is demoted at once, not ten seconds later."""
    with local.nodes["sentinel-1"].client() as sentinel, local.nodes["redis-1"].client() as old:
        wait_until(lambda: accepted(sentinel), within_s=15, every_s=0.2, waiting_for="a replica that will do")
        await_promoted(local)
        wait_until(
            lambda: (
                int(sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)[1])
                == local.nodes["redis-2"].port
            ),
            within_s=10,
            waiting_for="sentinel to name the new primary",
        )
        old.execute_command("REPLICAOF", "127.0.0.1", local.nodes["redis-2"].port)


def accepted(sentinel: redis.Redis) -> bool:
    """Sentinel refuses (NOGOODSLAVE) while it has not heard of the replica for a moment."""
    try:
        return bool(sentinel.execute_command("SENTINEL", "FAILOVER", SERVICE))
    except redis.ResponseError:
        return False


def test_reads_go_to_replicas_when_the_profile_says_so(guarded: Local) -> None:
    """Reads on the replica, writes on the primary, each connection with its node's role."""
    written = Written()

    async def drive() -> LoadEngine:
        profile = client(Discovery.ON_ERROR, read_from_replicas=True)
        engine = engine_for(guarded, plan_for(guarded, workload=LOAD, client=profile), written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        await drive_for(engine, 1.5)
        await engine.close()
        return engine

    asyncio.run(drive())
    roles = {c.id: c.role for c in written.connections}
    reads = [a for o in written.operations if o.behaviour == "read" for a in o.attempts]
    writes = [a for o in written.operations if o.behaviour == "change-field" for a in o.attempts]
    assert {roles[a.connection or 0] for a in reads} == {"replica"}
    assert {roles[a.connection or 0] for a in writes} == {"primary"}


def test_cluster_client_gets_over_the_loss_of_one_shard(tmp_path: Path) -> None:
    """The other shards are not affected; the lost one is served by its replica afterwards."""
    mix = {**LOAD.mix, "logout-in-transaction": 0.3}
    load = Workload(web_servers=2, users=30, rate_per_s=60, mix=mix)
    with clustered(tmp_path) as local:
        profile = client(Discovery.ON_ERROR)
        written = through_a_failover(local, profile, load=load, to="redis-4", redirected=1)
    assert not_affected([o for o in written.operations if o.phase is Phase.BASELINE])
    assert {o.shard for o in written.operations} == {1, 2, 3}
    after = settled(written)
    assert len(after) > 60
    assert {o.outcome for o in after} == {Outcome.ACKED}
    assert ("redis-4", 1) in {(e.node, e.shard) for e in written.events if e.name == "redirected"}
    other = [
        o for o in written.operations if o.shard != 1 and o.behaviour in ("read", "touch", "change-field")
    ]
    assert not_affected(other)


def not_affected(operations: list[Operation]) -> bool:
    """Nothing refused. A busy host may let a time-out pass; a lost shard fails a third of all. What was never
    sent, as its user still waited when a phase ended, says nothing."""
    outcomes = [o.outcome for o in operations if o.outcome is not Outcome.NOT_SENT]
    return outcomes.count(Outcome.ACKED) >= 0.95 * len(outcomes) > 0 and Outcome.REJECTED not in outcomes
