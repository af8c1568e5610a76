"""The audit of a long run, kept as packed lines: whoever goes through it decodes one block after the other.

A hundred thousand sessions on three nodes are half a gigabyte as records, and a hundredth of that as packed
text. Decoding all of them takes a second, and judging goes through them a few times. So whoever asks for a
few of the fields, or for a few of the sessions, is spared the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import chain, pairwise
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
    """Entries in the order in which they were added, but for those that came a little late.

    Nodes are asked side by side, a batch of sessions each, and written down as they answer. So what is added
    may be older than what was added just before it, and is put where it belongs.
    """

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._packed = 0
        self._held: tuple[Sequence[AuditEntry], memoryview | None] = ((), None)
        self._last = (0, 0)
        self._ordered = True

    def add(self, entries: Sequence[AuditEntry], lines: memoryview | None = None) -> None:
        """A block of them: hundreds of entries, not all, as a block is decoded at once. `lines`: what they
        were decoded from, where there was nothing else in it. It is packed when the next one is there."""
        before, packable = self._held
        moments = map(IN_ORDER, chain(before[-1:], entries))  # those before stand in order
        if any(later < earlier for earlier, later in pairwise(moments)):
            together = sorted(chain(before, entries), key=IN_ORDER)
            before, packable = together[: len(before)], None
            entries, lines = together[len(before) :], None
        self._pack(before, packable)
        self._held = entries, lines

    def end(self) -> None:
        """That was all of them."""
        self._pack(*self._held)
        self._held = (), None

    @property
    def ordered(self) -> bool:
        """By pass and time: none came so late that it was no longer put where it belongs."""
        self.end()
        return self._ordered

    def _pack(self, entries: Sequence[AuditEntry], lines: memoryview | None) -> None:
        if not entries:
            return
        self._ordered &= self._last <= IN_ORDER(entries[0])
        self._last = IN_ORDER(entries[-1])
        self._blocks.append(zlib.compress(lines or _encoder.encode_lines(entries), _LEVEL))
        self._packed += len(entries)

    def only(self, kind: type[T]) -> Iterator[T]:
        """Every entry, as a Struct that has some of its fields, named and typed the same."""
        self.end()
        decode = msgspec.json.Decoder(kind).decode_lines
        for block in self._blocks:
            yield from decode(zlib.decompress(block))

    def about(self, sessions: Collection[str]) -> Iterator[AuditEntry]:
        """The entries of these, for keeping: what is equal is there once."""
        self.end()
        for block in self._blocks if sessions else ():
            lines = zlib.decompress(block)
            if any(one.session in sessions for one in _whose(lines)):
                yield from shared([one for one in _decode(lines) if one.session in sessions])

    def __len__(self) -> int:
        return self._packed + len(self._held[0])

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
