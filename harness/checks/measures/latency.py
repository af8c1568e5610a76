"""How long users waited: percentiles by kind of operation and phase, in milliseconds.

Counted from when an operation was DUE, not from when it was sent: a client that hangs delays what
comes after it, and leaving that out would make the worst seconds look empty. Only acked operations
count; what failed shows in the availability windows.
"""

from __future__ import annotations

from harness.checks.columns.arrays import Flags, Integers, percentile
from harness.checks.columns.traffic import Traffic
from harness.model.judgement import LatencyRow
from harness.model.words import OperationKind, Outcome, Phase

JUDGED_PHASES = (Phase.BASELINE, Phase.FAULT, Phase.RECOVERY, Phase.SETTLED)


def acked_waits_us(traffic: Traffic, chosen: Flags | None = None) -> Integers:
    """The waits of the acked ones (among those chosen), ascending."""
    mine = traffic if chosen is None else traffic.where(chosen)
    waits: Integers = mine.wait_us[mine.with_outcome(Outcome.ACKED) & mine.done]
    waits.sort()
    return waits


def latency(traffic: Traffic) -> tuple[LatencyRow, ...]:
    """One row per kind and phase that has acked operations; seed and audit are not judged."""
    rows = []
    for kind in OperationKind:
        mine = traffic.where(traffic.of_kind(kind))
        for phase in JUDGED_PHASES:
            waits = acked_waits_us(mine, mine.in_phase(phase))
            if len(waits):
                rows.append(_row(kind, phase, waits))
    return tuple(rows)


def _row(kind: OperationKind, phase: Phase, waits: Integers) -> LatencyRow:
    return LatencyRow(
        kind=kind,
        phase=phase,
        count=len(waits),
        p50_ms=percentile(waits, 0.50) / 1000,
        p95_ms=percentile(waits, 0.95) / 1000,
        p99_ms=percentile(waits, 0.99) / 1000,
        max_ms=int(waits[-1]) / 1000,
    )
