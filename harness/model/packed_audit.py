"""The audit of a long run, kept as packed lines: whoever goes through it decodes one block after the other.

A hundred thousand sessions on three nodes are half a gigabyte as records, and a hundredth of that as packed
text. Decoding all of them takes a second, and judging goes through them a few times. So whoever asks for a
few of the fields, or for a few of the sessions, is spared the others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from functools import cache
from itertools import chain
from operator import attrgetter
from sys import intern
from typing import TypeVar, overload

import msgspec

from harness.costly import pa
from harness.model.records import AuditEntry

R = TypeVar("R")
T = TypeVar("T")

_AT_ONCE = 4096
"""Entries that are made of unpacked ones."""

IN_ORDER = attrgetter("pass_n", "sent_us")


class PackedAudit(Sequence[AuditEntry]):
    """Entries in the order in which they were added, but for those that came a little late.

    Nodes are asked side by side, a batch of sessions each, and written down as they answer. So what is added
    may be older than what was added just before it, and is put where it belongs.
    """

    def __init__(self) -> None:
        self._blocks: list[tuple[bytes, int]] = []
        """Packed, and as large as this before."""
        self._packed = 0
        self._held: tuple[Sequence[AuditEntry], memoryview | None] = ((), None)
        self._last = (0, 0)
        self._ordered = True

    def add(self, entries: Sequence[AuditEntry], lines: memoryview | None = None) -> None:
        """A block of them: hundreds of entries, not all, as a block is decoded at once. `lines`: what they
        were decoded from, where there was nothing else in it. It is packed when the next one is there."""
        before, packable = self._held
        moments = [*map(IN_ORDER, chain(before[-1:], entries))]  # those before stand in order
        if moments != sorted(moments):
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
        text = lines or _encoder.encode_lines(entries)
        self._blocks.append((_codec().compress(text, asbytes=True), len(text)))
        self._packed += len(entries)

    def blocks(self) -> Iterator[bytes]:
        """All lines, a block at a time."""
        self.end()
        for packed, size in self._blocks:
            yield _codec().decompress(packed, size, asbytes=True)

    def about(self, sessions: Collection[str]) -> Iterator[AuditEntry]:
        """The entries of these, for keeping: what is equal is there once."""
        for lines in self.blocks() if sessions else ():
            if any(one.session in sessions for one in _whose(lines)):
                yield from shared([one for one in _decode(lines) if one.session in sessions])

    def __len__(self) -> int:
        return self._packed + len(self._held[0])

    def __iter__(self) -> Iterator[AuditEntry]:
        return chain.from_iterable(map(_decode, self.blocks()))

    @overload
    def __getitem__(self, at: int) -> AuditEntry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[AuditEntry]: ...
    def __getitem__(self, at: int | slice) -> AuditEntry | Sequence[AuditEntry]:
        """Unpacks everything: for a look at a few."""
        return list(self)[at]


class _Whose(msgspec.Struct):
    session: str


@cache
def _codec() -> pa.Codec:
    """What three nodes say of a session is nearly the same text, and may stand a hundred sessions apart."""
    return pa.Codec("zstd", compression_level=1)


def as_kind(audit: Sequence[AuditEntry], kind: type[T]) -> Iterator[list[T]]:
    """Every entry, as a Struct that has some of its fields, named and typed the same; some at a time."""
    if isinstance(audit, PackedAudit):
        blocks = audit.blocks()
    else:
        parts = (audit[begin : begin + _AT_ONCE] for begin in range(0, len(audit), _AT_ONCE))
        blocks = map(_encoder.encode_lines, parts)
    return map(msgspec.json.Decoder(kind).decode_lines, blocks)


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
