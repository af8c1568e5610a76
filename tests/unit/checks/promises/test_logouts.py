"""Logouts that did not hold: which look proves it, which write excuses it, and which logout it was."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.logouts import judge_destroys
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause, StepKind
from lab.past import Hash, Past
from lab.records import us


def _found(past: Past) -> list[Finding]:
    return judge_destroys(Timelines(past.history())).findings


def _names(past: Past) -> list[str]:
    return [one.name for one in _found(past)]


def _undone(read: float = 4.0, *, took: float = 0.5) -> Past:
    """Ann's logout of [2.0, 2.5] s is executed at 2.25 s and undone by whatever put her session back at once."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, took=took, lost=True)
    past.read(ann, read)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann))
    return past


@pytest.mark.parametrize(("read", "names"), [(2.5, []), (2.500001, ["resurrected-session"])])
def test_look_proves_it_when_it_was_sent_after_the_logout_was_acked(read: float, names: list[str]) -> None:
    """At the very moment of the ack it may have come first."""
    assert _names(_undone(read)) == names


def test_logout_that_was_undone_says_how_long_ago_and_by_whom_it_was_seen() -> None:
    """With every look that found the session alive."""
    past = _undone()
    past.read(past.doings[0].sid, 5.0)
    (found,) = _found(past)
    sid = past.doings[0].sid[:8]
    assert found.sentence == (
        f"web-1 (operation 3) found session {sid} of ann alive 1.50 s after its logout was acked."
    )
    assert (found.observations, found.operations, found.cause) == (2, (2, 3), Cause.NOT_DETERMINED)
    assert (found.t_us, found.seen_us) == (us(2.5), us(4.001))


def test_logout_that_found_nothing_is_a_promise_too() -> None:
    """Its user was told that it was done."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, node="redis-3", took=0.5)
    past.read(ann, 4.0)
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 (operation 3) found session {ann[:8]} of ann alive 1.50 s after a logout that was acked and"
        " found no session to delete."
    )
    assert found.because == "the logout found no session to delete: redis-3, a replica, answered"
    assert found.operations == (2, 3)


def test_logout_that_found_nothing_as_another_had_deleted_it_is_undone_as_that_one_is() -> None:
    """Two tabs at once, and then the old primary, which never heard of either, shows the session."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-1", 2.0)
    past.fail_over("redis-2", 3.0, follow=50.0)
    past.logout(ann, 4.0, attempts=[(4.0, 4.2, 4.7)])
    past.logout(ann, 4.0, attempts=[(4.0, 4.3, 4.6)])
    past.read(ann, 6.0, node="redis-1")
    (found,) = _found(past)
    assert "found no session to delete" in found.sentence
    assert found.cause is Cause.SPLIT_BRAIN
    assert found.because == "redis-1 answered after redis-2 had been promoted"


def test_first_promise_that_is_broken_is_told() -> None:
    """Of two logouts that were both undone the one that was through first."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, lost=True, took=0.6)
    past.logout(ann, 2.1, lost=True, took=0.2)
    past.read(ann, 4.0)
    (found,) = _found(past)
    assert found.operations == (3, 4)


# ---------------------------------------------------------------- logouts without an answer


def _unanswered(*reads: float, gone: float = 2.1, back: float = 5.0, told: bool = True, **how: Any) -> Past:
    """A logout at 2.0 s that nobody answered; the session is away from `gone` to `back`."""
    past = Past(**how)
    ann = past.log_in("ann", 1.0)
    if told:
        past.logout(ann, 2.0, outcome="unknown", executed=gone)
    kept: list[dict[str, str]] = []
    past.act(gone - 0.01, lambda: kept.append(dict(past.stores["redis-1"].sessions[ann].fields)))
    if not told:
        past.lose(ann, gone)
    past.act(back, lambda: past.stores["redis-1"].sessions.update({ann: Hash(kept[0], us(300.0))}))
    for read in reads:
        past.read(ann, read)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann))
    return past


def test_logout_that_was_seen_to_have_happened_must_hold() -> None:
    """Its user was told an error, and somebody found it logged out."""
    past = _unanswered(3.0, 6.0)
    (found,) = _found(past)
    sid = past.doings[0].sid[:8]
    assert found.sentence == (
        f"web-1 (operation 4) found session {sid} of ann alive 3.00 s after web-1 (operation 3) had found it"
        " logged out by operation 2 (its user saw 'error')."
    )
    assert found.operations == (2, 4)
    assert found.seen_us == us(6.001)


def test_logout_that_nobody_saw_happen_promises_nothing() -> None:
    """Alive afterwards, it may just never have been executed."""
    assert _names(_unanswered(6.0)) == []
    assert _names(_unanswered(3.0, 6.0, told=False)) == []


def test_absence_before_the_logout_was_sent_is_not_its_doing() -> None:
    """Nor one before the log-in was acked."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 1.5, forge=_saw_nothing)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0)
    assert _names(past) == []
    early = Past()
    ann = early.log_in("ann", 1.0, took=1.5)
    early.logout(ann, 1.2, outcome="unknown", executed=False)
    early.read(ann, 1.3)
    early.read(ann, 3.0)
    assert _names(early) == []


def _saw_nothing(step: Step) -> None:
    step.saw = {}


def test_absence_on_a_replica_or_after_the_timeout_proves_no_logout() -> None:
    """Something else explains it."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0, node="redis-3")
    past.read(ann, 4.0)
    assert _names(past) == []
    assert _names(_unanswered(5.5, 6.5, gone=4.9, back=6.0, idle_s=4.0)) == []


def test_last_logout_that_was_sent_stands_for_all_that_may_have_done_it() -> None:
    """Which of them it was nobody knows; none that was sent later can have."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    kept: list[object] = []
    past.act(1.9, lambda: kept.append(past.stores["redis-1"].sessions[ann]))
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.logout(ann, 2.5, outcome="unknown", executed=2.6)
    past.read(ann, 3.0)
    past.logout(ann, 3.5, outcome="unknown", executed=False)
    past.act(4.0, lambda: past.stores["redis-1"].sessions.update({ann: kept[0]}))  # type: ignore[dict-item]
    past.read(ann, 6.0)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann))
    (found,) = _found(past)
    assert found.operations == (3, 6)


# ---------------------------------------------------------------- what the application made again


def _made_again(*, over: float, sent: float = 1.0, logout: float = 2.0) -> Past:
    """A log-in of which an attempt without an answer, closed at `over`, may have been executed late."""
    past = Past()
    ann = past.log_in("ann", sent, attempts=[(sent, over - 0.01, None), (sent + 0.1, sent + 0.2, sent + 0.3)])
    past.doings[0].closed = over
    past.logout(ann, logout)
    past.read(ann, 4.0)
    return past


def test_log_in_that_may_have_landed_after_the_logout_made_the_session() -> None:
    """Up to the moment at which it is proved over."""
    (found,) = _found(_made_again(over=3.0))
    assert (found.name, found.cause) == ("undone-by-own-write", Cause.CLIENT_RETRY)
    assert found.operations == (2, 1, 3)
    assert found.because == "an attempt of operation 1 got no reply and may have executed after the logout"
    assert found.observations == 2  # the read and the audit


@pytest.mark.parametrize(("over", "name"), [(2.0, "undone-by-own-write"), (1.999999, "resurrected-session")])
def test_log_in_that_was_over_before_the_logout_began_did_not_make_it(over: float, name: str) -> None:
    """One microsecond earlier, and something else brought the session back."""
    past = _made_again(over=over)
    sid = past.doings[0].sid
    kept: list[object] = []
    past.act(1.5, lambda: kept.append(past.stores["redis-1"].sessions[sid]))
    past.act(3.0, lambda: past.stores["redis-1"].sessions.update({sid: kept[0]}))  # type: ignore[dict-item]
    assert _names(past) == [name]


def test_log_in_that_overlaps_the_logout_may_stay() -> None:
    """It was acked after the logout had begun: it may just as well have come second."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 2.3, 2.4)])
    past.logout(ann, 2.0, attempts=[(2.0, 2.1, 2.5)])
    past.read(ann, 4.0)
    assert _names(past) == []


def _piece(*, write: float = 3.0, guarded: bool = False, witnesses: bool = True, **how: Any) -> Past:
    past = Past(guarded=guarded, witnesses=witnesses)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.change(ann, write, **how)
    past.read(ann, 4.0)
    return past


def test_unguarded_write_after_the_logout_makes_a_piece() -> None:
    """The application undid the logout of its own accord."""
    (found,) = _found(_piece())
    assert (found.name, found.cause) == ("undone-by-own-write", Cause.APPLICATION_RACE)
    assert found.because == "operation 3 wrote to the session during or after its deletion"
    assert found.operations == (2, 3, 4)
    sid = _piece().doings[0].sid[:8]
    assert (
        found.sentence == f"web-1 (operation 4) found session {sid} of ann after its logout: {found.because}."
    )


def test_unguarded_write_without_an_answer_was_the_clients_own_late_attempt() -> None:
    """Sent before the logout, it may have been executed after it."""
    past = _piece(write=1.5, outcome="unknown", executed=3.0)
    (found,) = _found(past)
    assert found.cause is Cause.CLIENT_RETRY
    assert found.because == "an attempt of operation 3 got no reply and may have executed after the logout"


def test_piece_of_a_session_that_nobody_logged_out_is_no_undone_logout() -> None:
    """Nor is one that was seen before the logout was through, or with guarded writes."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    assert _names(past) == []
    assert _names(_piece(guarded=True)) == []


# ---------------------------------------------------------------- logout everywhere


def _everywhere(
    read: float | None = 3.0, *, took: float = 0.5, second: float = 1.1, listed: bool = False
) -> Past:
    """Ann calls it in [2.0, 2.5] s; her other session of 1.1 s lives on, and is asked for at `read`."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", second)
    if not listed:
        past.act(1.5, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0, took=took, lost=listed)
    if read is not None:
        past.read(other, read)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(other, None))
    return past


@pytest.mark.parametrize(("read", "names"), [(2.5, []), (2.500001, ["escaped-logout"]), (None, [])])
def test_session_escaped_if_it_lives_after_the_call(read: float, names: list[str]) -> None:
    """A look at the moment of the ack may have come first."""
    assert _names(_everywhere(read)) == names


def test_escape_counts_the_looks_after_the_call_only() -> None:
    """The one that came at the moment of the ack is none."""
    past = _everywhere(2.5)
    past.read(past.doings[1].sid, 3.0)
    past.read(past.doings[1].sid, 3.5)
    (found,) = _found(past)
    assert (found.observations, found.operations) == (2, (3, 5))
    other = past.doings[1].sid[:8]
    assert found.sentence == (
        f"web-1 (operation 5) found session {other} of ann alive after a logout everywhere was acked:"
        " it was not in the user's list of sessions."
    )


@pytest.mark.parametrize(
    ("at", "key", "evicted"),
    [
        (1.9, "user:{ann}:sessions", True),
        (1.9, "user:{bob}:sessions", False),
        (0.9, "user:{ann}:sessions", False),
        (2.6, "user:{ann}:sessions", False),
    ],
)
def test_list_that_was_evicted_before_the_call_is_why_it_missed_a_session(
    at: float, key: str, evicted: bool
) -> None:
    """After the entry, and before the call read the list."""
    past = _everywhere(3.0)
    past.event("evicted", at, source="redis-1", node="redis-1", shard=1, key=key)
    (found,) = _found(past)
    assert (found.cause is Cause.EVICTED) is evicted
    assert ("; the list itself was evicted" in found.because) is evicted


def test_escape_that_was_listed_and_deleted_was_undone() -> None:
    """Its delete was acked, and the session is there."""
    past = _everywhere(listed=True)
    past.act(20.0, past.stores["redis-1"].sessions.clear)
    found = next(one for one in _found(past) if one.session == past.doings[1].sid)
    assert found.sentence.endswith("was acked: its DEL was undone.")
    assert found.because.startswith("its DEL was undone; redis-1 acked it as primary")


def _forge_delete(effective: bool | None, outcome: str = "acked") -> Past:
    """The delete of the other session is answered like this, or not at all."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout_everywhere(ann, 2.0, lost=True)
    past.read(other, 3.0)
    past.act(20.0, past.stores["redis-1"].sessions.clear)
    history = past.history()
    (delete,) = [
        step
        for step in history.operations[2].steps
        if step.does is StepKind.DESTROY and step.session == other
    ]
    delete.effective = effective
    if outcome != "acked":
        delete.outcome = type(delete.outcome)(outcome)
    past.history = lambda: history  # type: ignore[method-assign]
    return past


@pytest.mark.parametrize(
    ("effective", "outcome", "how"),
    [
        (True, "acked", "its DEL was undone"),
        (False, "acked", "its DEL found no session"),
        (None, "rejected", "its DEL was not executed"),
    ],
)
def test_escape_says_what_became_of_its_delete(effective: bool | None, outcome: str, how: str) -> None:
    """Undone, met nothing, or never done: three different things to mend; and its own step is the promise."""
    past = _forge_delete(effective, outcome)
    found = next(one for one in _found(past) if one.session == past.doings[1].sid)
    assert how in found.sentence
    assert found.operations == (3, 4)
    assert (found.t_us, found.node) == (us(2.001), "redis-1")


def test_session_that_was_logged_out_by_itself_before_did_not_escape() -> None:
    """It was rightly not listed; what is broken is that logout."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    kept: list[object] = []
    past.act(1.15, lambda: kept.append(past.stores["redis-1"].sessions[other]))
    past.logout(other, 1.2)
    past.act(1.9, lambda: past.stores["redis-1"].sessions.update({other: kept[0]}))  # type: ignore[dict-item]
    past.logout_everywhere(ann, 2.0)
    past.read(other, 3.0)
    (found,) = _found(past)
    assert (found.name, found.operations) == ("resurrected-session", (3, 5))


def test_second_call_can_be_the_one_that_missed_it() -> None:
    """The first came before the session was made."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout_everywhere(ann, 1.2)
    other = past.log_in("ann", 1.4)
    past.act(1.5, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0)
    past.read(other, 3.0)
    (found,) = [one for one in _found(past) if one.session == other]
    assert (found.name, found.operations) == ("escaped-logout", (4, 5))


def test_list_of_an_old_node_is_why_a_session_was_missed() -> None:
    """The call asked a node that had not heard of the session."""
    past = Past()
    past.cut_off("redis-3", 1.05)
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout_everywhere(ann, 2.0, node="redis-3")
    past.read(other, 3.0)
    found = next(one for one in _found(past) if one.session == other)
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert found.because == "it was not in the user's list of sessions; redis-3, a replica, answered"


# ---------------------------------------------------------------- what must be known of the session


def test_promise_that_was_seen_counts_from_the_look_that_saw_it() -> None:
    """Nobody was told before that the session was gone."""
    (found,) = _found(_unanswered(3.0, 6.0))
    assert (found.t_us, found.node) == (us(3.001), "redis-1")


def test_session_without_an_acked_log_in_promises_nothing_to_a_logout_without_an_answer() -> None:
    """It may not have been there at all; and what was gone while it was still being made says nothing."""
    past = Past()
    ann = past.log_in("ann", 1.0, outcome="unknown", executed=5.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0)
    past.read(ann, 6.0)
    assert _names(past) == []
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 2.5, 3.0)])
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 2.2)
    past.read(ann, 3.0, forge=_saw_nothing)  # sent at the moment of the ack
    past.read(ann, 6.0)
    assert _names(past) == []


def _called(**log_in: Any) -> Past:
    """A session that logout everywhere does not list, and that lives on."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    other = past.log_in("ann", 1.1, **log_in)
    past.act(1.9, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0, took=0.5)
    past.read(other, 3.0)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(other, None))
    return past


@pytest.mark.parametrize(
    ("log_in", "names"),
    [
        ({}, ["escaped-logout"]),
        ({"outcome": "unknown", "executed": 1.2}, []),
        ({"attempts": [(1.1, 1.2, 2.0)]}, []),
        ({"attempts": [(1.1, 1.2, 1.999999)]}, ["escaped-logout"]),
        ({"attempts": [(1.1, None, None), (1.2, 1.3, 1.4)]}, []),
        ({"attempts": [(1.1, None, None), (1.2, 1.3, 1.4)], "closed": 1.8}, ["escaped-logout"]),
        ({"attempts": [(1.1, None, None), (1.2, 1.3, 1.4)], "closed": 2.0}, []),
    ],
)
def test_call_must_end_what_was_certainly_there_before_it(
    log_in: dict[str, object], names: list[str]
) -> None:
    """Acked before the call was sent, with no attempt that may have come after it."""
    assert _names(_called(**log_in)) == names


def test_call_must_end_only_what_was_entered_into_the_list() -> None:
    """A log-in whose entry was not acked is not in the list that the call reads, and nobody promised that."""
    history = _called().history()
    for step in history.operations[1].steps:
        if step.does is StepKind.INDEX_ADD:
            step.outcome = type(step.outcome)("unknown")
    assert judge_destroys(Timelines(history)).findings == []


def _out_before(at: float, *, everywhere: bool = False, entry_only: bool = False) -> list[Finding]:
    """Its own logout is acked at this moment; then comes the call."""
    past = Past()
    ann, other = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.logout(other, 1.2, attempts=[(1.2, 1.3, at)], lost=True)
    past.act(1.9, lambda: past.stores["redis-1"].indexes["ann"].discard(other))
    past.logout_everywhere(ann, 2.0)
    past.read(other, 3.0)
    history = past.history()
    if entry_only:
        history.operations[2].steps = tuple(
            step for step in history.operations[2].steps if step.does is StepKind.INDEX_REMOVE
        )
    return [one for one in judge_destroys(Timelines(history)).findings if one.session == other]


def test_own_logout_before_the_call_is_the_promise_that_counts() -> None:
    """Up to the moment at which the call was sent; acked at that very moment, the call had to end it as well."""
    assert [one.name for one in _out_before(1.999999)] == ["resurrected-session"]
    assert [one.name for one in _out_before(2.0)] == ["escaped-logout"]


def test_session_that_was_taken_out_of_the_list_before_the_call_was_rightly_not_listed() -> None:
    """Though nobody deleted it."""
    assert _out_before(1.5, entry_only=True) == []
    assert [one.name for one in _out_before(2.0, entry_only=True)] == ["escaped-logout"]


def test_session_that_is_logged_out_twice_everywhere_was_missed_by_the_second_call_as_well() -> None:
    """A call's own delete is no logout before it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout_everywhere(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann))
    (found,) = _found(past)
    assert (found.name, found.operations) == ("escaped-logout", (2, 3))


def test_several_pieces_are_one_finding_with_its_first() -> None:
    """A write after the first piece did not make it; nor did one that was over before the logout."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.change(ann, 1.5)
    past.logout(ann, 2.0)
    past.change(ann, 3.0)
    past.read(ann, 4.0)
    past.change(ann, 5.0)
    past.read(ann, 6.0)
    (found,) = _found(past)
    assert found.operations == (3, 4, 5)
    assert found.observations == 3  # two reads and the audit


def test_piece_that_nobody_wrote_is_no_write_of_the_application() -> None:
    """It came back by itself, and another name covers it."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0)
    past.act(
        3.0, lambda: past.stores["redis-1"].sessions.update({ann: Hash({"theme": "1:theme"}, us(300.0))})
    )
    past.read(ann, 4.0)
    assert _names(past) == []


def test_session_that_lives_after_its_logout_is_told_once() -> None:
    """Whole or in pieces: a whole one counts first."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    past.lose(ann, 3.5)
    past.change(ann, 4.0)
    past.read(ann, 5.0)
    assert _names(past) == ["resurrected-session"]


def test_logout_holds_although_an_old_node_still_shows_the_session() -> None:
    """The node that acked it keeps its word; the one that was asked had not heard of it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.logout(ann, 2.0)
    past.read(ann, 3.0, node="redis-3")
    (found,) = _found(past)
    assert found.cause is Cause.NOT_YET_REPLICATED
    assert found.because == "redis-3, a replica, answered"


def test_logout_that_a_replica_acked_and_forgot_was_lost_there() -> None:
    """The same node was asked again: it cannot be out of date with itself."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.logout(ann, 2.0, node="redis-3", lost=True)
    past.read(ann, 3.0, node="redis-3")
    found = _found(past)[0]
    assert found.because.startswith("redis-3 acked it as replica")


@pytest.mark.parametrize(("acked", "names"), [(2.0, []), (1.999999, ["resurrected-session"])])
def test_log_in_that_was_acked_as_the_logout_was_sent_may_have_come_second(
    acked: float, names: list[str]
) -> None:
    """At the same moment they overlap; a microsecond before it was over, and something undid the logout."""
    past = Past()
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 1.5, acked)])
    past.logout(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann))
    assert _names(past) == names


def test_piece_that_was_seen_before_the_logout_undoes_nothing() -> None:
    """The logout deleted it; that its write is still open does not bring it back."""
    past = Past(guarded=False)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 1.2)
    past.change(ann, 1.3, outcome="unknown", executed=1.4)
    past.change(ann, 1.45, outcome="unknown", executed=False)
    past.read(ann, 1.5)
    past.logout(ann, 2.0)
    assert _names(past) == []
