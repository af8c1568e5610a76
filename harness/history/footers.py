"""Parquet files put together from columns of others, which are copied as they lie.

A file's footer says where each column of each row group lies. So a column can be copied unread, if the new
file's footer says where it lies there. Arrow offers no such thing. What a column holds, and everything else
that its own footer says of it, stays as it is.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

from harness.costly import pq
from harness.history.thrift import (
    LIST,
    LONG,
    STRUCT,
    Fields,
    fields_of,
    items_of,
    list_of,
    number_of,
    octets_of,
    signed,
    struct,
)

_MAGIC = b"PAR1"
"""Begins and ends a file."""
_LENGTH_BYTES = 4

_FILE_ROWS, _FILE_GROUPS = 3, 4
_GROUP_CHUNKS, _GROUP_UNPACKED, _GROUP_ROWS, _GROUP_BEGIN, _GROUP_PACKED = 1, 2, 3, 5, 6
_CHUNK_COLUMN = 3
_PATH, _UNPACKED, _PACKED, _DATA, _DICTIONARY, _SIZES = 3, 6, 7, 9, 11, 16
_TEXT_BYTES, _REPEATED, _DEFINED = 1, 2, 3
"""Fields of parquet.thrift: of the file, a row group, a column's chunk, what that says of the column, and of
the sizes of what it holds."""


@dataclass(frozen=True)
class Chunk:
    """One column of one row group."""

    file: BinaryIO
    fields: Fields

    @cached_property
    def column(self) -> Fields:
        return fields_of(self.fields[_CHUNK_COLUMN][1])

    @property
    def path(self) -> str:
        """`steps.list.element`, say."""
        return b".".join(map(octets_of, items_of(self.column[_PATH][1]))).decode()

    @property
    def packed(self) -> int:
        return number_of(self.column[_PACKED][1])

    @property
    def unpacked(self) -> int:
        return number_of(self.column[_UNPACKED][1])

    @property
    def begin(self) -> int:
        return min(number_of(self.column[one][1]) for one in (_DATA, _DICTIONARY) if one in self.column)

    def content(self) -> bytes:
        """
        Raises:
            OSError, ValueError: it cannot be read, or is cut off.
        """
        self.file.seek(self.begin)
        found = self.file.read(self.packed)
        if len(found) != self.packed:
            raise ValueError(f"column {self.path} is cut off")
        return found

    def at(self, begin: int) -> Fields:
        """The chunk, where it begins there. An empty one lies nowhere."""
        further = begin - self.begin if self.packed else 0
        column = self.column | {
            one: _long(number_of(self.column[one][1]) + further)
            for one in (_DATA, _DICTIONARY)
            if one in self.column
        }
        return self.fields | {_CHUNK_COLUMN: (STRUCT, struct(column))}


@dataclass(frozen=True, slots=True)
class Group:
    """A row group."""

    fields: Fields
    chunks: tuple[Chunk, ...]

    @property
    def rows(self) -> int:
        return number_of(self.fields[_GROUP_ROWS][1])

    def with_chunks(self, changed: Iterable[Chunk]) -> Group:
        """With these in place of those of the same columns."""
        fresh = {one.path: one for one in changed}
        return Group(self.fields, tuple(fresh.get(one.path, one) for one in self.chunks))


@dataclass(frozen=True, slots=True)
class Footer:
    file: BinaryIO
    fields: Fields

    @classmethod
    def of(cls, file: BinaryIO) -> Footer:
        """
        Raises:
            OSError, ValueError: there is none, or it is damaged.
        """
        end = file.seek(-_LENGTH_BYTES - len(_MAGIC), io.SEEK_END)
        length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
        file.seek(end - length)
        return cls(file, fields_of(file.read(length)))

    def groups(self) -> Iterator[Group]:
        """One after the other: those of a long run, taken apart, are megabytes."""
        for content in items_of(self.fields[_FILE_GROUPS][1]):
            fields = fields_of(content)
            chunks = items_of(fields[_GROUP_CHUNKS][1])
            yield Group(fields, tuple(Chunk(self.file, fields_of(one)) for one in chunks))


def check_histograms(file: BinaryIO, schema: pq.ParquetSchema) -> None:
    """What Arrow wants of a column's histograms. It ends the whole process, when it is asked where a column
    lies, where these have another length than the column's type allows.

    Raises:
        OSError, ValueError: one has; or there is no footer, or it is damaged.
    """
    columns = [schema.column(place) for place in range(len(schema))]
    try:
        for group in Footer.of(file).groups():
            for chunk, column in zip(group.chunks, columns, strict=True):
                _check_histograms(chunk, column)
    except (KeyError, OverflowError) as problem:
        raise ValueError(f"its footer lacks what every one has: {problem}") from problem


def _check_histograms(chunk: Chunk, column: pq.ColumnSchema) -> None:
    if _SIZES not in chunk.column:
        return
    told = fields_of(chunk.column[_SIZES][1])
    if _TEXT_BYTES in told and column.physical_type != "BYTE_ARRAY":
        raise ValueError(f"column {column.path}: its footer tells the length of texts, and it holds none")
    levels = ((_REPEATED, column.max_repetition_level), (_DEFINED, column.max_definition_level))
    for one, most in levels:
        found = len(items_of(told[one][1])) if one in told else 0
        if found not in {0, most + 1}:
            raise ValueError(f"column {column.path}: expected a histogram of {most + 1}, found {found}")


class Assembled:
    """A file that grows by whole row groups."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._groups: list[bytes] = []
        self._rows = 0
        file.write(_MAGIC)

    def add(self, group: Group) -> None:
        """
        Raises:
            OSError, ValueError: a column cannot be read, or the disk does not take it.
        """
        begin, chunks = self._file.tell(), []
        for chunk in group.chunks:
            chunks.append(struct(chunk.at(self._file.tell())))
            self._file.write(chunk.content())
        fields = group.fields | {
            _GROUP_CHUNKS: (LIST, list_of(STRUCT, chunks)),
            _GROUP_UNPACKED: _long(sum(one.unpacked for one in group.chunks)),
            _GROUP_BEGIN: _long(begin if group.rows else 0),
            _GROUP_PACKED: _long(sum(one.packed for one in group.chunks)),
        }
        self._groups.append(struct(fields))
        self._rows += group.rows

    def finish(self, like: Footer) -> None:
        """Write the footer. `like`: of a file with the same columns.

        Raises:
            OSError: the disk does not take it.
        """
        footer = struct(
            like.fields | {_FILE_ROWS: _long(self._rows), _FILE_GROUPS: (LIST, list_of(STRUCT, self._groups))}
        )
        self._file.write(footer + len(footer).to_bytes(_LENGTH_BYTES, "little") + _MAGIC)


def _long(value: int) -> tuple[int, bytes]:
    return LONG, signed(value)
