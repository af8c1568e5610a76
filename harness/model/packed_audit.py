"""The audit of a long run, kept as packed lines: whoever goes through it decodes one block after the other.

A hundred thousand sessions on three nodes are half a gigabyte as records, and a hundredth of that as packed
text. Decoding all of them takes a second, and judging goes through them a few times. So whoever asks for a
few of the fields, or for a few of the sessions, is spared the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from operator import attrgetter
from sys import intern
from typing import TypeVar, overload

import msgspec

from harness.model.records import AuditEntry

R = TypeVar("R")
T = TypeVar("T")

_LEVEL = 1
"""Of zlib: what three nodes say of a session is nearly the same text."""

IN_ORDER = attrgetter("pass_n", "sent_us")


class PackedAudit(Sequence[AuditEntry]):
    """Entries in the order in which they were added."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._counts: list[int] = []
        self._last = (0, 0)
        self.ordered = True
        """By pass and time."""

    def add(self, entries: Sequence[AuditEntry], lines: memoryview | None = None) -> None:
        """A block of them: hundreds of entries, not all, as a block is decoded at once. `lines`: what they
        were decoded from, where there was nothing else in it."""
        for entry in entries:
            moment = (entry.pass_n, entry.sent_us)
            self.ordered &= self._last <= moment
            self._last = moment
        self._blocks.append(zlib.compress(lines or _encoder.encode_lines(entries), _LEVEL))
        self._counts.append(len(entries))

    def only(self, kind: type[T]) -> Iterator[T]:
        """Every entry, as a Struct that has some of its fields, named and typed the same."""
        decode = msgspec.json.Decoder(kind).decode_lines
        for block in self._blocks:
            yield from decode(zlib.decompress(block))

    def about(self, sessions: Collection[str]) -> Iterator[AuditEntry]:
        """The entries of these, for keeping: what is equal is there once."""
        for block in self._blocks if sessions else ():
            lines = zlib.decompress(block)
            if any(one.session in sessions for one in _whose(lines)):
                yield from shared([one for one in _decode(lines) if one.session in sessions])

    def __len__(self) -> int:
        return sum(self._counts)

    def __iter__(self) -> Iterator[AuditEntry]:
        return self.only(AuditEntry)

    @overload
    def __getitem__(self, at: int) -> AuditEntry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[AuditEntry]: ...
    def __getitem__(self, at: int | slice) -> AuditEntry | Sequence[AuditEntry]:
        """Unpacks everything: for a look at a few."""
        return list(self)[at]


class _Whose(msgspec.Struct):
    session: str


_encoder = msgspec.json.Encoder()
_decode = msgspec.json.Decoder(AuditEntry).decode_lines
_whose = msgspec.json.Decoder(_Whose).decode_lines


def shared(records: list[R]) -> list[R]:
    """What the nodes say of a session is mostly the same: kept once, as a long audit takes a hundred
    megabytes otherwise. Only for reading."""
    before: AuditEntry | None = None
    for entry in records:
        if isinstance(entry, AuditEntry):
            entry.node, entry.run_id, entry.role = (
                intern(entry.node),
                intern(entry.run_id),
                intern(entry.role),
            )
            if before is not None and before.session == entry.session:
                entry.session = before.session
            if before is not None and before.saw == entry.saw and before.witnesses == entry.witnesses:
                entry.saw, entry.witnesses = before.saw, before.witnesses
            before = entry
    return records
