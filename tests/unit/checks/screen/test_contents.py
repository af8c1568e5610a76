"""What a session must have held: texts cut into tokens, their sums, and where sums prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from harness.checks.columns.arrays import Names
from harness.checks.screen.contents import NEVER, Changes, Tokens, contents_of, sums, weigh
from harness.checks.screen.so_far import SoFar, Twice, chained, numbers_of

THEME, IP, OTHER = 'theme":"1:theme', 'ip":"1:ip', 'theme":"2:theme'


def n(text: str) -> int:
    return int(numbers_of([text])[0])


def summed(*chunks: Sequence[str | None], packed: bool = False) -> list[int]:
    arrays = [pa.array(chunk, pa.string()) for chunk in chunks]
    return sums(contents_of(one.dictionary_encode() if packed else one for one in arrays)).tolist()


def test_token_is_a_field_with_its_value() -> None:
    """Equal ones have one number; each has its field, whose number is the same ever after."""
    fields = Names()
    known = Tokens(pa.array([THEME, IP, THEME, OTHER, 'cart:1":"1'], pa.string()), fields)
    assert fields.all() == ["theme", "ip", "cart:1"]
    assert known.field.tolist() == [0, 1, 0, 0, 2]
    assert known.numbers.tolist() == [n(THEME), n(IP), n(THEME), n(OTHER), n('cart:1":"1')]
    assert len({*known.numbers.tolist(), 0, int(NEVER)}) == 6
    assert Tokens(pa.array(['a":"b":"c', IP], pa.string()), fields).field.tolist() == [3, 1]


def test_token_with_a_number_as_redis_writes_it_is_a_total() -> None:
    """And no other text, however like one it is."""
    most = (1 << 63) - 1
    totals = {"0": 0, "7": 7, "-3": -3, str(most): most}
    others = ["", "-0", "07", "+7", " 7", "7 ", "1:7", "7.0", "x", str(most + 1), '1":"7']
    texts = [f'cart:1":"{value}' for value in (*totals, *others)]
    counts, values = Tokens(pa.array(texts, pa.string()), Names()).totals()
    assert counts.tolist() == [True] * len(totals) + [False] * len(others)
    assert values.tolist() == [*totals.values()] + [0] * len(others)


@pytest.mark.parametrize("packed", [False, True])
def test_content_is_the_sum_of_its_tokens(packed: bool) -> None:
    """In whatever order; nothing is nought, and so is no text at all."""
    both = (n(THEME) + n(IP)) % 2**64
    found = summed(
        ['{"theme":"1:theme","ip":"1:ip"}', '{"ip":"1:ip","theme":"1:theme"}', "{}", None],
        ['{"theme":"2:theme"}', '{"theme":"1:theme","ip":"1:ip"}'],
        packed=packed,
    )
    assert found == [both, both, 0, 0, n(OTHER), both]
    assert summed() == []
    assert summed([], [None], packed=packed) == [0]


def test_text_that_json_writes_in_another_way_has_no_content_that_can_be() -> None:
    """Also where its tokens would be known; what is beside it has."""
    escaped, quoted, beside = summed(['{"theme":"1:\\"theme"}', '{"theme":"a\\\\b"}', '{"theme":"1:theme"}'])
    assert escaped == quoted == int(NEVER)
    assert beside == n(THEME)


def test_long_columns_are_cut_piece_by_piece() -> None:
    """More texts than are looked at in one go."""
    texts = [f'a":"{one}' for one in range(70_000)]
    assert summed([f'{{"{one}"}}' for one in texts]) == numbers_of(texts).tolist()


# ---------------------------------------------------------------- changes

LOG_IN, WRITE, ADD, REMOVE = "log-in", "write", "add", "remove"

Told = tuple[int, int, str, str, int, int]


def changes_of(so_far: SoFar, told: Sequence[Told]) -> Changes:
    names = [what.partition('":"')[0] for _, _, _, what, _, _ in told]
    step, session, kind, what, amount, total = zip(*told, strict=True)
    return Changes(
        step=np.array(step, np.int64),
        session=np.array(session, np.int32),
        field=np.array([so_far.fields.numbers(pa.array([name]))[0] for name in names], np.int32),
        number=np.array(
            [0 if how == REMOVE else n(text) for how, text in zip(kind, what, strict=True)], np.uint64
        ),
        makes=np.array([how == LOG_IN for how in kind]),
        writes=np.array([how in {LOG_IN, WRITE} for how in kind]),
        adds=np.array([how == ADD for how in kind]),
        amount=np.array(amount, np.int64),
        total=np.array(total, np.int64),
    )


def weighed(*changes: Told, apart: bool = False) -> tuple[list[int], set[int]]:
    """(step, session, kind, token or field, amount, total) each; the sums that steps add, and doubtful sessions.
    `apart`: each in a part of the history of its own."""
    so_far = SoFar()
    so_far.number(pa.array([f"s{number}" for number in range(10)]))
    added = np.zeros(1 + max(one[0] for one in changes), np.uint64)
    doubtful: set[int] = set()
    for part in [[one] for one in changes] if apart else [list(changes)]:
        more, odd = weigh(changes_of(so_far, part), len(added), so_far)
        added += more
        doubtful |= set(odd.tolist())
    return added.tolist(), doubtful | set(so_far.values.sessions().tolist())


apart_or_not = pytest.mark.parametrize("apart", [False, True])


@apart_or_not
def test_write_takes_the_old_value_away_and_adds_the_new_one(apart: bool) -> None:
    """Of the same field of the same session, in whatever part of the history that was."""
    added, doubtful = weighed(
        (0, 5, LOG_IN, THEME, 0, 0),
        (0, 5, LOG_IN, IP, 0, 0),
        (1, 5, WRITE, OTHER, 0, 0),
        (2, 6, LOG_IN, 'theme":"7', 0, 0),
        apart=apart,
    )
    assert added == [(n(THEME) + n(IP)) % 2**64, (n(OTHER) - n(THEME)) % 2**64, n('theme":"7')]
    assert doubtful == set()


@apart_or_not
def test_addition_and_removal_change_the_total(apart: bool) -> None:
    """The reply's total is the one before and the amount; what was taken out counts anew."""
    added, doubtful = weighed(
        (0, 5, ADD, 'cart:1":"1', 1, 1),
        (1, 5, ADD, 'cart:1":"3', 2, 3),
        (2, 5, REMOVE, "cart:1", 0, 0),
        (3, 5, ADD, 'cart:1":"1', 1, 1),
        apart=apart,
    )
    one, three = n('cart:1":"1'), n('cart:1":"3')
    assert added == [one, (three - one) % 2**64, -three % 2**64, one]
    assert doubtful == set()


@apart_or_not
@pytest.mark.parametrize(
    ("doubt", "changes"),
    [
        ("a total that is not the sum", ((0, 5, ADD, 'cart:1":"1', 1, 1), (1, 5, ADD, 'cart:1":"3', 1, 3))),
        ("a first total that is not its amount", ((0, 5, ADD, 'cart:1":"3', 1, 3),)),
        (
            "a field both set and counted",
            ((0, 5, LOG_IN, 'theme":"1:theme', 0, 0), (1, 5, ADD, 'theme":"7', 7, 7)),
        ),
        ("a field that no log-in made", ((0, 5, WRITE, 'theme":"1:theme', 0, 0),)),
        (
            "a value that comes twice",
            (
                (0, 5, LOG_IN, 'theme":"1:theme', 0, 0),
                (1, 5, WRITE, 'theme":"2:theme', 0, 0),
                (2, 5, WRITE, 'theme":"1:theme', 0, 0),
            ),
        ),
        (
            "an addition after a removal of all",
            ((0, 5, REMOVE, "theme", 0, 0), (1, 5, ADD, 'theme":"7', 6, 7)),
        ),
        (
            "an identity that is written over",
            ((0, 5, LOG_IN, 'sid":"s1', 0, 0), (1, 5, WRITE, 'sid":"s1', 0, 0)),
        ),
    ],
)
def test_sums_prove_nothing_of_a_session(doubt: str, changes: tuple[Told, ...], apart: bool) -> None:
    """It is looked at record by record; the one beside it is not."""
    _, doubtful = weighed(*changes, (9, 6, LOG_IN, IP, 0, 0), apart=apart)
    assert doubtful == {5}, doubt


@apart_or_not
def test_same_value_in_two_sessions_is_no_repetition(apart: bool) -> None:
    """Each has its own."""
    _, doubtful = weighed(
        (0, 5, LOG_IN, THEME, 0, 0),
        (1, 6, LOG_IN, THEME, 0, 0),
        (2, 7, LOG_IN, 'theme":"7', 0, 0),
        apart=apart,
    )
    assert doubtful == set()


def test_what_is_held_is_the_last_of_each_field_of_sessions_that_may_still_change() -> None:
    """So it does not grow with the run."""
    so_far = SoFar()
    so_far.number(pa.array(["gone", "here"]))
    told = [(0, 0, LOG_IN, THEME, 0, 0), (1, 1, LOG_IN, THEME, 0, 0), (2, 1, WRITE, OTHER, 0, 0)]
    weigh(changes_of(so_far, told), 3, so_far)
    assert so_far.held.session.tolist() == [0, 1]
    assert so_far.held.number.tolist() == [n(THEME), n(OTHER)]
    so_far.gone[0] = True
    weigh(changes_of(so_far, [(0, 1, WRITE, 'ip":"2:ip', 0, 0)]), 1, so_far)
    assert so_far.held.session.tolist() == [1, 1]


def test_twice_says_all_sessions_of_equal_numbers() -> None:
    """Whenever they were added."""
    twice = Twice()
    assert twice.sessions().tolist() == []
    twice.add(np.array([7, 8], np.uint64), np.array([1, 2]))
    twice.add(np.array([9, 7, 9], np.uint64), np.array([3, 4, 3]))
    assert sorted(twice.sessions().tolist()) == [1, 3, 3, 4]


def test_chain_tells_the_order() -> None:
    """The same numbers in another order are another sum; and from a place on they are what follows it."""
    numbers = numbers_of(["a", "b", "c"])
    whole = chained(numbers, np.arange(3)).sum()
    later = np.append(chained(numbers[:1], np.arange(1)), chained(numbers[1:], np.arange(1, 3)))
    assert whole == later.sum()
    assert whole != chained(numbers[::-1], np.arange(3)).sum()
    assert chained(numbers[:0], np.arange(0)).tolist() == []
