"""What a session must have held: texts cut into tokens, their sums, and where sums prove nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pytest

from harness.checks.screen.contents import Changes, Tokens, contents_of, weigh

WRITTEN = ('theme":"1:theme', 'ip":"1:ip', 'theme":"1:theme', 'theme":"2:theme', 'sid":"s1', 'cart:1":"1')


def tokens(*texts: str) -> Tokens:
    return Tokens(pa.array(texts or WRITTEN, pa.string()))


def number(known: Tokens, text: str) -> int:
    return int(known.numbers[known.texts.to_pylist().index(text)])


def sums(known: Tokens, *chunks: Sequence[str | None], packed: bool = False) -> list[int]:
    arrays = [pa.array(chunk, pa.string()) for chunk in chunks]
    return known.sums(contents_of(one.dictionary_encode() if packed else one for one in arrays)).tolist()


def test_token_is_a_field_with_its_value() -> None:
    """Equal ones are one; each has its field."""
    known = tokens()
    assert known.texts.to_pylist() == [
        'theme":"1:theme',
        'ip":"1:ip',
        'theme":"2:theme',
        'sid":"s1',
        'cart:1":"1',
    ]
    assert known.codes.tolist() == [0, 1, 0, 2, 3, 4]
    assert known.fields == ["theme", "ip", "sid", "cart:1"]
    assert known.field.tolist() == [0, 1, 0, 2, 3]
    assert len({*known.numbers.tolist()}) == 7
    assert known.numbers[-1] == 0
    assert all(known.numbers[:-1])
    assert tokens('a":"b":"c').fields == ["a"]


@pytest.mark.parametrize("packed", [False, True])
def test_content_is_the_sum_of_its_tokens(packed: bool) -> None:
    """In whatever order; nothing is nought, and so is no text at all."""
    known = tokens()
    theme, ip, other = (number(known, one) for one in ('theme":"1:theme', 'ip":"1:ip', 'theme":"2:theme'))
    both = (theme + ip) % 2**64
    found = sums(
        known,
        ['{"theme":"1:theme","ip":"1:ip"}', '{"ip":"1:ip","theme":"1:theme"}', "{}", None],
        ['{"theme":"2:theme"}', '{"theme":"1:theme","ip":"1:ip"}'],
        packed=packed,
    )
    assert found == [both, both, 0, 0, other, both]
    assert sums(known) == []
    assert sums(known, [], [None], packed=packed) == [0]


def test_text_that_nobody_wrote_has_no_content_that_can_be() -> None:
    """A value of nobody, or one that JSON writes in another way."""
    known = tokens()
    right = number(known, 'theme":"1:theme')
    (unwritten, escaped, beside) = sums(
        known, ['{"theme":"9:theme"}', '{"theme":"1:\\"theme"}', '{"theme":"1:theme"}']
    )
    assert beside == right
    assert len({0, right, unwritten, escaped}) == 4
    assert unwritten == int(known.numbers[-2])
    # What is escaped is escaped also where its tokens are known.
    quoted = tokens('theme":"a\\\\b')
    (found,) = sums(quoted, ['{"theme":"a\\\\b"}'])
    assert found not in quoted.numbers.tolist()


def test_long_columns_are_cut_piece_by_piece() -> None:
    """More texts than are looked at in one go."""
    texts = [f'a":"{n}' for n in range(70_000)]
    known = tokens(*texts)
    found = sums(known, [f'{{"{one}"}}' for one in texts])
    assert found == known.numbers[:-2].tolist()


# ---------------------------------------------------------------- changes

LOG_IN, WRITE, ADD, REMOVE = "log-in", "write", "add", "remove"


def weighed(known: Tokens, *changes: tuple[int, int, str, str, int, int]) -> tuple[list[int], set[int]]:
    """(step, session, kind, token or field, amount, total) each; the sums that steps add, and doubtful sessions."""
    fields = {name: n for n, name in enumerate(known.fields)}
    texts = known.texts.to_pylist()
    rows = [
        (
            step,
            session,
            fields[what.partition('":"')[0]],
            -1 if kind == REMOVE else texts.index(what),
            kind == LOG_IN,
            kind in {LOG_IN, WRITE},
            amount,
            total,
        )
        for step, session, kind, what, amount, total in changes
    ]
    columns = list(zip(*rows, strict=True))
    step, session, field, token = (np.array(one, np.int32) for one in columns[:4])
    makes, writes = (np.array(one, np.bool_) for one in columns[4:6])
    amount, total = (np.array(one, np.int64) for one in columns[6:])
    made = Changes(
        step=step.astype(np.int64),
        session=session.astype(np.int64),
        field=field,
        token=token,
        makes=makes,
        writes=writes,
        amount=amount,
        total=total,
    )
    added, doubtful = weigh(made, known, 1 + max(one[0] for one in changes))
    return added.tolist(), set(doubtful.tolist())


KNOWN = tokens(
    'theme":"1:theme', 'theme":"2:theme', 'ip":"1:ip', 'sid":"s1', 'cart:1":"1', 'cart:1":"3', 'theme":"7'
)


def n(text: str) -> int:
    return number(KNOWN, text)


def test_write_takes_the_old_value_away_and_adds_the_new_one() -> None:
    """Of the same field of the same session."""
    added, doubtful = weighed(
        KNOWN,
        (0, 5, LOG_IN, 'theme":"1:theme', 0, 0),
        (0, 5, LOG_IN, 'ip":"1:ip', 0, 0),
        (1, 5, WRITE, 'theme":"2:theme', 0, 0),
        (2, 6, LOG_IN, 'theme":"7', 0, 0),
    )
    assert added == [
        (n('theme":"1:theme') + n('ip":"1:ip')) % 2**64,
        (n('theme":"2:theme') - n('theme":"1:theme')) % 2**64,
        n('theme":"7'),
    ]
    assert doubtful == set()


def test_addition_and_removal_change_the_total() -> None:
    """The reply's total is the one before and the amount; what was taken out counts anew."""
    added, doubtful = weighed(
        KNOWN,
        (0, 5, ADD, 'cart:1":"1', 1, 1),
        (1, 5, ADD, 'cart:1":"3', 2, 3),
        (2, 5, REMOVE, "cart:1", 0, 0),
        (3, 5, ADD, 'cart:1":"1', 1, 1),
    )
    one, three = n('cart:1":"1'), n('cart:1":"3')
    assert added == [one, (three - one) % 2**64, -three % 2**64, one]
    assert doubtful == set()


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
            "an identity that is written over",
            ((0, 5, LOG_IN, 'sid":"s1', 0, 0), (1, 5, WRITE, 'sid":"s1', 0, 0)),
        ),
    ],
)
def test_sums_prove_nothing_of_a_session(
    doubt: str, changes: tuple[tuple[int, int, str, str, int, int], ...]
) -> None:
    """It is looked at record by record; the one beside it is not."""
    beside = (9, 6, LOG_IN, 'ip":"1:ip', 0, 0)
    _, doubtful = weighed(KNOWN, *changes, beside)
    assert doubtful == {5}, doubt


def test_same_value_in_two_sessions_is_no_repetition() -> None:
    """Each has its own."""
    _, doubtful = weighed(
        KNOWN,
        (0, 5, LOG_IN, 'theme":"1:theme', 0, 0),
        (1, 6, LOG_IN, 'theme":"1:theme', 0, 0),
        (2, 7, LOG_IN, 'theme":"7', 0, 0),
    )
    assert doubtful == set()
