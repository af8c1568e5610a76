"""Columns as arrays: what stands for null, and codes that mean the same text."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from harness.checks.columns.arrays import (
    NONE,
    Words,
    chunks,
    flagged,
    in_order_of,
    integers,
    known,
    picked,
)

TABLE = pa.table(
    {
        "number": pa.array([3, None, -1], pa.int32()),
        "whole": pa.array([3, 5, -1], pa.int32()),
        "flag": pa.array([True, None, False]),
        "text": pa.chunked_array([["b", None], ["a"]]),
        "packed": pa.array(["b", "a", "b"]).dictionary_encode(),
    }
)


def test_integers_have_a_number_for_none_that_is_earlier_than_all() -> None:
    """Whatever the column's width."""
    assert integers(TABLE, "number").tolist() == [3, NONE, -1]
    assert integers(TABLE, "whole").tolist() == [3, 5, -1]
    assert {integers(TABLE, name).dtype for name in ("number", "whole")} == {np.dtype(np.int64)}
    assert np.iinfo(np.int64).min <= NONE - (1 << 61)  # a difference with a time is a number still
    assert NONE <= -(1 << 62)


def test_known_is_what_is_not_null() -> None:
    """A flag that is False is known as well."""
    assert known(TABLE, "number").tolist() == [True, False, True]
    assert known(TABLE, "flag").tolist() == [True, False, True]


def test_flag_that_is_null_has_neither_value() -> None:
    """Asked for either, it is not."""
    assert flagged(TABLE, "flag", value=True).tolist() == [True, False, False]
    assert flagged(TABLE, "flag", value=False).tolist() == [False, False, True]


def test_column_comes_in_the_pieces_that_it_has() -> None:
    """And from disk in those that are read when they are asked for."""
    assert [one.to_pylist() for one in chunks(TABLE, "text")] == [["b", None], ["a"]]

    class OnDisk:
        def chunks(self, name: str) -> list[pa.Array]:
            return [pa.array([name])]

    assert [one.to_pylist() for one in chunks(OnDisk(), "text")] == [["text"]]


@pytest.mark.parametrize("count", [0, 1, 65_536, 65_537, 131_075])
def test_picked_is_what_numpy_would_pick(count: int) -> None:
    """However many; the last place may be named from behind."""
    values = np.arange(10, 20, dtype=np.int16)
    places: npt.NDArray[np.int32] = (np.arange(count, dtype=np.int32) * 7) % 11 - 1
    found = picked(values, places)
    assert found.dtype == np.int16
    assert np.array_equal(found, values[places])


def test_words_have_a_code_for_each_row_and_a_text_for_each_code() -> None:
    """Null has a code of its own that stands for no text."""
    words = Words(TABLE, "text")
    assert words.codes.tolist() == [0, -1, 1]
    assert (words.names(), len(words)) == (["b", "a"], 2)
    assert words.known.tolist() == [True, False, True]
    assert words.which(lambda text: text > "a").tolist() == [True, False, False]
    assert words.which(lambda _: True).tolist() == [True, False, True]
    assert words.equal("a").tolist() == [False, False, True]
    assert Words(TABLE, "packed").codes.tolist() == [0, 1, 0]


def test_texts_of_chosen_rows_are_different_and_known() -> None:
    """A row without one is passed over."""
    packed = Words(TABLE, "packed")
    assert packed.at(np.array([True, False, True])) == ["b"]
    assert packed.at(np.array([False, False, False])) == []
    assert sorted(Words(TABLE, "text").at(np.array([True, True, True]))) == ["a", "b"]


def test_members_are_numbered_as_the_vocabulary_is() -> None:
    """Not as the column is; a text that is no member is a mistake."""
    assert Words(TABLE, "text").as_members(("a", "b", "c")).tolist() == [1, -1, 0]
    assert Words(TABLE, "text").as_members(("a", "b", "c")).dtype == np.int8
    with pytest.raises(KeyError):
        Words(TABLE, "text").as_members(("a",))


def test_codes_of_one_column_are_translated_to_another() -> None:
    """What the other does not have is told apart from null."""
    other = Words(pa.table({"x": ["c", "a", None]}), "x")
    assert other.same_as(Words(TABLE, "text")).tolist() == [-2, 1, -1]
    assert Words(TABLE, "text").same_as(other).tolist() == [-2, -1, 1]


@pytest.mark.parametrize(
    "codes",
    [
        [],
        [0],
        [2, 1, 2, 0, 1],
        [65535, 0, 65535, 1],
        [65536, 0, 1],
        [0, 65536, 65535, 0],
        [1 << 32, 5, 1 << 16, 1 << 32, (1 << 32) + 1, 1 << 48, 3],
        [n * 7 % 5 + (n * 3 % 4 << 16) for n in range(2000)],
    ],
)
def test_order_by_code_is_stable(codes: list[int]) -> None:
    """Of codes with one digit of the sort, with two, and at the edge between."""
    expected = sorted(range(len(codes)), key=lambda n: codes[n])
    assert in_order_of(np.array(codes, np.int64)).tolist() == expected
