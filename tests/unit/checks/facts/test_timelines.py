"""What the timelines of a history hold of each session: which records count, as what, and up to when."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from msgspec.structs import replace as changed

from harness.checks.facts.step_effects import State
from harness.checks.facts.timelines import Timeline, Timelines
from harness.model.history import History
from harness.model.records import AuditSummary, ClockPair
from harness.model.times import FOREVER, NEVER
from harness.model.words import StepKind
from lab.past import Past
from lab.records import us


def _timeline(past: Past | History, n: int = 0) -> Timeline:
    history = past.history() if isinstance(past, Past) else past
    return list(Timelines(history).sessions.values())[n]


def _past(**how: Any) -> tuple[Past, str]:
    past = Past(**how)
    return past, past.log_in("ann", 1.0)


def test_log_in_makes_a_session_with_its_key_and_its_entry() -> None:
    """Its effects, under their kinds."""
    past, ann = _past()
    timeline = _timeline(past)
    assert (timeline.session, timeline.user, timeline.shard) == (ann, "ann", 1)
    assert timeline.key == f"session:{{{ann}}}"
    assert timeline.named == f"session {ann[:8]} of ann"
    assert [len(one) for one in (timeline.creations, timeline.setters, timeline.indexed)] == [1, 1, 1]
    assert [len(one) for one in (timeline.destroys, timeline.writes, timeline.removals)] == [0, 0, 0]
    assert timeline.created is timeline.creations[0]
    assert timeline.destroyed is None


def test_session_whose_log_in_is_not_recorded_has_the_key_of_its_own_operations() -> None:
    """Not that of an operation on another session, which only takes it out of the list."""
    past, ann = _past()
    other = past.log_in("ann", 1.1)
    past.logout_everywhere(ann, 2.0)
    history = past.history()
    timelines = Timelines(replace(history, operations=history.operations[2:]))
    assert timelines.sessions[ann].key == f"session:{{{ann}}}"
    assert {one.key for session, one in timelines.sessions.items() if session == other} == {""}


def test_sights_are_in_the_order_in_which_they_were_sent() -> None:
    """The audit among them; what was not acked is none, nor is an entry into the list."""
    past, ann = _past()
    past.read(ann, 4.0)
    past.read(ann, 3.0)
    past.read(ann, 2.0, outcome="unknown", executed=2.0)
    past.touch(ann, 5.0, outcome="rejected", executed=False)
    assert [one.sent_us for one in _timeline(past).sights] == [us(3.0), us(4.0), us(30.0)]


def test_reply_of_a_write_that_was_never_answered_is_no_sight() -> None:
    """Whatever it says it saw."""
    past, ann = _past()
    past.read(ann, 2.0, outcome="unknown", executed=2.0)
    history = past.history()
    history.operations[1].steps[0].saw = {}
    assert len(_timeline(history).sights) == 1


def test_last_presence_is_when_the_last_look_that_found_it_began() -> None:
    """One that found nothing is none."""
    past, ann = _past()
    past.read(ann, 2.0)
    past.read(ann, 3.0)
    past.lose(ann, 4.0)
    past.read(ann, 5.0)
    assert _timeline(past).last_presence_us() == us(3.0)
    past, ann = _past()
    past.lose(ann, 1.5)
    assert _timeline(past).last_presence_us() == NEVER


def test_first_destroy_that_was_done_counts() -> None:
    """Of those that were acked and met something."""
    past, ann = _past()
    past.logout(ann, 2.0, attempts=[(2.0, 2.1, 3.0)], lost=True)
    past.logout(ann, 2.2, attempts=[(2.2, 2.3, 2.4)], lost=True)
    past.logout(ann, 1.5, outcome="unknown", executed=False)
    timeline = _timeline(past)
    assert timeline.destroyed is not None
    assert timeline.destroyed.operation.id == 3
    assert len(timeline.destroys) == 3


def test_logout_that_found_nothing_is_denied_and_no_destroy() -> None:
    """It is a look."""
    past, ann = _past()
    past.lose(ann, 1.5)
    past.logout(ann, 2.0)
    timeline = _timeline(past)
    assert (len(timeline.denied), timeline.destroys) == (1, [])
    assert [one.state for one in timeline.sights] == [State.ABSENT, State.ABSENT]


def test_write_that_was_refused_or_turned_away() -> None:
    """The one was rejected, the other answered that there is no session."""
    past, ann = _past()
    past.change(ann, 2.0, outcome="rejected", executed=False)
    past.lose(ann, 2.5)
    past.change(ann, 3.0)
    past.touch(ann, 3.5)
    timeline = _timeline(past)
    assert [operation.id for operation, _ in timeline.refused] == [2]
    assert [operation.id for operation, _ in timeline.turned_away] == [3]
    assert timeline.writes == []


def test_touches_that_got_no_further_are_kept_apart() -> None:
    """Of whatever outcome but acked."""
    past, ann = _past()
    past.touch(ann, 2.0)
    past.touch(ann, 3.0, outcome="rejected", executed=False)
    past.touch(ann, 4.0, outcome="unknown", executed=False)
    past.change(ann, 5.0, outcome="rejected", executed=False)
    assert [one.id for one in _timeline(past).missed_touches] == [3, 4]


def test_setter_is_what_names_a_timeout() -> None:
    """A log-in or a touch; a touch that may have been executed is one, and no certain one."""
    past, ann = _past()
    past.touch(ann, 2.0)
    past.touch(ann, 3.0, outcome="unknown", executed=False)
    past.change(ann, 4.0, forge=lambda step: setattr(step, "ttl_ms", 5))
    past.touch(ann, 5.0, forge=lambda step: None)
    history = past.history()
    history.operations[4].steps[1].ttl_ms = None
    assert [(one.operation.id, one.certain) for one in _timeline(history).setters] == [
        (1, True),
        (2, True),
        (3, False),
    ]


# ---------------------------------------------------------------- the list


def test_logout_everywhere_is_kept_by_user_if_it_was_acked() -> None:
    """Others are not calls that promise anything."""
    past, ann = _past()
    past.logout_everywhere(ann, 2.0)
    past.logout_everywhere(ann, 3.0, outcome="unknown", executed=False)
    past.logout(ann, 4.0)
    assert [one.id for one in Timelines(past.history()).everywhere["ann"]] == [2]


def test_list_that_names_a_session_is_a_sight_of_its_entry() -> None:
    """Of this user's session; one that is named and belongs to somebody else, or to nobody, is none."""
    past, ann = _past()
    bob = past.log_in("bob", 1.1)
    past.logout_everywhere(ann, 2.0, lost=True)
    history = past.history()
    (listing, *_) = history.operations[2].steps
    listing.members = (ann, bob, "f" * 32)
    timelines = Timelines(history)
    assert [len(timelines.sessions[one].entries) for one in (ann, bob)] == [2, 0]  # SMEMBERS, SREM
    assert "f" * 32 not in timelines.sessions


def test_answer_that_took_fewer_out_than_asked_is_no_sight_of_each() -> None:
    """Nobody knows which of them it found."""
    past, ann = _past()
    other = past.log_in("ann", 1.1)
    past.logout_everywhere(ann, 2.0, lost=True)
    history = past.history()
    cleared = history.operations[2].steps[-1]
    for reply, entries in (("1", 1), ("2", 2)):
        cleared.reply = reply
        timelines = Timelines(history)
        assert [len(timelines.sessions[one].entries) for one in (ann, other)] == [entries, entries]


def test_removal_is_of_the_session_that_it_names() -> None:
    """By its member, else by its session, else by its operation's."""
    past, ann = _past()
    other = past.log_in("ann", 1.1)
    past.logout(ann, 2.0)
    history = past.history()
    removed = history.operations[2].steps[1]
    for member, session, expected in (
        (other, ann, other),
        (None, other, other),
        (None, None, ann),
    ):
        removed.member, removed.session = member, session
        timelines = Timelines(history)
        assert [one for one in (ann, other) if timelines.sessions[one].removals] == [expected]


def test_removal_is_acked_also_where_it_found_nothing() -> None:
    """Without an answer it may have taken it out, and promises nothing."""
    past, ann = _past()
    past.logout(ann, 2.0)
    past.logout(ann, 3.0)
    past.logout(ann, 4.0, outcome="unknown", executed=False)
    timeline = _timeline(past)
    assert [one.operation.id for one in timeline.removals] == [2, 3]
    assert [one.operation.id for one in timeline.unindexed] == [2, 4]


def test_list_that_is_deleted_takes_all_of_its_users_sessions_out() -> None:
    """Of nobody else."""
    past, ann = _past()
    other, bob = past.log_in("ann", 1.1), past.log_in("bob", 1.1)
    past.logout(ann, 2.0)
    history = past.history()
    history.operations[3].steps[1].does = StepKind.INDEX_DESTROY
    timelines = Timelines(history)
    assert [len(timelines.sessions[one].removals) for one in (ann, other, bob)] == [1, 1, 0]
    assert [len(timelines.sessions[one].unindexed) for one in (ann, other, bob)] == [1, 1, 0]


# ---------------------------------------------------------------- pieces


def _unguarded(*, reply: str | None = None, touch: float = 3.0) -> Timeline:
    """An unguarded write in [2.0, 2.001] s, which may have made the key; then a touch that met something."""
    past, ann = _past(guarded=False)
    past.change(ann, 2.0)
    past.touch(ann, touch)
    history = past.history()
    history.operations[1].steps[0].reply = "1" if reply is None else reply
    look, touched = history.operations[2].steps
    look.saw = None
    look.outcome = type(look.outcome)("unknown")
    assert touched.effective
    return _timeline(history)


def test_reply_that_may_come_from_a_piece_is_no_sight_of_a_session() -> None:
    """HSET of one new field answers 1: it may have made the key that EXPIRE then met."""
    made = _unguarded()
    assert [one.shows for one in made.sights] == [True]  # the audit
    assert [one.certain for one in made.setters] == [True, False]
    assert made.setters[1].done_us == FOREVER
    assert made.setters[1].extra == 1
    known = _unguarded(reply="0")
    assert [one.shows for one in known.sights] == [False, False, True]
    assert [one.certain for one in known.setters] == [True, True]


@pytest.mark.parametrize(("touch", "certain"), [(1.998, True), (1.999, False), (1.9989, True)])
def test_reply_from_before_the_piece_is_a_sight_of_the_session(touch: float, certain: bool) -> None:
    """It was answered before the write was sent."""
    made = _unguarded(touch=touch)
    assert [one.certain for one in made.setters if one.step.does is StepKind.TOUCH] == [certain]
    assert any(not one.shows for one in made.sights) is certain


# ---------------------------------------------------------------- the audit


def test_valid_pass_alone_counts() -> None:
    """And only if there is one."""
    past, _ = _past()
    history = past.history()
    assert _timeline(history).primary is not None
    assert Timelines(history).audited
    for summary in (None, AuditSummary(passes=3), AuditSummary(passes=2, valid_pass=2)):
        other = replace(history, audit_summary=summary)
        assert _timeline(other).primary is None
        assert Timelines(other).audited is (summary is not None and summary.valid_pass is not None)


def test_answer_of_the_primary_speaks_for_the_session() -> None:
    """Of two that call themselves so, the one that was promoted last; of none nobody."""
    past, _ = _past()
    past.calls_itself["redis-3"] = "primary"
    timeline = _timeline(past)
    assert timeline.primary is not None
    assert timeline.primary.node == "redis-1"
    assert [one.node for one in timeline.audit] == ["redis-1", "redis-2", "redis-3"]
    past.fail_over("redis-3", 20.0)
    past.calls_itself["redis-1"] = "primary"
    timeline = _timeline(past)
    assert timeline.primary is not None
    assert timeline.primary.node == "redis-3"
    past, _ = _past()
    past.calls_itself["redis-1"] = "replica"
    assert _timeline(past).primary is None
    past, _ann = _past()
    past.silent = {"redis-1"}
    assert _timeline(past).primary is None


def test_list_is_what_a_primary_says_of_it() -> None:
    """A replica's is not asked; without an answer it is not known."""
    past, _ann = _past()
    history = past.history()
    for entry in history.audit:
        entry.indexed = entry.role == "replica"
    assert _timeline(history).listed is False
    for entry in history.audit:
        entry.indexed = None
    assert _timeline(history).listed is None


def test_list_of_a_primary_that_came_back_empty_counts_for_nothing() -> None:
    """It calls itself primary until somebody turns it into a replica; the one promoted last is asked."""
    past, _ann = _past()
    past.fail_over("redis-3", 20.0)
    past.calls_itself["redis-1"] = "primary"
    history = past.history()
    for entry in history.audit:
        entry.indexed = {"redis-1": False, "redis-3": True}.get(entry.node)
    assert [one.node for one in history.audit if one.role == "primary"] == ["redis-1", "redis-3"]
    assert _timeline(history).listed is True
    backwards = replace(history, audit=tuple(reversed(history.audit)))
    assert _timeline(backwards).listed is True


@pytest.mark.parametrize(
    ("key_type", "state"),
    [
        ("hash", State.ABSENT),
        ("none", State.ABSENT),
        (None, State.ABSENT),
        ("string", State.PARTIAL),
        ("list", State.PARTIAL),
    ],
)
def test_key_of_another_type_is_a_piece(key_type: str | None, state: State) -> None:
    """It shows no fields, and yet is there."""
    past, ann = _past()
    past.lose(ann, 2.0)
    history = past.history()
    for entry in history.audit:
        entry.key_type = key_type
    assert [one.state for one in _timeline(history).sights] == [state]


def test_replies_that_were_mixed_up_are_kept_with_their_session() -> None:
    """Also that of a lock."""
    past, ann = _past()
    past.read(ann, 2.0, outcome="unknown", error="reply-mixed-up: HGETALL answered 1")
    past.read(ann, 3.0, outcome="unknown", error="TimeoutError: x")
    past.read(ann, 4.0, outcome="unknown", error="reply-mixed-up: SET answered []")
    history = past.history()
    history.operations[3].steps[0].does = StepKind.ACQUIRE
    timelines = Timelines(history)
    assert [operation.id for operation, _ in timelines.sessions[ann].mixed_up] == [2, 4]
    assert [operation.id for operation, _ in timelines.locking] == [4]


# ---------------------------------------------------------------- moments


def test_attempt_whose_value_was_seen_is_over_then() -> None:
    """In every list that holds it."""
    past, ann = _past()
    past.change(ann, 2.0, outcome="unknown", executed=2.1)
    timeline = _timeline(past)
    assert timeline.writes[0].until_us == us(30.001)
    past.read(ann, 3.0)
    assert _timeline(past).writes[0].until_us == us(3.001)
    past = Past()
    bob = past.log_in("bob", 1.0, outcome="unknown", executed=1.1)
    past.read(bob, 3.0)
    timelines = Timelines(past.history())
    timeline = timelines.sessions[bob]
    assert {one.until_us for one in (*timeline.creations, *timeline.setters, *timelines.logins["bob"])} == {
        us(3.001)
    }


@pytest.mark.parametrize(
    ("drift_ms", "epsilon_us", "tolerance_us", "known"),
    [
        (0.0, 2000, 50_000, True),
        (48.0, 50_000, 50_000, True),
        (50.0, 52_000, 52_000, True),
        (50.1, 52_100, 52_100, False),
    ],
)
def test_drift_of_the_clocks_widens_what_cannot_be_measured(
    drift_ms: float, epsilon_us: float, tolerance_us: float, known: bool
) -> None:
    """Two milliseconds and the drift; beyond fifty no deadline can be judged."""
    past, _ = _past()
    past.drift_ms = drift_ms
    timelines = Timelines(past.history())
    assert (timelines.epsilon_us, timelines.tolerance_us, timelines.clocks_known) == (
        epsilon_us,
        tolerance_us,
        known,
    )


def test_run_without_clocks_knows_no_deadline() -> None:
    """A second of drift is assumed."""
    past, _ = _past()
    past.clocks = False
    timelines = Timelines(past.history())
    assert (timelines.epsilon_us, timelines.clocks_known) == (1_002_000, False)
    one = replace(past.history(), clocks=(ClockPair(t_us=5, wall_us=9),))
    assert Timelines(one).epsilon_us == 2000


def test_run_that_was_broken_off_proves_nothing_of_its_end() -> None:
    """Less than a client may wait, and what the recorder may have held."""
    past, _ = _past()
    assert Timelines(past.history()).horizon_us == FOREVER
    past.complete = False
    timelines = Timelines(past.history())
    assert timelines.horizon_us == us(30.0) - us(1.0) - 50_000


# ---------------------------------------------------------------- connections


def test_connection_is_that_of_the_answered_attempt() -> None:
    """Without an answer that of the last attempt which had one; unknown ones are none."""
    past, ann = _past()
    past.read(ann, 2.0, attempts=[(2.0, None, None), (2.5, 2.6, 2.7)])
    past.read(ann, 3.0, outcome="unknown", attempts=[(3.0, None, None), (3.5, None, None)])
    history = past.history()
    answered, unknown = history.operations[1], history.operations[2]
    first, second = history.connections[0], changed(history.connections[0], id=77)
    history = replace(history, connections=(first, second))
    answered.attempts[0].connection = 77
    unknown.attempts[0].connection = 77
    timelines = Timelines(history)
    assert timelines.connection_for(answered, answered.steps[0]) is first
    assert timelines.connection_for(unknown, unknown.steps[0]) is first
    unknown.attempts[1].connection = None
    assert timelines.connection_for(unknown, unknown.steps[0]) is second
    unknown.attempts[0].connection = 78
    assert timelines.connection_for(unknown, unknown.steps[0]) is None
    unknown.attempts[0].connection = None
    assert timelines.connection_for(unknown, unknown.steps[0]) is None
    answered.attempts[1].connection = None
    assert timelines.connection_for(answered, answered.steps[0]) is None
