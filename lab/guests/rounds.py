"""Which runs are missing, and which of them run side by side. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

LONGEST = "long-outage"
"""It waits most of the time, so all guests go through it at once."""
AT_ONCE = 8
"""Guests in one round: a measurement that is broken off loses no more than one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One fault with these guests, one run of each."""

    fault: str
    guests: tuple[str, ...]
    jobs: int


def missing(
    wanted: Sequence[tuple[str, str]], done: Collection[tuple[str, str]], *, jobs: int
) -> Iterator[Round]:
    """The next rounds, in the order of what is wanted: (guest, fault); the longest fault last."""
    faults = list(dict.fromkeys(fault for _, fault in wanted))
    for fault in sorted(faults, key=lambda one: one == LONGEST):
        left = [guest for guest, of in wanted if of == fault and (guest, of) not in done]
        size = len(left) if fault == LONGEST else AT_ONCE
        for begin in range(0, len(left), max(1, size)):
            some = tuple(left[begin : begin + size])
            yield Round(fault=fault, guests=some, jobs=len(some) if fault == LONGEST else jobs)
