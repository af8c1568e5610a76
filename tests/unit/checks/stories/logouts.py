"""Stories about logouts that hold, and logouts that are undone."""

from __future__ import annotations

from lab.past import Past


def resurrected() -> Past:
    """The logout was acked and had not reached the replica that was promoted."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0)
    past.fault(2.5)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past


def resurrected_unseen() -> Past:
    """The same, and nobody but the audit looks."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    return past


def resurrected_by_a_node_without_it() -> Past:
    """The logout went to a node that had never heard of the session, and was acked."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, node="redis-3")
    past.act(2.5, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.read(ann, 3.0)
    return past


def resurrected_after_retry() -> Past:
    """Twice sent, once executed, acked; and undone by the failover."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0, attempts=[(2.0, 2.1, None), (2.5, 2.501, 2.502)])
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past


def logged_out() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.0)
    past.read(ann, 1.9, attempts=[(1.9, 1.95, 2.2)])
    past.logout(ann, 2.0)
    past.logout(bob, 2.0, outcome="unknown", executed=False)
    past.read(ann, 4.0)
    past.read(bob, 4.0)
    past.change(ann, 4.5)
    return past


def undone_by_own_write() -> Past:
    """The first attempt of the log-in is executed after the logout."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 3.0, None), (1.5, 1.501, 1.502)])
    past.logout(ann, 2.0)
    past.read(ann, 4.0)
    return past


def retried_log_in() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 1.2, None), (1.5, 1.501, 1.502)])
    past.logout(ann, 2.0)
    past.read(ann, 4.0)
    return past


def escaped_not_listed() -> Past:
    """The index lost the entry, so logout-everywhere did not know of the session."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.act(1.5, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0)
    past.read(other, 3.0)
    return past


def list_deleted_whole() -> Past:
    """A log-in came in between the look at the list and its deletion, so the next call does not know of it."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.9995)
    past.logout_everywhere(ann, 2.0, late=other)
    past.logout_everywhere(other, 3.0)
    past.read(other, 4.0)
    return past


def entry_deleted_with_the_list() -> Past:
    """The same, and nobody calls a second time."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.9995)
    past.logout_everywhere(ann, 2.0, late=other)
    return past


def list_deleted_with_whom_it_named() -> Past:
    """Nobody came in between."""
    past = Past()
    ann, _ = past.log_in("ann", 1.0), past.log_in("ann", 1.5)
    past.logout_everywhere(ann, 2.0, late="nobody's")
    return past


def escaped_undone() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout_everywhere(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    return past


def everywhere_out() -> Past:
    """A log-in that overlaps the call may stay."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout_everywhere(ann, 2.0, attempts=[(2.0, 2.1, 2.5)])
    late = past.log_in("ann", 2.2)
    past.read(other, 4.0)
    past.read(late, 4.0)
    return past


def fixated() -> Past:
    """The session got a new id, and the failover brings the old one back."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 2.0)
    new = past.rotate(ann, 3.0)
    past.act(3.5, lambda: past.stores["redis-2"].sessions.update({new: past.stores["redis-1"].sessions[new]}))
    past.act(
        3.5, lambda: past.stores["redis-2"].witnesses.update({new: past.stores["redis-1"].witnesses[new]})
    )
    past.act(3.5, lambda: past.stores["redis-2"].indexes.update(past.stores["redis-1"].indexes))
    past.fail_over("redis-2", 4.0)
    return past


def rotated() -> Past:
    """Old id dead, new one complete, and its cart goes on counting; through a failover that loses nothing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.add(ann, 1.6, 2)
    new = past.rotate(ann, 2.0)
    past.read(ann, 2.5)
    past.add(new, 3.0, 3)
    past.fail_over("redis-2", 4.0)
    past.read(new, 5.0)
    past.logout_everywhere(new, 6.0)
    return past


def rotated_twice_at_once() -> Past:
    """Two tabs: each gets an id of its own, and one of them finds nothing to delete."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.rotate(ann, 2.0, took=0.2)
    past.rotate(ann, 2.01, took=0.1, executed=2.05)
    past.read(ann, 3.0)
    return past
