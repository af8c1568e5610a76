"""Locks: certain leases, their overlaps and why; random requests against a model that grants rightly."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide, Outcome
from lab.past import Past
from tests.builders_locks import LockPast
from tests.share import examples
from tests.unit.checks.stories import locks as stories_locks

seeds = st.integers(min_value=0, max_value=2**32)
some = examples(50, 5)


def named(told: Past | History, name: str) -> list[Finding]:
    findings, _, _, crashed = run_checks(told.history() if isinstance(told, Past) else told)
    assert crashed == ()
    return [one for one in findings if one.name == name]


@pytest.mark.parametrize(
    ("past", "cause"),
    [
        (stories_locks.held_twice(), Cause.NOT_YET_REPLICATED),
        (stories_locks.held_on_both_sides(), Cause.SPLIT_BRAIN),
        (stories_locks.robbed(), Cause.APPLICATION_RACE),
        (stories_locks.granted_twice(), Cause.NOT_DETERMINED),
        (stories_locks.granted_and_forgotten(), Cause.NOT_DETERMINED),
    ],
    ids=["failover", "split", "plain DEL", "granted twice", "forgotten"],
)
def test_lock_held_twice_says_why(past: Past, cause: Cause) -> None:
    """The cause is what happened to the lock between its two holders; without evidence it is none."""
    (found,) = named(past, "lock-held-twice")
    assert (found.cause, found.side) == (cause, FindingSide.OPEN)


def test_lock_evicted_before_its_time_says_so() -> None:
    """An eviction reported by the node explains the second holder."""
    past = LockPast(eviction_events=True)
    ann = past.log_in("ann", 0.5)
    past.lock(ann, 1.0, hold=2.0)
    past.lose_lock(ann, 1.5)
    past.event("evicted", 1.5, source="redis-1", node="redis-1", shard=1, key=f"lock:session:{{{ann}}}")
    past.lock(ann, 2.0, web="web-2")
    (found,) = named(past, "lock-held-twice")
    assert found.cause is Cause.EVICTED


def test_lock_lost_and_then_deleted_by_another_has_no_certain_cause() -> None:
    """A failover and a plain DEL may each have done it: nothing is guessed."""
    past = LockPast(naive=True)
    ann = past.log_in("ann", 0.5)
    past.lock(ann, 1.0, hold=1.0, lease=0.5)
    past.cut_off("redis-2", 1.55)
    past.lock(ann, 1.6, hold=4.0)
    past.fault(2.2)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, web="web-2")
    (found,) = named(past, "lock-held-twice")
    assert found.cause is Cause.NOT_DETERMINED
    assert "two causes are possible" in found.because


def test_two_who_got_in_during_one_lease_are_two_observations() -> None:
    """The broken promise is that of the first holder; it is told once."""
    past = LockPast()
    ann = past.log_in("ann", 0.5)
    past.lock(ann, 1.0, hold=5.0)
    past.lock(ann, 2.0, hold=0.2, twice=True)
    past.lock(ann, 3.0, hold=0.2, twice=True)
    (found,) = named(past, "lock-held-twice")
    assert (found.observations, found.operations) == (2, (2, 3))


def test_lock_findings_say_nothing_about_the_fields_of_the_session() -> None:
    """A session whose lock was held twice is still judged for everything else, its sights untouched."""
    past = stories_locks.granted_twice()
    findings, counts, sessions, _ = run_checks(past.history())
    assert {one.name for one in findings} == {"lock-held-twice"}
    assert counts["lost-session"].high == 0
    assert sessions.broken == 0


def _tell(seed: int, *, rate: float = 0.0) -> tuple[LockPast, list[int]]:
    """Requests for two locks at random times, with unknown outcomes, short leases, a clean failover;
    with probability `rate` an acquisition is granted whoever holds the lock."""
    dice = random.Random(seed)
    past = LockPast(samples_per_s=5)
    sessions = [past.log_in(user, 0.5) for user in ("ann", "bob")]
    if dice.random() < 0.5:
        past.fail_over("redis-2", dice.uniform(2.0, 8.0))
    now, generous = 1.0, []
    for _ in range(40):
        now += dice.choice((0.0, 0.001, 0.02, 0.2))
        took = dice.choice((0.001, 0.05))
        executed = now + took * dice.random()
        how: dict[str, Any] = {"attempts": [(now, executed, now + took)]}
        if dice.random() < 0.15:
            how = {"outcome": "unknown", "executed": executed if dice.random() < 0.7 else False}
        twice = dice.random() < rate
        doing = past.lock(
            dice.choice(sessions),
            now,
            hold=dice.choice((0.01, 0.1, 0.6)),
            lease=dice.choice((0.3, 1.0)),
            release=dice.random() < 0.9,
            twice=twice,
            web=dice.choice(("web-1", "web-2")),
            **how,
        )
        if twice and doing.outcome is Outcome.ACKED:
            generous.append(doing.id)
    return past, generous


@some
@given(seeds)
def test_lock_granted_rightly_is_never_held_twice(seed: int) -> None:
    """Overlapping requests, expiry, overruns and unknown outcomes raise no alarm about the server."""
    findings, counts, _, crashed = run_checks(_tell(seed)[0].history())
    assert [one.sentence for one in findings if one.name != "lease-overrun"] == []
    assert crashed == ()
    assert counts["lock-held-twice"].high == 0


@some
@given(seeds)
def test_lock_granted_to_several_is_found_wherever_certain_leases_overlap(seed: int) -> None:
    """Counted by hand over all pairs, from what the requests themselves were told."""
    past, generous = _tell(seed, rate=0.3)
    history = past.history()
    leases: dict[str, list[tuple[float, float, int]]] = {}
    for operation in history.operations:
        if operation.behaviour != "lock" or not operation.steps[0].effective:
            continue
        acquired, *rest = operation.steps
        assert acquired.sent_us is not None
        assert acquired.done_us is not None
        ends = acquired.sent_us + 1000 * (acquired.ttl_ms or 0) - 2000
        ends = min([ends, *(step.sent_us or 0 for step in rest if step.does == "release")])
        leases.setdefault(operation.session, []).append((acquired.done_us, ends, operation.id))
    expected = set()
    for held in leases.values():
        for one in held:
            for other in held:
                first = (one[0], held.index(one)) < (other[0], held.index(other))
                if one is not other and first and max(one[0], other[0]) < min(one[1], other[1]):
                    expected.add(one[2])
    found = named(history, "lock-held-twice")
    assert {one.operations[0] for one in found} == expected
    assert not expected or generous


@some
@given(seeds)
def test_one_more_grant_never_improves(seed: int) -> None:
    """Granting more wrongly never takes a finding away from a run that had none of it before."""
    counts = [
        run_checks(_tell(seed, rate=rate)[0].history())[1]["lock-held-twice"].low for rate in (0.0, 1.0)
    ]
    assert all(fewer <= more for fewer, more in pairwise(counts))
    assert counts[1] > 0
