"""What a Parquet file really unpacks to, page by page: its footer may say anything.

Every column of a row group is a run of pages, and each page begins with a header of its own: a struct of
Thrift's compact protocol. Arrow allocates what that header says and fills it from what follows, so the
headers bound the memory that reading takes; the footer, which is quicker to ask, bounds nothing. Read
before anything is unpacked. Only pages as the kit writes them are taken.

Trap: a few bytes can stand for a billion values of a list, all of them equal. So values are counted, too,
and encodings that build texts on the text before are refused.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from harness.costly import pq
from harness.history.thrift import byte, number, octets

DATA = 0
"""The kind of a page; 2: a dictionary."""
ENCODINGS = frozenset({0, 2, 3, 5, 8})
"""Plain, dictionary (old and new), run lengths, differences of numbers."""

_HEADER_AT_MOST = 1 << 16
_NESTED_AT_MOST = 4

_PAGES_ALWAYS = 10_000
_BYTES_A_PAGE = 1 << 10
"""On the average, beyond that many. Pages of real runs hold twenty thousand values."""

Struct = dict[int, "int | bytes | Struct"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    begin: int
    """Of its content, in the file."""
    packed: int
    unpacked: int
    values: int
    is_data: bool


def unpacked_bytes(file: BinaryIO, size: int, metadata: pq.FileMetaData, *, values_at_most: int) -> int:
    """How many bytes all pages of the file unpack to. `size`: the file's.

    Raises:
        ValueError: a page is none of the kit's, lies elsewhere, or holds other numbers of values than the
            footer says; or a column holds more than `values_at_most` in all.
    """
    unpacked = pages = 0
    values: dict[str, int] = {}
    for position in range(metadata.num_row_groups):
        group = metadata.row_group(position)
        if not group.num_rows:
            continue  # of which nothing is read, and whose columns need not lie anywhere
        for place in range(group.num_columns):
            column = group.column(place)
            counted = 0
            for page in _pages(file, size, column):
                pages += 1
                unpacked += page.unpacked
                counted += page.values if page.is_data else 0
                if pages > _PAGES_ALWAYS + size // _BYTES_A_PAGE:
                    raise ValueError(f"more than {pages - 1} pages in {size} bytes: no run leaves that")
            if counted != column.num_values or counted < group.num_rows:
                raise ValueError(
                    f"column {column.path_in_schema}: its pages hold {counted} values, its footer says "
                    f"{column.num_values} in {group.num_rows} rows"
                )
            total = values[column.path_in_schema] = values.get(column.path_in_schema, 0) + counted
            if total > values_at_most:
                raise ValueError(f"{total} values in {size} bytes: no run leaves that")
    return unpacked


def _pages(file: BinaryIO, size: int, column: pq.ColumnChunkMetaData) -> Iterator[Page]:
    begin = column.data_page_offset
    if column.has_dictionary_page:
        begin = min(begin, column.dictionary_page_offset)
    end = begin + column.total_compressed_size
    if not 0 <= begin <= end <= size:
        raise ValueError(f"column {column.path_in_schema} lies from {begin} to {end} in {size} bytes")
    while begin < end:
        page = _page(file, begin)
        begin = page.begin + page.packed
        if begin > end:
            raise ValueError(f"column {column.path_in_schema}: a page ends behind it")
        yield page


def _page(file: BinaryIO, begin: int) -> Page:
    file.seek(begin)
    text = io.BytesIO(file.read(_HEADER_AT_MOST))
    match header := _struct(text, _NESTED_AT_MOST):
        case {1: 0 as kind, 2: int(unpacked), 3: int(packed), 5: {1: int(values), 2: int(encoding)}} | {
            1: 2 as kind,
            2: int(unpacked),
            3: int(packed),
            7: {1: int(values), 2: int(encoding)},
        } if encoding in ENCODINGS:
            pass
        case _:
            raise ValueError(f"the page at {begin} is of a kind that the kit does not write: {header!r:.200}")
    if min(values, unpacked, packed) < 0:
        raise ValueError(f"the page at {begin} has a negative size")
    return Page(
        begin=begin + text.tell(), packed=packed, unpacked=unpacked, values=values, is_data=kind == DATA
    )


def _struct(text: BinaryIO, nested: int) -> Struct:
    """Field number -> value, of a struct in Thrift's compact protocol; only the types that a page has."""
    if not nested:
        raise ValueError("a page's header is nested too deeply")
    found: Struct = {}
    field = 0
    while head := byte(text):
        step, kind = head >> 4, head & 15
        field = field + step if step else number(text)
        found[field] = _value(text, kind, nested)
    return found


def _value(text: BinaryIO, kind: int, nested: int) -> int | bytes | Struct:
    match kind:
        case 1 | 2:  # true, false: the type is the value
            return 2 - kind
        case 3:
            return byte(text)
        case 4 | 5 | 6:
            return number(text)
        case 8:
            return octets(text)
        case 12:
            return _struct(text, nested - 1)
    raise ValueError(f"a page's header has a field of type {kind}, which no page has")
