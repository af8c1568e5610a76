"""Sessions that are not there: what explains it, what refutes it, and which name it gets."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.presence import judge_existence
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.words import Cause, FindingSide
from lab.past import Hash, Past
from lab.records import us


def _judged(past: Past) -> tuple[list[Finding], dict[str, int]]:
    counted = judge_existence(Timelines(past.history()))
    return counted.findings, counted.undecidable


def _names(past: Past) -> list[str]:
    return [one.name for one in _judged(past)[0]]


def _saw_nothing(step: Step) -> None:
    step.saw, step.pttl_ms = {}, -2


def _saw_bobs(step: Step) -> None:
    step.saw = {"sid": "f" * 32, "user_id": "bob", "generation": "9"}


def _no_time_to_live(step: Step) -> None:
    step.pttl_ms = None


def _without_a_timeout(step: Step) -> None:
    step.ttl_ms = None


# ---------------------------------------------------------------- what explains an absence


@pytest.mark.parametrize(("left", "names"), [(False, ["lost-session"]), (True, [])])
def test_logout_explains_nothing_before_its_first_attempt_that_left(left: bool, names: list[str]) -> None:
    """It found no connection at first: the session was lost meanwhile. Had that attempt left, nobody would
    know which of the two it was."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.logout(ann, 2.5, outcome="unknown", attempts=[(2.5, None, None), (4.0, None, None)])
    past.read(ann, 3.0)
    history = past.history()
    (logout,) = [one for one in history.operations if one.behaviour == "logout"]
    logout.attempts[0].handed_over = left
    assert [one.name for one in judge_existence(Timelines(history)).findings] == names


@pytest.mark.parametrize("timeout", [True, False])
@pytest.mark.parametrize(("read", "names"), [(1.5, []), (1.500001, ["lost-session"])])
def test_session_must_be_there_from_the_ack_on(read: float, names: list[str], timeout: bool) -> None:
    """A look at that very moment may have come before, whether the session has a timeout or not."""
    past = Past()
    ann = past.log_in("ann", 1.0, took=0.5, forge=None if timeout else _without_a_timeout)
    past.lose(ann, 1.4)
    past.read(ann, read)
    past.act(20.0, lambda: past.stores["redis-1"].sessions.pop(ann, None))
    history = past.history()
    for entry in history.audit:  # nobody but the reader looks
        entry.saw = None
    assert [one.name for one in judge_existence(Timelines(history)).findings] == names


@pytest.mark.parametrize(
    ("how", "names"),
    [
        ({"attempts": [(3.0, 3.1, 3.5)]}, []),
        ({"attempts": [(3.000501, 3.1, 3.5)], "lost": True}, ["stale-read"]),
        ({"attempts": [(3.0005, 3.1, 3.5)], "lost": True}, []),
    ],
)
def test_logout_explains_what_was_missed_once_it_was_sent(how: dict[str, object], names: list[str]) -> None:
    """The look of [3.0, 3.0005] s found nothing: a logout that was sent later has not done it."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 3.0, took=0.0005, forge=_saw_nothing)
    past.logout(ann, 3.0, **how)
    past.lose(ann, 4.0)
    assert _names(past) == names


def _open_logout(*, over: float, alive: float | None = None, missed: float = 5.0) -> Past:
    """A logout at 2.0 s without an answer, proved over at `over`; the session is seen alive, and then missed."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False, closed=over)
    if alive is not None:
        past.read(ann, alive)
    past.lose(ann, 4.5)
    past.read(ann, missed)
    return past


@pytest.mark.parametrize(
    ("alive", "names"), [(None, []), (2.9, []), (3.0, []), (3.000001, ["lost-session"]), (5.1, [])]
)
def test_logout_without_an_answer_explains_nothing_once_it_was_seen_not_to_have_happened(
    alive: float | None, names: list[str]
) -> None:
    """Over at 3.0 s, and the session was there when somebody asked after that: it will not happen any more."""
    past = _open_logout(over=3.0, alive=alive)
    assert _names(past) == names


def test_session_that_is_back_later_may_have_been_logged_out_in_between() -> None:
    """A logout without an answer explains the absence; that the session came back is judged as an undone logout."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False, closed=3.0)
    past.read(ann, 4.0, forge=_saw_nothing)
    past.read(ann, 5.0)
    assert _names(past) == []


def test_logout_without_an_answer_does_not_explain_what_an_old_node_lacked() -> None:
    """redis-3 never had the session; on the primary it was there again afterwards."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0, node="redis-3")
    past.read(ann, 4.0)
    found, _ = _judged(past)
    assert [(one.name, one.operations, one.cause) for one in found] == [
        ("stale-read", (1, 3), Cause.NOT_YET_REPLICATED)
    ]
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=2.1)
    past.read(ann, 3.0, node="redis-3")
    assert _names(past) == []  # never seen again: the logout may well have happened
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, lost=True)
    past.read(ann, 3.0, node="redis-3")
    past.read(ann, 4.0)
    assert _names(past) == []  # the logout was acked: that it is there is the breach


def test_deadline_explains_what_an_old_node_lacked() -> None:
    """It may have run out there."""
    past = Past(idle_s=2.0)
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 3.5, node="redis-3")
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, 4.0)
    assert _names(past) == []


@pytest.mark.parametrize(("gone", "names"), [(4.95, []), (4.9489, ["lost-session"])])
def test_timeout_explains_an_absence_from_its_deadline_on(gone: float, names: list[str]) -> None:
    """The log-in of 1.0 s promises 4 s, less what nobody notices; the reader was answered at that moment."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 4.0)
    past.read(ann, gone)
    assert _names(past) == names


def test_session_whose_timeout_nobody_set_does_not_time_out() -> None:
    """Without any TTL there is no deadline that could explain it."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0, forge=lambda step: setattr(step, "ttl_ms", None))
    past.lose(ann, 10.0)
    past.read(ann, 11.0)
    assert _names(past) == ["lost-session"]


# ---------------------------------------------------------------- names


def test_lost_session_says_when_it_was_made_and_who_missed_it() -> None:
    """The first look that found nothing counts; a touch that reads and touches is one look."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.touch(ann, 5.0)
    past.read(ann, 3.0)
    (found,), _ = _judged(past)
    assert found.sentence == (
        f"Session {ann[:8]} of ann, logged in 2.0 s before, is gone without a logout or a timeout:"
        " web-1 (operation 3) found nothing."
    )
    assert found.observations == 3  # the read, the touch, the audit
    assert (found.operations, found.seen_us) == ((1, 3), us(3.001))


def test_session_that_is_seen_again_was_out_of_sight() -> None:
    """Whoever answered did not have it; the last look that found it decides."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-3")
    past.read(ann, 2.5, node="redis-3")
    past.read(ann, 3.0)
    (found,), _ = _judged(past)
    assert (found.name, found.observations, found.operations) == ("stale-read", 2, (1, 2))
    assert found.sentence == (
        f"web-1 (operation 2) did not find session {ann[:8]} of ann, though it was logged in before and"
        " existed again later."
    )


def test_look_that_ends_as_the_session_is_seen_again_came_last() -> None:
    """Answered at the very moment at which the next look was sent: then it was gone at the end."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, took=0.5)
    past.read(ann, 2.3, took=0.2, forge=_saw_nothing)
    past.read(ann, 2.5, took=0.1)
    past.lose(ann, 2.55)
    past.silent = {"redis-1"}
    assert _names(past) == ["lost-session"]
    past.forged[3] = lambda step: None
    past.forged[2] = _saw_nothing
    assert _names(past) == ["lost-session"]


def test_logout_that_met_an_old_answer_is_no_old_answer_of_its_own() -> None:
    """It is judged as a logout that found nothing; a look beside it is one."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, node="redis-3")
    past.read(ann, 3.0)
    assert _names(past) == []
    past.read(ann, 2.5, node="redis-3")
    (found,), _ = _judged(past)
    assert (found.name, found.observations, found.operations) == ("stale-read", 1, (1, 4))


def test_session_that_only_a_deposed_primary_lacks_is_not_lost() -> None:
    """What it shows is thrown away at its demotion."""
    past = Past()
    past.cut_off("redis-1", 0.5)
    past.fail_over("redis-2", 0.8, follow=20.0)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-1")
    (found,), _ = _judged(past)
    assert (found.name, found.cause) == ("stale-read", Cause.SPLIT_BRAIN)


# ---------------------------------------------------------------- gone too early


def _touched(*, gone: float, told: int | None = None, idle: float = 4.0, touch: float = 3.0) -> Past:
    """The touch of 3.0 s is lost: the session of 1.0 s runs out at 5.0 s. Somebody is told a time to live."""
    past = Past(idle_s=idle)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, touch, lost=True)
    past.read(ann, 4.0, forge=None if told is None else lambda step: setattr(step, "pttl_ms", told))
    past.lose(ann, 4.5)
    past.read(ann, gone)
    return past


@pytest.mark.parametrize(
    ("gone", "told", "name"),
    [
        (5.5, None, "expired-early"),
        # Nobody was told a shorter time: that an earlier touch's deadline has passed says it.
        (5.5, 2999, "expired-early"),
        (4.8, 2999, "lost-session"),
        # Somebody was told that it would end: it was gone when it should have been by that.
        (4.8, 750, "expired-early"),
        (4.6, 500, "expired-early"),
        (4.6, 900, "lost-session"),
    ],
)
def test_touch_that_was_lost_lets_a_session_end_early(gone: float, told: int | None, name: str) -> None:
    """By what a look was told, or by the deadline of an earlier touch; before either it is just lost."""
    past = _touched(gone=gone, told=told)
    (found,), _ = _judged(past)
    assert found.name == name


def test_look_that_got_somebody_elses_session_is_no_sign_of_life() -> None:
    """Seen after the earlier touch's deadline it does not say that the session outlived it."""
    past = _touched(gone=5.5, told=2999)
    past.read(past.doings[0].sid, 5.3, forge=_saw_bobs)
    assert _names(past) == ["expired-early"]


def test_session_that_ended_early_says_by_how_much() -> None:
    """Its last acked touch is the promise."""
    (found,), _ = _judged(_touched(gone=5.5))
    sid = found.session or ""
    assert found.sentence == (
        f"Session {sid[:8]} of ann was gone 1.45 s or more before the deadline of its last acked touch."
    )
    assert (found.operations, found.observations, found.cause) == ((2, 4), 1, Cause.NOT_DETERMINED)


def test_clocks_that_moved_apart_decide_no_early_end() -> None:
    """It may have been lost, or have ended early, or rightly: both counts stay open."""
    past = _touched(gone=5.5)
    past.drift_ms = 60.0
    assert _judged(past) == ([], {"lost-session": 1, "expired-early": 1})
    past = _touched(gone=4.6)
    past.drift_ms = 60.0
    assert _names(past) == ["lost-session"]


def test_flushed_session_did_not_end_early() -> None:
    """What emptied the database is the cause by its own name."""
    past = _touched(gone=5.5)
    past.fault(4.5, "redis-1: FLUSHDB", kind="flush", target="sessions", scope="database")
    (found,), _ = _judged(past)
    assert (found.name, found.cause) == ("lost-session", Cause.FLUSHED)


def test_session_that_nobody_could_read_may_be_lost() -> None:
    """Unless a logout or its timeout may explain it by the end."""
    past = Past()
    past.log_in("ann", 1.0)
    past.silent = {"redis-1"}
    assert _judged(past) == ([], {"lost-session": 1, "expired-early": 0})
    past.idle_s = 20.0
    assert _judged(past)[1]["lost-session"] == 0
    past.idle_s = 300.0
    past.logout(past.doings[0].sid, 2.0)
    assert _judged(past)[1]["lost-session"] == 0


# ---------------------------------------------------------------- evictions


def _evicted(at: float, *, error: float = 0.0, seen: float = 5.0, key: str = "session") -> Past:
    past = Past(eviction_events=True)
    ann = past.log_in("ann", 2.0)
    past.lose(ann, 4.0, witnesses=True)
    past.event("evicted", at, error=error, source="redis-1", node="redis-1", shard=1, key=f"{key}:{{{ann}}}")
    past.read(ann, seen)
    return past


@pytest.mark.parametrize(
    ("at", "error", "name"),
    [
        (1.999999, 0.0, "lost-session"),
        (2.0, 0.0, "evicted-session"),
        (4.0, 0.0, "evicted-session"),
        (5.001, 0.0, "evicted-session"),
        (5.001001, 0.0, "lost-session"),
        (5.101, 0.1, "evicted-session"),
        (5.101001, 0.1, "lost-session"),
    ],
)
def test_eviction_of_its_key_between_log_in_and_look(at: float, error: float, name: str) -> None:
    """What was evicted before was another session's; what was evicted after cannot be why it was missed."""
    (found,), _ = _judged(_evicted(at, error=error))
    assert found.name == name
    if name == "evicted-session":
        assert found.because == "redis-1 reported the eviction of its key"
        assert found.cause is Cause.EVICTED
        sid = (found.session or "")[:8]
        assert found.sentence == (
            f"Session {sid} of ann, logged in 3.0 s before, was evicted: web-1 (operation 2) found nothing."
        )


def test_eviction_of_another_key_evicts_no_session() -> None:
    """Its list of traces is another key."""
    assert _names(_evicted(4.0, key="witness")) == ["lost-session"]


def _counted(*evicted: tuple[float, int], events: bool = False) -> Past:
    """redis-1 counts its evictions; ann and bob are both away at 4.0 s."""
    past = Past(eviction_events=events)
    past.evicted = [(at, "redis-1", count) for at, count in evicted]
    ann, bob = past.log_in("ann", 1.0), past.log_in("bob", 1.0)
    past.lose(ann, 4.0)
    past.lose(bob, 4.0)
    past.read(ann, 5.0)
    past.read(bob, 5.0)
    return past


def test_no_more_sessions_are_called_evicted_than_the_node_evicted() -> None:
    """One of the two at most; with two evictions both; with none none."""
    assert sorted(_names(_counted((4.0, 1)))) == ["evicted-session", "lost-session"]
    assert _names(_counted((4.0, 2))) == ["evicted-session"] * 2
    assert _names(_counted((0.5, 2))) == ["lost-session"] * 2
    (found, _), _ = _judged(_counted((4.0, 2)))
    assert found.because == (
        "its node evicted 2 keys at its memory limit in that time, with no change of roles"
    )


def test_evictions_that_were_heard_by_key_are_not_guessed() -> None:
    """Where each was reported, one that was not reported was none."""
    assert _names(_counted((4.0, 2), events=True)) == ["lost-session"] * 2


def test_evictions_count_since_the_session_was_last_seen() -> None:
    """What was evicted before that look cannot have been this one."""
    past = _counted((2.0, 2))
    assert _names(past) == ["evicted-session"] * 2
    ann, bob = (one.sid for one in past.doings[:2])
    past.read(ann, 3.0)
    past.read(bob, 3.0)
    assert _names(past) == ["lost-session"] * 2


# ---------------------------------------------------------------- pieces


def _pieces(*, guarded: bool = False, ends: float = 300.0, **how: Any) -> Past:
    past = Past(guarded=guarded)
    ann = past.log_in("ann", 1.0)
    piece = {"theme": "2:theme", "ip": "1:ip"}
    past.act(2.0, lambda: past.stores["redis-1"].sessions.update({ann: Hash(piece, ends * 1e6)}))
    past.read(ann, 4.0, **how)
    return past


def _piece(past: Past) -> Finding:
    return next(one for one in _judged(past)[0] if one.name == "partial-session")


def test_piece_says_what_is_left_and_for_how_long() -> None:
    """Fields in their order; nobody is known to have made it."""
    found = _piece(_pieces())
    sid = (found.session or "")[:8]
    assert found.sentence == (
        f"web-1 (operation 2) found a piece of session {sid} of ann: ip, theme without its user,"
        " with 296.0 s to live."
    )
    assert (found.cause, found.operations, found.observations) == (Cause.NOT_DETERMINED, (1, 2), 2)
    assert "with no time-out." in _piece(_pieces(ends=float("inf"))).sentence


def test_piece_that_was_taken_for_a_session_let_somebody_in() -> None:
    """The application told its user that all is well."""
    assert _piece(_pieces()).side is FindingSide.OPEN
    past = _pieces()
    history = past.history()
    history.operations[1].told = "signed out"
    (found,) = [one for one in judge_existence(Timelines(history)).findings if one.name == "partial-session"]
    assert found.side is FindingSide.CLOSED


def test_first_piece_that_was_taken_for_a_session_is_told() -> None:
    """An earlier look that was turned away is not the one that matters."""
    past = _pieces()
    past.read(past.doings[0].sid, 5.0)
    history = past.history()
    history.operations[1].told = "signed out"
    (found,) = [one for one in judge_existence(Timelines(history)).findings if one.name == "partial-session"]
    assert (found.operations, found.observations) == ((1, 3), 3)


def test_unguarded_write_made_the_piece() -> None:
    """The last that was begun before the look was over; with guarded writes none of them."""
    past = _pieces()
    ann = past.doings[0].sid
    past.change(ann, 3.0)
    past.change(ann, 3.5, lost=True)
    past.change(ann, 4.001, lost=True)
    past.change(ann, 4.001001, lost=True)
    found = _piece(past)
    assert found.because == "operation 5 wrote a field without asking whether the session existed"
    assert (found.cause, found.operations) == (Cause.APPLICATION_RACE, (1, 5, 2))
    past.guarded = True
    assert _piece(past).cause is Cause.NOT_DETERMINED


# ---------------------------------------------------------------- outages


def _out(
    *missed: float, back: float = 7.0, outcome: str = "rejected", touch: float = 2.0, idle: float = 4.0
) -> Past:
    """Ann touches at 2.0 s, is not let through at these seconds, and is out at `back`."""
    past = Past(idle_s=idle)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, touch)
    for at in missed:
        past.touch(ann, at, outcome=outcome, executed=False)
    past.read(ann, back)
    return past


def test_user_who_was_there_and_not_let_through_was_logged_out_by_the_outage() -> None:
    """Each touch that would have kept the session counts."""
    (found,), _ = _judged(_out(3.5, 5.0))
    assert (found.name, found.cause, found.observations) == ("logged-out-by-outage", Cause.EXPIRED, 2)
    assert found.because == "2 requests did not succeed (rejected) before the session expired"
    assert found.operations == (2, 4, 5)
    sid = (found.session or "")[:8]
    assert (
        found.sentence == f"The user of session {sid} of ann was logged out by the outage: {found.because}."
    )


@pytest.mark.parametrize(
    ("at", "counts"),
    [
        (2.0, False),  # with the touch that was acked
        (2.000001, False),  # it would have ended before the user came back
        (3.0, False),
        (3.000001, True),
        (6.001, True),
        (6.001001, False),  # the session had ended by then
    ],
)
def test_missed_touch_counts_if_it_would_have_kept_the_session(at: float, counts: bool) -> None:
    """Begun after the last acked touch and before its end, and good for as long as the user was away."""
    assert (_names(_out(at)) == ["logged-out-by-outage"]) is counts


def test_both_ways_of_not_getting_through_are_said() -> None:
    """Refused, and not known."""
    past = _out(3.5)
    past.touch(past.doings[0].sid, 3.6, outcome="unknown", executed=False, closed=3.7)
    found = next(one for one in _judged(past)[0] if one.name == "logged-out-by-outage")
    assert found.because == "2 requests did not succeed (rejected, unknown) before the session expired"


@pytest.mark.parametrize(
    "nobody_out",
    [
        lambda: _out(3.5, back=5.5),  # still there
        _out,  # nobody was turned away
        lambda: _out(3.5, idle=300.0),
    ],
)
def test_user_who_is_still_in_was_not_logged_out(nobody_out: object) -> None:
    """Nothing ended."""
    assert _names(nobody_out()) == []  # type: ignore[operator]


def test_user_who_logged_out_was_not_put_out() -> None:
    """A logout of any outcome may be why it is gone."""
    past = _out(3.5)
    past.logout(past.doings[0].sid, 5.0, outcome="unknown", executed=False)
    assert _names(past) == []


def test_look_from_before_the_session_was_there_ends_nothing() -> None:
    """It was sent before the log-in was answered: no touch had promised anything yet."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 2.4, 2.5)])
    past.read(ann, 2.0, took=0.1)
    past.touch(ann, 2.2, outcome="rejected", executed=False)
    past.lose(ann, 2.6)
    past.silent = {"redis-1"}
    assert _names(past) == []


@pytest.mark.parametrize(("again", "names"), [(3.5, []), (3.500001, ["stale-read"])])
def test_old_node_answers_as_the_session_is_seen_again(again: float, names: list[str]) -> None:
    """A logout without an answer may explain it, unless the session was there once that answer was read."""
    past = Past()
    past.cut_off("redis-3", 0.5)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.read(ann, 3.0, took=0.5, node="redis-3")
    past.read(ann, again)
    past.silent = {"redis-1"}
    assert [one for one in _names(past) if one == "stale-read"] == names


@pytest.mark.parametrize(("back", "name"), [(5.95, "logged-out-by-outage"), (5.949999, "expired-early")])
def test_session_was_timed_out_from_its_earliest_deadline_on(back: float, name: str) -> None:
    """The touch of 2.0 s promises four seconds, less what nobody notices; before that it ended early."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    past.touch(ann, 3.5, outcome="rejected", executed=False)
    past.lose(ann, 5.9)
    past.read(ann, back, took=0.0)
    assert _names(past) == [name]


def test_last_look_that_found_the_session_is_what_evictions_count_from() -> None:
    """Of several; a key that was evicted between two of them was another one."""
    past = Past()
    past.evicted = [(2.5, "redis-1", 1)]
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    past.read(ann, 3.0)
    past.lose(ann, 4.0)
    past.read(ann, 5.0)
    assert _names(past) == ["lost-session"]
    past.evicted = [(3.5, "redis-1", 1)]
    assert _names(past) == ["evicted-session"]


@pytest.mark.parametrize(("again", "name"), [(2.5, "lost-session"), (2.500001, "stale-read")])
def test_absence_that_was_answered_as_the_next_look_was_sent_may_be_the_last(again: float, name: str) -> None:
    """Sent at that very moment, the other look may have come first: then it was gone at the end."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, took=0.5, forge=_saw_nothing)
    past.read(ann, again, took=0.1)
    past.lose(ann, 2.7)
    past.silent = {"redis-1"}
    assert _names(past) == [name]


def test_last_touch_that_was_missed_stands_for_all() -> None:
    """With the one that was promised and the look that found nothing."""
    (found,) = _judged(_out(3.5, 4.0, 5.0))[0]
    assert (found.operations, found.observations) == ((2, 5, 6), 3)


def test_logout_that_was_undone_explains_what_is_missed_later() -> None:
    """The session may be gone by it after all: that it was there is the breach, and told as that."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, lost=True)
    past.read(ann, 3.0)
    past.lose(ann, 4.0)
    past.read(ann, 5.0)
    assert _names(past) == []
