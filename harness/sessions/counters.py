"""Running totals of the load, for conditions and for the live display. Read from any thread.

Written by the event loop alone; every read is of one attribute or of one append-only array, which
Python's global lock makes safe. Not evidence: verdicts come from the history.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from dataclasses import dataclass

from harness.model.words import Outcome

KEPT = 100_000
"""Acked times kept per behaviour at least; older ones are forgotten, so that memory stays flat."""

SECONDS_KEPT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What the live display shows. Rates are those of the last whole second."""

    acked_per_s: float
    rejected_per_s: float
    unknown_per_s: float
    in_flight: int
    waiting: int
    """Due, but their actor is busy."""
    not_sent: int
    sessions: int
    """Sessions that users are logged in with now."""
    crashes: int
    """Operations in which the kit itself failed."""

    @property
    def errors_per_s(self) -> float:
        return self.rejected_per_s + self.unknown_per_s


class Counters:
    def __init__(self) -> None:
        self.totals = dict.fromkeys(Outcome, 0)
        self.crashes = 0
        self._acked: dict[str, array[int]] = {}
        self._seconds: dict[int, dict[Outcome, int]] = {}

    def count(self, behaviour: str, outcome: Outcome, done_us: int) -> None:
        self.totals[outcome] += 1
        second = self._seconds.get(done_us // 1_000_000)
        if second is None:
            second = self._seconds[done_us // 1_000_000] = dict.fromkeys(Outcome, 0)
            for old in [key for key in self._seconds if key < done_us // 1_000_000 - SECONDS_KEPT]:
                del self._seconds[old]
        second[outcome] += 1
        if outcome is Outcome.ACKED:
            times = self._acked.get(behaviour)
            if times is None:
                times = self._acked[behaviour] = array("q")
            times.append(done_us)
            if len(times) > 2 * KEPT:
                del times[:KEPT]

    def acked_since(self, behaviour: str, since_us: int) -> int:
        """Acked operations of a behaviour done at or after a time; at most the last `KEPT` or so."""
        times = self._acked.get(behaviour)
        return 0 if times is None else len(times) - bisect_left(times, since_us)

    def last_acked_us(self, behaviour: str) -> int | None:
        times = self._acked.get(behaviour)
        return times[-1] if times else None

    def last_second(self, now_us: int, outcome: Outcome) -> int:
        second = self._seconds.get(now_us // 1_000_000 - 1)
        return 0 if second is None else second[outcome]
