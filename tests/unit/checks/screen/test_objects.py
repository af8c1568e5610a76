"""The screen of objects: what it calls clean has nothing wrong with it, and one thing that is wrong with a key makes
exactly this key one to look at."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import given

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import epsilon_of
from harness.checks.run import run_checks
from harness.checks.screen.screening import screen
from harness.checks.screen.steps import TIME_BITS
from harness.costly import np
from harness.model.history import History
from harness.model.records import ObjectEntry, Operation, Step
from harness.model.words import Outcome, StepKind
from harness.objects import OBJECTS
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import ADDRESS, CUT_OFF, PROFILE, REVOKED, SPENT
from harness.objects.kind import AT, LIMIT, ON_OBJECTS, TOTAL, UNTIL, VALUE, ObjectKind
from harness.objects.listed import FORM
from harness.objects.message import ENDED
from harness.objects.saved import SAVED
from harness.objects.tally import ONLINE, ONLINE_NAIVE
from harness.objects.told import DOES, Told
from harness.objects.unused import UNUSED
from lab.past import Past
from lab.records import us
from tests.in_parts import in_parts
from tests.share import examples
from tests.unit.checks.screen.test_screening import both_ways, seeds

USERS = ("ann", "bob")
FLAGS = (REVOKED, CUT_OFF, SPENT, PROFILE, ADDRESS)
COUNTERS = (ATTEMPTS, FORM)

# ---------------------------------------------------------------- one thing at a time


def story(*, end_s: float = 30.0) -> tuple[Past, str]:
    """A log-in of ann, and what follows is done by its session."""
    past = Past(end_s=end_s)
    return past, past.log_in("ann", 0.1)


def doubted(history: History) -> frozenset[str] | None:
    """The keys that the screen leaves; it makes no difference to the answer, nor does reading in parts."""
    both_ways(history)
    found = screen(history).objects
    with in_parts(history, 1) as apart:
        assert screen(apart).objects == found
    return found


def all_well(past: Past) -> History:
    """Its records are not to be changed; `changed` copies them."""
    history = past.history()
    assert doubted(history) == frozenset()
    return history


def put_and_look(kind: ObjectKind, *moments: float, lives: float = 900.0) -> Past:
    """Put at the first moment, looked at then."""
    past, ann = story()
    past.put(kind, "ann", ann, moments[0], lives=lives)
    for at in moments[1:]:
        past.look(kind, "ann", ann, at)
    return past


@pytest.mark.parametrize("kind", FLAGS)
def test_flag_that_everybody_sees_is_clean(kind: ObjectKind) -> None:
    """Put, seen, put again; looked at before, and by the audit."""
    past, ann = story()
    past.look(kind, "ann", ann, 1.0)
    for at in (2.0, 4.0):
        past.put(kind, "ann", ann, at)
        past.look(kind, "ann", ann, at + 1.0)
    assert doubted(past.history()) == frozenset()


@pytest.mark.parametrize("kind", FLAGS)
def test_flag_that_is_over_is_clean(kind: ObjectKind) -> None:
    """Whoever looks after its time sees nothing, and it can be put once more."""
    past = put_and_look(kind, 1.0, 1.5, 3.5, 4.0, lives=2.0)
    past.put(kind, "ann", next(iter(past.users)), 5.0)
    assert doubted(past.history()) == frozenset()


@pytest.mark.parametrize("kind", COUNTERS)
def test_counter_that_counts_is_clean(kind: ObjectKind) -> None:
    """One more each time, seen so, and anew in the next window."""
    past, ann = story()
    for at in (1.0, 1.5, 2.0, 4.5, 5.0):
        past.count(kind, "ann", ann, at, window=3.0)
        past.look(kind, "ann", ann, at + 0.1)
    past.look(kind, "ann", ann, 9.0)
    past.count(kind, "ann", ann, 10.0)
    assert doubted(past.history()) == frozenset()


def test_key_that_nobody_changed_and_where_nobody_saw_anything_is_clean() -> None:
    """Of every kind, also where a look got no answer, and a change was refused."""
    past, ann = story()
    kinds: Sequence[ObjectKind] = (*FLAGS, SAVED)
    for n, kind in enumerate(kinds):
        past.look(kind, "ann", ann, 1.0 + n)
        past.look(kind, "ann", ann, 1.2 + n, outcome="unknown", executed=True)
    past.put(REVOKED, "bob", ann, 9.0, outcome="rejected", executed=False)
    assert doubted(past.history()) == frozenset()


@pytest.mark.parametrize("kind", [SAVED, UNUSED, ENDED, ONLINE, ONLINE_NAIVE])
def test_object_of_a_kind_that_calls_nothing_calm_is_looked_at(kind: ObjectKind) -> None:
    """It has no screen of its own, so nothing is said of it here."""
    past, ann = story()
    past.enter(kind, "ann", ann, 1.0)
    assert kind.calm(_nothing()) is None
    assert doubted(past.history()) == {kind.key("ann")}


def _nothing() -> Told:
    none = np.zeros(0, np.int64)
    small = none.astype(np.int8)
    return Told(
        begin=none,
        key=none,
        does=small,
        effective=small,
        value=none.astype(np.uint64),
        total=none,
        ttl_us=none,
        sent_us=none,
        done_us=none,
    )


Change = Callable[[Step], object]


def changed(history: History, number: int, change: Change) -> History:
    """The history with one step on an object, by its number, telling something else."""
    operations = [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]
    steps = [step for one in operations for step in one.steps if step.does in ON_OBJECTS]
    change(steps[number])
    return replace(history, operations=tuple(operations))


def telling(**what: Any) -> Change:
    def change(step: Step) -> None:
        for name, value in what.items():
            setattr(step, name, value)

    return change


ODD_STEPS = {
    "without an answer": telling(outcome=Outcome.UNKNOWN),
    "with an error": telling(error="READONLY"),
    "at the second attempt": telling(attempts=(1, 2)),
    "sent at another moment than its attempt": telling(sent_us=1_999_990),
}


@pytest.mark.parametrize("how", ODD_STEPS)
@pytest.mark.parametrize("number", [0, 2])
def test_key_with_a_step_that_was_not_acked_at_once_is_looked_at(how: str, number: int) -> None:
    """Whichever step it is; nobody else's key is."""
    past, ann = story()
    past.look(PROFILE, "ann", ann, 1.0)
    past.put(PROFILE, "bob", ann, 1.5)
    past.put(PROFILE, "ann", ann, 2.0)
    if number == 0 and how == "without an answer":
        return  # such a look says nothing
    assert doubted(changed(past.history(), number, ODD_STEPS[how])) == {PROFILE.key("ann")}


def flags_otherwise() -> dict[str, tuple[int, Change]]:
    """A flag that is put at 1 s for 2 s, looked at at 2 s, put again at 5 s, looked at at 6 s and 7 s."""
    return {
        "a value that nobody put": (1, telling(saw={VALUE: "7"})),
        "nothing, before its time is over": (1, telling(saw={})),
        "nothing, as its time is no other's": (3, telling(saw={})),
        "the value before": (3, telling(saw={VALUE: "2"})),
        "something without a value": (1, telling(saw={VALUE: ""})),
        "put without a value": (0, telling(wrote={})),
        "put without an effect": (2, telling(effective=False)),
        "taken away": (2, telling(does=StepKind.DROP)),
        "counted": (2, telling(does=StepKind.COUNT)),
    }


@cache
def flag_put_and_seen() -> History:
    past, ann = story()
    past.put(PROFILE, "ann", ann, 1.0, lives=2.0)
    past.look(PROFILE, "ann", ann, 2.0)
    past.put(PROFILE, "ann", ann, 5.0)
    past.look(PROFILE, "ann", ann, 6.0)
    past.look(PROFILE, "ann", ann, 7.0)
    return all_well(past)


@pytest.mark.parametrize("how", flags_otherwise())
def test_flag_that_is_seen_otherwise_once_is_looked_at(how: str) -> None:
    """Another value, none, or another change than those that flags are for."""
    assert doubted(changed(flag_put_and_seen(), *flags_otherwise()[how])) == {PROFILE.key("ann")}


@pytest.mark.parametrize(
    "otherwise",
    [telling(does=StepKind.DROP), telling(does=StepKind.COUNT), telling(effective=False)],
)
def test_flag_that_was_done_something_else_to_is_looked_at(otherwise: Change) -> None:
    """Also where everybody, the audit too, saw what had been put before."""
    past = put_and_look(PROFILE, 1.0)
    ann = next(iter(past.users))
    past.put(PROFILE, "ann", ann, 2.0)
    past.look(PROFILE, "ann", ann, 3.0)
    history = changed(past.history(), 2, telling(saw={VALUE: "2"}))
    history = audited(changed(history, 1, otherwise), saying(saw={VALUE: "2"}))
    assert doubted(history) == {PROFILE.key("ann")}


def test_token_that_was_spent_twice_is_looked_at() -> None:
    """Also where the audit saw the second use."""
    past = put_and_look(SPENT, 1.0)
    past.put(SPENT, "ann", next(iter(past.users)), 2.0)
    history = changed(past.history(), 1, telling(effective=True))
    assert doubted(audited(history, saying(saw={VALUE: "3"}))) == {SPENT.key("ann")}


def test_flag_whose_value_is_empty_is_there_all_the_same() -> None:
    """Put so, seen so, and so in the audit."""
    history = changed(put_and_look(PROFILE, 1.0, 2.0).history(), 0, telling(wrote={VALUE: ""}))
    history = audited(changed(history, 1, telling(saw={VALUE: ""})), saying(saw={VALUE: ""}))
    assert doubted(history) == frozenset()


def test_flag_that_nobody_can_outlive_must_be_seen() -> None:
    """Put without a time, it is there for ever."""
    past = put_and_look(PROFILE, 1.0, 2.0)
    forever = changed(past.history(), 0, telling(ttl_ms=None))
    assert doubted(forever) == frozenset()
    assert doubted(changed(forever, 1, telling(saw={}))) == {PROFILE.key("ann")}
    assert doubted(audited(forever, saying(saw=None))) == {PROFILE.key("ann")}


def test_flag_that_comes_back_by_itself_is_looked_at() -> None:
    """Over, not there, and there again with nothing put between; there for longer than its time is none."""
    past = put_and_look(PROFILE, 1.0, 4.0, 5.0, lives=2.0)
    still = changed(past.history(), 1, telling(saw={VALUE: "2"}))
    assert doubted(still) == frozenset()
    back = changed(past.history(), 2, telling(saw={VALUE: "2"}))
    assert doubted(back) == {PROFILE.key("ann")}


def test_flag_seen_before_it_was_put_is_looked_at() -> None:
    """At the same time it may have been, so nothing is found; but the order in which they stand does not show it."""
    past, ann = story()
    past.look(PROFILE, "ann", ann, 0.9, took=0.5, executed=0.95)
    past.put(PROFILE, "ann", ann, 1.0)
    assert doubted(past.history()) == frozenset()
    assert doubted(changed(past.history(), 0, telling(saw={VALUE: "3"}))) == {PROFILE.key("ann")}


@pytest.mark.parametrize("kind", FLAGS)
def test_flag_that_two_put_at_once_is_looked_at(kind: ObjectKind) -> None:
    """Who was the last to put it only a closer look can tell."""
    past, ann = story()
    past.put(kind, "ann", ann, 1.0, took=0.5, executed=1.1)
    past.put(kind, "ann", ann, 1.2, took=0.5, executed=1.3)
    history = changed(past.history(), 1, telling(effective=True))
    assert doubted(history) == {kind.key("ann")}


TOKENS: dict[str, tuple[int, Change]] = {
    "spent twice": (1, telling(effective=True)),
    "spent, and nobody said so": (0, telling(effective=None)),
    "refused at first": (0, telling(effective=False)),
    "refused, and nobody said so": (1, telling(effective=None)),
}


@cache
def token_spent_and_refused() -> History:
    past, ann = story()
    past.put(SPENT, "ann", ann, 1.0)
    past.put(SPENT, "ann", ann, 2.0)
    return all_well(past)


@pytest.mark.parametrize("how", TOKENS)
def test_token_that_is_spent_otherwise_is_looked_at(how: str) -> None:
    """It is there for whoever comes second, and was not for the first."""
    assert doubted(changed(token_spent_and_refused(), *TOKENS[how])) == {SPENT.key("ann")}


def test_token_that_was_spent_without_a_value_is_looked_at() -> None:
    """Whoever comes second meets it, and nobody said what was put there; it is over when the audit looks."""
    past, ann = story()
    past.put(SPENT, "ann", ann, 1.0, lives=5.0)
    past.put(SPENT, "ann", ann, 2.0, lives=5.0)
    assert doubted(past.history()) == frozenset()
    for number in (0, 1):
        assert doubted(changed(past.history(), number, telling(wrote={}))) == {SPENT.key("ann")}


COUNTS: dict[str, tuple[int, Change]] = {
    "one number twice": (1, telling(added_now={TOTAL: 1})),
    "one too many": (1, telling(added_now={TOTAL: 3})),
    "anew before its window is over": (3, telling(added_now={TOTAL: 1})),
    "no number": (0, telling(added_now={})),
    "less than one": (0, telling(added_now={TOTAL: 0})),
    "seen lower": (2, telling(saw={TOTAL: "1"})),
    "seen higher": (2, telling(saw={TOTAL: "3"})),
    "not seen": (2, telling(saw={})),
    "seen as none": (2, telling(saw={TOTAL: "0"})),
    "seen with a nought before": (2, telling(saw={TOTAL: "02"})),
    "without an effect": (1, telling(effective=False)),
    "put": (1, telling(does=StepKind.PUT)),
    "taken away": (1, telling(does=StepKind.DROP)),
}


@cache
def one_two_seen_so_three(prefix: str) -> History:
    kind, (past, ann) = OBJECTS[prefix], story()
    past.count(kind, "ann", ann, 1.0)
    past.count(kind, "ann", ann, 2.0)
    past.look(kind, "ann", ann, 3.0)
    past.count(kind, "ann", ann, 4.0)
    past.put(PROFILE, "bob", ann, 5.0)
    return all_well(past)


@pytest.mark.parametrize("kind", COUNTERS)
@pytest.mark.parametrize("how", COUNTS)
def test_counter_that_counts_otherwise_once_is_looked_at(how: str, kind: ObjectKind) -> None:
    """Each number is one more than there was, and whoever looks sees it."""
    assert doubted(changed(one_two_seen_so_three(kind.prefix), *COUNTS[how])) == {kind.key("ann")}


def test_counter_must_go_on_until_the_window_of_its_latest_beginning_is_over() -> None:
    """An earlier window that is over says nothing about it."""
    past, ann = story()
    for at in (1.0, 5.0, 6.0):
        past.count(ATTEMPTS, "ann", ann, at, window=3.0)
    assert doubted(past.history()) == frozenset()
    assert doubted(changed(past.history(), 2, telling(added_now={TOTAL: 1}))) == {ATTEMPTS.key("ann")}
    unending = changed(past.history(), 0, telling(ttl_ms=None))
    assert doubted(unending) == {ATTEMPTS.key("ann")}


def test_first_look_at_a_key_after_another_key_begins_anew() -> None:
    """What was counted of one says nothing of the next."""
    past, ann = story()
    past.count(ATTEMPTS, "ann", ann, 1.0)
    past.count(ATTEMPTS, "bob", ann, 2.0)
    assert doubted(changed(past.history(), 1, telling(added_now={TOTAL: 2}))) == {ATTEMPTS.key("bob")}


def counted_otherwise(kind: ObjectKind, *, window: float = 300.0) -> Past:
    """Two counts of ann's, the second after the window of some, and one of bob's."""
    past, ann = story()
    past.count(kind, "ann", ann, 1.0, window=window)
    past.count(kind, "ann", ann, 5.0, window=window)
    past.count(kind, "bob", ann, 6.0)
    return past


@cache
def counted_well(prefix: str, window: float) -> History:
    return all_well(counted_otherwise(OBJECTS[prefix], window=window))


def in_agreement(history: History, key: str, total: int) -> History:
    """The audit shows this, so that nothing but the count itself is amiss."""

    def change(entry: ObjectEntry) -> None:
        if entry.key == key:
            entry.saw = {TOTAL: str(total)}

    return audited(history, change)


AGREED: dict[str, tuple[float, int, str, int]] = {
    "one too many": (300.0, 1, "ann", 3),
    "one number twice": (300.0, 1, "ann", 1),
    "anew, and not from one on": (3.0, 1, "ann", 3),
    "as if another key's count went on": (300.0, 2, "bob", 3),
    "at first not one": (300.0, 2, "bob", 2),
}
"""The window, which step, whose, and what it counts."""


@pytest.mark.parametrize("kind", COUNTERS)
@pytest.mark.parametrize("how", AGREED)
def test_counter_that_counts_otherwise_is_looked_at_where_the_audit_agrees(
    how: str, kind: ObjectKind
) -> None:
    """What stands there in the end does not make it right."""
    window, number, whose, total = AGREED[how]
    otherwise = changed(counted_well(kind.prefix, window), number, telling(added_now={TOTAL: total}))
    assert doubted(in_agreement(otherwise, kind.key(whose), total)) == {kind.key(whose)}


@pytest.mark.parametrize("kind", COUNTERS)
@pytest.mark.parametrize("seen", [0, 1, 3, 4])
def test_counter_that_is_seen_otherwise_once_its_window_is_over_is_looked_at(
    seen: int, kind: ObjectKind
) -> None:
    """It may be seen as it was, as its time is no promise to end, or not at all; the audit agrees."""
    past, ann = story()
    past.count(kind, "ann", ann, 1.0, window=9.0)
    past.count(kind, "ann", ann, 2.0, window=9.0)
    past.look(kind, "ann", ann, 12.0)
    shown = {TOTAL: str(seen)} if seen else {}
    history = audited(changed(past.history(), 2, telling(saw=shown)), saying(saw=shown))
    assert doubted(history) == (frozenset() if not seen else {kind.key("ann")})


@pytest.mark.parametrize("kind", COUNTERS)
@pytest.mark.parametrize("total", [{}, {TOTAL: 0}, {TOTAL: -1}, {TOTAL: 1_000_000_000}])
def test_count_that_is_no_number_of_something_is_looked_at(total: dict[str, int], kind: ObjectKind) -> None:
    """The only one of its key, and the audit finds nothing."""
    past, ann = story()
    past.count(kind, "ann", ann, 1.0, window=3.0)
    history = audited(past.history(), saying(saw={}))
    assert doubted(history) == frozenset()
    assert doubted(changed(history, 0, telling(added_now=total))) == {kind.key("ann")}


@pytest.mark.parametrize("kind", COUNTERS)
@pytest.mark.parametrize("does", [StepKind.PUT, StepKind.DROP])
def test_counter_that_is_put_or_taken_away_is_looked_at_whatever_it_says(
    does: StepKind, kind: ObjectKind
) -> None:
    """Also where it would fit in between as a look does."""
    steps = (StepKind.COUNT, does, StepKind.COUNT)
    calm = kind.calm(_counting(steps, totals=(1, 1, 2)))
    looked = kind.calm(_counting((StepKind.COUNT, StepKind.LOOK, StepKind.COUNT), totals=(1, 1, 2)))
    assert calm is not None
    assert looked is not None
    assert (calm.calm.tolist(), looked.calm.tolist()) == ([False], [True])


def _counting(steps: Sequence[StepKind], totals: Sequence[int]) -> Told:
    """On one key, a second apart."""
    at_us = np.arange(len(steps), dtype=np.int64) * 1_000_000
    return Told(
        begin=np.zeros(1, np.int64),
        key=np.zeros(len(steps), np.int64),
        does=np.array([DOES.index(one) for one in steps], np.int8),
        effective=np.ones(len(steps), np.int8),
        value=np.zeros(len(steps), np.uint64),
        total=np.array(totals, np.int64),
        ttl_us=np.full(len(steps), 300_000_000),
        sent_us=at_us,
        done_us=at_us + 1000,
    )


# ---------------------------------------------------------------- order


def test_look_that_was_forgotten_still_has_its_place() -> None:
    """It saw nothing, and was sent after what stands behind it was done."""
    past, ann = story()
    past.look(PROFILE, "ann", ann, 1.5)
    past.put(PROFILE, "ann", ann, 1.0)
    assert doubted(changed(past.history(), 0, telling(saw={}))) == {PROFILE.key("ann")}


def test_steps_that_stand_in_another_order_than_they_were_done_in_are_looked_at() -> None:
    """The later one stands first."""
    past, ann = story()
    past.put(PROFILE, "ann", ann, 0.5)
    past.look(PROFILE, "ann", ann, 1.5)
    past.look(PROFILE, "ann", ann, 1.0)
    assert doubted(past.history()) == {PROFILE.key("ann")}


# ---------------------------------------------------------------- the audit


def audited(history: History, change: Callable[[ObjectEntry], object]) -> History:
    """With what the primary told the audit of objects changed."""
    entries = [msgspec.structs.replace(one) for one in history.objects]
    for one in entries:
        if one.role == "primary":
            change(one)
    return replace(history, operations=history.table, objects=tuple(entries))


def saying(**what: Any) -> Callable[[ObjectEntry], None]:
    def change(entry: ObjectEntry) -> None:
        for name, value in what.items():
            setattr(entry, name, value)

    return change


@pytest.mark.parametrize(
    "otherwise",
    [
        saying(saw={}),
        saying(saw={VALUE: "9"}),
        saying(saw=None),
        saying(role="replica"),
        saying(sent_us=-1),
        saying(done_us=us(30.0) - 1),
        saying(done_us=1 << TIME_BITS),
    ],
)
def test_flag_that_the_audit_does_not_confirm_is_looked_at(
    otherwise: Callable[[ObjectEntry], object],
) -> None:
    """Something else, nothing, no answer; or at a time that nobody can have meant."""
    past = put_and_look(PROFILE, 1.0, 2.0)
    assert doubted(audited(past.history(), otherwise)) == {PROFILE.key("ann")}


@pytest.mark.parametrize("done_us", [us(30.0), (1 << TIME_BITS) - 1])
def test_audit_may_be_answered_at_once_or_very_late(done_us: int) -> None:
    """Nothing is wrong with its times; so is a step at the first moment of the run."""
    past = put_and_look(PROFILE, 0.0, 2.0)
    assert doubted(audited(past.history(), saying(done_us=done_us))) == frozenset()


def test_flag_of_which_only_the_audit_saw_something_is_looked_at() -> None:
    """Nobody put it, and every look before saw nothing; or there was no look at all."""
    past, ann = story()
    past.look(PROFILE, "ann", ann, 1.0)
    past.put(PROFILE, "bob", ann, 2.0, outcome="rejected", executed=False)
    history = audited(past.history(), saying(saw={VALUE: "9"}))
    assert doubted(history) == {PROFILE.key("ann"), PROFILE.key("bob")}


def test_what_only_the_audit_knows_says_nothing_of_other_keys() -> None:
    """Nobody had done anything to bob's; of ann's nobody has seen anything, and the audit got no answer."""
    past, ann = story()
    past.look(PROFILE, "ann", ann, 1.0)
    past.put(PROFILE, "bob", ann, 2.0, outcome="rejected", executed=False)

    def found(entry: ObjectEntry) -> None:
        entry.saw = {VALUE: "9"} if entry.key == PROFILE.key("bob") else None

    assert doubted(audited(past.history(), found)) == {PROFILE.key("bob")}


def test_key_of_no_object_is_none_to_look_at() -> None:
    """An older version of the kit may have had more kinds."""
    past = put_and_look(PROFILE, 1.0, 2.0)
    history = changed(past.history(), 1, telling(key="nobodys:{ann}"))
    assert doubted(history) == frozenset()


@pytest.mark.parametrize(("keys", "clean"), [(1, True), (2, False)])
def test_more_keys_than_can_be_sorted_at_once_are_all_looked_at(
    monkeypatch: pytest.MonkeyPatch, keys: int, clean: bool
) -> None:
    """By key and moment in one number."""
    monkeypatch.setattr("harness.checks.screen.objects.SESSION_BITS", 1)
    past, ann = story()
    for user in USERS[:keys]:
        past.put(PROFILE, user, ann, 1.0)
    history = past.history()
    assert screen(history).objects == (frozenset() if clean else {PROFILE.key(user) for user in USERS})
    both_ways(history)


def test_promise_that_is_over_before_the_audit_needs_no_audit() -> None:
    """Nobody was to look for it then."""
    past = put_and_look(PROFILE, 1.0, 2.0, lives=5.0)
    assert doubted(audited(past.history(), saying(saw=None))) == frozenset()
    counted, ann = story()
    counted.count(ATTEMPTS, "ann", ann, 1.0, window=5.0)
    assert doubted(audited(counted.history(), saying(saw=None))) == frozenset()


def through_a_failover(lives: float, *, since: float = 1.0) -> Past:
    """A profile that is put before a failover at 10 s, or after it, for so long."""
    past, ann = story()
    past.put(PROFILE, "ann", ann, since, lives=lives)
    past.fault(10.0)
    past.fail_over("redis-2", 11.0)
    return past


def test_promise_through_a_failover_must_have_been_seen_after_it() -> None:
    """By the audit, in its time; it need not where it was over before."""
    assert doubted(through_a_failover(900.0).history()) == frozenset()
    assert doubted(through_a_failover(2.0).history()) == frozenset()
    ended_between = through_a_failover(12.0)
    assert doubted(ended_between.history()) == {PROFILE.key("ann")}
    unseen = audited(through_a_failover(900.0).history(), saying(saw=None))
    assert doubted(unseen) == {PROFILE.key("ann")}


def test_audit_must_have_looked_between_the_danger_and_the_end_of_the_promise() -> None:
    """A microsecond decides, on each side of each."""
    lives_us = us(900.0)
    history = through_a_failover(900.0).history()
    landmarks, (epsilon_us, _) = facts_of(history).landmarks, epsilon_of(facts_of(history))
    assert landmarks.danger_us is not None
    begun_us, over_us = landmarks.danger_us
    ends_us = us(1.0) + lives_us - int(epsilon_us)
    for otherwise, clean in (
        (saying(sent_us=over_us), False),
        (saying(sent_us=over_us + 1), True),
        (saying(done_us=ends_us - 1), True),
        (saying(done_us=ends_us), False),
    ):
        found = screen(audited(history, otherwise)).objects
        assert found == (frozenset() if clean else {PROFILE.key("ann")})
    for since, clean in ((1.0, False), (0.999, True)):  # over when the danger begins, or before
        past = through_a_failover(begun_us / 1e6 - 1.0, since=since)
        assert doubted(past.history()) == (frozenset() if clean else {PROFILE.key("ann")})


def test_promise_through_a_failover_lasts_as_long_as_what_was_put_last() -> None:
    """What was put before for longer is no promise any more."""
    past = through_a_failover(900.0)
    past.put(PROFILE, "ann", next(iter(past.users)), 1.5, lives=12.0)
    assert doubted(past.history()) == {PROFILE.key("ann")}


def test_audit_that_looked_before_the_failover_was_over_tells_nothing() -> None:
    """Whatever it saw may have been lost afterwards."""
    early = audited(through_a_failover(900.0).history(), saying(sent_us=9_000_000, done_us=9_100_000))
    assert doubted(early) == {PROFILE.key("ann")}


# ---------------------------------------------------------------- at random


def busy(seed: int) -> Past:
    """Objects of every kind, some for a moment only; one in three runs has a failover."""
    dice = random.Random(f"objects {seed}")
    past = Past(end_s=30.0)
    owned = {user: past.log_in(user, 0.1 + n / 10) for n, user in enumerate(USERS)}
    took = dice.choice((0.001, 0.001, 0.15))
    for n in range(50):
        user = dice.choice(USERS)
        _work(past, dice, user, owned[user], 1.0 + n / 5, took)
    if dice.random() < 0.3:
        past.fault(dice.uniform(3.0, 12.0))
        past.fail_over("redis-2", 13.0)
    return past


def _work(  # noqa: PLR0917 - one line per request above
    past: Past, dice: random.Random, user: str, sid: str, at: float, took: float
) -> None:
    flag, counter = dice.choice(FLAGS), dice.choice(COUNTERS)
    how: dict[str, Any] = {"took": took, "executed": at + took * dice.random()}
    lives = dice.choice((0.7, 3.0, 900.0))
    does: Sequence[Callable[[], object]] = (
        lambda: past.put(flag, user, sid, at, lives=lives, **how),
        lambda: past.look(flag, user, sid, at, **how),
        lambda: past.look(flag, user, sid, at, **how),
        lambda: past.count(counter, user, sid, at, limit=dice.choice((None, 3)), window=lives, took=took),
        lambda: past.count(counter, user, sid, at, window=lives, **how),
        lambda: past.look(counter, user, sid, at, **how),
        lambda: past.save(SAVED, user, sid, at, took=took),
        lambda: past.enter(ONLINE, user, sid, at, took=took),
    )
    dice.choice(does)()


def told_otherwise(history: History, dice: random.Random) -> History:
    """One thing that one step on an object tells, or one entry of the audit, changed."""
    if dice.random() < 0.2 and history.objects:
        return _audited_otherwise(history, dice)
    operations = [msgspec.convert(msgspec.to_builtins(one), Operation) for one in history.operations]
    everybody = [(one, step) for one in operations for step in one.steps if step.does in ON_OBJECTS]
    if not everybody:
        return history
    (operation, step), (_, other) = dice.choice(everybody), dice.choice(everybody)
    otherwise: dict[str, Sequence[Any]] = {
        "outcome": tuple(Outcome),
        "effective": (True, False, None),
        "error": ("READONLY",),
        "attempts": ((), (2,), (1, 2)),
        "ttl_ms": (None, 1, 500, 900_000),
        "sent_us": ((step.sent_us or 0) - 100_000, (step.sent_us or 0) + 100),
        "done_us": ((step.done_us or 0) + 2_000_000, (step.done_us or 0) - 100, None),
        "does": ON_OBJECTS,
        "added_now": ({TOTAL: 1}, {TOTAL: 2}, {}),
        "saw": ({}, {TOTAL: "1"}, {VALUE: ""}, None),
        "wrote": ({}, {VALUE: "1"}, {LIMIT: "1"}, {VALUE: "1", UNTIL: "9000000"}),
        "key": (other.key,),
    }
    name = dice.choice((*otherwise, "a whole step", "the same of another"))
    if name == "a whole step":
        again = msgspec.structs.replace(step, n=len(operation.steps) + 1)
        operation.steps = dice.choice(((*operation.steps, again), operation.steps[:-1]))
    elif name == "the same of another":
        one = dice.choice(("saw", "wrote", "added_now", "effective"))
        setattr(step, one, getattr(other, one))
    else:
        setattr(step, name, dice.choice(otherwise[name]))
    return replace(history, operations=tuple(operations))


def _audited_otherwise(history: History, dice: random.Random) -> History:
    entries = [msgspec.structs.replace(one) for one in history.objects]
    entry, other = dice.choice(entries), dice.choice(entries)
    name, values = dice.choice(
        (
            ("saw", (None, {}, other.saw, {VALUE: "1"})),
            ("role", ("primary", "replica")),
            ("sent_us", (1_000_000, entry.sent_us + 5)),
            ("done_us", (entry.sent_us - 1_000_000, entry.done_us + 3_000_000_000)),
            ("key", (other.key,)),
        )
    )
    setattr(entry, name, dice.choice(values))
    return replace(history, operations=history.table, objects=tuple(entries))


def in_some_way_broken(seed: int) -> History:
    """A busy run, most often with something lost, or told otherwise up to three times."""
    dice = random.Random(f"broken {seed}")
    past = busy(seed)
    if dice.random() < 0.4:
        kind = dice.choice((*FLAGS, *COUNTERS, ONLINE, SAVED))
        past.forget(kind, dice.choice(USERS), dice.uniform(1.0, 20.0))
    if dice.random() < 0.3:
        past.doings[dice.randrange(len(past.doings))].lost = True
    history = past.history()
    for _ in range(dice.randrange(4)):
        history = told_otherwise(history, dice)
    return history


def judged_alike(history: History) -> None:
    """A damaged history may make a check crash; it crashes both ways then."""
    assert run_checks(history) == run_checks(history, screened=False)


@examples(2_000, 25)
@given(seeds)
def test_objects_of_every_kind_are_judged_alike_with_the_screen(seed: int) -> None:
    """Whatever is lost, late, doubled, or told otherwise: the screen never passes over what the models find."""
    judged_alike(in_some_way_broken(seed))


def test_most_objects_of_a_busy_run_are_clean() -> None:
    """The screen is of use: of flags and counters that nothing happens to, few are looked at."""
    seen, left = 0, 0
    for seed in range(12):
        history = busy(seed).history()
        keys = {
            one.key
            for one in history.objects
            if one.key.partition("{")[0] not in {SAVED.prefix, ONLINE.prefix}
        }
        seen += len(keys)
        left += len(keys & (screen(history).objects or frozenset()))
    assert left < seen / 2


def test_damaged_tally_is_no_error_of_the_screen() -> None:
    """A look without its total makes the check crash, which judging survives."""
    past, ann = story()
    past.enter(ONLINE, "ann", ann, 1.0)
    past.tally(ONLINE, "ann", ann, 2.0)
    judged_alike(changed(past.history(), 1, telling(saw={AT: "1"})))
