"""The exact register test: by hand, against brute force, and against real registers."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterable
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from harness.checks.linearizability.actions import UNSAID, Action, Answer, Unsaid, Value
from harness.checks.linearizability.fast_path import judge_by_zones
from harness.checks.linearizability.search import (
    WORK_BETWEEN_LOOKS,
    _Allowance,
    explain,
    judge_register,
    search,
)
from harness.model.times import FOREVER
from tests.share import examples

seeds = st.integers(min_value=0, max_value=2**32)
many = examples(400, 50)
some = examples(60, 10)


def never() -> bool:
    return False


def write(id_: int, sent: float, done: float, value: str) -> Action:
    return Action(id=id_, sent=sent, done=done, leaves=value)


def read(id_: int, sent: float, done: float, seen: Value) -> Action:
    return Action(id=id_, sent=sent, done=done, expects=seen)


def cas(id_: int, sent: float, done: float, expected: Value, value: Value) -> Action:
    return Action(id=id_, sent=sent, done=done, expects=expected, leaves=value)


def failed(id_: int, sent: float, done: float, expected: Value, seen: Value | Unsaid = UNSAID) -> Action:
    return Action(id=id_, sent=sent, done=done, expects=seen, refuses=expected)


def delete(id_: int, sent: float, done: float, seen: Value | Unsaid = UNSAID) -> Action:
    return Action(id=id_, sent=sent, done=done, expects=seen, leaves=None)


def unknown(action: Action) -> Action:
    return replace(action, done=FOREVER, optional=True)


GOOD = {
    "nothing at all": [],
    "absent from the start": [read(1, 0, 1, None)],
    "write, then read": [write(1, 0, 1, "a"), read(2, 2, 3, "a")],
    "read beside the write, before": [write(1, 0, 5, "a"), read(2, 1, 2, None)],
    "read beside the write, after": [write(1, 0, 5, "a"), read(2, 1, 2, "a"), read(3, 3, 4, "a")],
    "equal times are concurrent": [write(1, 0, 2, "a"), write(2, 2, 3, "b"), read(3, 4, 5, "a")],
    "a value written twice": [
        write(1, 0, 1, "a"),
        write(2, 2, 3, "b"),
        write(3, 4, 5, "a"),
        read(4, 6, 7, "a"),
    ],
    "cas that found it": [write(1, 0, 1, "a"), cas(2, 2, 3, "a", "b"), read(3, 4, 5, "b")],
    "cas from absent": [cas(1, 0, 1, None, "a"), read(2, 2, 3, "a")],
    "cas to absent": [write(1, 0, 1, "a"), cas(2, 2, 3, "a", None), read(3, 4, 5, None)],
    "cas that failed": [write(1, 0, 1, "a"), failed(2, 2, 3, "b"), read(3, 4, 5, "a")],
    "cas that failed and saw": [write(1, 0, 1, "a"), failed(2, 2, 3, "b", "a")],
    "cas that failed beside the write": [write(1, 0, 5, "a"), failed(2, 1, 2, "a"), failed(3, 3, 4, None)],
    "delete": [write(1, 0, 1, "a"), delete(2, 2, 3), read(3, 4, 5, None)],
    "delete beside the last look at it": [
        *(write(1, 0, 1, "a"), delete(2, 2, 4), read(3, 4, 5, "a"), read(4, 6, 7, None)),
    ],
    "delete that saw": [write(1, 0, 1, "a"), delete(2, 2, 3, "a"), delete(3, 4, 5, None)],
    "created, deleted, created": [
        *(write(1, 0, 1, "a"), read(2, 2, 3, "a"), delete(3, 4, 5), read(4, 6, 7, None)),
        *(write(5, 8, 9, "b"), read(6, 10, 11, "b")),
    ],
    "unknown write never seen": [write(1, 0, 1, "a"), unknown(write(2, 2, 3, "b")), read(3, 9, 10, "a")],
    "unknown write seen late": [unknown(write(1, 0, 1, "b")), write(2, 5, 6, "a"), read(3, 9, 10, "b")],
    "unknown cas took effect": [write(1, 0, 1, "a"), unknown(cas(2, 2, 3, "a", "b")), read(3, 9, 10, "b")],
    "unknown cas did not": [write(1, 0, 1, "a"), unknown(cas(2, 2, 3, "a", "b")), read(3, 9, 10, "a")],
    "unknown cas found its value late": [
        *(write(1, 0, 1, "a"), unknown(cas(2, 2, 3, "b", "c"))),
        *(read(3, 4, 5, "a"), write(4, 6, 7, "b"), read(5, 8, 9, "c")),
    ],
    "one unknown cas feeds another": [
        *(unknown(cas(1, 0, 1, None, "a")), unknown(cas(2, 0, 1, "a", "b")), read(3, 5, 6, "b")),
    ],
    "unknown delete": [
        write(1, 0, 1, "a"),
        unknown(delete(2, 2, 3)),
        read(3, 4, 5, "a"),
        read(4, 6, 7, None),
    ],
    "unknown write unblocks a failed cas": [
        *(write(1, 0, 1, "a"), unknown(write(2, 0, 1, "b")), failed(3, 4, 5, "a")),
    ],
    "unknown write brings a value back, another one was used up": [
        *(unknown(write(1, 0, 1, "a")), unknown(write(2, 0, 1, "b")), read(3, 1.5, 2, "b")),
        *(write(4, 3, 4, "a"), write(5, 7, 8, "c"), read(6, 9, 10, "c"), read(7, 11, 12, "a")),
    ],
    "unknown guarded write needs what another unknown write makes": [
        *(unknown(write(1, 0, 1, "a")), unknown(replace(write(2, 0, 1, "b"), refuses=None))),
        read(3, 5, 6, "b"),
    ],
    "one actor's ties": [
        *(write(1, 0, 1, "a"), replace(write(2, 1, 1, "b"), after=frozenset({1}))),
        *(replace(read(3, 1, 2, "b"), after=frozenset({2})), read(4, 3, 4, "b")),
    ],
}

BAD = {
    "value from nowhere": [read(1, 0, 1, "a")],
    "absent after a write": [write(1, 0, 1, "a"), read(2, 2, 3, None)],
    "value from the future": [read(1, 0, 1, "a"), write(2, 2, 3, "a")],
    "overwritten value": [write(1, 0, 1, "a"), write(2, 2, 3, "b"), read(3, 4, 5, "a")],
    "new, then old": [write(1, 0, 1, "a"), write(2, 2, 9, "b"), read(3, 3, 4, "b"), read(4, 5, 6, "a")],
    "to and fro": [
        *(write(1, 0, 9, "a"), write(2, 0, 9, "b")),
        *(read(3, 1, 2, "a"), read(4, 3, 4, "b"), read(5, 5, 6, "a")),
    ],
    "three turns of two writes": [
        *(write(1, 0, 9, "a"), write(2, 0, 9, "a"), write(3, 0, 9, "b")),
        *(read(n, n, n + 0.5, "ab"[n % 2]) for n in range(4, 9)),
    ],
    "cas that cannot have found it": [write(1, 0, 1, "a"), cas(2, 2, 3, "b", "c")],
    "cas twice from one value": [write(1, 0, 1, "a"), cas(2, 2, 5, "a", "b"), cas(3, 2, 5, "a", "c")],
    "cas from absent twice": [cas(1, 0, 5, None, "a"), cas(2, 0, 5, None, "b")],
    "cas that should not have failed": [write(1, 0, 1, "a"), failed(2, 2, 3, "a")],
    "cas that failed and saw what it expected": [write(1, 0, 1, "a"), failed(2, 2, 3, "a", "a")],
    "cas that failed on absence": [failed(1, 0, 1, None)],
    "there after a delete": [write(1, 0, 1, "a"), delete(2, 2, 3), read(3, 4, 5, "a")],
    "delete that saw what was not there": [write(1, 0, 1, "a"), delete(2, 2, 3, "b")],
    "absent before the delete as well as after": [
        *(write(1, 0, 1, "a"), read(2, 10, 12, None), delete(3, 15, 16), read(4, 18, 20, None)),
    ],
    "absent after a delete that came too early": [
        *(write(1, 0, 1, "a"), delete(2, 0.5, 2), read(3, 3, 4, "a"), read(4, 6, 7, None)),
    ],
    "absent without a delete": [
        *(write(1, 0, 1, "a"), read(2, 2, 3, None), read(3, 4, 5, "a")),
    ],
    "unknown write seen before it was sent": [read(1, 0, 1, "a"), unknown(write(2, 2, 3, "a"))],
    "unknown write used twice": [
        *(unknown(write(1, 0, 1, "a")), write(2, 2, 3, "b")),
        *(read(3, 4, 5, "a"), read(4, 6, 7, "b"), read(5, 8, 9, "a")),
    ],
    "unknown guarded write without anything to write to": [
        *(unknown(replace(write(1, 0, 1, "b"), refuses=None)), read(2, 5, 6, "b")),
    ],
    "unknown cas without its value": [unknown(cas(1, 0, 1, "x", "a")), read(2, 4, 5, "a")],
    "unknown delete used twice": [
        *(write(1, 0, 1, "a"), unknown(delete(2, 2, 3)), read(3, 4, 5, None)),
        *(write(4, 6, 7, "a"), read(5, 8, 9, None)),
    ],
    "one actor's ties": [
        *(write(1, 0, 1, "a"), replace(write(2, 1, 1, "b"), after=frozenset({1})), read(3, 2, 3, "a")),
    ],
}


@pytest.mark.parametrize("name", GOOD)
def test_good_register_is_linearizable(name: str) -> None:
    """What some order explains passes, by either path and against brute force."""
    actions = GOOD[name]
    assert by_brute_force(actions)
    assert judge_register(actions, never) is Answer.LINEARIZABLE
    assert search(actions, never) is Answer.LINEARIZABLE


@pytest.mark.parametrize("name", BAD)
def test_bad_register_is_not(name: str) -> None:
    """What no order explains never passes, by either path and against brute force."""
    actions = BAD[name]
    assert not by_brute_force(actions)
    assert judge_register(actions, never) is Answer.NOT
    assert search(actions, never) is Answer.NOT
    shown_well(actions)


def by_brute_force(actions: Iterable[Action]) -> bool:
    """Every subset of the optional ones, in every order."""
    certain = [one for one in actions if not one.optional]
    optional = [one for one in actions if one.optional]
    return any(
        _some_order([*certain, *chosen], None)
        for count in range(len(optional) + 1)
        for chosen in combinations(optional, count)
    )


def _some_order(left: list[Action], value: Value) -> bool:
    return not left or any(
        _some_order(
            [other for other in left if other is not one],
            value if isinstance(one.leaves, Unsaid) else one.leaves,
        )
        for one in left
        if one.expects in {UNSAID, value}
        and one.refuses != value
        and not any(other.done < one.sent or other.id in one.after for other in left)
    )


def _only_observes(action: Action) -> bool:
    """It says what it met, and leaves it as it is."""
    says = action.expects is not UNSAID or action.refuses is not UNSAID
    return says and not action.optional and not action.changes


def shown_well(actions: list[Action]) -> None:
    """An explanation shows the contradiction, keeps the writers, and has nothing to spare."""
    shown, minimal = explain(actions, never)
    assert minimal
    assert judge_register(shown, never) is Answer.NOT
    seen = {one.expects for one in shown} - {UNSAID}
    assert {one.id for one in actions if one.leaves in seen} <= {one.id for one in shown}
    for one in shown:
        rest = [other for other in shown if other is not one]
        if _only_observes(one):
            assert judge_register(rest, never) is Answer.LINEARIZABLE, f"{one} is to spare"


def any_actions(dice: random.Random, *, distinct: bool) -> list[Action]:
    """Anything goes: most of it makes no sense."""
    values = [str(n) for n in range(dice.randint(1, 4))]
    made: list[Action] = []
    for n in range(dice.randint(1, 6)):
        sent = dice.randint(0, dice.choice((4, 10)))
        done = sent + dice.choice((0, 1, 2, 5))
        value: Value = dice.choice(values)
        kinds = [
            write(n, sent, done, f"v{n}" if distinct else value),  # type: ignore[arg-type]
            read(n, sent, done, f"v{dice.randrange(6)}" if distinct else value),
            read(n, sent, done, None),
            delete(n, sent, done),
            replace(write(n, sent, done, f"v{n}"), refuses=None),
        ]
        if not distinct:
            kinds += [
                cas(n, sent, done, dice.choice([None, value]), dice.choice([None, *values])),
                failed(n, sent, done, dice.choice([None, value])),
                failed(n, sent, done, value, dice.choice([None, *values])),
                delete(n, sent, done, dice.choice([None, value])),
            ]
        one = dice.choice(kinds)
        if one.changes and dice.random() < 0.25:
            one = unknown(one)
        ties = frozenset(other.id for other in made if other.done == sent and dice.random() < 0.3)
        made.append(one if distinct else replace(one, after=ties))
    dice.shuffle(made)
    return made


@many
@given(seeds)
def test_search_agrees_with_brute_force(seed: int) -> None:
    """On anything at all, ties included; and so do the quick proofs before it."""
    actions = any_actions(random.Random(seed), distinct=False)
    possible = by_brute_force(actions)
    assert (search(actions, never) is Answer.LINEARIZABLE) == possible
    assert (judge_register(actions, never) is Answer.LINEARIZABLE) == possible
    if search(actions, never) is Answer.NOT:
        shown_well(actions)


@many
@given(seeds)
def test_zones_agree_with_search_where_they_answer(seed: int) -> None:
    """The fast path gives the same answer, or none."""
    actions = any_actions(random.Random(seed), distinct=True)
    quick = judge_by_zones(actions)
    slow = search(actions, never)
    assert quick in {None, slow is Answer.LINEARIZABLE}
    if slow is Answer.NOT:
        shown_well(actions)


def test_what_the_order_of_sending_explains_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever may have happened besides."""
    monkeypatch.delattr(f"{search.__module__}.search")
    actions = [write(1, 0, 9, "a"), read(2, 1, 2, "a"), delete(3, 2, 3, "a"), read(4, 3, 4, None)]
    assert judge_register([*actions, unknown(cas(5, 0, 1, "a", "b"))], never) is Answer.LINEARIZABLE


def test_zones_answer_for_the_shapes_they_are_made_for() -> None:
    """They are no dead code: one log-in, guarded changes, logouts; or plain writes and reads."""
    guarded = [replace(write(n, n, n + 1.5, f"v{n}"), refuses=None) for n in range(2, 8)]
    session = [
        write(1, 0, 1, "v1"),
        *guarded,
        read(20, 8, 9, "v7"),
        delete(21, 10, 11),
        read(22, 12, 13, None),
    ]
    assert judge_by_zones(session) is True
    assert judge_by_zones([*session, read(23, 14, 15, "v7")]) is False
    assert judge_by_zones([write(1, 0, 1, "a"), write(2, 2, 3, "b"), read(3, 4, 5, "b")]) is True


@pytest.mark.parametrize(
    "name",
    [
        *("a value written twice", "cas that found it", "cas that failed", "delete that saw"),
        *("one actor's ties", "created, deleted, created"),
    ],
)
def test_zones_leave_the_rest_to_the_search(name: str) -> None:
    """Outside its premises the fast path says nothing."""
    assert judge_by_zones(GOOD[name]) is None


def real_register(dice: random.Random, *, operations: int = 40, values: int = 3) -> list[Action]:
    """What a register really did, each operation at one moment between its ends, or never."""
    begun = sorted((dice.uniform(0, 10), n) for n in range(operations))
    value: Value = None
    made = []
    for moment, n in begun:
        sent, done = (
            moment - dice.random() * dice.choice((0.1, 2)),
            moment + dice.random() * dice.choice((0.1, 2)),
        )
        new = dice.choice([None, *(str(one) for one in range(values))])
        kind = dice.choice(("read", "read", "write", "cas", "delete"))
        if kind != "read" and dice.random() < 0.15:  # nobody was told what came of it
            wish = cas(n, sent, done, dice.choice([None, "0", "1"]), new)
            wish = {"write": write(n, sent, done, new or "0"), "cas": wish, "delete": delete(n, sent, done)}[
                kind
            ]
            if (
                dice.random() < 0.5
                and wish.expects in {UNSAID, value}
                and not isinstance(wish.leaves, Unsaid)
            ):
                value = wish.leaves
            made.append(unknown(wish))
        elif kind == "write":
            value = new or "0"
            made.append(write(n, sent, done, value))
        elif kind == "cas":
            expected = dice.choice([None, "0", "1", value])
            if expected == value:
                made.append(cas(n, sent, done, expected, new))
                value = new
            else:
                made.append(failed(n, sent, done, expected, dice.choice([UNSAID, value])))
        elif kind == "delete":
            made.append(delete(n, sent, done, dice.choice([UNSAID, value])))
            value = None
        else:
            made.append(read(n, sent, done, value))
    dice.shuffle(made)
    return made


@some
@given(seeds)
def test_real_register_is_linearizable(seed: int) -> None:
    """No false alarm, whatever overlapped and whatever stayed unknown."""
    actions = real_register(random.Random(seed))
    assert judge_register(actions, never) is Answer.LINEARIZABLE
    assert search(actions, never) is Answer.LINEARIZABLE


@some
@given(seeds)
def test_impossible_observation_is_found(seed: int) -> None:
    """One look at a value that nobody wrote, or at one from the future, is enough."""
    dice = random.Random(seed)
    actions = real_register(dice)
    reads = [n for n, one in enumerate(actions) if _only_observes(one)]
    end = max(one.done for one in actions if one.done < FOREVER)
    if not reads:
        return
    at = dice.choice(reads)
    wrong = dice.choice(["never written", "only later"])
    actions[at] = replace(actions[at], expects=wrong)
    actions.append(write(1000, end + 1, end + 2, "only later"))
    assert judge_register(actions, never) is Answer.NOT
    shown, _ = explain(actions, never)
    assert actions[at] in shown
    shown_well(actions)


@some
@given(seeds)
def test_one_lost_write_is_found(seed: int) -> None:
    """A register that forgets one write that was seen cannot be explained."""
    dice = random.Random(seed)
    value, made = "0", [write(0, -2, -1, "0")]
    for n in range(1, 20):
        at = float(n)
        if dice.random() < 0.5:
            value = f"{n}"
            made.append(write(n, at, at + 0.5, value))
        else:
            made.append(read(n, at, at + 0.5, value))
    lost = write(50, 30, 31, "lost")
    assert judge_register([*made, lost, read(51, 32, 33, "lost")], never) is Answer.LINEARIZABLE
    actions = [*made, lost, read(51, 32, 33, value)]
    assert judge_register(actions, never) is Answer.NOT
    assert {one.id for one in explain(actions, never)[0]} >= {50, 51}


def knot(size: int) -> list[Action]:
    """Concurrent compare-and-sets along the edges of a graph that nobody can walk in one go."""
    dice = random.Random(7)
    edges = [cas(n, 0, 9, str(dice.randrange(9)), str(dice.randrange(9))) for n in range(size)]
    return [
        *edges,
        cas(size, 0, 9, None, "0"),
        read(size + 1, 20, 21, "nowhere"),
        write(size + 2, 0, 9, "nowhere"),
    ]


def test_search_that_takes_too_long_is_undecided() -> None:
    """Out of time is neither a pass nor a hang."""
    began = time.monotonic()
    assert judge_register(knot(60), lambda: time.monotonic() > began + 0.2) is Answer.UNDECIDED
    assert time.monotonic() < began + 5


def test_search_that_needs_too_much_memory_is_undecided(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configurations are bounded as well as time."""
    monkeypatch.setattr("harness.checks.linearizability.search.MOST_CONFIGURATIONS", 1000)
    assert judge_register(knot(60), never) is Answer.UNDECIDED


@pytest.mark.parametrize(("most", "answer"), [(0, Answer.UNDECIDED), (1, Answer.NOT)])
def test_as_many_configurations_as_allowed_are_not_too_many(
    most: int, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A single look at what nobody wrote needs one."""
    monkeypatch.setattr(sys.modules[search.__module__], "MOST_CONFIGURATIONS", most)
    assert search(BAD["value from nowhere"], never) is answer


def test_clock_is_looked_at_after_so_much_work_and_again_after_as_much() -> None:
    """However much of it came at once."""
    looks: list[int] = []
    allowance = _Allowance(lambda: bool(looks.append(0)))  # type: ignore[func-returns-value]
    for work, count in (
        (WORK_BETWEEN_LOOKS - 1, 0),
        (1, 1),
        (WORK_BETWEEN_LOOKS - 1, 1),
        (1, 2),
        (99_999, 3),
    ):
        allowance.spend(work)
        assert len(looks) == count


def test_search_comes_to_no_configuration_twice() -> None:
    """Seven writes under way at once have 5,040 orders, and 448 configurations."""
    actions = [*(write(n, 0, 20, str(n)) for n in range(7)), read(9, 30, 31, "nobody's")]
    assert search(actions, lambda: True) is Answer.NOT


def test_long_register_without_overlaps_takes_no_time_to_speak_of() -> None:
    """Each operation is looked at with its neighbours alone: thousands before the first look at the clock."""
    turns = [(write(2 * n, 4 * n, 4 * n + 1, str(n % 3)), read(2 * n + 1, 4 * n + 2, 4 * n + 3, str(n % 3))) for n in range(1500)]  # fmt: skip
    actions = [one for turn in turns for one in turn]
    assert search(actions, lambda: True) is Answer.LINEARIZABLE


def test_small_register_is_judged_even_when_time_is_up() -> None:
    """One hard key takes the time of no easy one."""
    assert judge_register(BAD["to and fro"], lambda: True) is Answer.NOT
    assert search(GOOD["a value written twice"], lambda: True) is Answer.LINEARIZABLE


def test_explanation_out_of_time_says_so() -> None:
    """What is shown is still a contradiction, only perhaps longer than it need be."""
    shown, minimal = explain(BAD["to and fro"], lambda: True)
    assert not minimal
    assert judge_register(shown, never) is Answer.NOT
