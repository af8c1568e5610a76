"""Stories about sessions that are there or not, whole or in pieces."""

from __future__ import annotations

from lab.past import Past


def lost_session() -> Past:
    """Ann's log-in had not reached the replica that was promoted."""
    past = Past()
    past.log_in("bob", 0.5)
    past.cut_off("redis-2", 1.0)
    ann = past.log_in("ann", 1.5)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    past.log_in("ann", 4.1)
    return past


def kept_session() -> Past:
    """Ann's log-in had; and what bob asked for with an unknown outcome may or may not be there."""
    past = Past()
    ann = past.log_in("ann", 1.5)
    bob = past.log_in("bob", 1.6, outcome="unknown", executed=False)
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    past.read(bob, 4.0)
    return past


def lost_session_met_by_logout() -> Past:
    """A logout that finds nothing does not excuse the loss."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.logout(ann, 3.0)
    return past


def silent_audit() -> Past:
    past = Past()
    past.log_in("ann", 1.0)
    past.silent = {"redis-1"}
    return past


def partial_session() -> Past:
    """An unguarded write brings back a piece of a session that was lost."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def whole_session() -> Past:
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def evicted() -> Past:
    past = Past(eviction_events=True)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.lose(ann, 2.0, witnesses=True)
    past.event("evicted", 2.0, source="redis-1", node="redis-1", shard=1, key=f"session:{{{ann}}}")
    past.event("evicted", 2.0, source="redis-1", node="redis-1", shard=1, key=f"witness:{{{ann}}}")
    past.read(ann, 3.0)
    return past


def evicted_by_count() -> Past:
    past = Past()
    past.evicted = [(2.0, "redis-1", 1)]
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.read(ann, 3.0)
    return past


def others_evicted() -> Past:
    past = Past()
    past.evicted = [(2.0, "redis-1", 5)]
    ann = past.log_in("ann", 1.0)
    past.read(ann, 3.0)
    return past


def broken_off() -> Past:
    """The harness died; what was in flight then was never written down."""
    past = Past(complete=False, audited=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 29.0)
    past.read(ann, 29.9)
    return past
