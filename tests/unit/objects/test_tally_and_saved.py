"""Tallies and whole-session saves, held against executions that were correct: the truth is drawn first, what clients were
told follows from it."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

import pytest

from harness.model.times import FOREVER
from harness.model.words import Cause, StepKind
from harness.objects.kind import TOTAL, VALUE, Change, Look, Past
from harness.objects.message import ENDED
from harness.objects.saved import (
    FORMS,
    SAVE_LOST,
    SAVE_OVERWRITTEN,
    SAVED,
    UNREADABLE,
    marks_in,
    packed,
)
from harness.objects.tally import ONLINE, ONLINE_NAIVE, STATISTICS
from harness.objects.unused import UNUSED
from tests.share import times

LAST_US = 60
PASTS = times(20_000, 300)


@dataclass(frozen=True)
class Done:
    """One execution as it was in truth, and as its client knows it."""

    at_us: float
    change: Change


def _done(dice: random.Random, n: int, does: StepKind, value: str, after_us: float) -> Done:
    sent_us = after_us + dice.randint(1, 10)
    at_us = sent_us + dice.randint(1, 5)
    done_us = at_us + dice.randint(1, 5)
    certain = dice.random() < 0.8
    happens = certain or dice.random() < 0.5
    until_us = done_us if certain else at_us + dice.randint(0, 20)
    change = Change(
        n=n,
        does=does,
        value=value,
        certain=certain,
        first_us=sent_us,
        sent_us=sent_us,
        done_us=done_us if certain else FOREVER,
        until_us=until_us,
    )
    return Done(at_us if happens else FOREVER, change)


def tallied(dice: random.Random) -> Past:
    """Visits that come, leave, and end; and what those who count are told."""
    entered, left = [], []
    for n in range(dice.randint(1, 8)):
        come = _done(dice, n, StepKind.PUT, str(n), dice.randint(0, LAST_US))
        ends_us = come.change.sent_us + dice.choice((-6, 8, 25, 500))  # -6: asked again until it was over
        entered.append((replace(come.change, ends_us=ends_us), come.at_us))
        if come.change.certain and dice.random() < 0.6:
            left.append(_done(dice, 100 + n, StepKind.DROP, str(n), come.change.done_us))
    gone = {one.change.value: one.at_us for one in left}
    looks = []
    for n in range(dice.randint(1, 5)):
        sent_us = dice.randint(0, LAST_US + 40)
        at_us, moment_us = sent_us + dice.randint(1, 9), sent_us - dice.choice((0, 3, 20))
        there = sum(
            come_us <= at_us < gone.get(change.value, FOREVER) and (change.ends_us or 0) > moment_us
            for change, come_us in entered
        )
        looks.append(Look(n=200 + n, value=f"{there}@{moment_us}", sent_us=sent_us, done_us=at_us + 1))
    changes = [*(change for change, _ in entered), *(one.change for one in left)]
    return Past(changes=changes, looks=looks, epsilon_us=0)


def test_count_that_was_right_is_never_called_wrong() -> None:
    """Whatever is under way, ends, or may have happened."""
    dice = random.Random("tally")
    for _ in range(PASTS):
        past = tallied(dice)
        assert not ONLINE.judge(past), past


@pytest.mark.parametrize("wrong", [-9, 9])
def test_count_that_is_far_off_is_called_wrong(wrong: int) -> None:
    """Nobody is there and nine are counted; or all of them are missing."""
    dice, found, cases = random.Random(f"wrong tally {wrong}"), 0, 0
    for _ in range(times(2_000, 60)):
        past = tallied(dice)
        looks = []
        for look in past.looks:
            seen, _, at = (look.value or "").partition("@")
            looks.append(replace(look, value=f"{max(0, int(seen) + wrong)}@{at}"))
        changed = looks != past.looks
        cases += changed
        found += changed and bool(ONLINE.judge(replace(past, looks=looks)))
    assert found > cases / 8


def saved(dice: random.Random) -> tuple[Past, bool]:
    """Saves of one session, each built on what its request had read; whether one covered another."""
    asked = []
    for n in range(dice.randint(1, 5)):
        read_us = dice.randint(0, LAST_US)
        asked.append((read_us, n, _done(dice, n, StepKind.PUT, "", read_us)))
    agenda = sorted(
        [(one[0], 0, one) for one in asked] + [(one[2].at_us, 1, one) for one in asked], key=_when
    )
    looks_at = sorted(dice.randint(0, LAST_US + 30) for _ in range(3))
    value, read, wrote, covered, looks = "", dict[int, str](), dict[int, str](), False, list[Look]()
    for at_us, writes, (_, n, _) in agenda:
        while looks_at and looks_at[0] < at_us:
            looks.append(_look(looks_at.pop(0), value))
        if not writes:
            read[n] = value
            looks.append(replace(_look(at_us, value), n=300 + n))
            continue
        wrote[n] = f"{read[n]} {n}".strip()
        if at_us < FOREVER:
            covered |= not set(value.split()) <= set(wrote[n].split())
            value = wrote[n]
    looks += [_look(at_us, value) for at_us in looks_at]
    changes = [replace(one.change, value=wrote[n]) for _, n, one in asked]
    return Past(changes=changes, looks=looks, epsilon_us=0), covered


def _when(item: tuple[float, int, object]) -> tuple[float, int]:
    return item[:2]


def _look(at_us: float, value: str) -> Look:
    return Look(n=200 + int(at_us), value=value or None, sent_us=at_us - 0.4, done_us=at_us + 0.4)


def test_save_is_called_overwritten_only_where_one_was() -> None:
    """And never lost: in these executions nothing is."""
    dice, found = random.Random("saved"), 0
    for _ in range(PASTS):
        past, covered = saved(dice)
        kinds = {one.kind for one in SAVED.judge(past)}
        assert kinds <= ({SAVE_OVERWRITTEN} if covered else set()), past
        found += SAVE_OVERWRITTEN in kinds
    assert found > PASTS / 20


def test_save_that_vanished_is_lost() -> None:
    """Nobody else saved: the value is an older one, or is gone."""
    for value in (None, "1"):
        first, second = (_certain(n, marks, at) for n, marks, at in ((1, "1", 1.0), (2, "1 2", 5.0)))
        late = Look(n=9, value=value, sent_us=10, done_us=11)
        found = SAVED.judge(Past(changes=[first, second], looks=[late], epsilon_us=0))
        assert {one.kind for one in found} == {SAVE_LOST}
        assert {one.cause for one in found} == {None}
        assert found[-1].promise == second


def test_save_that_nobody_made_is_unexplained() -> None:
    """A mark of nobody, or a value that cannot be opened."""
    for value in ("1 7", UNREADABLE):
        late = Look(n=9, value=value, sent_us=10, done_us=11)
        found = SAVED.judge(Past(changes=[_certain(1, "1", 1.0)], looks=[late], epsilon_us=0))
        assert None in {one.kind for one in found}


def test_overwritten_save_names_the_application() -> None:
    """Both built on nothing; the second one is there."""
    first, second = _certain(1, "1", 1.0), _certain(2, "2", 1.5)
    late = Look(n=9, value="2", sent_us=10, done_us=11)
    (found,) = SAVED.judge(Past(changes=[first, second], looks=[late], epsilon_us=0))
    assert (found.kind, found.cause, found.promise) == (SAVE_OVERWRITTEN, Cause.APPLICATION_RACE, first)


def _certain(n: int, value: str, at: float) -> Change:
    return Change(
        n=n,
        does=StepKind.PUT,
        value=value,
        ttl_us=1e9,
        certain=True,
        first_us=at,
        sent_us=at,
        done_us=at + 1,
        until_us=at + 1,
    )


@pytest.mark.parametrize("form", FORMS)
def test_what_is_packed_comes_back(form: str) -> None:
    """In every form, and as text."""
    assert marks_in(packed(["1", "2"], form)) == ["1", "2"]


@pytest.mark.parametrize(
    "value",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"marks": 3}',
        "z:nothing",
        "z:\u00e9",
        "s:" + "A" * 40,
        "null",
        "m:",
        "m:00",
        "m:\u00e9",
        "m:0rr91",
    ],
)
def test_what_nobody_packed_cannot_be_read(value: str) -> None:
    """A clear answer, whatever it is."""
    assert marks_in(value) == [UNREADABLE]


def test_broken_seal_is_not_opened() -> None:
    """One letter changed."""
    value = packed(["1"], "sealed")
    assert marks_in(value[:-6] + ("A" if value[-6] != "A" else "B") + value[-5:]) == [UNREADABLE]


def test_objects_are_audited_by_what_they_hold() -> None:
    """Members by when they end, numbers of a hash added up, a value by its marks; a message by nobody."""
    assert ONLINE.shown((["a", "12", "b", "15"], -1)) == ({VALUE: "12 15"}, -1)
    assert ONLINE.shown(([], -2)) == ({}, -2)
    assert ONLINE.looked({VALUE: "12 15"}) == "|12 15"
    assert STATISTICS.shown((["2", "3"], 5)) == ({TOTAL: "5"}, 5)
    assert STATISTICS.shown(([], -2)) == ({}, -2)
    assert ONLINE_NAIVE.looked({TOTAL: "4"}) == "4"
    assert ONLINE_NAIVE.looked({}) == "0"
    assert SAVED.shown((packed(["1", "2"], "compressed"), 7)) == ({VALUE: "1 2"}, 7)
    assert ENDED.questions("ended:{a}") == ()
    assert ENDED.shown(()) == ({}, None)


def test_set_that_the_audit_read_counts_what_has_not_ended() -> None:
    """By the moment at which it was read."""
    change = replace(_certain(1, "a", 1.0), ends_us=20.0, ttl_us=None)
    look = Look(n=9, value="|20", sent_us=10, done_us=11)
    assert not ONLINE.judge(Past(changes=[change], looks=[look], epsilon_us=0))
    (few,) = ONLINE.judge(Past(changes=[change], looks=[replace(look, value=None)], epsilon_us=0))
    assert few.promise == change
    gone = replace(look, value="|20 21", sent_us=10, done_us=11)
    (many,) = ONLINE.judge(Past(changes=[change], looks=[gone], epsilon_us=0))
    assert (many.promise, many.kind) == (change, ONLINE.drifted)
    (nobody,) = ONLINE.judge(Past(changes=[], looks=[gone], epsilon_us=0))
    assert nobody.kind is None


def test_visit_entered_after_its_own_end_counts_for_who_asks_for_a_moment_before() -> None:
    """Once it can have been there, and not before."""
    late = replace(_certain(1, "a", 20.0), ends_us=15.0, ttl_us=None)
    asked = Look(n=9, value="1@14", sent_us=14, done_us=30)
    assert not ONLINE.judge(Past(changes=[late], looks=[asked], epsilon_us=0))
    for wrong in (replace(asked, done_us=18), replace(asked, value="1@16", sent_us=16)):
        (many,) = ONLINE.judge(Past(changes=[late], looks=[wrong], epsilon_us=0))
        assert many.looks == [wrong]
    between = replace(_certain(1, "a", 40.0), ends_us=15.0, ttl_us=None)
    there = replace(_certain(2, "b", 10.0), ends_us=100.0, ttl_us=None)
    fine = Look(n=9, value="1@20", sent_us=20, done_us=30)
    assert not ONLINE.judge(Past(changes=[between, there], looks=[fine], epsilon_us=0))


def test_message_has_five_seconds() -> None:
    """Then whoever has not heard it lets in somebody who has signed out."""
    sent = _certain(1, "7", 1.0)
    deaf = Look(n=9, value=None, sent_us=5e6 + 3, done_us=5e6 + 4)
    assert not ENDED.judge(Past(changes=[sent], looks=[replace(deaf, sent_us=5e6)], epsilon_us=0))
    assert not ENDED.judge(Past(changes=[], looks=[deaf], epsilon_us=0))
    assert not ENDED.judge(Past(changes=[sent], looks=[replace(deaf, value="7")], epsilon_us=0))
    (lost,) = ENDED.judge(Past(changes=[sent], looks=[deaf], epsilon_us=0))
    assert (lost.promise, lost.looks) == (sent, [deaf])
    assert ENDED.holds_until_us(Past(changes=[sent], looks=[], epsilon_us=0)) is None


def test_stored_session_of_nobody_is_one_too_many() -> None:
    """What was certainly stored; what may have been stored proves nothing."""
    assert UNUSED.judge(Past(changes=[_certain(1, "7", 1.0)], looks=[], epsilon_us=0))
    unsure = replace(_certain(1, "7", 1.0), certain=False)
    assert not UNUSED.judge(Past(changes=[unsure], looks=[], epsilon_us=0))
    assert UNUSED.holds_until_us(Past(changes=[unsure], looks=[], epsilon_us=0)) is None
