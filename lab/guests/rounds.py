"""Which runs are missing, which of them run side by side, and how long that takes. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil

LONGEST = "long-outage"
"""It waits most of the time, so all guests go through it at once."""
AT_ONCE = 8
"""Guests in one round: a measurement that is broken off loses no more than one."""
JOBS = 2
"""Runs side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One fault with these guests, one run of each."""

    fault: str
    guests: tuple[str, ...]
    jobs: int


def missing(
    wanted: Sequence[tuple[str, str]], done: Collection[tuple[str, str]], *, jobs: int | None = None
) -> Iterator[Round]:
    """The next rounds, in the order of what is wanted: (guest, fault); the longest fault last. `jobs`: so
    many side by side, whatever the fault."""
    faults = list(dict.fromkeys(fault for _, fault in wanted))
    for fault in sorted(faults, key=lambda one: one == LONGEST):
        left = [guest for guest, of in wanted if of == fault and (guest, of) not in done]
        side_by_side = jobs or (len(left) if fault == LONGEST else JOBS)
        size = side_by_side if fault == LONGEST else AT_ONCE
        for begin in range(0, len(left), max(1, size)):
            some = tuple(left[begin : begin + size])
            yield Round(fault=fault, guests=some, jobs=side_by_side)


def wall_s(rounds: Iterable[Round], of_one_s: Mapping[str, float]) -> float:
    """How long they take if each run of a fault takes so long, in seconds."""
    return sum(ceil(len(one.guests) / one.jobs) * of_one_s[one.fault] for one in rounds)
