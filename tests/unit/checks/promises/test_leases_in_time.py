"""Locks to the microsecond: when a lease is certain, when it is over, and who may have ended it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.leases import judge_leases
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause, StepKind
from lab.records import us
from tests.builders_locks import LockPast, lock_of


def _ann(**how: Any) -> tuple[LockPast, str]:
    past = LockPast(**how)
    return past, past.log_in("ann", 0.5)


def _found(past: LockPast) -> list[Finding]:
    return judge_leases(Timelines(past.history())).findings


def _names(past: LockPast) -> list[str]:
    return [one.name for one in _found(past)]


# ---------------------------------------------------------------- two who hold it


def _second(at: float, *, lease: float = 1.0, took: float = 0.001, **first: Any) -> LockPast:
    """web-1 gets the lock in [1.0, 1.001] s and keeps it; web-2 gets it as well, sent at `at`."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.0, lease=lease, release=False, **first)
    past.lock(ann, at, hold=0.0, lease=0.5, twice=True, web="web-2", took=took, release=False)
    return past


@pytest.mark.parametrize(
    ("at", "names"),
    [
        # Certain to be held until 1.0 s after it was asked for, less two ms that cannot be measured.
        (1.997, []),
        (1.996999, ["lock-held-twice"]),
        (1.5, ["lock-held-twice"]),
    ],
)
def test_lock_is_held_twice_while_both_leases_are_certain(at: float, names: list[str]) -> None:
    """The second is certain from its answer on, the first until its time ran out at the earliest."""
    assert _names(_second(at)) == names


def test_lock_held_twice_says_for_how_long_both_had_it() -> None:
    """By the second one's answer."""
    (found,) = _found(_second(1.5))
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-2 got the lock of session {sid} of ann (operation 3) while web-1 held it (operation 2) for another"
        " 0.50 s or more."
    )
    assert (found.operations, found.seen_us, found.t_us) == ((2, 3), us(1.501), us(1.001))


@pytest.mark.parametrize(("hold", "names"), [(0.5, []), (0.500001, ["lock-held-twice"])])
def test_lease_is_certain_until_its_release_was_sent(hold: float, names: list[str]) -> None:
    """web-2 is answered at 1.502 s; the release is sent `hold` after the reply of 1.001 s and a write."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=hold, lease=5.0)
    past.lock(ann, 1.501, hold=0.0, lease=0.5, twice=True, web="web-2", release=False)
    assert [one for one in _names(past) if one == "lock-held-twice"] == names


def test_lease_that_had_run_out_when_it_was_answered_is_none() -> None:
    """It took longer than its own time."""
    assert _names(_second(1.1, lease=5.0, took=0.6)) == []
    assert _names(_second(1.1, lease=5.0, took=0.4)) == ["lock-held-twice"]


def test_three_who_hold_it_at_once_break_two_promises() -> None:
    """Each for those that came while it was held."""
    past, ann = _ann()
    for n in range(3):
        past.lock(ann, 1.0 + n / 10, hold=0.0, lease=5.0, twice=n > 0, web=f"web-{n + 1}", release=False)
    assert [(one.operations, one.observations) for one in _found(past)] == [((2, 3), 2), ((3, 4), 1)]


def test_locks_of_two_sessions_are_two() -> None:
    """Whoever holds one does not hold the other."""
    past, ann = _ann()
    bob = past.log_in("bob", 0.6)
    past.lock(ann, 1.0, hold=0.0, lease=5.0, release=False)
    past.lock(bob, 1.1, hold=0.0, lease=5.0, release=False)
    assert _names(past) == []


def test_lock_given_away_by_one_node_is_no_split() -> None:
    """Both were acked by redis-1, the second while another node was being promoted: it was redis-1's own doing."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.0, lease=9.0, release=False)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 2.9, lease=9.0, hold=0.0, twice=True, web="web-2", took=0.2, node="redis-1", release=False)
    (found,) = _found(past)
    assert found.cause is not Cause.AT_PROMOTION
    assert "granted it" not in found.because
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.0, lease=9.0, release=False, node="redis-1")
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, lease=9.0, hold=0.0, twice=True, web="web-2", node="redis-1", release=False)
    (found,) = _found(past)
    assert found.cause is not Cause.SPLIT_BRAIN or "granted it" not in found.because


def test_lock_given_away_on_the_other_side_says_which() -> None:
    """The new primary gave it, and the old one gave it again: after the promotion, or during it."""
    past, ann = _ann()
    past.cut_off("redis-1", 1.5)
    past.fail_over("redis-2", 2.0, follow=20.0)
    past.lock(ann, 3.0, hold=0.0, lease=9.0, release=False)
    past.lock(ann, 4.0, hold=0.0, web="web-2", node="redis-1", release=False)
    (found,) = _found(past)
    assert (found.cause, found.because) == (
        Cause.SPLIT_BRAIN,
        "redis-1 granted it after redis-2 had been promoted",
    )
    past, ann = _ann()
    past.cut_off("redis-1", 1.5)
    past.fail_over("redis-2", 2.0, follow=20.0)
    past.lock(ann, 1.98, hold=0.0, lease=9.0, took=0.015, node="redis-2", release=False)
    past.lock(ann, 1.985, hold=0.0, web="web-2", took=0.03, node="redis-1", release=False)
    (found,) = _found(past)
    assert (found.cause, found.because) == (
        Cause.AT_PROMOTION,
        "redis-1 granted it while redis-2 was being promoted",
    )


@pytest.mark.parametrize(
    ("at", "error", "key", "name", "evicted"),
    [
        (1.0, 0.0, "lock", "evicted", True),
        (0.999999, 0.0, "lock", "evicted", False),
        (2.001, 0.0, "lock", "evicted", True),
        (2.001001, 0.0, "lock", "evicted", False),
        (2.1, 0.1, "lock", "evicted", True),
        (1.5, 0.0, "session", "evicted", False),
        (1.5, 0.0, "lock", "expired", False),
    ],
)
def test_eviction_of_the_lock_explains_its_second_holder(
    at: float, error: float, key: str, name: str, evicted: bool
) -> None:
    """Of this very key, between the first acquisition and the second one's answer."""
    past, ann = _ann(eviction_events=True)
    past.lock(ann, 1.0, hold=0.0, lease=9.0, release=False)
    past.lock(ann, 2.0, hold=0.0, twice=True, web="web-2", release=False)
    key = lock_of(ann) if key == "lock" else f"session:{{{ann}}}"
    past.event(name, at, error=error, source="redis-1", node="redis-1", shard=1, key=key)
    (found,) = _found(past)
    assert (found.cause is Cause.EVICTED) is evicted
    assert (found.because == "redis-1 reported the eviction of the lock") is evicted


def test_acquisition_without_an_answer_is_no_lease() -> None:
    """Whoever never heard does not hold it, whatever was executed."""
    past, ann = _ann()
    past.lock(ann, 1.0, lease=9.0, outcome="unknown", executed=1.1)
    past.lock(ann, 2.0, hold=0.0, twice=True, web="web-2", release=False)
    assert _names(past) == []
    history = past.history()
    history.operations[1].steps[0].effective = True  # by a reply that came too late to count
    assert judge_leases(Timelines(history)).findings == []


# ---------------------------------------------------------------- a lock that was gone


@pytest.mark.parametrize(
    ("hold", "names"),
    [(0.5, ["lost-update"]), (0.994999, ["lost-update"]), (0.995, []), (1.5, ["lease-overrun"])],
)
def test_holder_finds_its_lock_gone_before_its_time(hold: float, names: list[str]) -> None:
    """Its release is answered before the lease can have run out: 1.0 s after it was asked for, less two ms."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=hold, lease=1.0)
    past.lose_lock(ann, 1.2)
    assert _names(past) == names


def test_lock_that_was_gone_says_how_much_of_its_lease_was_left() -> None:
    """By the answer to the release."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.987, lease=3.0)
    past.lose_lock(ann, 1.2)
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 held the lock of session {ann[:8]} of ann (operation 2) and found it gone 2.01 s or more before"
        " its lease expired."
    )
    assert (found.name, found.cause, found.operations) == ("lost-update", Cause.NOT_DETERMINED, (2,))


def _plain(**other: Any) -> LockPast:
    """Naive releases: web-2's request comes first or later, and may delete whoever's lock is there."""
    past, ann = _ann(naive=True)
    past.lock(ann, 0.8, hold=0.6, lease=0.1, web="web-2", **other)
    past.lock(ann, 1.0, hold=1.0, lease=3.0)
    return past


def test_plain_delete_of_somebody_else_explains_a_lock_that_was_gone() -> None:
    """It deletes whoever's lock is there; the holder was robbed by the application, not by Redis."""
    assert _names(_plain()) == ["lease-overrun"]
    past, ann = _ann()
    past.lock(ann, 0.8, hold=0.6, lease=0.1, web="web-2")
    past.lock(ann, 1.0, hold=1.0, lease=3.0)
    past.lose_lock(ann, 1.2)
    assert sorted(_names(past)) == ["lease-overrun", "lost-update"]


def test_plain_delete_that_found_nothing_explains_nothing() -> None:
    """It came before, and answered 0; nor does one that was refused."""
    past, ann = _ann(naive=True)
    past.lock(ann, 0.6, hold=0.2, lease=0.1, web="web-2")
    past.lock(ann, 1.0, hold=1.0, lease=3.0)
    past.lose_lock(ann, 1.2)
    assert sorted(_names(past)) == ["lease-overrun", "lost-update"]
    history = past.history()
    released = [one for one in history.operations[1].steps if one.does is StepKind.RELEASE]
    assert [one.effective for one in released] == [False]
    released[0].effective = None
    assert [one.name for one in judge_leases(Timelines(history)).findings] == ["lease-overrun"]
    released[0].outcome = type(released[0].outcome)("rejected")
    assert len(judge_leases(Timelines(history)).findings) == 2


def test_holder_that_was_robbed_is_no_loser_where_somebody_else_got_in() -> None:
    """The promise is broken once, as held twice; the intruder's own release finds its lock gone, too."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=9.0)
    past.lock(ann, 1.5, hold=0.2, lease=9.0, told=True, web="web-2")
    assert _names(past) == ["lock-held-twice"]


# ---------------------------------------------------------------- who robbed


@pytest.mark.parametrize(
    ("deleted", "again", "robbed"),
    [
        (3.0, 4.0, True),
        (2.001, 4.0, True),
        (2.0009, 4.0, False),  # before web-2 had got its answer
        (3.0, 3.001, True),
        (3.0, 3.0009, False),  # not over when the lock was asked for again
    ],
)
def test_plain_delete_between_two_holders_robbed_the_first(
    deleted: float, again: float, robbed: bool
) -> None:
    """Sent once the lock was held, over before it was asked for again, and it found a lock."""
    past, ann = _ann(naive=True)
    past.lock(ann, 1.0, hold=deleted - 1.002, lease=0.5)
    past.lock(ann, 2.0, hold=0.0, lease=9.0, web="web-2", release=False)
    past.lock(ann, again, hold=0.0, web="web-3", release=False, twice=True)
    history = past.history()
    (released,) = [one for one in history.operations[1].steps if one.does is StepKind.RELEASE]
    released.effective = True
    found = next(one for one in judge_leases(Timelines(history)).findings if one.name == "lock-held-twice")
    assert (found.cause is Cause.APPLICATION_RACE) is robbed
    if robbed:
        assert found.because == ("operation 2 released the lock with a plain DEL, after its lease had ended")
    released.effective = False
    found = next(one for one in judge_leases(Timelines(history)).findings if one.name == "lock-held-twice")
    assert found.cause is Cause.NOT_DETERMINED


def test_guarded_release_robs_nobody() -> None:
    """It deletes its own lock alone, whatever its answer."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=0.5)
    past.lock(ann, 2.0, hold=0.0, lease=9.0, web="web-2", release=False)
    past.lock(ann, 4.0, hold=0.0, web="web-3", release=False, twice=True)
    history = past.history()
    (released,) = [one for one in history.operations[1].steps if one.does is StepKind.RELEASE]
    released.effective = True
    found = next(one for one in judge_leases(Timelines(history)).findings if one.name == "lock-held-twice")
    assert found.cause is Cause.NOT_DETERMINED


# ---------------------------------------------------------------- found taken


def _refused(step: Step) -> None:
    step.effective = False


def _taken(
    at: float, *, hold: float = 0.2, release: bool = True, lease: float = 1.0, **first: Any
) -> LockPast:
    """web-1 has the lock from 1.0 s; web-2 is told at `at` that somebody has it."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=hold, lease=lease, release=release, **first)
    past.lock(ann, at, web="web-2", forge=_refused, took=0.0005, lost=True)
    return past


@pytest.mark.parametrize(
    ("make", "name"),
    [
        # It may be held until 1.0 s after the reply of 1.001 s, and two ms.
        (lambda: _taken(2.003, release=False), None),
        (lambda: _taken(2.003001, release=False), "unexplained"),
        # Released by [1.202, 1.203] s: until its answer it may be there.
        (lambda: _taken(1.203), None),
        (lambda: _taken(1.203001), "lost-update"),
        # Before anybody had asked for it.
        (lambda: _taken(0.9994, release=False), "unexplained"),
        (lambda: _taken(0.9995, release=False), None),
    ],
)
def test_lock_is_found_taken_when_nobody_can_have_held_it(
    make: Callable[[], LockPast], name: str | None
) -> None:
    """A release that came undone, or a time that did not end it."""
    assert _names(make()) == ([] if name is None else [name])


def test_release_that_came_undone_is_told_once() -> None:
    """With everybody who was turned away by it."""
    past = _taken(2.0, lease=9.0)
    past.lock(past.doings[0].sid, 2.5, web="web-3", forge=_refused)
    (found,) = _found(past)
    sid = past.doings[0].sid[:8]
    assert found.sentence == (
        f"web-2 (operation 3) found the lock of session {sid} of ann taken although operation 2 had released it."
    )
    assert (found.operations, found.observations, found.name) == ((2, 3), 2, "lost-update")


def test_lock_of_an_old_node_is_an_old_answer() -> None:
    """redis-3 still has the lock that was released on its primary."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.5, lease=9.0)
    past.cut_off("redis-3", 1.2)
    past.lock(ann, 2.0, web="web-2", node="redis-3")
    (found,) = _found(past)
    assert (found.name, found.cause) == ("stale-read", Cause.NOT_YET_REPLICATED)


def test_lock_whose_every_lease_had_run_out_says_so() -> None:
    """No release was undone."""
    (found,) = _found(_taken(3.0, release=False))
    assert found.sentence.endswith("taken although every lease of it had expired.")
    (found,) = _found(_taken(3.0))  # released, and its time would have been over by then as well
    assert (found.name, found.operations) == ("unexplained", (3,))


def test_release_without_an_answer_may_not_have_happened() -> None:
    """Then the lock may be there until its time runs out."""
    past = _taken(2.0, lease=1.5)
    history = past.history()
    (released,) = [one for one in history.operations[1].steps if one.does is StepKind.RELEASE]
    released.effective = False
    assert judge_leases(Timelines(history)).findings[1:] == []
    released.effective = None
    assert judge_leases(Timelines(history)).findings == []


def test_run_that_was_broken_off_may_not_tell_who_held_the_lock() -> None:
    """The holder may not have been written down."""
    past = _taken(3.0, release=False)
    past.complete = False
    counted = judge_leases(Timelines(past.history()))
    assert (counted.findings, counted.undecidable) == ([], {"unexplained": 1})


def test_clocks_that_moved_apart_decide_nothing_about_leases() -> None:
    """Each finding is left open under its own name."""
    past = _second(1.5)
    past.drift_ms = 60.0
    counted = judge_leases(Timelines(past.history()))
    assert (counted.findings, counted.undecidable) == ([], {"lock-held-twice": 1})


# ---------------------------------------------------------------- after its time


@pytest.mark.parametrize(("hold", "names"), [(1.002, []), (1.002001, ["lease-overrun"])])
def test_holder_that_wrote_after_its_lease_had_run_out(hold: float, names: list[str]) -> None:
    """It runs out 1.0 s after its reply at the latest, and two ms that cannot be measured."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=hold, lease=1.0, release=False)
    assert _names(past) == names


def test_write_after_the_lease_says_how_late_and_who_held_the_lock_by_then() -> None:
    """Somebody else, where somebody did."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=1.0, release=False)
    (found,) = _found(past)
    late = f"web-1 (operation 2) changed session {ann[:8]} of ann 1.00 s or more after its lock had expired"
    assert found.sentence == f"{late}."
    assert found.because == "it wrote 2.00 s after it had got a lease of 1 s"
    assert (found.cause, found.operations) == (Cause.APPLICATION_RACE, (2,))
    past.lock(ann, 2.5, hold=0.0, lease=5.0, web="web-2", release=False)
    (found,) = _found(past)
    assert found.sentence == f"{late}; by then operation 3 held it."


@pytest.mark.parametrize(("hold", "held"), [(0.499, False), (0.499001, True)])
def test_lock_that_is_given_back_as_the_late_write_is_sent_is_held_by_nobody(hold: float, held: bool) -> None:
    """The write is sent at 3.001 s, and the other's release at that moment, or right after."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=1.0, release=False)
    past.lock(ann, 2.5, hold=hold, lease=5.0, web="web-2")
    (found,) = [one for one in _found(past) if one.name == "lease-overrun"]
    assert found.sentence.endswith("; by then operation 3 held it.") is held


def test_write_that_never_left_or_was_refused_harmed_nobody() -> None:
    """It was late, and did nothing."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=1.0, release=False)
    history = past.history()
    operation = history.operations[1]
    (write,) = [one for one in operation.steps if one.does is StepKind.WRITE]
    assert write.key != lock_of(ann)
    write.outcome = type(write.outcome)("rejected")
    assert judge_leases(Timelines(history)).findings == []
    write.outcome = type(write.outcome)("unknown")
    assert len(judge_leases(Timelines(history)).findings) == 1
    operation.attempts[-1].handed_over = False
    assert judge_leases(Timelines(history)).findings == []


def test_of_several_late_writes_the_first_says_how_late() -> None:
    """One finding for a lease, which counts them all."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=1.0, release=False)
    history = past.history()
    operation = history.operations[1]
    (write,) = [one for one in operation.steps if one.does is StepKind.WRITE]
    (sent,) = [one for one in operation.attempts if one.n in write.attempts]
    again = structs.replace(sent, n=9, steps=(9,), sent_us=us(4.5), done_us=us(4.6))
    operation.steps = (
        *operation.steps,
        structs.replace(write, n=9, attempts=(9,), sent_us=us(4.5), done_us=us(4.6)),
    )
    operation.attempts = (*operation.attempts, again)
    (found,) = judge_leases(Timelines(history)).findings
    assert found.because == "it wrote 2.00 s after it had got a lease of 1 s"
    assert found.observations == 2
