"""Columns of an operation table as numpy arrays: the first step of everything that runs at speed.

Text and enums become codes, times become integers with a number for "none". Nothing is judged here.
Trap: a dictionary's codes belong to one column of one table; `same_as` translates them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeAlias, TypeVar

from harness.costly import np, npt, pa, pc

Integers: TypeAlias = "npt.NDArray[np.int64]"
Codes: TypeAlias = "npt.NDArray[np.int32]"
Places: TypeAlias = "npt.NDArray[np.int32]"
"""Positions: half as large as numpy makes them by itself."""
Flags: TypeAlias = "npt.NDArray[np.bool_]"

Value = TypeVar("Value", bound="np.generic")

NONE = -(1 << 62)
"""Stands for null among integers: earlier than every time."""
NO_CODE = -1
"""Stands for null among codes."""

UNKNOWN = -2
"""Instead of a number: nobody has said this text yet."""

ROWS_AT_ONCE = 1 << 16
"""Where much is compared row by row: what is made on the way stays in the processor's cache."""

_RADIX = 1 << 16


def integers(table: pa.Table, name: str) -> Integers:
    column = table[name].combine_chunks()
    if column.null_count:
        column = pc.fill_null(column.cast(pa.int64()), NONE)
    found: Integers = column.to_numpy(zero_copy_only=False)
    return found if found.dtype == np.int64 else found.astype(np.int64)


def known(table: pa.Table, name: str) -> Flags:
    """Where the column is not null."""
    found: Flags = table[name].combine_chunks().is_valid().to_numpy(zero_copy_only=False)
    return found


def flagged(table: pa.Table, name: str, value: bool) -> Flags:
    """Where a flag has this value; where it is null it has none."""
    column = table[name].combine_chunks()
    if column.null_count:
        column = pc.fill_null(column, not value)
    found: Flags = column.to_numpy(zero_copy_only=False)
    return found if value else np.logical_not(found)


def give_back(rows: int) -> None:
    """Return freed memory to the system, which the C library does late and which costs time: taken anew, it
    is cleared page by page. So seldom, before much is needed, and not where `rows` left little behind."""
    if rows > ROWS_AT_ONCE:
        pa.default_memory_pool().release_unused()


def chunks(table: pa.Table, name: str) -> Iterator[pa.Array]:
    """The column piece by piece, each read when it is asked for where the table is on disk."""
    read_by_piece = getattr(table, "chunks", None)
    found: Iterator[pa.Array] = read_by_piece(name) if read_by_piece else table[name].iterchunks()
    return found


def picked(values: npt.NDArray[Value], places: npt.NDArray[Any]) -> npt.NDArray[Value]:
    """`values[places]`, piece by piece, which takes half as long: numpy widens small indices first."""
    found = np.empty(len(places), values.dtype)
    for begin in range(0, len(places), ROWS_AT_ONCE):
        these = slice(begin, begin + ROWS_AT_ONCE)
        np.take(values, places[these], out=found[these], mode="wrap")  # "raise" makes a copy first
    return found


def codes_of(packed: pa.DictionaryArray) -> Codes:
    codes = packed.indices
    if codes.null_count:
        codes = pc.fill_null(codes, NO_CODE)
    found: Codes = codes.to_numpy(zero_copy_only=False)
    return found


class Words:
    """A column of text: a code for each row, and what the codes stand for."""

    __slots__ = ("codes", "texts")

    def __init__(self, table: pa.Table, name: str) -> None:
        packed = table[name].combine_chunks().dictionary_encode()  # what is encoded stays as it is
        self.codes: Codes = codes_of(packed)
        self.texts: pa.Array = packed.dictionary

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def known(self) -> Flags:
        return self.codes >= 0

    def names(self) -> list[str]:
        found: list[str] = self.texts.to_pylist()
        return found

    def which(self, of: Callable[[str], bool]) -> Flags:
        """The rows whose text is so; null is not."""
        found: Flags = self.mapped([of(text) for text in self.names()], nothing=False, dtype=np.bool_)
        return found

    def at(self, chosen: Flags) -> list[str]:
        """The different texts of these rows, null left out."""
        codes = np.unique(self.codes[chosen])
        found: list[str] = self.texts.take(pa.array(codes[codes >= 0])).to_pylist()
        return found

    def equal(self, text: str) -> Flags:
        return self.which(text.__eq__)

    def mapped(self, values: Sequence[Any] | npt.NDArray[Any], *, nothing: Any, dtype: Any) -> Any:
        """For each row, what stands at its text's place in `values`."""
        known = np.empty(len(values) + 1, dtype)
        known[:-1], known[-1] = values, nothing
        return picked(known, self.codes)

    def as_members(self, members: Sequence[str]) -> npt.NDArray[np.int8]:
        """Codes of a closed vocabulary: positions in `members`, whatever the dictionary's order."""
        place = {str(member): n for n, member in enumerate(members)}
        found: npt.NDArray[np.int8] = self.mapped(
            [place[text] for text in self.names()], nothing=NO_CODE, dtype=np.int8
        )
        return found

    def same_as(self, other: Words) -> Codes:
        """These rows in the codes of the other column; -2 where that has no such text."""
        places = pc.fill_null(pc.index_in(self.texts, value_set=other.texts), -2).to_numpy()
        found: Codes = self.mapped(places, nothing=NO_CODE, dtype=np.int32)
        return found


class Names:
    """Texts and their numbers, in the order in which they were first said. Every part of a history asks for a
    few of them, however many are known by then."""

    __slots__ = ("_numbers",)

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def numbers(self, texts: pa.Array) -> Codes:
        """The number of each of these different texts; what is new gets the next ones."""
        known = self._numbers
        found = [known.setdefault(text, len(known)) for text in texts.to_pylist()]
        return np.array(found, np.int32)

    def known(self, texts: Iterable[str]) -> Codes:
        """The same of any texts, and `UNKNOWN` for what is new."""
        get = self._numbers.get
        return np.array([get(text, UNKNOWN) for text in texts], np.int32)

    def texts(self, numbers: Codes | Integers) -> list[str]:
        texts = self.all()
        return [texts[number] for number in numbers.tolist()]

    def all(self) -> list[str]:
        return list(self._numbers)


def in_order_of(codes: npt.NDArray[Any]) -> Integers:
    """Positions sorted by code, equal codes as they stood: a radix sort, as a comparing one costs more
    than everything else that is done to a million operations."""
    low: Integers = np.argsort((codes % _RADIX).astype(np.uint16), stable=True)
    while (codes >= _RADIX).any():
        codes = codes // _RADIX
        low = picked(low, np.argsort((picked(codes, low) % _RADIX).astype(np.uint16), stable=True))
    return low


def percentile(ordered: Sequence[int] | npt.NDArray[np.integer[Any]], share: float) -> int:
    """The nearest-rank percentile of ascending values: one that was measured, nothing interpolated."""
    if not len(ordered):
        raise ValueError("a percentile of nothing: expected at least one value")
    return int(ordered[max(1, math.ceil(share * len(ordered))) - 1])
