"""Thrift's compact protocol, in which Parquet's headers and footers are written. Knows no field's meaning.

A struct that is to be written again is its fields: each has its type, and its bytes, into which nobody looks
who does not ask for them. So what the kit does not know stays as it is.

Trap: a number must keep its type. Readers pass over a field of another type than they expect.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import BinaryIO, TypeAlias

LONG, LIST, STRUCT = 6, 9, 12
"""Types: of the fields that the kit writes itself."""

Fields: TypeAlias = "dict[int, tuple[int, bytes]]"
"""Number -> type and content."""

_NESTED_AT_MOST = 16
_DOUBLE_BYTES = 8
_MORE = 128
"""In a byte of a number: another one follows."""
_LONG_LIST = 15
"""In the place of a list's size: it follows as a number of its own."""


def byte(text: BinaryIO) -> int:
    found = text.read(1)
    if not found:
        raise ValueError("a header is cut off, or too long")
    return found[0]


def octets(text: BinaryIO) -> bytes:
    length = unsigned(text)
    found = text.read(length)
    if len(found) != length:
        raise ValueError("a header is cut off, or too long")
    return found


def number(text: BinaryIO) -> int:
    found = unsigned(text)
    return (found >> 1) ^ -(found & 1)


def unsigned(text: BinaryIO) -> int:
    found = shift = 0
    while shift < 64:
        one = byte(text)
        found |= (one % _MORE) << shift
        if one < _MORE:
            return found
        shift += 7
    raise ValueError("a header has a number of more than 64 bits")


def fields_of(content: bytes) -> Fields:
    """The fields of a struct.

    Raises:
        ValueError: it is none.
    """
    found: Fields = {}
    text, field = io.BytesIO(content), 0
    while head := byte(text):
        field, kind = _field(text, head, field)
        begin = text.tell()
        _pass(text, kind, _NESTED_AT_MOST)
        found[field] = kind, content[begin : text.tell()]
    return found


def items_of(content: bytes) -> list[bytes]:
    """The items of a list.

    Raises:
        ValueError: it is none.
    """
    text = io.BytesIO(content)
    size, kind = _list(text)
    found = []
    for _ in range(size):
        begin = text.tell()
        _pass(text, kind, _NESTED_AT_MOST)
        found.append(content[begin : text.tell()])
    return found


def number_of(content: bytes) -> int:
    return number(io.BytesIO(content))


def octets_of(content: bytes) -> bytes:
    return octets(io.BytesIO(content))


def struct(fields: Fields) -> bytes:
    written, before = bytearray(), 0
    for field, (kind, content) in sorted(fields.items()):
        step = field - before
        written += bytes([step << 4 | kind]) if 0 < step < 16 else bytes([kind]) + signed(field)
        written += content
        before = field
    return bytes(written) + b"\0"


def list_of(kind: int, items: Iterable[bytes]) -> bytes:
    known = list(items)
    if len(known) < _LONG_LIST:
        return bytes([len(known) << 4 | kind]) + b"".join(known)
    return bytes([_LONG_LIST << 4 | kind]) + _varint(len(known)) + b"".join(known)


def signed(value: int) -> bytes:
    return _varint(value << 1 if value >= 0 else ~(value << 1))


def _varint(value: int) -> bytes:
    written = bytearray()
    while value >= _MORE:
        written.append(value % _MORE + _MORE)
        value >>= 7
    return bytes([*written, value])


def _field(text: BinaryIO, head: int, before: int) -> tuple[int, int]:
    """Number and type."""
    step, kind = head >> 4, head & 15
    return before + step if step else number(text), kind


def _list(text: BinaryIO) -> tuple[int, int]:
    """Size and type of its items."""
    head = byte(text)
    size, kind = head >> 4, head & 15
    return unsigned(text) if size == _LONG_LIST else size, kind


def _pass(text: BinaryIO, kind: int, nested: int) -> None:
    """Go to the end of a value."""
    if not nested:
        raise ValueError("a header is nested too deeply")
    match kind:
        case 1 | 2:  # true, false: the type is the value
            pass
        case 3:
            byte(text)
        case 4 | 5 | 6:
            unsigned(text)
        case 7:
            text.seek(_DOUBLE_BYTES, io.SEEK_CUR)
        case 8:
            octets(text)
        case 9:
            size, items = _list(text)
            if items <= 2:
                raise ValueError("a header has a list of flags, which none of Parquet's has")
            for _ in range(size):
                _pass(text, items, nested - 1)
        case 12:
            while head := byte(text):
                _pass(text, _field(text, head, 0)[1], nested - 1)
        case _:
            raise ValueError(f"a header has a field of type {kind}, which none of Parquet's has")
