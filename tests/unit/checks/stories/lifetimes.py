"""Stories about time-outs."""

from __future__ import annotations

from lab.past import Hash, Past


def expired_early() -> Past:
    """A touch is lost with the failover: the session runs out by the touch before."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.5)
    past.touch(ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.read(ann, 6.0)
    return past


def shortened() -> Past:
    """The same with a long timeout: it shows in the time left, before it does harm."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.5)
    past.touch(ann, 3.0)
    past.fail_over("redis-2", 4.0)
    past.read(ann, 6.0)
    return past


def shortened_by_unknown_clocks() -> Past:
    past = shortened()
    past.drift_ms = 80.0
    return past


def kept_alive() -> Past:
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 3.0)
    past.touch(ann, 4.0, outcome="unknown", executed=6.9)
    past.read(ann, 6.5)
    past.read(ann, 10.0)
    past.read(ann, 12.0)
    past.touch(ann, 12.5)
    return past


def outlived() -> Past:
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, 6.0)
    return past


def slid_past_its_age() -> Past:
    """Each touch gives it the whole idle timeout."""
    past = Past(idle_s=2.0, age_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.5)
    past.touch(ann, 4.0, whole=True)
    past.read(ann, 5.5)
    return past


def ended_by_its_age() -> Past:
    """Each touch gives it what is left; so does a new id. One touch of three arrives late."""
    past = Past(idle_s=2.0, age_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.5)
    new = past.rotate(ann, 3.0)
    past.touch(new, 4.0)
    past.read(new, 4.9)
    past.read(new, 5.5)
    bob = past.log_in("bob", 2.0)
    past.touch(bob, 3.5, attempts=[(3.5, None, None), (4.2, 4.4, 4.5)])
    past.read(bob, 6.1)
    past.read(bob, 6.6)
    return past


def stretched() -> Past:
    """A time-out too long shows before it does harm."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, 3.0)
    past.logout(ann, 3.5)
    return past


def immortal() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, _forever)
    past.read(ann, 3.0)
    return past


def _forever(found: Hash) -> None:
    found.ends_us = float("inf")
