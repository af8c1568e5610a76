"""Cart quantities: what a look may show, on each side of each moment, and what is said of one that may not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.facts.step_effects import Sight, State, StepEffect
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.counters import Counter, Look, judge_counters
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.times import FOREVER
from harness.model.words import Cause, OperationKind, Outcome, Phase, StepKind
from lab.past import Past
from lab.records import us
from tests.share import examples

# ---------------------------------------------------------------- what a look may show


def _effect(first: float, done: float = FOREVER, *, sent: float | None = None, extra: int = 0, until: float = 0.0) -> StepEffect:  # fmt: skip
    """Certain where it has an end; `until`: the last moment of what nobody was told of."""
    certain = done < FOREVER
    operation = Operation(
        id=1,
        actor="a",
        web_server="web-1",
        behaviour="cart",
        kind=OperationKind.WRITE,
        user="ann",
        session="s",
        key="k",
        shard=1,
        generation=1,
        due_us=0,
        outcome=Outcome.ACKED,
        phase=Phase.BASELINE,
    )
    return StepEffect(
        operation=operation,
        step=Step(n=1, does=StepKind.INCREMENT, command="HINCRBY", key="k"),
        certain=certain,
        first_us=first,
        sent_us=first if sent is None else sent,
        done_us=done,
        until_us=max(done, until) if certain else until,
        extra=extra,
    )


def _look(sent: float, done: float, *, own: int = 0, value: int = 0) -> Look:
    sight = Sight(state=State.PRESENT, sent_us=sent, done_us=done, saw={}, pttl_ms=None)
    return Look(value=value, sent_us=sent, done_us=done, own=own, sight=sight)


def _bounds(
    increments: Sequence[tuple[StepEffect, int]], removals: Sequence[StepEffect], look: Look
) -> tuple[int, int]:
    return Counter("cart:1", list(increments), list(removals)).bounds(look)


@pytest.mark.parametrize(
    ("increments", "bounds"),
    [
        ([], (0, 0)),
        ([(_effect(1, 2), 3)], (3, 3)),
        ([(_effect(1, 5), 3)], (0, 3)),
        ([(_effect(1, 4.9), 3)], (3, 3)),
        ([(_effect(6, 7), 3)], (0, 3)),
        ([(_effect(6.1, 7), 3)], (0, 0)),
        ([(_effect(1, until=9, extra=1), 3)], (0, 3)),
        ([(_effect(1, until=9, extra=2), 3)], (0, 6)),
        ([(_effect(1, 2, extra=1, until=9), 3)], (3, 6)),
        ([(_effect(1, 2), -3)], (-3, -3)),
        ([(_effect(1, 5), -3)], (-3, 0)),
        ([(_effect(6, 7), -3)], (-3, 0)),
        ([(_effect(6.1, 7), -3)], (0, 0)),
        ([(_effect(1, until=9, extra=2), -3)], (-6, 0)),
        ([(_effect(1, 2, extra=1, until=9), -3)], (-6, -3)),
        ([(_effect(1, 2), 3), (_effect(1.5, 2.5), -1), (_effect(2, 5.5), 7)], (2, 9)),
        ([(_effect(3, 4), 10), (_effect(1, 2), 1), (_effect(2, 9), -1)], (10, 11)),
        ([(_effect(6.1, 7), 10), (_effect(1, 2), 1)], (1, 1)),
    ],
)
def test_look_shows_what_was_surely_added_and_at_most_what_may_have_been(
    increments: list[tuple[StepEffect, int]], bounds: tuple[int, int]
) -> None:
    """Sent at 5, answered at 6: what was done before 5 is in it, what began by 6 may be."""
    assert _bounds(increments, [], _look(5, 6)) == bounds


@pytest.mark.parametrize(("own", "bounds"), [(3, (5, 5)), (-3, (-1, 2))])
def test_reply_of_an_increment_shows_itself(own: int, bounds: tuple[int, int]) -> None:
    """It was under way as long as the look was, and yet is in it."""
    assert _bounds([(_effect(1, 2), 2), (_effect(5, 6), own)], [], _look(5, 6, own=own)) == bounds


ONCE = _effect(3, 4)
"""A removal that was acked."""
PERHAPS = _effect(3, until=9, extra=1)
"""One without an answer."""


@pytest.mark.parametrize(
    ("increments", "removals", "bounds"),
    [
        ([(_effect(1, 2), 2)], [ONCE], (0, 0)),
        ([(_effect(1, 2.9), 2)], [ONCE], (0, 0)),
        ([(_effect(1, 3), 2)], [ONCE], (0, 2)),
        ([(_effect(1, 3.5), 2)], [ONCE], (0, 2)),
        ([(_effect(4, 4.5), 2)], [ONCE], (0, 2)),
        ([(_effect(4.1, 4.5), 2)], [ONCE], (2, 2)),
        ([(_effect(4.1, 5), 2)], [ONCE], (0, 2)),
        ([(_effect(4.1, 4.9), -2)], [ONCE], (-2, -2)),
        ([(_effect(4.1, 5), -2)], [ONCE], (-2, 0)),
        ([(_effect(6, 7), 2)], [ONCE], (0, 2)),
        ([(_effect(6.1, 7), 2)], [ONCE], (0, 0)),
        ([(_effect(4.1, 4.5, extra=1, until=9), 2)], [ONCE], (2, 4)),
        ([(_effect(4.1, 4.5, extra=1, until=9), -2)], [ONCE], (-4, -2)),
        ([(_effect(1, 2, extra=1, until=9), 2)], [ONCE], (0, 4)),
        ([(_effect(1, until=9, extra=2), 2)], [ONCE], (0, 4)),
        ([(_effect(1, until=9, extra=2), -2)], [ONCE], (-4, 0)),
        ([(_effect(1, 2), 2)], [PERHAPS], (0, 2)),
        ([(_effect(4.1, 4.5), 2)], [PERHAPS], (0, 2)),
        ([(_effect(1, 2), -2)], [PERHAPS], (-2, 0)),
        ([(_effect(1, 2), 2)], [replace(ONCE, certain=False, extra=1)], (0, 2)),
        ([(_effect(1, 2), 2), (_effect(4.5, 4.6), 1)], [_effect(3, until=4, extra=1)], (1, 3)),
        ([(_effect(1, 2), 2)], [_effect(5.5, 7)], (0, 2)),
        ([(_effect(1, 2), 2)], [_effect(6, 7)], (0, 2)),
        ([(_effect(1, 2), 2)], [_effect(6.1, 7)], (2, 2)),
        ([(_effect(1, 2), 2)], [_effect(4, 5)], (0, 2)),
        ([(_effect(1, 2), 2)], [_effect(4, 4.9)], (0, 0)),
        ([(_effect(2.5, 2.6), 1)], [_effect(2, 4.5), ONCE], (0, 0)),
        ([(_effect(2.5, 2.6), 1)], [ONCE, _effect(2, 4.5)], (0, 0)),
        ([(_effect(2.5, 2.6), 1)], [_effect(2, 2.1), PERHAPS], (0, 1)),
        ([(_effect(2.5, 2.6), 1)], [_effect(1, 2, extra=1, until=2.2), _effect(9, 10)], (1, 1)),
        ([(_effect(1, 2), 2)], [_effect(1, 4, sent=2.1, extra=1, until=1.5)], (0, 0)),
        ([(_effect(4.2, 4.4), 2)], [_effect(1, 2, extra=1, until=4.1)], (2, 2)),
        ([(_effect(4.05, 4.4), 2)], [_effect(1, 2, extra=1, until=4.1)], (0, 2)),
    ],
)
def test_removal_starts_the_count_again(
    increments: list[tuple[StepEffect, int]], removals: list[StepEffect], bounds: tuple[int, int]
) -> None:
    """What was over before it was sent is gone; what began after its last moment counts; between, either."""
    assert _bounds(increments, removals, _look(5, 6)) == bounds


@pytest.mark.parametrize(
    ("own", "removal", "bounds"),
    [
        (3, _effect(3, 4), (3, 3)),
        (3, _effect(3, 5), (0, 3)),
        (3, _effect(3, 4.9), (3, 3)),
        (-3, _effect(3, 4), (-3, 0)),
    ],
)
def test_reply_after_a_removal_shows_itself(own: int, removal: StepEffect, bounds: tuple[int, int]) -> None:
    """Unless the removal may have come after it."""
    assert _bounds([(_effect(5, 6), own)], [removal], _look(5, 6, own=own)) == bounds


@examples(300, 40)
@given(st.randoms(use_true_random=False))
def test_whatever_took_place_lies_within_the_bounds(dice: Any) -> None:
    """Additions, subtractions and removals at moments within their ends, or never: the look's total fits."""
    increments: list[tuple[StepEffect, int]] = []
    removals: list[StepEffect] = []
    happened: list[tuple[float, int | None]] = []
    for _ in range(dice.randint(0, 6)):
        first = float(dice.randint(0, 8))
        sent, length = first + dice.randint(0, 2), dice.randint(0, 3)
        certain, extra = dice.random() < 0.7, dice.randint(0, 2)
        until = first + dice.randint(0, 6)
        one = _effect(first, sent + length if certain else FOREVER, sent=sent, extra=max(extra, not certain), until=until)  # fmt: skip
        amount = None if dice.random() < 0.3 else dice.choice((1, 2, 5, -1, -3))
        if certain:
            happened.append((dice.uniform(sent, sent + length), amount))
        happened += [(dice.uniform(first, until), amount) for _ in range(one.extra) if dice.random() < 0.5]
        if amount is None:
            removals.append(one)
        else:
            increments.append((one, amount))
    begin = float(dice.randint(0, 9))
    moment = dice.uniform(begin, begin + dice.randint(0, 3))
    total = 0
    for at, amount in sorted(happened, key=lambda item: item[0]):
        if at < moment:
            total = 0 if amount is None else total + amount
    low, high = _bounds(increments, removals, _look(begin, max(moment, begin + 1)))
    assert low <= total <= high


def test_most_that_was_ever_asked_for_leaves_all_removals_out() -> None:
    """And subtractions: what a look could show if every one of them had been lost."""
    increments = [
        (_effect(1, 2), 2),
        (_effect(3, 4, extra=1, until=9), 5),
        (_effect(4, 5), -1),
        (_effect(6, 7), 9),
    ]
    counter = Counter("cart:1", increments, [ONCE])
    assert [counter.most_ever(_look(0, done)) for done in (0.9, 1, 3, 5.9, 6)] == [0, 2, 12, 12, 21]


@pytest.mark.parametrize(
    ("from_us", "to_us", "reset"),
    [(1, 2.9, False), (1, 3, True), (3.5, 3.6, True), (4, 9, True), (4.1, 9, False)],
)
def test_total_was_perhaps_reset_between_two_moments(from_us: float, to_us: float, reset: bool) -> None:
    """Where a removal was under way in between, its ends included."""
    assert Counter("cart:1", [], [ONCE]).reset_between(from_us, to_us) is reset


def test_last_additions_and_last_removals_before_a_moment() -> None:
    """By their ends, acked ones alone; a subtraction takes out as a removal does."""
    up, later_up = _effect(1, 2), _effect(0, 3)
    down, gone = _effect(1, 2.5), _effect(1, 2.7)
    increments = [(later_up, 1), (up, 2), (down, -1), (_effect(1, until=2, extra=1), 4), (_effect(2, 2.9), 0)]
    counter = Counter("cart:1", increments, [gone, _effect(2, until=2.9, extra=1)])
    assert [counter.last_up(at) for at in (2, 2.1, 3, 3.1)] == [None, up, up, later_up]
    assert [counter.last_down(at) for at in (2.5, 2.6, 2.7, 9)] == [None, down, down, gone]


# ---------------------------------------------------------------- what is said of a look


def _findings(past: Past | History) -> list[Finding]:
    return judge_counters(Timelines(past if isinstance(past, History) else past.history())).findings


def _one(past: Past | History) -> Finding:
    (found,) = _findings(past)
    return found


def _shown(total: int) -> Callable[[Step], None]:
    def forge(step: Step) -> None:
        assert step.saw is not None
        step.saw = {**step.saw, "cart:1": str(total)}

    return forge


def _cart(**about: Any) -> tuple[Past, str]:
    """Ann's log-in is operation 1; 2 and 3 put two and one into her cart; she is logged out at 9."""
    past = Past(**{"witnesses": False, **about})
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.add(ann, 3.0, 1)
    past.logout(ann, 9.0)
    return past, ann


def test_cart_that_shows_what_was_put_into_it_has_no_finding() -> None:
    """Looked at between, after, and by the audit."""
    past, ann = _cart()
    del past.doings[3]
    past.read(ann, 2.5)
    past.read(ann, 4.0)
    assert _findings(past) == []


def test_missing_addition_names_the_last_that_was_acked_before_the_look() -> None:
    """At least so much it must be; each look that shows less is an observation."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(2), web="web-2")
    past.read(ann, 5.0, forge=_shown(0))
    found = _one(past)
    assert (found.name, found.operations, found.observations) == ("lost-update", (3, 5), 2)
    assert found.sentence == (
        f"web-2 (operation 5) saw 2 in cart:1 of session {ann[:8]} of ann: acked additions make it at least 3."
    )
    assert (found.t_us, found.seen_us) == (us(3.001), us(4.001))


def test_field_that_is_missing_is_a_total_of_none() -> None:
    """An empty cart has no field."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=lambda step: (step.saw or {}).pop("cart:1"))
    assert "saw 0 in cart:1" in _one(past).sentence


@pytest.mark.parametrize("text", ["", "two", "--3", "1.5", "+3", "03"])
def test_text_that_is_no_total_is_not_judged_here(text: str) -> None:
    """A value that nobody wrote has a name of its own."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=lambda step: (step.saw or {}).update({"cart:1": text}))
    assert _findings(past) == []


def test_addition_that_is_seen_again_was_an_old_answer() -> None:
    """Whole in a later look: nothing was lost. The look in between began after the first one's end."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(2))
    past.read(ann, 5.0)
    assert _one(past).name == "stale-read"


def test_look_that_began_before_the_old_answer_was_there_proves_nothing() -> None:
    """It may have seen the cart whole before that was lost."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(2))
    past.read(ann, 4.001, took=0.5)
    assert _one(past).name == "lost-update"


def test_removal_meanwhile_leaves_open_whether_it_was_seen_again() -> None:
    """Between the sending of the one look and the end of the other."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(1))
    past.remove(ann, 4.5)
    past.read(ann, 5.0)
    assert _one(past).name == "lost-update"


def _deposed() -> tuple[Past, str]:
    """Redis-2 has not got the second addition and is promoted at 4.0; redis-1 answers on until 12.0."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.cut_off("redis-2", 2.5)
    past.add(ann, 3.0, 1)
    past.fault(3.5)
    past.fail_over("redis-2", 4.0, follow=8.0)
    return past, ann


def test_deposed_primary_that_still_shows_it_does_not_make_it_whole() -> None:
    """What it shows is thrown away at its demotion."""
    past, ann = _deposed()
    past.read(ann, 5.0, web="web-2")
    past.read(ann, 6.0, node="redis-1")
    past.logout(ann, 9.0)
    found = _one(past)
    assert (found.name, found.cause, found.operations) == (
        "lost-update",
        Cause.NOT_YET_REPLICATED,
        (3, 4),
    )


def test_deposed_primary_that_shows_too_little_proves_no_loss() -> None:
    """The addition on the new one is missing there, and was never lost."""
    past, ann = _deposed()
    past.add(ann, 5.0, 1, node="redis-2", web="web-2")
    past.read(ann, 6.0, node="redis-1", forge=_shown(0))
    past.logout(ann, 9.0, web="web-2", lost=True)
    names = {one.name for one in _findings(past) if one.operations[-1] == 5}
    assert names <= {"stale-read"}


def test_sentence_is_about_a_look_that_proves_the_loss() -> None:
    """Not about an earlier one that a deposed primary answered."""
    past, ann = _deposed()
    past.read(ann, 5.0, node="redis-1", forge=_shown(1))
    past.read(ann, 6.0, web="web-2")
    past.logout(ann, 9.0, web="web-2")
    found = _one(past)
    assert (found.name, found.operations, found.observations) == ("lost-update", (3, 5), 2)


def test_old_answer_alone_is_stale() -> None:
    """Only a deposed primary showed less: the first look is what is told."""
    past, ann = _deposed()
    past.logout(ann, 9.0, web="web-2")
    past.read(ann, 5.0, node="redis-1", forge=_shown(1))
    past.read(ann, 6.0, node="redis-1", forge=_shown(0))
    found = _one(past)
    assert (found.name, found.observations) == ("stale-read", 2)
    assert found.operations[-1] == 5


def test_removal_that_is_missing_names_what_was_taken_out() -> None:
    """More than possible, but no more than was ever put in: a removal or a subtraction was lost."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 5)
    past.add(ann, 3.0, -2)
    past.read(ann, 4.0, forge=_shown(5))
    past.logout(ann, 9.0)
    found = _one(past)
    assert (found.name, found.operations) == ("lost-update", (3, 4))
    assert found.sentence.endswith("of ann: acked removals leave 3 at most.")


def test_total_that_nothing_makes_counts_twice() -> None:
    """More than everything that was ever asked for, up to the look's end; every such look is counted."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(4))
    past.read(ann, 5.0, forge=_shown(7))
    found = _one(past)
    assert (found.name, found.operations, found.observations) == ("doubled-update", (3, 5), 2)
    assert found.sentence.endswith("of ann: all requests together make 3 at most.")
    assert found.sentence.startswith("web-1 (operation 5) saw 4 in cart:1 of session")


def test_look_that_shows_more_may_be_wrong_both_ways() -> None:
    """One that misses something and one that has too much are two findings."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(4))
    past.read(ann, 5.0, forge=_shown(2))
    assert [one.name for one in _findings(past)] == ["lost-update", "doubled-update"]


def _told(total: int) -> Callable[[Step], None]:
    def forge(step: Step) -> None:
        step.added_now = {"cart:1": total}

    return forge


@pytest.mark.parametrize(("total", "names"), [(3, []), (2, ["lost-update"]), (4, ["doubled-update"])])
def test_reply_of_an_addition_is_a_look(total: int, names: list[str]) -> None:
    """Two are in the cart, one is added: the reply says three."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.add(ann, 3.0, 1, forge=_told(total))
    past.logout(ann, 9.0)
    found = _findings(past)
    assert [one.name for one in found] == names
    for one in found:
        assert f"(operation 3) saw {total} in cart:1" in one.sentence
        assert one.operations == ((3,) if total == 4 else (2, 3))


def test_reply_that_does_not_even_show_itself_names_no_other() -> None:
    """Two are added to nothing, and the answer is nought."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, forge=_told(0))
    past.logout(ann, 9.0)
    found = _one(past)
    assert (found.name, found.operations) == ("stale-read", (2,))


def test_addition_that_was_done_after_the_look_is_not_the_one_that_counts_twice() -> None:
    """It may be part of what was seen; the last that was done by then is named."""
    past, ann = _cart()
    past.add(ann, 3.9, 1, took=0.101001, executed=4.0009)
    past.read(ann, 4.0, forge=_shown(9))
    assert _one(past).operations == (3, 6)


@pytest.mark.parametrize(("out_at", "names"), [(3.0, []), (3.001, []), (3.002, ["lost-update"])])
def test_reply_after_the_logout_is_no_look_at_the_session(out_at: float, names: list[str]) -> None:
    """The addition was told its total at 3.001; the logout was over at that moment, or later."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.logout(ann, out_at - 0.001, took=0.001)
    past.add(ann, 3.0, 1, took=0.001, executed=2.5, forge=_told(1))
    assert [one.name for one in _findings(past)] == names


def test_reply_that_does_not_say_is_no_look() -> None:
    """Nor is that of an addition that was not acked."""
    past, _ = _cart()
    past.forged[3] = _told_nothing
    assert _findings(past) == []
    past, ann = _cart()
    past.add(ann, 4.0, 1, outcome="unknown", forge=_told(99))
    assert _findings(past) == []


def test_unguarded_addition_tells_nothing_of_the_session() -> None:
    """Without the session it begins at nought; a read is a look all the same."""
    past, ann = _cart(guarded=False)
    past.forged[3] = _told(1)
    assert _findings(past) == []
    past.read(ann, 4.0, forge=_shown(1))
    assert [one.name for one in _findings(past)] == ["lost-update"]


def test_field_that_is_also_written_is_no_counter() -> None:
    """What was set to a value, by a write or by the log-in, is no sum."""
    past, ann = _cart()
    past.read(ann, 4.0, forge=_shown(9))
    assert _one(past).name == "doubled-update"
    past.forged[1] = lambda step: setattr(step, "wrote", {**step.wrote, "cart:1": "1:cart"})
    assert _findings(past) == []
    past, ann = _cart()
    past.change(ann, 3.5, "cart:1")
    past.read(ann, 4.0, forge=_shown(9))
    assert _findings(past) == []


def test_session_without_a_log_in_that_was_acked_is_not_judged() -> None:
    """Nobody knows whether there was a session to add to."""
    past, ann = _cart()
    past.doings[0].outcome = Outcome.UNKNOWN
    past.read(ann, 4.0, forge=_shown(7))
    assert _findings(past) == []


def test_log_in_that_was_sent_again_may_have_emptied_the_cart() -> None:
    """After the logout: the session is there anew, with nothing in its cart."""
    past = Past(witnesses=False)
    ann = past.log_in("ann", 1.0, attempts=[(1.0, 5.0, None), (1.2, 1.3, 1.4)])
    past.add(ann, 2.0, 2)
    past.logout(ann, 3.0, outcome="unknown")
    past.read(ann, 6.0)
    assert _findings(past) == []


def test_two_carts_are_judged_each_by_itself() -> None:
    """Items of one session, and sessions of one user."""
    past = Past(witnesses=False)
    ann, again = past.log_in("ann", 1.0), past.log_in("ann", 1.1)
    past.add(ann, 2.0, 2)
    past.add(ann, 2.1, 7, item="cart:2")
    past.add(again, 2.2, 1)
    past.read(ann, 3.0, forge=_shown(1))
    past.read(again, 3.1, forge=_shown(0))
    past.logout(ann, 9.0)
    past.logout(again, 9.1)
    assert [(one.session, one.operations) for one in _findings(past)] == [(ann, (3, 6)), (again, (5, 7))]


# ---------------------------------------------------------------- what witnesses add


def _witnessed(history: History, *witnesses: str) -> History:
    """Every node's list of witnesses is this in the end."""
    return replace(
        history, audit=tuple(msgspec.structs.replace(one, witnesses=witnesses) for one in history.audit)
    )


def _told_nothing(step: Step) -> None:
    step.added_now = {}


def test_addition_without_a_witness_is_the_one_that_was_lost() -> None:
    """Of those acked before the look the last; the one that came last of all left its own."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    for at in (2.0, 3.0, 4.0, 6.0):
        past.add(ann, at, 1)
    past.forged[5] = _told_nothing
    past.read(ann, 5.0, forge=_shown(1))
    past.logout(ann, 9.0)
    history = past.history()
    found = _one(_witnessed(history, "1", "4", "5"))
    assert (found.name, found.operations) == ("lost-update", (3, 6))
    assert _one(_witnessed(history, "1")).operations == (4, 6)
    assert _one(_witnessed(history, "1", "2", "3", "4", "9")).operations == (4, 6)
    past.audited = False
    assert _one(past).operations == (4, 6)


def test_addition_of_nothing_and_one_without_a_witness_of_its_own_were_not_lost() -> None:
    """The first changes no total, the second would be on no list."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 3)
    past.add(ann, 3.0, 0)
    past.add(ann, 3.5, 1, forge=lambda step: setattr(step, "witness", None))
    past.read(ann, 5.0, forge=_shown(1))
    past.logout(ann, 9.0)
    assert _one(_witnessed(past.history(), "1")).operations == (2, 5)


def test_look_that_showed_less_than_all_witnesses_say_was_old() -> None:
    """Every addition was carried out where it lasted, so nothing was lost; the audit itself is no old answer."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.read(ann, 3.0, forge=_shown(0))
    past.logout(ann, 9.0)
    assert _one(past).name == "stale-read"
    assert _one(_witnessed(past.history(), "1")).name == "lost-update"
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    history = past.history()
    less = tuple(
        msgspec.structs.replace(one, saw={**(one.saw or {}), "cart:1": "1"}) for one in history.audit
    )
    found = _one(replace(history, audit=less))
    assert (found.name, found.sentence.split(" saw ")[0]) == ("lost-update", "The audit of redis-1")


def test_removal_whose_additions_all_left_their_witnesses_may_be_lost() -> None:
    """They say nothing of what was taken out."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 5)
    past.add(ann, 3.0, -2)
    past.read(ann, 4.0, forge=_shown(5))
    past.logout(ann, 9.0)
    assert _one(past).name == "lost-update"


@pytest.mark.parametrize(
    ("attempts", "cause", "because"),
    [
        ([(2.0, 2.001, None), (2.5, 2.501, 2.502)], Cause.CLIENT_RETRY, "it was sent 2 times"),
        ([(2.0, 2.001, 2.002)], Cause.NOT_DETERMINED, "it was sent once"),
    ],
)
def test_witness_that_is_there_twice_names_its_operation(
    attempts: list[tuple[float, float | None, float | None]], cause: Cause, because: str
) -> None:
    """And how often it was sent; the total, which says the same, is no second finding."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2, attempts=attempts)
    past.read(ann, 3.0, forge=_shown(4))
    found = _one(_witnessed(past.history(), "1", "2", "2"))
    assert (found.name, found.operations, found.cause, found.because) == (
        "doubled-update",
        (2,),
        cause,
        because,
    )
    assert found.sentence == (
        f"Operation 2 added 2 times to cart:1 of session {ann[:8]} of ann: its witness is there 2 times."
    )
    assert found.seen_us == us(30.001)


def test_other_item_that_counts_twice_is_a_finding_of_its_own() -> None:
    """The witness names one item only."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.add(ann, 2.0, 2)
    past.add(ann, 2.5, 1, item="cart:2")
    past.read(ann, 3.0, forge=lambda step: (step.saw or {}).update({"cart:2": "2"}))
    found = _findings(_witnessed(past.history(), "1", "2", "2", "3"))
    assert [(one.name, "cart:2" in one.sentence) for one in found] == [
        ("doubled-update", False),
        ("doubled-update", True),
    ]
