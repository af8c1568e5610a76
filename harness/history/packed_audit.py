"""The audit of a long run, kept as packed lines: whoever goes through it decodes one block after the other.

A hundred thousand sessions on three nodes are half a gigabyte as records, and a hundredth of that as packed
text. Decoding all of them takes a second, and judging goes through them a few times. What they say is not
known here.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import overload

from harness.model.records import AuditEntry

_LEVEL = 1
"""Of zlib: what three nodes say of a session is nearly the same text."""

Decode = Callable[[bytes], list[AuditEntry]]


class PackedAudit(Sequence[AuditEntry]):
    """Entries in the order in which they were added."""

    def __init__(self, decode: Decode) -> None:
        self._decode = decode
        self._blocks: list[bytes] = []
        self._counts: list[int] = []

    def add(self, lines: bytes | memoryview, count: int) -> None:
        """Lines of that many entries."""
        self._blocks.append(zlib.compress(lines, _LEVEL))
        self._counts.append(count)

    def __len__(self) -> int:
        return sum(self._counts)

    def __iter__(self) -> Iterator[AuditEntry]:
        for block in self._blocks:
            yield from self._decode(zlib.decompress(block))

    @overload
    def __getitem__(self, at: int) -> AuditEntry: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[AuditEntry]: ...
    def __getitem__(self, at: int | slice) -> AuditEntry | Sequence[AuditEntry]:
        """Unpacks everything: for a look at a few."""
        return list(self)[at]
