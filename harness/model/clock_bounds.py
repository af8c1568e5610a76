"""How far another process's clock is from the run's: intervals, from requests and their replies. Pure.

The controller asks a load engine elsewhere for its time. The answer was given between the request and the
reply, so the offset between the two clocks then lies between `sent - theirs` and `done - theirs`. Every other
reading holds for that moment too, widened by what clocks can drift until then; what all of them allow is what
is known. Nothing here estimates: the truth is inside, or the readings contradict each other.

`moved` turns a span on the other clock into the one on the run's clock that certainly holds it. So *a before
b* of spans that were moved means disjoint intervals, and all else is concurrent, which is what every check
takes spans for anyway.

Trap: a span that was moved is too long by the width at both ends. Who measures lengths takes `widest_us` off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harness.costly import np, npt
from harness.model.records import ClockReading

Times: TypeAlias = "npt.NDArray[np.int64]"

DRIFT_PPM = 1_100
"""How fast two clocks may part: the kernel steers each by 500 millionths at most, and crystals are off by
less than 50."""
_PARTS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClockBounds:
    """The offset from one clock to the run's, at each reading."""

    at_us: Times
    """When it was read, on that clock, rising."""
    low: Times
    high: Times
    """What is to be added, at least and at most, in millionths of a microsecond: so nothing is rounded before
    the end. Both clocks begin with a run, so that it fits."""

    @classmethod
    def of(cls, readings: Iterable[ClockReading]) -> ClockBounds:
        """Of the readings of one clock, at least one."""
        known = sorted(readings, key=lambda one: one.theirs_us)
        sent, theirs, done = (
            np.array([getattr(one, name) for one in known], np.int64)
            for name in ("sent_us", "theirs_us", "done_us")
        )
        low, high = (sent - theirs) * _PARTS, (done - theirs) * _PARTS
        drifts = np.diff(theirs) * DRIFT_PPM
        for n, drift in enumerate(drifts, start=1):
            low[n] = max(low[n], low[n - 1] - drift)
            high[n] = min(high[n], high[n - 1] + drift)
        for n in range(len(drifts) - 1, -1, -1):
            low[n] = max(low[n], low[n + 1] - drifts[n])
            high[n] = min(high[n], high[n + 1] + drifts[n])
        return cls(at_us=theirs, low=low, high=high)

    @property
    def contradictory(self) -> bool:
        """No clock that drifts as little as clocks do gave these answers: it was set, or its machine stood
        still."""
        return bool((self.low > self.high).any())

    @property
    def widest_us(self) -> int:
        """The interval is nowhere wider, from the first reading to the last."""
        width = self.high - self.low
        between = (width[:-1] + width[1:]) // 2 + np.diff(self.at_us) * DRIFT_PPM
        return int(-(-np.append(between, width).max() // _PARTS)) + 1

    def moved(self, from_us: Times, until_us: Times) -> tuple[Times, Times]:
        """Spans on that clock -> the spans on the run's that hold them."""
        return self.earliest(from_us), self.latest(until_us)

    def earliest(self, t_us: Times) -> Times:
        """The least that the run's clock can have shown."""
        found: Times = t_us + self._lowest(t_us) // _PARTS
        return found

    def latest(self, t_us: Times) -> Times:
        """The most."""
        found: Times = t_us - (-self._highest(t_us) // _PARTS)
        return found

    def _lowest(self, t_us: Times) -> Times:
        before, after = self._around(t_us)
        found: Times = np.maximum(
            self.low[before] - self._drift_to(t_us, before),
            self.low[after] - self._drift_to(t_us, after),
        )
        return found

    def _highest(self, t_us: Times) -> Times:
        before, after = self._around(t_us)
        found: Times = np.minimum(
            self.high[before] + self._drift_to(t_us, before),
            self.high[after] + self._drift_to(t_us, after),
        )
        return found

    def _around(self, t_us: Times) -> tuple[Times, Times]:
        """The readings before and after; at the ends the same one twice."""
        place = np.searchsorted(self.at_us, t_us)
        return np.maximum(place - 1, 0), np.minimum(place, len(self.at_us) - 1)

    def _drift_to(self, t_us: Times, reading: Times) -> Times:
        found: Times = np.abs(t_us - self.at_us[reading]) * DRIFT_PPM
        return found


def bounds_of(readings: Sequence[ClockReading]) -> Mapping[str, ClockBounds]:
    """Of each clock that was read."""
    of: dict[str, list[ClockReading]] = defaultdict(list)
    for one in readings:
        of[one.clock].append(one)
    return {clock: ClockBounds.of(mine) for clock, mine in of.items()}


def widest_us(readings: Sequence[ClockReading]) -> int:
    """How far off a moment of the run may be that another clock told; 0: all are the run's own."""
    return max((one.widest_us for one in bounds_of(readings).values()), default=0)
