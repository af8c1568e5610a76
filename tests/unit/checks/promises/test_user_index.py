"""A user's list of sessions: what it lacks, what it still names, and who was merely told something old."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace as changed

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.user_index import judge_index
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause, StepKind
from lab.past import Past
from lab.records import us


def _found(past: Past) -> list[Finding]:
    return judge_index(Timelines(past.history())).findings


def _names(past: Past) -> list[str]:
    return [one.name for one in _found(past)]


def _unlist(past: Past, sid: str, at: float) -> None:
    past.act(at, lambda: past.stores["redis-1"].indexes["ann"].discard(sid))


def _list(past: Past, sid: str, at: float) -> None:
    past.act(at, lambda: past.stores["redis-1"].indexes["ann"].add(sid))


# ---------------------------------------------------------------- what the list lacks


def _unlisted(*, idle: float = 300.0, **log_in: Any) -> Past:
    past = Past(idle_s=idle)
    ann = past.log_in("ann", 1.0, **log_in)
    _unlist(past, ann, 1.9)
    return past


def test_list_lacks_a_session_that_was_entered() -> None:
    """It is there, and its entry was acked."""
    past = _unlisted()
    sid = past.doings[0].sid[:8]
    (found,) = _found(past)
    assert found.sentence == (
        f"Session {sid} of ann exists, but the list of ann's sessions does not contain it, though operation 1 was"
        " acked."
    )
    assert (found.operations, found.observations, found.cause) == ((1,), 1, Cause.NOT_DETERMINED)


@pytest.mark.parametrize(
    ("entered_s", "node", "cause"),
    [
        (1.5, None, Cause.NOT_DETERMINED),  # the list lacked it before
        (1.9985, None, Cause.NOT_DETERMINED),
        (1.999, None, Cause.APPLICATION_RACE),
        (1.5, "redis-3", Cause.APPLICATION_RACE),  # a replica's list says nothing of what the primary had
    ],
)
def test_list_that_lacked_a_session_when_it_was_read_lost_it_before(
    entered_s: float, node: str | None, cause: Cause
) -> None:
    """Whoever deletes it whole then takes that entry out no more."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", entered_s)
    past.logout_everywhere(ann, 2.0, late=other, node=node)
    (found,) = (one for one in _found(past) if one.session == other)
    assert found.cause is cause


def _deleted_whole(*, entered: float, lasts: float) -> tuple[Past, str]:
    """The list is read at 2.0 s, without a session that is entered then, and is gone at last."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", entered)
    past.logout_everywhere(ann, 2.0, late=other, took=lasts)
    _unlist(past, other, 9.0)
    return past, other


@pytest.mark.parametrize(
    ("entered", "cause"), [(2.5, Cause.APPLICATION_RACE), (2.500001, Cause.NOT_DETERMINED)]
)
def test_list_that_was_deleted_before_a_session_was_entered_lost_it_otherwise(
    entered: float, cause: Cause
) -> None:
    """At that very moment it may have taken it along."""
    past, other = _deleted_whole(entered=entered, lasts=0.5)
    (found,) = (one for one in _found(past) if one.session == other)
    assert found.cause is cause


def test_list_that_is_deleted_long_after_it_was_read_takes_out_what_was_entered_since() -> None:
    """Only the reading tells what the list had."""
    past, other = _deleted_whole(entered=2.2, lasts=0.5)
    history = past.history()
    everywhere = history.operations[2]
    read, *rest = everywhere.steps
    (attempt,) = everywhere.attempts
    everywhere.attempts = (
        changed(attempt, steps=(1,)),
        changed(attempt, n=2, steps=tuple(one.n for one in rest), sent_us=us(2.4)),
    )
    read.attempts = (1,)
    for one in rest:
        one.attempts, one.sent_us = (2,), us(2.4)
    found = judge_index(Timelines(history)).findings
    assert [(one.session, one.cause) for one in found] == [(other, Cause.APPLICATION_RACE)]


def test_list_that_was_not_there_to_be_deleted_took_nothing_out() -> None:
    """DEL answered that there was none; what was entered later is missing for another reason."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    _unlist(past, ann, 1.5)
    past.logout_everywhere(ann, 2.0, late=ann)
    other = past.log_in("ann", 3.0)
    _unlist(past, other, 9.0)
    causes = {one.session: one.cause for one in _found(past)}
    assert causes[other] is Cause.NOT_DETERMINED


@pytest.mark.parametrize(("read", "names"), [(True, []), (False, ["index-drift"])])
def test_session_that_was_read_in_a_list_is_rightly_out_of_it_once_that_may_be_deleted(
    read: bool, names: list[str]
) -> None:
    """Also where nobody answered: whoever asked for it meant to end all that were read."""
    past = _unlisted()
    past.logout_everywhere(past.doings[0].sid, 1.8, late="nobody's", outcome="unknown", executed=False)
    history = past.history()
    history.operations[1].steps[-1].members = (past.doings[0].sid,) if read else ()
    assert [one.name for one in judge_index(Timelines(history)).findings] == names


def _gone() -> Past:
    past = _unlisted()
    past.lose(past.doings[0].sid, 5.0)
    return past


def _silent() -> Past:
    past = _unlisted()
    past.silent = {"redis-1"}
    return past


@pytest.mark.parametrize(
    "fine",
    [
        lambda: _unlisted(outcome="unknown", executed=1.1),  # nobody promised that it is entered
        lambda: _unlisted(idle=20.0),  # the session is gone as well
        _gone,
        _silent,
    ],
)
def test_list_may_lack_a_session(fine: object) -> None:
    """Which was never entered, is gone, or of which nobody knows."""
    assert _names(fine()) == []  # type: ignore[operator]


def test_list_whose_time_has_run_out_is_gone_by_design() -> None:
    """A list lives as long as its own entry asked for, else as long as a session."""
    past = _unlisted()
    history = past.history()
    (entered,) = [step for step in history.operations[0].steps if step.does is StepKind.INDEX_ADD]
    for ttl_ms, found in ((29_004, 1), (29_003, 0), (1000, 0), (None, 1)):
        entered.ttl_ms = ttl_ms  # from 1.0 s on; the audit looks at 30.001 s, two ms cannot be measured
        assert len(judge_index(Timelines(history)).findings) == found


def test_session_that_was_taken_out_again_is_rightly_not_listed() -> None:
    """With a logout that was acked, or that may have taken it out since it was entered."""
    past = _unlisted()
    past.logout(past.doings[0].sid, 2.0, lost=True)
    assert _names(past) == []
    past = _unlisted()
    past.logout(past.doings[0].sid, 2.0, outcome="unknown", executed=False)
    assert _names(past) == []


@pytest.mark.parametrize(("over", "names"), [(0.999999, ["index-drift"]), (1.0, [])])
def test_removal_that_was_over_before_it_was_entered_took_nothing_out(over: float, names: list[str]) -> None:
    """An attempt without an answer, proved over at that moment."""
    past = _unlisted()
    past.logout(past.doings[0].sid, 0.5, outcome="unknown", executed=False, closed=over)
    assert _names(past) == names


def test_list_that_was_evicted_says_so() -> None:
    """The list is a key of its own."""
    past = Past(eviction_events=True)
    ann = past.log_in("ann", 1.0)
    past.log_in("bob", 1.0)
    _unlist(past, ann, 1.9)
    past.event("evicted", 1.9, source="redis-1", node="redis-1", shard=1, key="user:{ann}:sessions")
    (found,) = _found(past)
    assert (found.cause, found.because) == (Cause.EVICTED, "the list itself was evicted")
    past.events[-1].t_us = us(0.9)  # it was entered later
    (found,) = _found(past)
    assert found.cause is Cause.NOT_DETERMINED
    past.events[-1].t_us, past.events[-1].key = us(1.9), "user:{bob}:sessions"
    (found,) = _found(past)
    assert found.cause is Cause.NOT_DETERMINED


# ---------------------------------------------------------------- what the list still names


def _listed(*looks: float, again: float | None = 3.0, took: float = 0.5, **look: Any) -> Past:
    """Ann's logout of [2.0, 2.5] s takes her session and its entry out; the entry is back at `again`."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, took=took)
    if again is not None:
        _list(past, ann, again)
    for at in looks:
        past.logout_everywhere(ann, at, lost=True, **look)
    past.act(20.0, lambda: past.stores["redis-1"].indexes["ann"].discard(ann))
    return past


def test_entry_that_is_back_says_who_was_told_of_it_and_how_late() -> None:
    """Every look that named it counts."""
    past = _listed(4.0, 5.0)
    sid = past.doings[0].sid[:8]
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 (operation 3) found session {sid} of ann in the list of ann's sessions 1.50 s after it was"
        " removed, though operation 2 was acked."
    )
    # SMEMBERS and SREM of each call.
    assert (found.operations, found.observations, found.cause) == ((2, 3), 4, Cause.NOT_DETERMINED)


def test_entry_that_the_audit_found_is_said_as_that() -> None:
    """The session is gone, and the list still names it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    _list(past, ann, 3.0)
    (found,) = _found(past)
    assert found.sentence == (
        f"Session {ann[:8]} of ann is gone, but the list of ann's sessions still contains it, though operation 2 was"
        " acked."
    )
    assert (found.operations, found.observations) == ((2,), 1)


@pytest.mark.parametrize(("look", "names"), [(2.5, []), (2.500001, ["index-drift"])])
def test_entry_is_seen_again_by_whoever_asked_after_the_removal_was_acked(
    look: float, names: list[str]
) -> None:
    """At that very moment it may have come first."""
    assert _names(_listed(look, again=2.4)) == names


def test_removal_that_found_no_entry_still_promises_that_there_is_none() -> None:
    """SREM 0 is an answer as well."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    _unlist(past, ann, 1.5)
    past.logout(ann, 2.0)
    _list(past, ann, 3.0)
    assert _names(past) == ["index-drift"]


def test_entry_that_was_entered_again_is_rightly_there() -> None:
    """By an attempt of the log-in that was not over when it was taken out."""
    for over, names in ((2.0, []), (1.999999, ["index-drift"])):
        past = Past()
        ann = past.log_in("ann", 1.0, attempts=[(1.0, None, None), (1.2, 1.25, 1.3)], closed=over)
        past.logout(ann, 2.0)
        _list(past, ann, 3.0)
        past.logout_everywhere(ann, 4.0)
        assert _names(past) == names


def test_session_that_is_back_with_its_entry_is_no_drift() -> None:
    """It was seen alive after the logout was sent: that is the logout undone. Seen before, it is drift."""
    past = _listed(4.0)
    past.read(past.doings[0].sid, 2.05, forge=_alive)
    assert _names(past) == []
    past = _listed(4.0)
    past.read(past.doings[0].sid, 2.0, forge=_alive)
    assert _names(past) == ["index-drift"]


def _alive(step: Step) -> None:
    step.saw = {"sid": step.session or "", "user_id": "ann", "generation": "1"}


def test_last_removal_before_the_look_is_the_promise() -> None:
    """Of two logouts the one that was sent last; one that came after the look promised nothing yet."""
    past = _listed(4.0)
    past.logout(past.doings[0].sid, 2.6)
    past.logout(past.doings[0].sid, 5.0)
    found = _found(past)[0]
    assert found.operations == (4, 3)


def test_replica_that_still_names_it_is_out_of_date() -> None:
    """The removal holds where it was made; the first look that does not is told, as the drift that it is."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.logout(ann, 2.0)
    past.act(2.5, lambda: past.stores["redis-3"].sessions.pop(ann))
    past.logout_everywhere(ann, 3.0, node="redis-3", lost=True)
    (found,) = _found(past)
    assert (found.name, found.cause) == ("stale-read", Cause.NOT_YET_REPLICATED)
    assert found.sentence == (
        f"web-1 (operation 3) still read session {ann[:8]} of ann in the list of ann's sessions,"
        " though operation 2 was acked."
    )
    assert (found.operations, found.observations) == ((2, 3), 2)
    _list(past, ann, 3.5)
    past.logout_everywhere(ann, 4.0, lost=True)
    past.act(20.0, lambda: past.stores["redis-1"].indexes["ann"].discard(ann))
    (found,) = _found(past)
    assert (found.name, found.operations, found.observations) == ("index-drift", (3, 4), 2)


def test_replica_that_acked_the_removal_itself_is_not_out_of_date() -> None:
    """It forgot what it had said."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.logout(ann, 2.0, node="redis-3", lost=True)
    past.act(2.5, lambda: past.stores["redis-3"].sessions.pop(ann))
    past.logout_everywhere(ann, 3.0, node="redis-3", lost=True)
    past.lose(ann, 10.0)
    _unlist(past, ann, 10.0)
    assert _names(past) == ["index-drift"]


def test_both_lists_of_two_users_are_judged() -> None:
    """Each by itself."""
    past = Past()
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.0)
    _unlist(past, ann, 1.5)
    past.act(1.5, lambda: past.stores["redis-1"].indexes["bob"].discard(bob))
    assert sorted(one.user or "" for one in _found(past)) == ["ann", "bob"]
    assert all(one.seen_us == us(30.001) for one in _found(past))


def test_logout_that_deletes_after_it_took_the_entry_out_saw_no_session_come_back() -> None:
    """Its own DEL 1 came later than its SREM: the entry that is back is drift all the same."""
    past = _listed(4.0)
    history = past.history()
    logout = history.operations[1]
    deleted, removed = logout.steps
    (attempt,) = logout.attempts
    logout.attempts = (changed(attempt, steps=(2,)), changed(attempt, n=2, steps=(1,), sent_us=us(2.1)))
    deleted.attempts, deleted.sent_us, removed.attempts = (2,), us(2.1), (1,)
    assert [one.name for one in judge_index(Timelines(history)).findings] == ["index-drift"]


# ---------------------------------------------------------------- what an answer leaves out


def _left_out(*, later: bool = True, alive: bool = False) -> Past:
    """Ann's second session is missing in the list that is read at 2 s, and in the one read at 6 s it is there."""
    past = Past()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    _unlist(past, second, 1.9)
    past.logout_everywhere(first, 2.0)
    if later:
        _list(past, second, 3.0)
    third = past.log_in("ann", 4.0)
    if alive:
        past.read(second, 4.5)
    past.lose(second, 5.0)
    past.logout_everywhere(third, 6.0)
    return past


def test_answer_without_an_entry_that_a_later_one_has_was_old() -> None:
    """It was acked in before the first, and nobody entered it in between."""
    past = _left_out()
    (found,) = [one for one in _found(past) if one.name == "stale-read"]
    assert found.session == past.doings[1].sid
    assert found.operations[0] == 2
    assert f"did not read session {found.session[:8]} of ann in the list of ann's sessions" in found.sentence


@pytest.mark.parametrize("past", [_left_out(later=False), _left_out(alive=True)])
def test_entry_that_is_gone_or_whose_session_escaped_is_no_old_answer(past: Past) -> None:
    """Never named again, the list lost it; a session that lived on escaped that call, which has a name."""
    assert "stale-read" not in _names(past)


def test_answer_from_before_the_entry_was_acked_is_not_old() -> None:
    """Who asks while a log-in is under way may be told of it, or not."""
    past = Past()
    first = past.log_in("ann", 1.0)
    second = past.log_in("ann", 1.1, took=1.5)
    past.logout_everywhere(first, 2.0)
    past.lose(second, 5.0)
    past.logout_everywhere(past.log_in("ann", 5.5), 6.0)
    assert "stale-read" not in _names(past)


@pytest.mark.parametrize(("read", "names"), [(2.997, ["stale-read"]), (2.998, [])])
def test_entry_whose_time_may_have_run_out_is_not_missed(read: float, names: list[str]) -> None:
    """Entered at 1.1 s for two seconds, less what the clocks may differ: a list may lack it from then on."""
    past = Past(idle_s=2.0)
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    _unlist(past, second, 1.9)
    past.logout_everywhere(first, read, took=0.1)
    _list(past, second, 4.0)
    past.logout_everywhere(past.log_in("ann", 5.0), 6.0)
    assert [one for one in _names(past) if one == "stale-read"] == names
