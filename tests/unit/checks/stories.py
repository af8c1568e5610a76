"""One story that breaks a promise and one like it that does not, for every finding.

`BAD[name]` must yield exactly that finding (and those in `ALSO`, which one loss implies), `GOOD[name]`
none at all. `UNDECIDED[name]` lacks the evidence: nothing proved, and the count's upper end open.
"""

from __future__ import annotations

from collections.abc import Callable

from harness.model.records import Step
from harness.model.words import TopologyKind
from lab.past import Hash, Past
from tests.unit.checks import stories_locks

Story = Callable[[], Past]


def _forever(found: Hash) -> None:
    found.ends_us = float("inf")


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


def lost_write() -> Past:
    """The theme is overwritten later, so nobody can see the loss: its witness is missing."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def unknown_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="unknown", executed=False)
    past.change(ann, 2.5, outcome="rejected", executed=False)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    return past


def lost_update() -> Past:
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    return past


def overlapping_updates() -> Past:
    """The second to be answered was executed first; either order is fine."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.3, 2.4)])
    past.change(ann, 2.1, attempts=[(2.1, 2.2, 2.5)])
    past.read(ann, 3.0)
    return past


def lost_increment() -> Past:
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.add(ann, 2.5, 1, lost=True)
    past.read(ann, 3.0)
    past.add(ann, 3.5, 1)
    return past


def doubled_update() -> Past:
    """The first attempt was executed, its answer lost; the client sent it again."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, attempts=[(2.0, 2.001, None), (2.5, 2.501, 2.502)])
    past.read(ann, 3.0)
    return past


def doubled_by_value() -> Past:
    """Without witnesses a total that nothing explains."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.edit(ann, 2.5, lambda found: found.fields.update({"cart:1": "4"}))
    past.read(ann, 3.0)
    return past


def added_once() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, attempts=[(2.0, None, None), (2.5, 2.501, 2.502)])
    past.add(ann, 3.0, 1, outcome="unknown", executed=9.0)
    past.read(ann, 4.0)
    past.remove(ann, 5.0)
    past.read(ann, 6.0)
    past.add(ann, 7.0, 1)
    past.read(ann, 10.0)
    return past


def stale_read() -> Past:
    """redis-3 is cut off; somebody reads there."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.change(ann, 2.0)
    past.read(ann, 3.0, node="redis-3")
    past.act(4.0, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.read(ann, 5.0)
    return past


def stale_absence() -> Past:
    """The same right after the log-in: not found, and there again later."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-3")
    past.act(4.0, lambda: past.stores.update({"redis-3": past.stores["redis-1"]}))
    past.read(ann, 5.0)
    return past


def zombie_reader() -> Past:
    """Web-1 stayed with the old primary and reads there what has been overwritten on the new one;
    the session is logged out before anybody looks again. Nothing was lost."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-2", 1.5)
    past.fail_over("redis-2", 2.0, follow=8.0)
    past.change(ann, 3.0, web="web-2")
    past.add(ann, 3.1, web="web-2")
    past.touch(ann, 3.2, web="web-2")
    past.read(ann, 4.0, node="redis-1")
    past.logout(ann, 5.0, web="web-2")
    return past


def zombie_without_the_session() -> Past:
    """Web-1 does not find there what was made on the new primary, and which times out later."""
    past = Past(idle_s=8.0)
    past.cut_off("redis-2", 0.5)
    past.fail_over("redis-2", 1.0, follow=8.0)
    ann = past.log_in("ann", 2.0, web="web-2")
    past.read(ann, 3.0, node="redis-1")
    return past


def lost_with_open_attempt() -> Past:
    """An old attempt is still open, but the witness of the newer write is gone: it was lost."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, None, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0, lost=True)
    past.read(ann, 4.0)
    return past


def lost_removal() -> Past:
    """An item that was taken out is there again: a loss, not a doubled addition."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.remove(ann, 2.5, lost=True)
    past.read(ann, 3.0)
    return past


def old_between_attempts() -> Past:
    """The first attempt was seen before the second was sent: what was there before it is old already."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    before = past.change(ann, 1.5)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (3.0, 3.1, 3.2)])
    past.read(ann, 2.2)
    past.read(ann, 2.6, forge=lambda step: (step.saw or {}).update(theme=f"{before.id}:theme"))
    return past


def fresh_read() -> Past:
    """A read that overlaps the write may see either."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.4, 2.5)])
    past.read(ann, 2.1, attempts=[(2.1, 2.2, 2.6)])
    past.read(ann, 5.0)
    return past


def overwritten_between_attempts() -> Past:
    """The first attempt was seen, then overwritten, then the second was sent."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (3.0, 3.1, 3.2)])
    past.read(ann, 2.2)
    past.change(ann, 2.5, attempts=[(2.5, 2.6, 2.7)])
    past.read(ann, 2.65, took=0.3)  # under way while the second change is answered
    return past


def torn_state() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    moved = past.change(ann, 2.0, "ip", "agent")
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).update({"agent": "1:agent"}))
    past.read(ann, 4.0)
    assert moved.id == 2
    return past


def whole_state() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, "ip", "agent")
    past.change(ann, 2.5, "ip")
    past.read(ann, 3.0)
    return past


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
    past = Past()
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


def foreign_session() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    bob = past.log_in("bob", 1.1)
    theirs = {"sid": bob, "user_id": "bob", "generation": "2", "theme": "2:theme"}
    past.read(ann, 2.0, forge=lambda step: setattr(step, "saw", theirs))
    return past


def unwritten_value() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=lambda step: (step.saw or {}).update({"created": "77:nobody"}))
    return past


def value_of_refused_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="rejected", executed=False)
    past.edit(ann, 2.5, lambda found: found.fields.update({"created": "2:theme"}))
    past.read(ann, 3.0)
    return past


def reply_mixed_up() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, outcome="unknown", error="reply-mixed-up: HGETALL PTTL answered [1, []]")
    return past


def own_session() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    past.change(ann, 2.5, outcome="unknown", executed=9.0)
    past.read(ann, 10.0)
    past.read(ann, 11.0, outcome="unknown", executed=False, error="TimeoutError: Timeout reading")
    return past


def ghost_retry() -> Past:
    """The first attempt of an acked write lands after a later acked one."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 4.0, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0)
    past.read(ann, 5.0)
    return past


def harmless_retry() -> Past:
    """Both attempts before the later write; and a concurrent retry over an overlapping one."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, None), (2.5, 2.501, 2.502)])
    past.change(ann, 3.0)
    past.change(ann, 4.0, attempts=[(4.0, 4.1, None), (4.5, 4.6, 4.7)])
    past.change(ann, 4.2)
    past.read(ann, 5.0)
    return past


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


def refused_login() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    oom = "OOM command not allowed when used memory > 'maxmemory'."
    past.log_in("bob", 2.0, outcome="rejected", executed=False, error=oom)
    past.read(ann, 2.1)
    past.log_in("eve", 2.2, outcome="rejected", executed=False, error=oom)
    return past


def log_in_elsewhere() -> Past:
    """READONLY says: not here. That is an outage, measured as such."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    error = "READONLY You can't write against a read only replica."
    past.log_in("bob", 2.0, outcome="rejected", executed=False, error=error)
    past.read(ann, 2.1)
    return past


def outage() -> Past:
    """Ann was there and was not let through until her session had timed out."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    past.touch(ann, 3.0, outcome="rejected", executed=False)
    past.touch(ann, 5.0, outcome="rejected", executed=False)
    past.touch(ann, 7.0)
    past.log_in("ann", 7.5)
    return past


def stayed_away() -> Past:
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 1.1, outcome="rejected", executed=False)
    past.touch(ann, 2.0)
    past.touch(ann, 7.0)
    return past


def diverged() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.change(ann, 2.0)
    return past


def silent_replica() -> Past:
    past = Past()
    past.log_in("ann", 1.0)
    past.silent = {"redis-3"}
    return past


def diverged_before_recovery() -> Past:
    past = diverged()
    past.not_recovered = "redis-3 follows an unknown address instead of redis-1"
    return past


def diverged_from_a_second_primary() -> Past:
    """Another node that still calls itself primary is no replica."""
    past = diverged()
    past.calls_itself["redis-3"] = "primary"
    return past


def diverged_when_the_harness_failed() -> Past:
    """Nobody knows whether what said that the topology had recovered was still looking."""
    past = diverged()
    past.interrupted = "the harness failed"
    return past


def not_recovered() -> Past:
    past = Past(not_recovered="two nodes call themselves primary")
    past.log_in("ann", 1.0)
    past.fault(2.0)
    return past


def trace_of_a_refused_write() -> Past:
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, outcome="rejected", executed=False, forge=_witnessed)
    past.act(2.5, lambda: past.stores["redis-1"].witnesses[ann].append("2"))
    return past


def _witnessed(step: Step) -> None:
    step.witness = "2"


def broken_off() -> Past:
    """The harness died; what was in flight then was never written down."""
    past = Past(complete=False, audited=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 29.0)
    past.read(ann, 29.9)
    return past


def over_budget() -> Past:
    """The cut-off primary goes on for 4.5 s; with a node-timeout of 2 s it may for 3.3 s."""
    return cut_off_in_a_cluster()


def refused_in_time() -> Past:
    return cut_off_in_a_cluster(outcome="rejected")


def cut_off_in_a_cluster(until: float = 6.5, outcome: str = "acked") -> Past:
    """The other is promoted after 3 s; the last write to the old one is sent then."""
    past = Past(topology=TopologyKind.CLUSTER)
    ann = past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: cut off", "isolate")
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 5.0, follow=8.0)
    past.change(ann, until, node="redis-1", outcome=outcome)
    return past


BAD: dict[str, list[Story]] = {
    "lost-session": [lost_session, lost_session_met_by_logout],
    "partial-session": [partial_session],
    "lost-write": [lost_write],
    "lost-update": [
        lost_update,
        lost_increment,
        lost_removal,
        lost_with_open_attempt,
        stories_locks.lock_gone,
        stories_locks.release_undone,
    ],
    "doubled-update": [doubled_update, doubled_by_value],
    "stale-read": [
        stale_read,
        stale_absence,
        zombie_reader,
        zombie_without_the_session,
        old_between_attempts,
        listed_by_a_deposed_primary,
    ],
    "torn-state": [torn_state],
    "resurrected-session": [
        resurrected,
        resurrected_unseen,
        resurrected_by_a_node_without_it,
        resurrected_after_retry,
        back_with_its_entry,
    ],
    "undone-by-own-write": [undone_by_own_write, entered_again_by_an_open_log_in],
    "escaped-logout": [escaped_not_listed, escaped_undone],
    "index-drift": [index_drift, index_drift_after_logout, listed_again, taken_out_twice],
    "foreign-session": [foreign_session],
    "unwritten-value": [unwritten_value, value_of_refused_write],
    "reply-mixed-up": [reply_mixed_up],
    "ghost-retry": [ghost_retry],
    "lock-held-twice": [
        stories_locks.held_twice,
        stories_locks.granted_twice,
        stories_locks.told_twice,
        stories_locks.granted_and_forgotten,
        stories_locks.held_on_both_sides,
        stories_locks.robbed,
    ],
    "lease-overrun": [stories_locks.overrun],
    "expired-early": [expired_early, shortened],
    "outlived-timeout": [outlived, stretched],
    "immortal-session": [immortal],
    "evicted-session": [evicted, evicted_by_count],
    "refused-login": [refused_login],
    "logged-out-by-outage": [outage],
    "replica-divergence": [diverged],
    "no-recovery": [not_recovered],
    "over-budget": [over_budget],
    "unexplained": [
        trace_of_a_refused_write,
        stories_locks.lock_that_never_ends,
        stories_locks.lock_that_nobody_took,
    ],
}

ALSO: dict[Story, set[str]] = {
    partial_session: {"lost-session"},
    escaped_not_listed: {"index-drift"},
    lost_with_open_attempt: {"lost-write"},
    over_budget: {"lost-write", "lost-update"},
    stories_locks.held_on_both_sides: {"lost-write"},
    stories_locks.robbed: {"lease-overrun"},
    stories_locks.release_undone: {"lost-write"},
}
"""Further promises that the same story breaks."""

GOOD: dict[str, list[Story]] = {
    "lost-session": [kept_session, logged_out],
    "partial-session": [whole_session],
    "lost-write": [unknown_write],
    "lost-update": [overlapping_updates, added_once],
    "doubled-update": [added_once],
    "stale-read": [fresh_read, overwritten_between_attempts],
    "torn-state": [whole_state],
    "resurrected-session": [logged_out],
    "undone-by-own-write": [retried_log_in],
    "escaped-logout": [everywhere_out],
    "index-drift": [index_agrees, everywhere_out, listed_while_taken_out],
    "foreign-session": [own_session],
    "unwritten-value": [own_session],
    "reply-mixed-up": [own_session],
    "ghost-retry": [harmless_retry],
    "lock-held-twice": [stories_locks.turns, stories_locks.failover_with_the_lock],
    "lease-overrun": [stories_locks.in_time],
    "expired-early": [kept_alive],
    "outlived-timeout": [kept_alive],
    "immortal-session": [kept_alive],
    "evicted-session": [others_evicted],
    "refused-login": [log_in_elsewhere],
    "logged-out-by-outage": [stayed_away],
    "replica-divergence": [kept_session],
    "no-recovery": [kept_session],
    "over-budget": [refused_in_time],
    "unexplained": [unknown_write, stories_locks.lock_of_nobody_known],
}

UNDECIDED: dict[str, list[Story]] = {
    "lost-session": [silent_audit, broken_off],
    "expired-early": [shortened_by_unknown_clocks],
    "lock-held-twice": [stories_locks.held_twice_by_unknown_clocks],
    "replica-divergence": [
        silent_replica,
        diverged_before_recovery,
        diverged_from_a_second_primary,
        diverged_when_the_harness_failed,
    ],
}
