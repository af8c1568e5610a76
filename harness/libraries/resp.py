"""The Redis protocol in both directions, from bytes as they come. Versions 2 and 3. Pure.

Trap: it runs beside a library of any version, so it needs nothing but Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

Command = tuple[str, ...]
_END = b"\r\n"
_OF_MANY = {b"*": 1, b"~": 1, b">": 1, b"%": 2}
"""Kinds of replies that have elements, and how many belong to each that is counted."""
_OF_BYTES = b"$=!"


@dataclass(frozen=True, slots=True)
class ErrorReply:
    text: str


class Pushed(NamedTuple):
    """A message that answers no command."""

    values: object


class Found(NamedTuple):
    value: object
    ends_at: int


def reply_at(data: bytes | bytearray, at: int) -> Found | None:
    """The reply that begins there; None: it is not all there yet."""
    line_ends = data.find(_END, at)
    if line_ends < 0:
        return None
    kind, rest, after = bytes(data[at : at + 1]), bytes(data[at + 1 : line_ends]), line_ends + 2
    if kind in _OF_BYTES:
        return _bulk(data, kind, int(rest), after)
    if kind in _OF_MANY:
        return _many(data, kind, int(rest) * _OF_MANY[kind], after)
    return Found(_simple(kind, rest.decode("utf-8", "replace")), after)


def command_at(data: bytes | bytearray, at: int) -> Found | None:
    """The command that begins there, as a tuple of words; None: it is not all there yet."""
    found = reply_at(data, at)
    if found is None or not isinstance(found.value, list):
        return found
    return Found(tuple(str(word) for word in found.value), found.ends_at)


def packed(*words: str) -> bytes:
    """A command as it is sent."""
    encoded = [word.encode() for word in words]
    return b"".join([b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(one), one) for one in encoded)])


def _simple(kind: bytes, text: str) -> object:
    if kind == b"-":
        return ErrorReply(text)
    if kind == b":":
        return int(text)
    if kind == b"_":
        return None
    if kind == b"#":
        return int(text == "t")
    return text


def _bulk(data: bytes | bytearray, kind: bytes, length: int, at: int) -> Found | None:
    if length < 0:
        return Found(None, at)
    if len(data) < at + length + 2:
        return None
    text = bytes(data[at : at + length]).decode("utf-8", "replace")
    return Found(ErrorReply(text) if kind == b"!" else text, at + length + 2)


def _many(data: bytes | bytearray, kind: bytes, count: int, at: int) -> Found | None:
    if count < 0:
        return Found(None, at)
    values: list[object] = []
    for _ in range(count):
        found = reply_at(data, at)
        if found is None:
            return None
        values.append(found.value)
        at = found.ends_at
    return Found(Pushed(values) if kind == b">" else values, at)
