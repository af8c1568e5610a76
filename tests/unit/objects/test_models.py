"""The models of objects, held against every order of events that there can be: what they call broken cannot have happened.

Small random pasts: some steps certain, some not, some with an attempt that may land later. `possible` tries every order
and every moment. A model may miss something; it must never accuse.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from harness.checks.promises.exact_objects import explained
from harness.model.times import FOREVER
from harness.model.words import StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import REVOKED, SPENT, TOKEN_BURNT, Flag
from harness.objects.kind import SOMETHING, Breach, Change, Look, ObjectKind, Past
from harness.objects.lease import Held, Holders, MayHold, held_at_once
from harness.objects.tally import ONLINE
from tests.share import times

END = 12
PASTS = times(20_000, 120)
LEASE_PASTS = times(5_000, 80)
LEASE_ACTS = 6
"""Every order of them is tried."""


@dataclass(frozen=True)
class Act:
    """One execution: between these moments, or perhaps never."""

    at: tuple[int, int]
    does: str
    value: str | None = None
    ttl: int = 0
    must: bool = True


Store = tuple[str | None, float]
"""Value, and when its time runs out."""


def carried_out(store: Store, act: Act, now: int) -> Store | None:
    """The store afterwards; None: what was seen cannot be so."""
    value, ends = store
    there = value if now < ends else None
    if act.does == "put":
        return act.value, now + act.ttl
    if act.does == "put once":
        return (act.value, now + act.ttl) if there is None else store if not act.must else None
    if act.does == "drop":
        return None, FOREVER
    if act.does == "give back":
        return (None, FOREVER) if there == act.value else None
    if act.does == "renew":
        return (there, now + act.ttl) if there == act.value else None
    if act.does == "look":
        fits = there is not None if act.value == SOMETHING else there == act.value
        return store if fits else None
    total = int(there or 0) + 1
    if act.value is not None and int(act.value) != total:
        return None
    return str(total), (now + act.ttl if there is None else ends)


def possible(acts: Sequence[Act]) -> bool:
    """Whether any order, at any moments, explains all that was seen."""

    @cache
    def explains(left: frozenset[int], store: Store, now: int) -> bool:
        if not any(acts[n].must for n in left):
            return True
        for n in left:
            earliest, latest = acts[n].at
            for at in range(max(now, earliest), latest + 1):
                after = carried_out(store, acts[n], at)
                if after is not None and explains(left - {n}, after, at):
                    return True
        return False

    return explains(frozenset(range(len(acts))), (None, FOREVER), 0)


def flags(dice: random.Random) -> tuple[list[Act], Past]:
    """Up to four changes and three looks at one flag."""
    acts, changes, looks = [], [], []
    for n in range(dice.randint(1, 3)):
        begin, end = _interval(dice)
        certain, ttl = dice.random() < 0.7, dice.choice((3, 30))
        does = StepKind.DROP if dice.random() < 0.15 else StepKind.PUT
        value = None if does is StepKind.DROP else str(n)
        late = dice.random() < 0.15
        until = END if late or not certain else end
        acts.append(Act((begin, end if certain else until), str(does), value, ttl, must=certain))
        extra = int(late or not certain)
        if certain and late:
            acts.append(Act((begin, until), str(does), value, ttl, must=False))
        if dice.random() < 0.15:  # sent once more, or an attempt before the one that was answered
            acts.append(Act((begin, until), str(does), value, ttl, must=False))
            extra += 1
        changes.append(_change(n, does, value, None, ttl, certain, begin, end, until, extra))
    for n in range(dice.randint(1, 3)):
        begin, end = _interval(dice)
        value = dice.choice((None, None, SOMETHING, *(one.value for one in changes), "9"))
        acts.append(Act((begin, end), "look", value))
        looks.append(Look(n=100 + n, value=value, sent_us=begin, done_us=end))
    return acts, Past(changes=changes, looks=looks, epsilon_us=0)


def flags_put_once(dice: random.Random) -> tuple[list[Act], Past]:
    """Up to four who put it once, and two who look; some are told that it was there."""
    acts, changes, looks = [], [], []
    for n in range(dice.randint(1, 4)):
        begin, end = _interval(dice)
        ttl, draw = dice.choice((3, 30)), dice.random()
        if draw < 0.3:
            acts.append(Act((begin, end), "look", SOMETHING))
            looks.append(Look(n=n, value=SOMETHING, sent_us=begin, done_us=end))
            continue
        certain = draw < 0.8
        until = end if certain else END
        acts.append(Act((begin, until), "put once", str(n), ttl, must=certain))
        changes.append(_change(n, StepKind.PUT, str(n), None, ttl, certain, begin, end, until))
        if certain:
            looks.append(Look(n=n, value=None, sent_us=begin, done_us=end))
    for n in range(dice.randint(0, 2)):
        begin, end = _interval(dice)
        value = dice.choice((None, *(one.value for one in changes)))
        acts.append(Act((begin, end), "look", value))
        looks.append(Look(n=100 + n, value=value, sent_us=begin, done_us=end))
    return acts, Past(changes=changes, looks=looks, epsilon_us=0)


def counters(dice: random.Random) -> tuple[list[Act], Past]:
    """Up to five counts, and a look; numbers that nobody can have got as well."""
    acts, changes, looks = [], [], []
    ttl = dice.choice((4, 30))
    for n in range(dice.randint(2, 5)):
        begin, end = _interval(dice)
        certain = dice.random() < 0.8
        total = dice.randint(1, 3) if certain else None
        until = end if certain else END
        acts.append(Act((begin, until), "count", None if total is None else str(total), ttl, must=certain))
        changes.append(_change(n, StepKind.COUNT, None, total, ttl, certain, begin, end, until))
    if dice.random() < 0.5:
        begin, end = _interval(dice)
        value = dice.choice((None, "1", "2"))
        acts.append(Act((begin, end), "look", value))
        looks.append(Look(n=100, value=value, sent_us=begin, done_us=end))
    return acts, Past(changes=changes, looks=looks, epsilon_us=0)


def _interval(dice: random.Random) -> tuple[int, int]:
    begin = dice.randint(0, END - 3)
    return begin, begin + dice.randint(0, 2)


def _change(  # noqa: PLR0917 - what a change is made of
    n: int,
    does: StepKind,
    value: str | None,
    total: int | None,
    ttl: int,
    certain: bool,
    begin: int,
    end: int,
    until: int,
    extra: int = 0,
) -> Change:
    return Change(
        n=n,
        does=does,
        value=value,
        total=total,
        limit=2,
        ttl_us=ttl,
        certain=certain,
        first_us=begin,
        sent_us=begin,
        done_us=end if certain else FOREVER,
        until_us=until,
        extra=extra,
    )


MODELS: dict[str, tuple[Callable[[random.Random], tuple[list[Act], Past]], ObjectKind]] = {
    "flag": (flags, REVOKED),
    "flag put once": (flags_put_once, SPENT),
    "counter": (counters, ATTEMPTS),
}


@cache
def judged(kind: str) -> list[tuple[bool, Sequence[Breach], bool | None]]:
    """Whether each past can have been, and what the model and the exact test say of it."""
    dice = random.Random(f"objects {kind}")
    make, model = MODELS[kind]
    found: list[tuple[bool, Sequence[Breach], bool | None]] = []
    for _ in range(PASTS):
        acts, past = make(dice)
        # A token that was spent without an answer is burnt: that can be, and is a finding all the same.
        breaches = [one for one in model.judge(past) if one.kind is not TOKEN_BURNT]
        found.append((possible(acts), breaches, explained(model, past, past.looks)))
    return found


@pytest.mark.parametrize(("kind", "least"), [("flag", 0.75), ("flag put once", 0.6), ("counter", 0.15)])
def test_model_accuses_nobody_whom_an_order_of_events_explains(kind: str, least: float) -> None:
    """Nothing is broken where anything explains it. Of what cannot be, a flag's model finds most; a counter's looks
    for what it forgot, and passes over numbers that nobody can have got."""
    found = missed = 0
    for can_be, breaches, _ in judged(kind):
        assert not (can_be and breaches), breaches
        found += bool(breaches)
        missed += not can_be and not breaches
    assert found >= least * (found + missed)


@pytest.mark.parametrize(("kind", "least"), [("flag", 0.75), ("flag put once", 0.75), ("counter", 0.6)])
def test_exact_test_accuses_nobody_whom_an_order_of_events_explains(kind: str, least: float) -> None:
    """And of what cannot be it sees most; that something outlives its time it does not look for."""
    found = missed = 0
    for can_be, _, said in judged(kind):
        assert not (can_be and said is False)
        found += said is False
        missed += not can_be and said is not False
    assert found >= least * (found + missed)


def test_exact_test_says_nothing_of_what_is_no_register_or_has_too_many_ways() -> None:
    """A tally; a counter that nobody answered."""
    nothing = Past(changes=[], looks=[], epsilon_us=0)
    assert explained(ONLINE, nothing, []) is None
    assert explained(ATTEMPTS, nothing, []) is True
    unheard = [_change(n, StepKind.COUNT, None, None, 30, False, n, n, END) for n in range(5)]
    assert explained(ATTEMPTS, Past(changes=unheard, looks=[], epsilon_us=0), []) is None


def test_what_was_sent_twice_without_an_answer_may_be_seen_before_and_after_another_change() -> None:
    """Each attempt may have been carried out; a single one cannot have been on both sides of it."""
    looks = [Look(n=10 + n, value=value, sent_us=at, done_us=at) for n, (value, at) in enumerate(SEEN_AGAIN)]
    other = _change(2, StepKind.PUT, "2", None, 30, True, 3, 3, 3)
    for extra, possible_at_all in ((1, False), (2, True)):
        unheard = _change(1, StepKind.PUT, "1", None, 30, False, 0, 0, END, extra)
        past = Past(changes=[unheard, other], looks=looks, epsilon_us=0)
        assert explained(REVOKED, past, looks) is possible_at_all


SEEN_AGAIN = (("1", 1), ("2", 4), ("1", 6))


@dataclass
class Leases:
    """Two or three who ask for one lease, as they were answered; some renew it, some give it back."""

    acts: list[Act]
    held: list[Held]
    may: list[MayHold]
    nils: list[tuple[int, int]]


def leases(dice: random.Random) -> Leases:
    made = Leases([], [], [], [])
    for n in range(dice.randint(2, 3)):
        begin, end = _interval(dice)
        ttl, draw = dice.choice((2, 4, 30)), dice.random()
        if draw < 0.25:
            made.acts.append(Act((begin, end), "look", SOMETHING))
            made.nils.append((begin, end))
            continue
        certain = draw < 0.85
        made.acts.append(Act((begin, end if certain else END), "put once", str(n), ttl, must=certain))
        if not certain:
            made.may.append(MayHold(from_us=begin, until_us=END + ttl))
            continue
        asked, until, by = begin, begin + ttl, FOREVER
        if len(made.acts) < LEASE_ACTS - 2 and dice.random() < 0.3 and end + 1 < END:
            asked = dice.randint(end, END - 1)
            end = asked + dice.randint(0, 1)
            made.acts.append(Act((asked, end), "renew", str(n), ttl))
            until = asked + ttl
        if dice.random() < 0.4:
            sent = dice.randint(end, END)
            made.acts.append(Act((sent, min(END, sent + 1)), "give back", str(n)))
            until, by = min(until, sent), min(END, sent + 1)
        told = next(one.at[1] for one in made.acts if one.does == "put once" and one.value == str(n))
        made.held.append(Held(n=n, from_us=told, until_us=until))
        made.may.append(MayHold(from_us=begin, until_us=min(end + ttl, by)))
    return made


def test_leases_accuse_nobody_whom_an_order_of_events_explains() -> None:
    """Two who certainly held it at once cannot have done so, and somebody must have held what was found taken."""
    dice, found = random.Random("leases"), 0
    for _ in range(LEASE_PASTS):
        made = leases(dice)
        holders = Holders(sorted(made.may, key=lambda one: one.from_us))
        accused = bool(held_at_once(made.held)) or not all(holders.any_within(*one) for one in made.nils)
        if accused:
            found += 1
            assert not possible(made.acts), made
    assert found > LEASE_PASTS / 10


def test_flag_that_is_put_once_tells_who_put_it() -> None:
    """NX that had an effect is a look as well; `Past` has it from whoever reads the steps."""
    once = Flag(prefix="once:", what="it", lost=REVOKED.lost, once=True)
    first, second = (
        _change(n, StepKind.PUT, str(n), None, 30, True, at, at + 1, at + 1) for n, at in ((0, 1), (1, 5))
    )
    looks = [Look(n=0, value=None, sent_us=1, done_us=2), Look(n=1, value=None, sent_us=5, done_us=6)]
    (breach,) = once.judge(Past(changes=[first, second], looks=looks, epsilon_us=0))
    assert (breach.promise, breach.looks) == (first, [looks[1]])


def test_two_who_put_it_once_at_the_same_time_cannot_both_have_done_so() -> None:
    """Whoever came second met the first; which of them that was nobody can tell."""
    first, second = (
        _change(n, StepKind.PUT, str(n), None, 30, True, at, at + 2, at + 2) for n, at in ((0, 1), (1, 2))
    )
    looks = [Look(n=0, value=None, sent_us=1, done_us=3), Look(n=1, value=None, sent_us=2, done_us=4)]
    (breach,) = SPENT.judge(Past(changes=[first, second], looks=looks, epsilon_us=0))
    assert (breach.kind, breach.promise) == (SPENT.lost, first)
    assert REVOKED.judge(Past(changes=[first, second], looks=[], epsilon_us=0)) == []
