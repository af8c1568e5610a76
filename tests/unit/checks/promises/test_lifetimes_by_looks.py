"""Which looks count for a deadline, which touch it is held against, and what the findings say."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from harness.checks.facts.timelines import Timelines
from harness.checks.promises.lifetimes import Deadlines, judge_deadlines, may_have_ended, shortened
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.times import FOREVER
from harness.model.words import Cause
from lab.past import Past
from lab.records import us


def _found(past: Past) -> list[Finding]:
    return judge_deadlines(Timelines(past.history())).findings


def _names(past: Past) -> list[str]:
    return [one.name for one in _found(past)]


def _pttl(ms: int | None) -> Callable[[Step], None]:
    return lambda step: setattr(step, "pttl_ms", ms)


def _past(idle: float = 4.0) -> tuple[Past, str]:
    """Ann logs in in [1.0, 1.001] s and is out at 3.5 s."""
    past = Past(idle_s=idle)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 3.5)
    return past, ann


# ---------------------------------------------------------------- too short


def test_time_left_is_held_against_the_last_touch_that_was_over_before_the_look() -> None:
    """One that is under way while somebody looks promises nothing to that look."""
    past, ann = _past()
    past.touch(ann, 2.0, attempts=[(2.0, 2.4, 2.5)])
    past.read(ann, 2.5, took=0.0, forge=_pttl(2500))
    assert _names(past) == []
    past, ann = _past()
    past.touch(ann, 2.0, attempts=[(2.0, 2.4, 2.5)])
    past.read(ann, 2.500001, took=0.0, forge=_pttl(2500))
    assert _names(past) == ["expired-early"]


def test_early_end_says_by_how_much_and_of_which_promise() -> None:
    """The log-in's, or that of a touch."""
    past, ann = _past()
    past.read(ann, 2.0, took=0.0, forge=_pttl(2000))
    (found,) = _found(past)
    assert found.sentence == (
        f"web-1 (operation 3) found session {ann[:8]} of ann with 0.950 s less to live than its last acked log-in"
        " had promised."
    )
    assert (found.operations, found.observations, found.cause) == ((1, 3), 1, Cause.NOT_DETERMINED)
    past.touch(ann, 1.5)
    past.read(ann, 2.1, took=0.0, forge=_pttl(2000))
    (found,) = _found(past)
    assert "with 1.450 s less to live than its last acked touch had promised." in found.sentence
    assert (found.operations, found.observations) == ((4, 3), 2)


@pytest.mark.parametrize("told", [None, -1, -2])
def test_look_that_was_told_no_time_is_not_too_short(told: int | None) -> None:
    """Nothing was told, there is no time-out, or there was no key."""
    past, ann = _past()
    past.read(ann, 2.0, forge=_pttl(told))
    assert "expired-early" not in _names(past)


@pytest.mark.parametrize("shown", [{"user_id": "bob"}, {"theme": "x"}])
def test_look_at_something_else_is_not_too_short(shown: dict[str, str]) -> None:
    """Somebody else's session, or a piece of one, has a time of its own."""
    past, ann = _past()
    own = {"sid": ann, "generation": "1"} if "user_id" in shown else {}

    def other(step: Step) -> None:
        step.saw, step.pttl_ms = {**own, **shown}, 100

    past.read(ann, 2.0, forge=other)
    assert _names(past) == []


def test_look_that_was_told_nought_is_too_short() -> None:
    """It was about to end."""
    past, ann = _past()
    past.read(ann, 2.0, forge=_pttl(0))
    assert _names(past) == ["expired-early"]


@pytest.mark.parametrize(("sent", "names"), [(2.4, ["expired-early"]), (2.4999, [])])
def test_look_that_overlaps_a_logout_is_not_too_short(sent: float, names: list[str]) -> None:
    """Answered at the moment at which a logout was sent, or later, it may have met the logout."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.5)
    past.read(ann, sent, took=0.0001, forge=_pttl(1000))
    assert _names(past) == names


def _refuted(at: float, told: int, *, node: str | None = None, **between: Any) -> list[Finding]:
    """Told 2 s at 2.0 s, though 3 s were left; told `told` ms at `at`."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-3", 1.5)
    past.read(ann, 2.0, took=0.0, forge=_pttl(2000))
    if between:
        past.touch(ann, 2.5, **between)
    past.read(ann, at, took=0.0, forge=_pttl(told), node=node)
    past.logout(ann, 3.9)
    return _found(past)


@pytest.mark.parametrize(
    ("at", "told", "name"),
    [
        (3.0, 2000, "stale-read"),
        (3.0, 1950, "stale-read"),
        (3.0, 1949, "expired-early"),
        (3.0, 0, "expired-early"),
        (2.0, 3000, "expired-early"),  # at the same moment: no later look
        (2.000001, 3000, "stale-read"),
    ],
)
def test_later_look_that_finds_the_time_again_shows_that_it_was_an_old_answer(
    at: float, told: int, name: str
) -> None:
    """With all of what was promised, less what nobody notices."""
    assert [one.name for one in _refuted(at, told)] == [name]


def test_later_touch_explains_the_time_that_is_there_again() -> None:
    """Then it proves nothing about the time before."""
    assert [one.name for one in _refuted(3.0, 3400, took=0.001)] == ["expired-early"]


def test_look_that_was_about_to_end_refutes_nothing() -> None:
    """Nor does one that was told no time at all."""
    assert [one.name for one in _refuted(3.0, -1)] == ["expired-early", "immortal-session"]
    past = Past(idle_s=1.0)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 1.5, took=0.0, forge=_pttl(100))
    past.read(ann, 1.98, took=0.0, forge=_pttl(0))
    past.logout(ann, 1.99)
    assert [one.name for one in _found(past)] == ["stale-read"]


def test_deposed_primary_neither_proves_nor_refutes_an_early_end() -> None:
    """What it shows is thrown away: its short time is an old answer, its long time is no proof."""
    past = Past(idle_s=8.0)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-1", 1.5)
    past.fail_over("redis-2", 2.0, follow=20.0)
    past.read(ann, 3.0, took=0.0, forge=_pttl(4000), node="redis-1")
    past.logout(ann, 5.0)
    (found,) = _found(past)
    assert (found.name, found.cause) == ("stale-read", Cause.SPLIT_BRAIN)
    past = Past(idle_s=8.0)
    ann = past.log_in("ann", 1.0)
    past.cut_off("redis-1", 1.5)
    past.fail_over("redis-2", 2.0, follow=20.0)
    past.read(ann, 3.0, took=0.0, forge=_pttl(4000))
    past.read(ann, 4.0, took=0.0, forge=_pttl(5000), node="redis-1")
    past.logout(ann, 5.0)
    assert [one.name for one in _found(past)] == ["expired-early"]


# ---------------------------------------------------------------- too long


def test_late_end_says_how_late() -> None:
    """Seen alive, or told more than anybody had asked for."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, 6.0)
    past.read(ann, 7.0)
    (found,) = _found(past)
    assert found.sentence == (
        f"Session {ann[:8]} of ann still worked 0.949 s or more after its idle timeout."
    )
    assert (found.operations, found.observations) == ((1, 2), 2)
    past, ann = _past()
    past.read(ann, 2.0, took=0.0, forge=_pttl(4000))
    (found,) = _found(past)
    assert (
        found.sentence == f"Session {ann[:8]} of ann was given 0.949 s more than any request had asked for."
    )


def test_look_while_the_session_is_touched_may_see_the_longer_time() -> None:
    """Another touch was begun while the look was under way: the time is held against its end."""
    for touched, names in ((2.4, []), (2.5, []), (2.500001, ["outlived-timeout"]), (1.9, [])):
        past, ann = _past()
        past.read(ann, 2.0, took=0.5, forge=_pttl(4500))
        past.touch(ann, touched, attempts=[(touched, touched + 0.1, 2.9)])
        assert _names(past) == names, touched


def test_own_touch_of_a_look_does_not_explain_it() -> None:
    """A look travels before the touch of the same request."""
    past, ann = _past()
    past.touch(ann, 2.0, took=0.1, forge=_pttl(4500))
    assert _names(past) == ["outlived-timeout"]


@pytest.mark.parametrize(("read", "names"), [(2.5, ["outlived-timeout"]), (2.500001, [])])
def test_session_that_is_logged_out_has_no_deadline(read: float, names: list[str]) -> None:
    """A look that was sent after the logout was acked is judged as that."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.logout(ann, 2.0, took=0.5, lost=True)
    past.read(ann, read, took=0.0, forge=_pttl(9000))
    past.lose(ann, 3.0)
    assert _names(past) == names


# ---------------------------------------------------------------- no time-out


@pytest.mark.parametrize(("read", "names"), [(1.5, []), (1.500001, ["immortal-session"])])
def test_session_without_a_timeout_never_ends(read: float, names: list[str]) -> None:
    """Seen after its log-in was answered: before, the timeout may not have been set yet."""
    past = Past()
    ann = past.log_in("ann", 1.0, took=0.5)
    past.read(ann, read, took=0.0, forge=_pttl(-1))
    past.read(ann, read, took=0.0, forge=_pttl(-1))
    found = _found(past)
    assert [one.name for one in found] == names
    if found:
        assert found[0].sentence == (
            f"Session {ann[:8]} of ann has no timeout and never expires, as web-1 (operation 2) shows."
        )
        assert (found[0].observations, found[0].operations) == (2, (1, 2))


def test_session_without_a_timeout_is_not_late_as_well() -> None:
    """Seen after its deadline it is one finding, by the name that says why."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", FOREVER))
    past.read(ann, 7.0)
    assert _names(past) == ["immortal-session"]


def test_immortal_needs_no_clock() -> None:
    """It has no time that a clock could measure; what has one is left open where the clocks moved apart."""
    past, ann = _past()
    past.drift_ms = 200.0
    past.read(ann, 2.0, forge=_pttl(-1))
    past.read(ann, 2.2, forge=_pttl(9000))
    past.read(ann, 2.4, forge=_pttl(1))
    counted = judge_deadlines(Timelines(past.history()))
    assert [one.name for one in counted.findings] == ["immortal-session"]
    assert counted.undecidable == {"outlived-timeout": 1, "expired-early": 1}


# ---------------------------------------------------------------- bounds


def _deadlines(past: Past, sid: str) -> tuple[Deadlines, Timelines]:
    timelines = Timelines(past.history())
    return Deadlines(timelines, timelines.sessions[sid]), timelines


def test_last_touch_is_the_one_that_was_begun_last() -> None:
    """Of those that were over: an overlapping one may be answered later and yet be older."""
    past, ann = _past()
    past.touch(ann, 2.0, attempts=[(2.0, 2.3, 2.6)])
    past.touch(ann, 2.1, attempts=[(2.1, 2.2, 2.5)])
    deadlines, _ = _deadlines(past, ann)
    at = [deadlines.last_touch(us(moment)) for moment in (1.001, 1.002, 2.5, 2.500001, 2.7)]
    assert [None if one is None else one.operation.id for one in at] == [None, 1, 1, 4, 4]


def test_unanswered_touch_promises_nothing() -> None:
    """It may keep the session, and nobody was told so."""
    past, ann = _past()
    past.touch(ann, 2.0, outcome="unknown", executed=False)
    deadlines, timelines = _deadlines(past, ann)
    sights = timelines.sessions[ann].sights
    assert deadlines.latest_us(sights[0]) == sights[0].done_us + us(4.05)


def test_session_that_is_only_being_made_has_no_latest_end() -> None:
    """A look that was sent before anything was begun."""
    past, ann = _past()
    past.read(ann, 1.0, took=0.0005, forge=lambda step: setattr(step, "saw", {"theme": "x"}))
    deadlines, timelines = _deadlines(past, ann)
    first = timelines.sessions[ann].sights[0]
    assert deadlines.latest_us(first) == FOREVER
    assert deadlines.latest_anew_us(timelines, first) == FOREVER


@pytest.mark.parametrize(("done", "ended"), [(4.949, False), (4.95, True), (5.5, True)])
def test_absence_may_be_the_timeout_from_the_earliest_deadline_on(done: float, ended: bool) -> None:
    """1.0 s and four, less what nobody notices, by when the look was answered."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.read(ann, done, took=0.0)
    deadlines, timelines = _deadlines(past, ann)
    sight = next(one for one in timelines.sessions[ann].sights if one.step)
    assert may_have_ended(deadlines, sight) is ended
    assert shortened(timelines.sessions[ann], deadlines) == []


@pytest.mark.parametrize(
    ("since", "absent", "explains"),
    [
        (3.0, 5.2, True),  # the log-in's deadline of 5.0 s lies between
        (5.05, 5.2, True),
        (5.052, 5.2, False),  # it was seen after that
        (3.0, 4.94, False),  # it was gone before that
        (3.0, 4.95, True),
    ],
)
def test_deadline_of_an_earlier_touch_between_the_last_sight_and_an_absence(
    since: float, absent: float, explains: bool
) -> None:
    """A key that ran out by it has lost every touch since."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.read(ann, absent, took=0.0)
    deadlines, timelines = _deadlines(past, ann)
    sight = next(one for one in timelines.sessions[ann].sights if one.step)
    assert deadlines.earlier_explains(us(since), sight) is explains


def test_session_whose_log_in_never_ended_may_get_its_timeout_still() -> None:
    """Its first step was acked; what sets the timeout may be on its way."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, forge=_pttl(-1))
    history = past.history()
    assert [one.name for one in judge_deadlines(Timelines(history)).findings] == ["immortal-session"]
    history.operations[0].done_us = None
    assert judge_deadlines(Timelines(history)).findings == []


def test_of_two_touches_that_were_begun_together_the_one_that_was_answered_last_counts() -> None:
    """Either may have been the last; one of them must be named."""
    past, ann = _past()
    past.touch(ann, 2.0, attempts=[(2.0, 2.05, 2.2)])
    past.touch(ann, 2.0, attempts=[(2.0, 2.05, 2.1)])
    deadlines, _ = _deadlines(past, ann)
    last = deadlines.last_touch(us(2.3))
    assert last is not None
    assert last.operation.id == 3


def test_session_without_an_acked_log_in_may_have_no_timeout() -> None:
    """It is there, and never ends, whoever made it."""
    past = Past()
    ann = past.log_in("ann", 1.0, outcome="unknown", executed=1.1)
    past.read(ann, 2.0, forge=_pttl(-1))
    assert _names(past) == ["immortal-session"]


def test_touches_count_in_the_order_in_which_they_were_begun() -> None:
    """Not in that of their numbers."""
    past, ann = _past()
    past.touch(ann, 3.0)
    past.touch(ann, 2.0)
    past.read(ann, 2.5, took=0.0, forge=_pttl(3500))
    assert _names(past) == []
    past.read(ann, 2.6, took=0.0, forge=_pttl(3460))
    assert _names(past) == ["outlived-timeout"]


# ---------------------------------------------------------------- an absolute timeout


def _aged() -> tuple[Past, str]:
    """Ann logs in at 1.0 s; her session is over at 5.0 s, or after 2 s without a touch. The last touch gives 0.4 s."""
    past = Past(idle_s=2.0, age_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.5)
    past.touch(ann, 4.6)
    return past, ann


def test_each_touch_promises_what_it_gave() -> None:
    """That the last one gives little makes no earlier one give less, and none gives what another did."""
    past, ann = _aged()
    past.touch(ann, 4.0)
    assert _names(past) == []
    past.read(ann, 3.0, took=0.0, forge=_pttl(1400))
    assert _names(past) == ["stale-read"]  # the touches see all of it again
    past, ann = _aged()
    past.touch(ann, 4.0)
    past.read(ann, 4.8, took=0.0, forge=_pttl(900))
    assert _names(past) == ["outlived-timeout"]


def test_session_that_slid_past_its_age_is_found_once_it_is_seen() -> None:
    """By a request or by the audit; not before, and not after its logout."""
    for at, names in ((5.02, []), (5.06, ["outlived-age"])):
        past, ann = _aged()
        past.touch(ann, 4.0, whole=True)
        past.touch(ann, 4.7, whole=True)
        past.read(ann, at)
        past.logout(ann, at + 0.01)
        assert _names(past) == names
    (found,) = _found(past)
    assert found.because == "operation 5 gave it 2 s when 0.300 s of its age were left"


def test_touch_that_arrived_late_gives_that_much_more() -> None:
    """It asked for what was left; nobody asked for more."""
    past = Past(idle_s=2.0, age_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.9, attempts=[(2.9, None, None), (3.8, 3.9, 4.0)])
    past.read(ann, 5.8)
    assert _names(past) == []


@pytest.mark.parametrize(("ttl_ms", "names"), [(2000, []), (2001, []), (2002, ["outlived-age"])])
def test_what_is_left_may_be_rounded_up_to_a_millisecond(ttl_ms: int, names: list[str]) -> None:
    """Of a request that asked for 2000.5 ms, and arrived late: the session is over by 5.0005 s."""
    past = Past(idle_s=9.0, age_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 3.0, attempts=[(3.0, None, None), (3.8, 3.9, 4.0)])
    past.edit(ann, 3.95, lambda found: setattr(found, "ends_us", us(3.9) + ttl_ms * 1000))
    past.read(ann, 5.5)
    history = past.history()
    history.operations[1].steps[1].ttl_ms = ttl_ms
    assert [one.name for one in judge_deadlines(Timelines(history)).findings] == names
