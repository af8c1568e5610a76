"""The screen: whatever it calls clean has nothing wrong with it, so looking closely finds no more."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.run import run_checks
from harness.checks.screen.screening import screen
from harness.model.history import History
from harness.model.records import AuditEntry, Operation, Step
from harness.model.words import Outcome, StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import PROFILE, SPENT
from lab.past import Past
from tests.in_parts import in_parts
from tests.share import examples
from tests.unit.checks.stories import BAD, GOOD, UNDECIDED
from tests.unit.checks.test_properties import tell

seeds = st.integers(min_value=0, max_value=2**32)
some = examples(15, 3)

STORIES = {
    f"{kind}: {story.__name__}": story  # type: ignore[union-attr]
    for kind, stories in (("bad", BAD), ("good", GOOD), ("undecided", UNDECIDED))
    for told in stories.values()
    for story in ([told] if callable(told) else told)
}


PART = 20
"""Operations."""


def both_ways(history: History) -> None:
    """Judged with the screen as without it: findings, counts, sessions, crashed checks. And so it is part by
    part."""
    close = run_checks(history, screened=False)
    assert run_checks(history) == close
    if len(history.operations) > PART:  # else that part is the whole
        with in_parts(history, PART) as apart:
            assert run_checks(apart) == close


def calm(
    seed: int = 1, sessions: int = 4, operations: int = 60, *, took: float = 0.001, in_turn: bool = True
) -> Past:
    """Sessions that nothing happens to: one operation after the other, every one acked at once.

    Those that take longer than 0.1 s overlap; `in_turn` False: they are not carried out in their order.
    """
    dice = random.Random(seed)
    past = Past(end_s=30.0)
    living = [past.log_in(f"user-{n}", 0.1 + n / 100) for n in range(sessions)]
    for n in range(operations):
        at, one = 1.0 + n / 10, dice.choice(living)
        how: dict[str, Any] = {"took": took, "executed": at + took * (0.01 if in_turn else dice.random())}
        what = dice.choice(("read", "read", "touch", "theme", "move", "add", "remove"))
        if what == "read":
            past.read(one, at, **how)
        elif what == "touch":
            past.touch(one, at, **how)
        elif what in {"theme", "move"}:
            past.change(one, at, *(("ip", "agent") if what == "move" else ("theme",)), **how)
        elif what == "add":
            past.add(one, at, dice.choice((1, 2, -1)), **how)
        else:
            past.remove(one, at, **how)
    past.logout(living[0], 20.0)
    past.read(living[0], 21.0)
    return past


def test_long_history_is_screened_in_a_thread_beside_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is begun in a thread of its own comes to the same as what is done at once."""
    past = calm()
    past.lose(past.log_in("late", 8.0), 9.0)
    at_once = screen(past.history())
    monkeypatch.setattr("harness.checks.screen.screening.ROWS_AT_ONCE", 1)
    beside = screen(past.history())
    assert [one.session for one in beside.suspects.operations] == ["00000005" * 4]
    assert beside.suspects.operations == at_once.suspects.operations
    assert beside.clean.sessions == at_once.clean.sessions == 4


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_story_is_judged_alike_with_the_screen(story: object) -> None:
    """Every finding's story, and its counterpart, end as they do when every session is looked at."""
    assert callable(story)
    both_ways(story().history())


@some
@given(seeds)
def test_random_run_is_judged_alike_with_the_screen(seed: int) -> None:
    """Overlaps, retries, unknown outcomes, failovers: the screen changes no answer."""
    both_ways(tell(seed).history())


@some
@given(seeds, st.integers(0, 100))
def test_run_with_a_lost_effect_is_judged_alike_with_the_screen(seed: int, number: int) -> None:
    """An acked effect that is gone is found with the screen as without."""
    past = tell(seed)
    past.doings[number % len(past.doings)].lost = True
    both_ways(past.history())


@pytest.mark.parametrize("seed", range(5))
def test_calm_sessions_are_clean(seed: int) -> None:
    """The screen is of use: where nothing happened nothing is left to look at."""
    screened = screen(calm(seed).history())
    assert (len(screened.suspects.operations), screened.clean.sessions) == (0, 4)


@pytest.mark.parametrize("seed", range(5))
def test_steps_that_overlap_and_end_as_they_began_are_clean(seed: int) -> None:
    """Everybody at once is no reason to look closely, if all saw what one order of the steps explains."""
    history = calm(seed, took=0.9).history()
    screened = screen(history)
    assert (len(screened.suspects.operations), screened.clean.sessions) == (0, 4)
    both_ways(history)


@some
@given(seeds, st.sampled_from((0.15, 0.5, 2.0)))
def test_steps_that_overlap_in_any_order_are_judged_alike_with_the_screen(seed: int, took: float) -> None:
    """Who came first cannot be told, and nothing is found, whichever way the session is looked at."""
    history = calm(seed, took=took, in_turn=False).history()
    assert not run_checks(history)[0]
    both_ways(history)


@some
@given(seeds, st.integers(0, 59))
def test_write_lost_among_overlapping_ones_is_judged_alike_with_the_screen(seed: int, number: int) -> None:
    """An acked effect that is gone is found, however crowded the session is."""
    past = calm(seed % 7, took=0.5)
    past.doings[4 + number].lost = True
    both_ways(past.history())


def test_clean_sessions_are_counted_as_the_others_are() -> None:
    """At risk, intact, back in: sessions that no check sees are in every count."""
    past = calm()
    past.fault(2.0)
    past.log_in("user-1", 5.0)
    history = past.history()
    both_ways(history)
    assert run_checks(history)[2].at_risk > 0


def test_user_who_got_back_into_a_clean_session_is_back_in() -> None:
    """Somebody who was put out and logged in again is counted, though the new session is beyond doubt."""
    past = calm()
    ann = past.log_in("ann", 1.0)
    past.lose(ann, 2.0)
    past.read(ann, 3.0)
    past.log_in("ann", 4.0)
    history = past.history()
    both_ways(history)
    assert run_checks(history)[2].got_back_in == 1


def test_history_without_audit_has_no_clean_session() -> None:
    """What nobody looked at in the end is not beyond doubt."""
    past = calm()
    past.audited = False
    assert screen(past.history()).clean.sessions == 0


def _steps(operation: Operation, kind: StepKind) -> list[Step]:
    return [step for step in operation.steps if step.does is kind]


def _another_value(step: Step) -> None:
    assert step.saw is not None
    name = max(step.saw)
    step.saw = {**step.saw, name: step.saw[name] + "0"}


def _one_field_less(step: Step) -> None:
    assert step.saw is not None
    step.saw = {name: value for name, value in step.saw.items() if name != "theme"}


def _shorter(step: Step) -> None:
    assert step.pttl_ms is not None
    step.pttl_ms -= 100_000


def _longer(step: Step) -> None:
    assert step.pttl_ms is not None
    step.pttl_ms += 100_000


def _immortal(step: Step) -> None:
    step.pttl_ms = -1


def _gone(step: Step) -> None:
    step.saw, step.pttl_ms = {}, -2


SEEN_OTHERWISE = (_another_value, _one_field_less, _shorter, _longer, _immortal, _gone)


def _changed(history: History, seed: int, kind: StepKind, change: object) -> tuple[History, str]:
    """The history with one step of a kind changed, and whose session that was."""
    operations = [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]
    candidates = [
        (operation, step)
        for operation in operations
        for step in _steps(operation, kind)
        if kind is not StepKind.READ or step.saw
    ]
    operation, step = random.Random(seed).choice(candidates)
    assert callable(change)
    change(step)
    return replace(history, operations=tuple(operations)), operation.session


@some
@given(seeds, st.sampled_from(SEEN_OTHERWISE))
def test_session_seen_otherwise_once_is_a_suspect(seed: int, change: object) -> None:
    """One look in a calm run that saw something else, or another time to live, is never passed over."""
    history, session = _changed(calm(seed % 7).history(), seed, StepKind.READ, change)
    assert session in {one.session for one in screen(history).suspects.operations}
    both_ways(history)


def _refused(step: Step) -> None:
    step.outcome = Outcome.REJECTED


def _unknown(step: Step) -> None:
    step.outcome = Outcome.UNKNOWN


def _idle(step: Step) -> None:
    step.effective = False


def _tried_twice(step: Step) -> None:
    step.attempts = (1, 2)


def _with_an_error(step: Step) -> None:
    step.error = "reply-mixed-up: EXPIRE answered []"


def _at_once_with_the_next(step: Step) -> None:
    assert step.done_us is not None
    step.done_us += 60_000_000


@some
@given(
    seeds,
    st.sampled_from((StepKind.WRITE, StepKind.TOUCH, StepKind.INCREMENT, StepKind.CREATE)),
    st.sampled_from((_refused, _unknown, _idle, _tried_twice, _with_an_error, _at_once_with_the_next)),
)
def test_session_with_a_doubtful_step_is_a_suspect(seed: int, kind: StepKind, change: object) -> None:
    """Not acked, not at once, without an effect, with an error, or too long: looked at closely."""
    history, session = _changed(calm(seed % 7).history(), seed, kind, change)
    assert session in {one.session for one in screen(history).suspects.operations}
    both_ways(history)


def _audited_otherwise(entry: AuditEntry, how: int) -> AuditEntry:
    saw, witnesses = dict(entry.saw or {}), entry.witnesses or ()
    if how == 0:
        return msgspec.structs.replace(entry, saw={**saw, "theme": "0:nobody"})
    if how == 1:
        return msgspec.structs.replace(entry, witnesses=witnesses[:-1])
    if how == 2:
        return msgspec.structs.replace(entry, witnesses=(*witnesses, *witnesses[:1]))
    if how == 3:
        return msgspec.structs.replace(entry, saw=None, witnesses=None)
    if how == 4:
        return msgspec.structs.replace(entry, pttl_ms=(entry.pttl_ms or 0) - 100_000)
    return msgspec.structs.replace(entry, indexed=not entry.indexed)


@some
@given(seeds, st.integers(0, 5), st.booleans())
def test_session_that_the_audit_does_not_confirm_is_a_suspect(seed: int, how: int, primary: bool) -> None:
    """A node that holds something else than was written, has no witness of it, or did not answer."""
    history = calm(seed % 7).history()
    entries = list(history.audit)
    ours = [
        n
        for n, one in enumerate(entries)
        if one.saw and one.witnesses and (one.role == "primary") is (primary or how == 5)
    ]
    chosen = random.Random(seed).choice(ours)
    entries[chosen] = _audited_otherwise(entries[chosen], how)
    changed = replace(history, operations=history.table, audit=tuple(entries))
    assert entries[chosen].session in {one.session for one in screen(changed).suspects.operations}
    both_ways(changed)


def test_logout_everywhere_makes_all_of_its_user_suspects() -> None:
    """What one call does to several sessions is judged with all of them at hand."""
    past = calm()
    first, second = past.log_in("ann", 1.0), past.log_in("ann", 1.5)
    past.logout_everywhere(first, 3.0)
    history = past.history()
    suspects = {one.session for one in screen(history).suspects.operations}
    assert suspects == {first, second}
    both_ways(history)


# ---------------------------------------------------------------- several sessions of one user, and objects


def shop(seed: int, *, took: float = 0.001) -> Past:
    """As `calm`, with changes of id, and tokens that are spent once and then refused, profiles, counts."""
    dice, past = random.Random(f"shop {seed}"), Past(end_s=40.0)
    owned = {user: [past.log_in(user, 0.1 + n / 10)] for n, user in enumerate(("ann", "bob", "cid"))}
    for n in range(60):
        user = dice.choice(("ann", "bob", "cid"))
        _shopping(past, dice, (user, owned[user]), 1.0 + n / 5, took)
    past.logout(owned["ann"][-1], 20.0)
    past.read(owned["ann"][-1], 21.0)
    return past


def _shopping(past: Past, dice: random.Random, whose: tuple[str, list[str]], at: float, took: float) -> None:
    user, owned = whose
    one, item = owned[-1], dice.choice(("cart:1", "cart:1", "cart:2"))
    does: list[Callable[[], object]] = [
        lambda: past.read(one, at, took=took),
        lambda: past.read(dice.choice(owned), at, took=took),
        lambda: past.touch(one, at, took=took),
        lambda: past.change(one, at, *dice.choice((("ip", "agent"), ("theme",))), took=took),
        lambda: past.add(one, at, dice.choice((1, 2, -1)), item, took=took),
        lambda: past.add(one, at, 1, item, took=took),
        lambda: past.remove(one, at, item, took=took),
        lambda: past.put(SPENT, dice.choice(owned), one, at, took=took),
        lambda: past.put(PROFILE, user, one, at, took=took),
        lambda: past.look(PROFILE, user, one, at, took=took),
        lambda: past.count(ATTEMPTS, user, one, at, window=3.0, took=took),
        lambda: owned.append(past.rotate(one, at, took=took)),
        lambda: owned.append(past.rotate(one, at, took=took)),
    ]
    dice.choice(does)()


@pytest.mark.parametrize("seed", range(4))
def test_sessions_of_a_calm_shop_are_clean(seed: int) -> None:
    """New ids and refused tokens are no reason to look closely."""
    history = shop(seed).history()
    screened = screen(history)
    assert (len(screened.suspects.operations), screened.clean.sessions) == (0, len(history.sessions()))
    both_ways(history)


@some
@given(seeds, st.integers(0, 62), st.sampled_from((0.001, 0.15)))
def test_shop_that_lost_something_is_judged_alike_with_the_screen(
    seed: int, number: int, took: float
) -> None:
    """An acked effect that is gone: of a change of id, of what the new id began with, of a token."""
    past = shop(seed % 50, took=took)
    past.doings[number].lost = True
    both_ways(past.history())


@some
@given(seeds)
def test_random_run_with_changes_of_id_is_judged_alike_with_the_screen(seed: int) -> None:
    """As above, with requests that get no answer."""
    both_ways(tell(seed, rotates=True).history())


_OTHERWISE: Mapping[str, Sequence[Any]] = {
    "outcome": tuple(Outcome),
    "effective": (True, False, None),
    "error": ("reply-mixed-up: EXPIRE answered []", "READONLY"),
    "attempts": ((), (2,)),
    "ttl_ms": (None, 1, 200_000),
    "pttl_ms": (None, -1, -2, 100_000),
    "witness": (None, "1", "9"),
    "sent_us": (1, 50_000_000),
    "done_us": (1, 50_000_000, None),
    "does": tuple(StepKind),
    "removed": (("cart:1",), ("theme",)),
    "added": ({"cart:1": 1}, {"cart:2": -1}),
    "added_now": ({"cart:1": 1}, {"cart:2": 3}),
    "members": ((), None),
}
"""What each thing that a step tells may say instead."""


def _told_otherwise(history: History, dice: random.Random) -> History:
    """One thing that one step of a session tells, changed: to something else of its kind, or to what it is of
    another step, session or user."""
    operations = [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]
    everybody = [(one, step) for one in operations for step in one.steps]
    (operation, step), (_, other) = dice.choice(everybody), dice.choice(everybody)
    name = dice.choice((*_OTHERWISE, "session", "member", "wrote", "saw", "a whole step", "user"))
    if name == "user":
        operation.user = dice.choice(("ann", "bob"))
    elif name == "a whole step":
        again = msgspec.structs.replace(step, n=len(operation.steps) + 1)
        operation.steps = dice.choice(((*operation.steps, again), operation.steps[:-1]))
    elif name in _OTHERWISE and dice.random() < 0.8:
        setattr(step, name, dice.choice(_OTHERWISE[name]))
    else:
        setattr(step, name, getattr(other, name))
    return replace(history, operations=tuple(operations))


@examples(2_000, 25)
@given(seeds)
def test_shop_with_one_thing_told_otherwise_is_judged_alike_with_the_screen(seed: int) -> None:
    """Whatever a step tells: the screen never passes over what the checks would have found."""
    history = _told_otherwise(shop(seed % 50).history(), random.Random(seed))
    assert run_checks(history) == run_checks(history, screened=False)
