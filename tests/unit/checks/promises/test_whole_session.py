"""A session as one object: what one order of all that was done explains, and what none does."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.facts.timelines import Timelines
from harness.checks.promises import whole_session
from harness.checks.promises.whole_session import Whole
from harness.model.records import Step
from lab.past import Past
from tests.share import examples
from tests.unit.checks.test_properties import tell

Forge = Callable[[Step], None]


def _explained(past: Past) -> bool | None:
    timelines = Timelines(past.history())
    (timeline,) = timelines.sessions.values()
    return Whole(timelines, timeline).explained()[0]


def _stuck(past: Past) -> list[int]:
    """The operations at which the search got stuck."""
    timelines = Timelines(past.history())
    (timeline,) = timelines.sessions.values()
    explained, stuck = Whole(timelines, timeline).explained()
    assert explained is False
    return sorted({one.source.operation.id for one in stuck if one.source.operation is not None})


def _ann(**about: Any) -> tuple[Past, str]:
    """No audit: only what the operations themselves were answered."""
    past = Past(**{"witnesses": False, "audited": False, **about})
    return past, past.log_in("ann", 1.0)


def _says(**about: Any) -> Forge:
    def forge(step: Step) -> None:
        for name, value in about.items():
            setattr(step, name, value)

    return forge


def _saw(**fields: str | None) -> Forge:
    def forge(step: Step) -> None:
        both = {**(step.saw or {}), **fields}
        step.saw = {name: value for name, value in both.items() if value is not None}

    return forge


# ---------------------------------------------------------------- one after the other


@pytest.mark.parametrize(
    ("fields", "explained"),
    [
        ({}, True),
        ({"theme": "1:theme"}, False),
        ({"theme": "9:theme"}, False),
        ({"theme": None}, False),
        ({"more": "x"}, False),
        ({"sid": "x"}, False),
        ({"generation": "2"}, False),
        ({"cart:1": "1"}, False),
        ({"cart:1": None}, False),
        ({"cart:1": "2"}, True),
    ],
)
def test_look_shows_all_that_was_done_before_and_nothing_else(
    fields: dict[str, str | None], explained: bool
) -> None:
    """A field that was written, one that was counted, who the session is for."""
    past, ann = _ann()
    past.change(ann, 2.0)
    past.add(ann, 2.5, 2)
    past.read(ann, 3.0, forge=_saw(**fields))
    assert _explained(past) is explained


@pytest.mark.parametrize(
    ("first", "second", "explained"),
    [(2, 3, True), (3, 1, False), (2, 1, False), (3, 3, False), (2, 2, False)],
)
def test_replies_of_additions_tell_their_order(first: int, second: int, explained: bool) -> None:
    """Two, then one, one after the other."""
    past, ann = _ann()
    past.add(ann, 2.0, 2, forge=_says(added_now={"cart:1": first}))
    past.add(ann, 3.0, 1, forge=_says(added_now={"cart:1": second}))
    assert _explained(past) is explained


@pytest.mark.parametrize(
    ("first", "second", "explained"),
    [(2, 3, True), (3, 1, True), (2, 1, False), (3, 3, False)],
)
def test_replies_of_additions_under_way_at_once_may_come_in_either_order(
    first: int, second: int, explained: bool
) -> None:
    """One of them came first."""
    past, ann = _ann()
    for amount, total in ((2, first), (1, second)):
        past.add(ann, 2.0, amount, took=1.0, forge=_says(added_now={"cart:1": total}))
    assert _explained(past) is explained


def test_addition_whose_reply_says_nothing_may_have_made_any_total() -> None:
    """And what it made is seen."""
    past, ann = _ann()
    past.add(ann, 2.0, 2, forge=_says(added_now={}))
    assert _explained(past) is True
    past.read(ann, 3.0, forge=_saw(**{"cart:1": "2"}))
    assert _explained(past) is True
    past.read(ann, 4.0, forge=_saw(**{"cart:1": "3"}))
    assert _explained(past) is False


def test_addition_to_what_is_no_number_cannot_have_happened() -> None:
    """The field was written before."""
    past, ann = _ann()
    past.change(ann, 2.0, "cart:2")
    past.add(ann, 3.0, 2, forge=_says(added={"cart:2": 2}, added_now={}))
    assert _explained(past) is False


def test_removal_takes_its_field_out_and_no_other() -> None:
    """The count begins anew after it."""
    past, ann = _ann()
    past.add(ann, 2.0, 2)
    past.add(ann, 2.1, 5, item="cart:2")
    past.remove(ann, 3.0)
    past.read(ann, 4.0)
    past.add(ann, 5.0, 1)
    assert _explained(past) is True
    past.read(ann, 6.0, forge=_saw(**{"cart:1": "3"}))
    assert _explained(past) is False


@pytest.mark.parametrize("second", [True, False, None])
def test_session_is_deleted_once(second: bool | None) -> None:
    """A second logout that found it, too, contradicts the first; one that found nothing, or does not say, fits."""
    past, ann = _ann()
    past.logout(ann, 2.0)
    past.logout(ann, 3.0, forge=_says(effective=second))
    assert _explained(past) is (second is not True)


def test_logout_whose_reply_nobody_read_fits() -> None:
    """Seen where the run's end cut a behaviour off between the reply and reading it. It deleted the session, or
    found none; what sees the session after it contradicts it all the same."""
    past, ann = _ann()
    past.read(ann, 2.0)
    past.logout(ann, 3.0, forge=_says(effective=None))
    assert _explained(past) is True
    past.logout(ann, 4.0, forge=_says(effective=None))
    assert _explained(past) is True
    past.read(ann, 5.0, forge=_saw(theme="1:theme"))
    assert _explained(past) is False


def test_two_logouts_at_once_delete_it_once_as_well() -> None:
    """Whichever came first; with two sessions made there would be two to delete."""
    past, ann = _ann()
    for _ in range(2):
        past.logout(ann, 2.0, took=1.0, forge=_says(effective=True))
    assert _explained(past) is False


@pytest.mark.parametrize("what", ["touch", "change", "add", "remove"])
def test_what_found_the_session_was_before_its_end(what: str) -> None:
    """After the logout nothing does; under way at once with it, it may have come first."""
    for sent, explained in ((2.5, True), (3.1, False)):
        past, ann = _ann()
        past.add(ann, 1.5, 1)
        past.logout(ann, 2.0, took=1.0, executed=2.9)
        forge = _says(effective=True, added_now={})
        if what == "touch":
            past.touch(ann, sent, took=0.9)
        else:
            getattr(past, what)(ann, sent, took=0.9, forge=forge)
        history = past.history()
        operation = history.operations[-1]
        operation.steps[-1].effective = True
        timelines = Timelines(history)
        (timeline,) = timelines.sessions.values()
        timeline.sights = [one for one in timeline.sights if one.operation is not operation]
        assert Whole(timelines, timeline).explained()[0] is explained


def test_touch_that_found_nothing_says_nothing_here() -> None:
    """Why it did not is another check's."""
    past, ann = _ann()
    past.touch(ann, 2.0)
    past.logout(ann, 3.0)
    past.touch(ann, 4.0)
    assert _explained(past) is True


# ---------------------------------------------------------------- what nobody was told of


@pytest.mark.parametrize(
    ("seen", "explained"),
    [
        (("1:theme",), True),
        (("2:theme",), True),
        (("1:theme", "2:theme"), True),
        (("2:theme", "1:theme"), False),
    ],
)
def test_write_without_an_answer_may_have_happened_once_at_any_time(
    seen: tuple[str, ...], explained: bool
) -> None:
    """Or never; what it wrote does not go away by itself."""
    past, ann = _ann()
    past.change(ann, 2.0, outcome="unknown", executed=False)
    for n, value in enumerate(seen):
        past.read(ann, 3.0 + n, forge=_saw(theme=value))
    assert _explained(past) is explained


@pytest.mark.parametrize(("closed", "explained"), [(3.001, True), (3.0, True), (2.999, False), (None, True)])
def test_attempt_that_is_closed_happens_no_more(closed: float | None, explained: bool) -> None:
    """A look sent at 3.0 showed the old value; the next one shows the new: it happened no earlier than 3.0."""
    past, ann = _ann()
    past.change(ann, 2.0, outcome="unknown", executed=False, closed=closed)
    past.read(ann, 3.0, forge=_saw(theme="1:theme"))
    past.read(ann, 4.0, forge=_saw(theme="2:theme"))
    assert _explained(past) is explained


def test_write_cannot_have_happened_before_it_was_sent() -> None:
    """A look that was over by then cannot have seen it; one under way may."""
    for done, explained in ((2.0, True), (1.9, False)):
        past, ann = _ann()
        past.change(ann, 2.0, outcome="unknown", executed=False)
        past.read(ann, 1.5, attempts=[(1.5, 1.6, done)], forge=_saw(theme="2:theme"))
        assert _explained(past) is explained


def test_every_attempt_without_an_answer_may_have_happened() -> None:
    """Sent three times, answered once: up to three additions."""
    for total, explained in (("2", True), ("4", True), ("6", True), ("8", False), ("1", False)):
        past, ann = _ann()
        attempts = [(2.0, None, None), (2.2, None, None), (2.4, 2.41, 2.5)]
        past.add(ann, 2.0, 2, attempts=attempts, forge=_says(added_now={}))
        past.read(ann, 3.0, forge=_saw(**{"cart:1": total}))
        assert _explained(past) is explained, total


def test_logout_without_an_answer_explains_an_end() -> None:
    """And only one: the session does not come back."""
    past, ann = _ann()
    past.logout(ann, 2.0, outcome="unknown", executed=False)
    past.logout(ann, 3.0, forge=_says(effective=None))
    past.read(ann, 2.5)
    assert _explained(past) is True


def test_log_in_that_was_sent_again_makes_the_session_anew() -> None:
    """After the logout: with what it was at the log-in."""
    past = Past(witnesses=False, audited=False)
    ann = past.log_in("ann", 1.0, attempts=[(1.0, None, None), (1.2, 1.3, 1.4)])
    past.change(ann, 1.5)
    past.logout(ann, 2.0)
    past.read(ann, 3.0, forge=_saw(sid=ann, user_id="ann", generation="1", theme="1:theme", created="1:created", ip="1:ip", agent="1:agent"))  # fmt: skip
    assert _explained(past) is True
    past.read(ann, 4.0, forge=_saw(sid=ann, user_id="ann", generation="1", theme="2:theme", created="1:created", ip="1:ip", agent="1:agent"))  # fmt: skip
    assert _explained(past) is False


# ---------------------------------------------------------------- time-outs


@pytest.mark.parametrize(("sent", "explained"), [(4.0, False), (4.949, False), (4.95, True), (9.0, True)])
def test_session_may_run_out_from_its_time_out_on(sent: float, explained: bool) -> None:
    """For 4 s from 1.0, less 50 ms: then a look may find nothing, and a naive addition begin at nought."""
    past, ann = _ann(idle_s=4.0)
    past.add(ann, 2.0, 2)
    past.read(ann, sent, took=0.0, forge=_says(saw={}))
    assert _explained(past) is explained
    past, ann = _ann(idle_s=4.0, guarded=False)
    past.add(ann, 2.0, 2)
    past.add(ann, sent, 1, took=0.0, forge=_says(effective=True, added_now={"cart:1": 1}))
    assert _explained(past) is explained


def test_clocks_that_are_not_known_leave_every_time_out_possible() -> None:
    """From the log-in on."""
    past, ann = _ann(idle_s=4.0, guarded=False, clocks=False)
    past.add(ann, 2.0, 2)
    past.add(ann, 2.5, 1, forge=_says(effective=True, added_now={"cart:1": 1}))
    assert _explained(past) is True


# ---------------------------------------------------------------- witnesses


def _witnessed() -> tuple[Past, str]:
    """Two writes under way at once, 2 and 3; their witnesses say that 2 came first."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.change(ann, 2.0, attempts=[(2.0, 2.1, 4.0)])
    past.change(ann, 2.0, attempts=[(2.0, 2.2, 4.0)])
    return past, ann


@pytest.mark.parametrize(("value", "explained"), [("2:theme", False), ("3:theme", True)])
def test_witnesses_tell_which_write_came_first(value: str, explained: bool) -> None:
    """A look after both shows the second; without their list it might be either."""
    past, ann = _witnessed()
    past.read(ann, 5.0, forge=_saw(theme=value))
    past.logout(ann, 6.0)
    assert _explained(past) is explained
    past.audited = False
    assert _explained(past) is True


def test_list_of_witnesses_that_the_log_in_did_not_begin_tells_nothing() -> None:
    """A part of it is gone: what came before is not known."""
    past, ann = _witnessed()
    past.read(ann, 5.0, forge=_saw(theme="2:theme"))
    past.logout(ann, 6.0)

    def forget() -> None:
        for data in past._all():
            data.witnesses[ann].remove("1")

    past.act(5.5, forget)
    assert _explained(past) is True


# ---------------------------------------------------------------- who answered, and how hard it is


def test_what_a_deposed_primary_acked_is_no_part_of_the_one_history() -> None:
    """Nor is what a replica showed."""
    past, ann = _ann()
    past.change(ann, 2.0)
    past.read(ann, 3.0, node="redis-3", forge=_saw(theme="1:theme"))
    assert _explained(past) is True
    past, ann = _ann()
    past.fail_over("redis-2", 2.0)
    past.change(ann, 3.0, node="redis-1")
    past.read(ann, 4.0, forge=_saw(theme="nobody"))
    assert _explained(past) is True


def test_search_that_needs_too_much_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many configurations as allowed are not too many."""
    past, ann = _ann()
    past.read(ann, 2.0, forge=_saw(theme="nobody"))
    monkeypatch.setattr(whole_session, "MOST_CONFIGURATIONS", 2)
    assert _explained(past) is False
    monkeypatch.setattr(whole_session, "MOST_CONFIGURATIONS", 1)
    assert _explained(past) is None


def test_looks_that_hold_are_not_put_into_every_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight at once, and a touch: they change nothing, so they take place as soon as they can."""
    past, ann = _ann()
    for _ in range(8):
        past.read(ann, 2.0, took=1.0)
    past.touch(ann, 2.0, took=1.0)
    monkeypatch.setattr(whole_session, "MOST_CONFIGURATIONS", 1)
    assert _explained(past) is True


def test_search_tells_where_it_got_stuck() -> None:
    """At what fits nowhere once everything before it was done."""
    past, ann = _ann()
    past.change(ann, 2.0)
    past.read(ann, 3.0)
    past.read(ann, 4.0, forge=_saw(theme="1:theme"))
    past.read(ann, 5.0)
    assert _stuck(past) == [4]


@examples(40, 6)
@given(st.integers(min_value=0, max_value=2**32))
def test_what_happened_is_explained(seed: int) -> None:
    """Overlaps, retries, unknown outcomes, short time-outs, naive writes, failovers: no false alarm."""
    dice = random.Random(seed)
    idle_s, guarded = dice.choice((0.8, 3.0, 300.0)), dice.random() < 0.5
    timelines = Timelines(tell(seed, idle_s=idle_s, guarded=guarded, witnesses=dice.random() < 0.5).history())
    for timeline in timelines.sessions.values():
        if timeline.creations:
            assert Whole(timelines, timeline).explained()[0] is not False
