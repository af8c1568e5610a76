"""Each behaviour against a real server, and the whole load: what is recorded is what is there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.model.deployment import ClientProfile
from harness.model.records import Operation
from harness.model.scenario import Workload
from harness.model.words import Arrivals, OperationKind, Outcome, Phase, StepKind
from harness.sessions.engine import LoadEngine
from tests.builders_sessions import MIX, SERVER, Local, Written, drive_for, engine_for, plan_for, single

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]

EVERYTHING = {**MIX, "logout-in-transaction": 0.5, "logout-everywhere": 0.5}


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    with single(tmp_path) as found:
        yield found


def workload(**changes: Any) -> Workload:
    return replace(
        Workload(web_servers=2, users=20, rate_per_s=150, mix=EVERYTHING, arrivals=Arrivals.CONSTANT),
        **changes,
    )


def loaded(
    local: Local, load: Workload, *, seconds: float = 1.5, seed: int = 1, client: ClientProfile | None = None
) -> tuple[LoadEngine, Written]:
    """A user has one tab here: what happens to a session happens in the order in which it is recorded."""
    written = Written()
    plan = plan_for(local, workload=load, seed=seed, client=client, actors=load.users)

    async def drive() -> LoadEngine:
        engine = engine_for(local, plan, written)
        assert await engine.seed() == load.users
        engine.set_phase(Phase.BASELINE)
        await drive_for(engine, seconds)
        await engine.close()
        return engine

    return asyncio.run(drive()), written


def of(written: Written, behaviour: str) -> list[Operation]:
    found = [operation for operation in written.operations if operation.behaviour == behaviour]
    assert found, f"no {behaviour} in the load"
    return found


@pytest.mark.parametrize("transactions", [True, False], ids=["transactions", "plain"])
@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "naive"])
def test_load_on_a_healthy_server_is_acked_and_leaves_what_it_recorded(
    local: Local, transactions: bool, guarded: bool
) -> None:
    """Every acked write's value, increment and witness is on the server, once."""
    load = workload(transactions=transactions, guarded_writes=guarded)
    engine, written = loaded(local, load)
    # A busy host may not get round to what fell due in the last moments: that was never sent.
    outcomes = [operation.outcome for operation in written.operations]
    assert set(outcomes) <= {Outcome.ACKED, Outcome.NOT_SENT}
    assert outcomes.count(Outcome.ACKED) > 100
    assert engine.snapshot().crashes == 0
    with local.nodes["redis-1"].client() as redis:
        _compare(redis, written)


def _compare(redis: Any, written: Written) -> None:
    expected: dict[str, dict[str, str]] = {}
    totals: dict[str, dict[str, int]] = {}
    witnesses: dict[str, list[str]] = {}
    steps = [(o, s) for o in written.operations for s in o.steps]
    for operation, step in sorted(steps, key=lambda pair: pair[1].done_us or 0):
        fields = expected.setdefault(step.key, {})
        if step.witness:
            witnesses.setdefault(str(step.session), []).append(step.witness)
        if step.does is StepKind.CREATE:
            identity = {"sid": str(step.session), "user_id": operation.user, "generation": str(operation.id)}
            fields.update({**identity, **step.wrote})
        elif step.does is StepKind.WRITE:
            fields.update(step.wrote)
        elif step.does is StepKind.INCREMENT:
            for item, amount in step.added.items():
                total = totals.setdefault(step.key, {}).get(item, 0) + amount
                assert step.added_now == {item: total}
                totals[step.key][item] = total
                fields[item] = str(total)
        elif step.does is StepKind.REMOVE_FIELD:
            for item in step.removed:
                fields.pop(item, None)
                totals.get(step.key, {}).pop(item, None)
        elif step.does is StepKind.DESTROY:
            fields.clear()
            totals.pop(step.key, None)
    for key, fields in expected.items():
        if key.startswith("session:"):
            assert redis.hgetall(key) == fields
            assert redis.ttl(key) > 0 or not fields
    for session, left in witnesses.items():
        assert redis.lrange(f"witness:{{{session}}}", 0, -1) == left
        assert redis.ttl(f"witness:{{{session}}}") > 3000


def test_reads_show_the_values_that_were_written_last(local: Local) -> None:
    """What a read saw, with its PTTL, is the state that the acked writes before it left."""
    _, written = loaded(local, workload(mix={"read": 1.0, "change-field": 1.0}))
    state: dict[str, dict[str, str]] = {}
    seen = 0
    for operation in written.operations:
        for step in operation.steps:
            if step.does in (StepKind.CREATE, StepKind.WRITE):
                state.setdefault(step.key, {}).update(step.wrote)
            elif step.does is StepKind.READ:
                assert step.saw is not None
                assert state[step.key].items() <= step.saw.items()
                assert 290_000 < int(step.pttl_ms or 0) <= 300_000
                seen += 1
    assert seen > 50


def test_same_seed_makes_the_same_operations_due(local: Local) -> None:
    """Due times, behaviours, users, web servers and payloads repeat; answers need not."""

    def planned(written: Written) -> list[tuple[Any, ...]]:
        due = [o for o in written.operations if o.phase is Phase.BASELINE]
        first_due_us = min(o.due_us for o in due)
        return [
            ((o.due_us - first_due_us) // 1000, o.behaviour, o.user, o.web_server, payloads(o))
            for o in sorted(due, key=lambda o: o.due_us)
        ][:80]

    def payloads(operation: Operation) -> list[str]:
        return [value.split(":", 1)[1] for step in operation.steps for value in step.wrote.values()]

    load = workload(mix={"read": 1.0, "change-field": 1.0}, rate_per_s=100)
    first, again = (loaded(local, load, seed=5)[1] for _ in range(2))
    assert planned(first) == planned(again)
    assert planned(first) != planned(loaded(local, load, seed=6)[1])


def test_user_whose_session_is_gone_is_told_and_gets_back_in(local: Local) -> None:
    """A read that finds nothing says so; the log-in follows at once, by the same actor."""
    written = Written()

    async def drive() -> None:
        engine = engine_for(local, plan_for(local, workload=workload(mix={"read": 1.0})), written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        with local.nodes["redis-1"].client() as redis:
            redis.flushall()
        await drive_for(engine, 1.5)
        await engine.close()

    asyncio.run(drive())
    told = [o for o in of(written, "read") if o.told == "please log in"]
    assert {o.user for o in told} == {f"u{n}" for n in range(20)}
    for operation in told:
        after = [o for o in written.operations if o.actor == operation.actor and o.id > operation.id]
        assert after[0].behaviour == "log-in"
        assert after[0].outcome is Outcome.ACKED
    assert of(written, "read")[-1].told == "ok"


@pytest.mark.parametrize(("guarded", "pieces"), [(True, False), (False, True)])
def test_write_to_a_lost_session_revives_a_piece_of_it_only_when_naive(
    local: Local, guarded: bool, pieces: bool
) -> None:
    """The guard answers "no session"; the naive HSET brings back fields without an owner or TTL."""
    written = Written()

    async def drive() -> None:
        load = workload(mix={"change-field": 1.0}, guarded_writes=guarded)
        engine = engine_for(local, plan_for(local, workload=load), written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        with local.nodes["redis-1"].client() as redis:
            redis.flushall()
        await drive_for(engine, 0.6)
        await engine.close()

    asyncio.run(drive())
    lost = {o.session for o in written.operations if o.phase is Phase.SEED}
    absent = [s for o in of(written, "change-field") for s in o.steps if s.effective is False]
    assert absent
    with local.nodes["redis-1"].client() as redis:
        left = [key for key in redis.keys("session:*") if key[9:-1] in lost]
        assert bool(left) is pieces
        assert all(redis.hget(key, "user_id") is None and redis.ttl(key) == -1 for key in left)


def test_idle_users_are_never_touched_after_their_log_in(local: Local) -> None:
    """Half of the users stay idle; their sessions are there for the audit all the same."""
    engine, written = loaded(local, workload(active_share=0.5, mix={"read": 1.0}))
    active = {operation.user for operation in written.operations if operation.phase is Phase.BASELINE}
    assert active == {f"u{n}" for n in range(10)}
    assert {session.user for session in engine.sessions()} == {f"u{n}" for n in range(20)}


def test_wait_counts_what_replicas_acknowledged(local: Local) -> None:
    """Without a replica WAIT answers 0, and the write stays acked."""
    client = ClientProfile(application_retries=0, wait_replicas=1, wait_timeout_s=0.02)
    _, written = loaded(local, workload(rate_per_s=50), client=client, seconds=1.0)
    deciding = [s for o in written.operations for s in o.steps if s.deciding and s.does is not StepKind.READ]
    assert {(s.outcome, s.wait_needed, s.wait_got) for s in deciding} == {(Outcome.ACKED, 1, 0)}


def test_load_of_three_seconds_has_no_unknown_outcome_and_keeps_its_rate(local: Local) -> None:
    """200 per second for 3 s: nothing unknown, nothing left unsent before the end, latency counted from the due
    time."""
    engine, written = loaded(local, workload(rate_per_s=200), seconds=3.0)
    due = [o for o in written.operations if o.phase is Phase.BASELINE]
    ending_us = max(o.due_us for o in due) - 500_000
    assert {o.outcome for o in due if o.due_us < ending_us} == {Outcome.ACKED}
    assert {o.outcome for o in due} <= {Outcome.ACKED, Outcome.NOT_SENT}
    assert 520 <= len(due) <= 700
    sent = [o for o in due if o.outcome is Outcome.ACKED]
    assert all(o.due_us <= (o.sent_us or 0) <= (o.done_us or 0) for o in sent)
    assert engine.operations == len(written.operations)
    assert {o.kind for o in due} == set(OperationKind)


def test_killed_web_server_is_replaced_by_the_others(local: Local) -> None:
    """Its connections are reset, requests go elsewhere, users notice nothing; it can come back."""
    written = Written()

    async def drive() -> str:
        engine = engine_for(local, plan_for(local, workload=workload(web_servers=3)), written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        driving = asyncio.create_task(drive_for(engine, 2.0))
        await asyncio.sleep(0.5)
        proof = await asyncio.to_thread(engine.kill_web_server, "web-2")
        engine.set_phase(Phase.FAULT)
        await asyncio.sleep(0.7)
        engine.set_phase(Phase.SETTLED)
        await asyncio.to_thread(engine.start_web_server, "web-2")
        await driving
        await engine.close()
        return proof

    assert "web-2 is gone" in asyncio.run(drive())
    # What still waits for its user when a phase ends is not sent.
    during = [o for o in written.operations if o.phase is Phase.FAULT and o.outcome is not Outcome.NOT_SENT]
    assert {o.web_server for o in during} == {"web-1", "web-3"}
    assert {o.outcome for o in during} == {Outcome.ACKED}
    assert "web-2" in {o.web_server for o in written.operations if o.phase is Phase.SETTLED}
    assert any(c.web_server == "web-2" and c.why == "web-2 was killed" for c in written.connections)


def test_server_that_dies_makes_rejected_and_unknown_but_never_acked(local: Local) -> None:
    """After the kill nothing is acked; what waits at the end of its phase was never sent."""
    written = Written()

    async def drive() -> int:
        load = workload(users=4, rate_per_s=300, mix={"read": 1.0})
        client = ClientProfile(application_retries=2, retry_backoff_s=0.3)
        engine = engine_for(local, plan_for(local, workload=load, client=client, actors=4), written)
        await engine.seed()
        engine.set_phase(Phase.BASELINE)
        driving = asyncio.create_task(drive_for(engine, 1.5))
        await asyncio.sleep(0.5)
        local.nodes["redis-1"].kill()
        died_us = engine._now_us()
        engine.set_phase(Phase.FAULT)
        await driving
        await engine.close()
        return died_us

    died_us = asyncio.run(drive())
    after = [o for o in written.operations if o.due_us > died_us]
    assert Outcome.ACKED not in {o.outcome for o in after}
    not_sent = [o for o in after if o.outcome is Outcome.NOT_SENT]
    assert not_sent
    assert all(o.sent_us is None and not o.attempts and o.phase is Phase.FAULT for o in not_sent)
    unknown = [o for o in written.operations if o.outcome is Outcome.UNKNOWN]
    reborn = [o for o in written.operations if "." in o.actor]
    assert bool(unknown) == bool(reborn)
