"""Stories about a user's list of sessions."""

from __future__ import annotations

from lab.past import Past


def index_drift() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.act(1.5, lambda: past.stores["redis-1"].indexes["ann"].discard(ann))
    return past


def index_drift_after_logout() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-1"].indexes["ann"].add(ann))
    return past


def listed_again() -> Past:
    """Taken out and acked; the next call to list the user's sessions is told of it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-1"].indexes["ann"].add(ann))
    past.logout_everywhere(ann, 3.0)
    return past


def taken_out_twice() -> Past:
    """The second logout found no session, and its entry: SREM 1."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-1"].indexes["ann"].add(ann))
    past.logout(ann, 3.0)
    return past


def listed_by_a_deposed_primary() -> Past:
    """It never heard of the logout, and has lost the session; the new primary has the list right."""
    past = Past(guarded_by_sentinels=True)
    ann = past.log_in("ann", 1.0)
    past.fault(2.0, kind="isolate")
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 3.0, follow=8.0)
    past.logout(ann, 4.0)
    past.act(4.5, lambda: past.stores["redis-1"].sessions.pop(ann))
    past.logout_everywhere(ann, 5.0, node="redis-1", web="web-2")
    return past


def back_with_its_entry() -> Past:
    """Session and entry are two sides of one logout that was undone: told once, as that."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.logout(ann, 2.0)
    past.fail_over("redis-2", 3.0)
    past.logout_everywhere(ann, 4.0)
    return past


def listed_while_taken_out() -> Past:
    """Whoever asked before the removal was acked may be told of it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout_everywhere(ann, 2.00, attempts=[(2.0, 2.05, 2.4)])
    past.logout(ann, 2.01, attempts=[(2.01, 2.2, 2.3)])
    return past


def entered_again_by_an_open_log_in() -> Past:
    """An attempt of the log-in without an answer may be executed after the logout, entry included."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 2.6, None), (1.2, 1.25, 1.3)])
    past.logout(ann, 2.0)
    past.logout_everywhere(ann, 3.0)
    return past


def index_agrees() -> Past:
    """Gone together is no drift, nor is an entry whose session timed out."""
    past = Past(idle_s=5.0)
    ann = past.log_in("ann", 1.0)
    past.log_in("bob", 1.0)
    past.logout(ann, 2.0)
    return past
