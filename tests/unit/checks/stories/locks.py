"""Stories about locks and leaders: who held one, who got it as well, and who only thinks so."""

from __future__ import annotations

from typing import Any

from harness.model.records import Step
from tests.builders_locks import LockPast


def _ann(**how: Any) -> tuple[LockPast, str]:
    past = LockPast(**how)
    return past, past.log_in("ann", 0.5)


def held_twice() -> LockPast:
    """The lock had not reached the replica that was promoted, and the next request gets it there."""
    past, ann = _ann()
    past.cut_off("redis-2", 1.0)
    past.lock(ann, 1.5, hold=5.0, release=False)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, web="web-2")
    return past


def granted_twice() -> LockPast:
    """Somebody between client and server grants what is held."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, release=False)
    past.lock(ann, 2.0, twice=True, web="web-2")
    return past


def granted_and_forgotten() -> LockPast:
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, release=False, lost=True)
    past.lock(ann, 2.0, web="web-2")
    return past


def told_twice() -> LockPast:
    """The second one is told that it has the lock, and has not: its own release shows that, too."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0)
    past.lock(ann, 2.0, told=True, web="web-2")
    return past


def held_on_both_sides() -> LockPast:
    """One side of a split takes the lock from the new primary, the other from the old one."""
    past, ann = _ann()
    past.cut_off("redis-1", 1.5)
    past.fail_over("redis-2", 2.0, follow=20.0)
    past.lock(ann, 3.0, hold=4.0)
    past.lock(ann, 4.0, web="web-2", node="redis-1")
    return past


def robbed() -> LockPast:
    """The first outstays its lease and then deletes the second one's lock: the third gets in."""
    past, ann = _ann(naive=True)
    past.lock(ann, 1.0, hold=2.0, lease=1.0)
    past.lock(ann, 2.5, hold=3.0, lease=4.0, web="web-2")
    past.lock(ann, 3.5, hold=0.5, lease=4.0, web="web-3")
    return past


def turns() -> LockPast:
    """One after the other, one who is turned away, one who never heard and one whose lease ran out."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.5)
    past.lock(ann, 1.2, web="web-2")
    past.lock(ann, 1.6, hold=0.2, web="web-2")
    past.lock(ann, 2.0, outcome="unknown", lease=0.5)
    past.lock(ann, 2.1, web="web-2")
    past.lock(ann, 2.6, hold=0.1, lease=0.5, release=False)
    past.lock(ann, 3.2, web="web-2")
    return past


def failover_with_the_lock() -> LockPast:
    """The promoted replica has the lock; the next one waits for the lease to end."""
    past, ann = _ann()
    past.lock(ann, 1.5, hold=3.0, lease=4.0)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, web="web-2")
    past.lock(ann, 6.0, web="web-2")
    return past


def lock_gone() -> LockPast:
    """Nobody else came, but the holder's release finds that the lock was gone."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0)
    past.lose_lock(ann, 2.0)
    return past


def release_undone() -> LockPast:
    """The replica that was promoted still has the lock that was released, and others are turned away."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=1.0)
    past.cut_off("redis-2", 1.5)
    past.fault(2.5)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, web="web-2")
    past.lock(ann, 4.5, web="web-3")
    return past


def lock_that_never_ends() -> LockPast:
    past, ann = _ann()
    past.lock(ann, 1.0, lease=1.0, release=False)
    past.keep_lock(ann, 1.5)
    past.lock(ann, 3.0, web="web-2")
    return past


def lock_that_nobody_took() -> LockPast:
    """The first to ask is turned away."""
    past, ann = _ann()
    past.lock(ann, 1.0, forge=_refused)
    return past


def _refused(step: Step) -> None:
    step.effective = False


def lock_of_nobody_known() -> LockPast:
    """Without an answer, executed late: whoever is turned away meets that one."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.5)
    past.lock(ann, 2.0, outcome="unknown", executed=3.0, lease=2.0)
    past.lock(ann, 4.0, web="web-2")
    return past


def overrun() -> LockPast:
    past, ann = _ann()
    past.lock(ann, 1.0, hold=2.0, lease=1.0)
    return past


def in_time() -> LockPast:
    """The write leaves before the lease is over; the release comes too late, which harms nobody."""
    past, ann = _ann()
    past.lock(ann, 1.0, hold=0.9995, lease=1.0)
    return past


def held_twice_by_unknown_clocks() -> LockPast:
    past = granted_twice()
    past.clocks = False
    return past


def _job() -> tuple[LockPast, str]:
    past = LockPast(job="job-1")
    return past, past.log_in("ann", 0.5)


def two_leaders() -> LockPast:
    """The lead had not reached the replica that was promoted; the first leader has not noticed yet."""
    past, ann = _job()
    past.cut_off("redis-2", 1.0)
    past.lock(ann, 1.5, hold=4.0, lease=3.0, renew=(2.5,))
    past.fault(2.7)
    past.fail_over("redis-2", 3.0)
    past.lock(ann, 4.0, hold=0.1, lease=3.0, web="web-2")
    return past


def leader_who_notices() -> LockPast:
    """The lead is gone, and its next renewal says so: the lease was not kept, and nobody else led meanwhile."""
    past, ann = _job()
    past.lock(ann, 1.0, hold=1.2, lease=3.0, renew=(2.0,), release=False)
    past.lose_lock(ann, 1.5)
    past.lock(ann, 2.5, hold=0.2, lease=3.0, web="web-2")
    return past


def leaders_in_turn() -> LockPast:
    """A lead that is renewed outlasts its first lease; whoever asks is turned away until it is given back."""
    past, ann = _job()
    past.lock(ann, 1.0, hold=3.0, lease=1.0, renew=(1.5, 2.2, 3.0, 3.7))
    past.lock(ann, 2.5, web="web-2")
    past.lock(ann, 4.5, hold=0.5, web="web-2")
    return past


def led_by_whom_nobody_heard() -> LockPast:
    """The one without an answer may lead: whoever is turned away meets that one."""
    past, ann = _job()
    past.lock(ann, 1.0, outcome="unknown", executed=1.5, lease=2.0)
    past.lock(ann, 2.0, web="web-2")
    return past


def two_leaders_by_unknown_clocks() -> LockPast:
    past = two_leaders()
    past.clocks = False
    return past
