"""Requests that compete for a session's lock on a real server, and what the check says about them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.leases import judge_leases
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.plan import Plan
from harness.model.records import ClockPair
from harness.model.scenario import OptionValue, Workload
from harness.model.words import Cause, Outcome, Phase, StepKind
from lab.records import opening
from tests.builders_sessions import SERVER, Local, Written, drive_for, engine_for, plan_for, single

pytestmark = [pytest.mark.process, pytest.mark.skipif(not SERVER, reason="no redis-server")]


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Local]:
    with single(tmp_path) as found:
        yield found


def compete(local: Local, *, rate: float, seconds: float, **options: OptionValue) -> tuple[Plan, Written]:
    """Twelve browser tabs of two users, on two web servers, all after the lock of their session."""
    load = Workload(
        web_servers=2,
        users=2,
        rate_per_s=rate,
        mix={"lock": 1.0},
        options={"lock": {"tries": 200, **options}},
    )
    plan, written = plan_for(local, workload=load, actors=12), Written()

    async def drive() -> None:
        engine = engine_for(local, plan, written)
        assert await engine.seed() == 2
        engine.set_phase(Phase.BASELINE)
        await drive_for(engine, seconds)
        await engine.close()

    asyncio.run(drive())
    return plan, written


def judged(plan: Plan, written: Written) -> list[Finding]:
    operations = sorted(written.operations, key=lambda one: one.id)
    connections = {one.id: one for one in written.connections}
    clocks = tuple(ClockPair(t_us=second * 1_000_000, wall_us=second * 1_000_000) for second in range(10))
    history = History(
        plan=plan,
        opening=opening("locks"),
        operations=tuple(operations),
        connections=tuple(connections.values()),
        clocks=clocks,
    )
    return judge_leases(Timelines(history)).findings


def test_parallel_requests_under_a_lock_lose_no_update(local: Local) -> None:
    """Each reads, waits and writes one more: in the end every one of them counts."""
    plan, written = compete(local, rate=60, seconds=2.0, hold=0.02)
    done = [one for one in written.operations if one.behaviour == "lock" and one.outcome is Outcome.ACKED]
    worked = Counter(
        one.session
        for one in done
        if any(step.does is StepKind.WRITE and step.effective for step in one.steps)
    )
    assert sum(worked.values()) > 20
    assert {one.outcome for one in written.operations} <= {Outcome.ACKED, Outcome.NOT_SENT}
    with local.nodes["redis-1"].client() as redis:
        for session, times in worked.items():
            assert str(redis.hget(f"session:{{{session}}}", "visits")).endswith(f":{times}")
        assert redis.keys("lock:*") == []
    met = [step.effective for one in done for step in one.steps if step.does is StepKind.ACQUIRE]
    assert False in met, "nobody ever met a taken lock"
    assert judged(plan, written) == []


def test_work_that_outlasts_its_lease_is_the_clients_fault(local: Local) -> None:
    """With compare-and-delete every lease that was promised is kept, however badly its holder behaves."""
    plan, written = compete(local, rate=40, seconds=2.0, lease=0.1, hold=0.14, check_lease=False)
    found = judged(plan, written)
    assert {one.name for one in found} == {"lease-overrun"}
    assert {one.cause for one in found} == {Cause.APPLICATION_RACE}


def test_plain_delete_after_the_lease_lets_a_second_holder_in(local: Local) -> None:
    """The naive release deletes the lock of whoever came next, and the one after gets in as well."""
    plan, written = compete(
        local, rate=40, seconds=3.0, lease=0.1, hold=0.14, check_lease=False, naive_release=True
    )
    twice = [one for one in judged(plan, written) if one.name == "lock-held-twice"]
    assert twice
    assert Cause.APPLICATION_RACE in {one.cause for one in twice}
    assert {one.cause for one in twice} <= {Cause.APPLICATION_RACE, Cause.NOT_DETERMINED}
