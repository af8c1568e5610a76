"""How far this machine's wall clock moved against its monotonic one, and how far is too far.

Redis keeps deadlines in wall time, the kit measures in the other: what moved between the two cannot be
told from a deadline that was not kept.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.records import ClockPair

DRIFT_LIMIT_US = 50_000
"""Further apart than this: deadlines cannot be judged."""


def drift_of(clocks: Sequence[ClockPair]) -> int | None:
    """Over the whole run, in microseconds; None: no clock was recorded."""
    apart = [pair.wall_us - pair.t_us for pair in clocks]
    return max(apart) - min(apart) if apart else None
