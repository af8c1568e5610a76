"""How long users waited: percentiles by kind of operation and phase, in milliseconds.

Counted from when an operation was DUE, not from when it was sent: a client that hangs delays what
comes after it, and leaving that out would make the worst seconds look empty. Only acked operations
count; what failed shows in the availability windows.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence

from harness.model.judgement import LatencyRow
from harness.model.records import Operation
from harness.model.words import OperationKind, Outcome, Phase

JUDGED_PHASES = (Phase.BASELINE, Phase.FAULT, Phase.RECOVERY, Phase.SETTLED)


def wait_us(operation: Operation) -> int | None:
    """From due to done; None: it never got an answer."""
    return None if operation.done_us is None else max(0, operation.done_us - operation.due_us)


def percentile(ordered: Sequence[int], share: float) -> int:
    """The nearest-rank percentile of ascending values: one that was measured, nothing interpolated."""
    if not ordered:
        raise ValueError("a percentile of nothing: expected at least one value")
    return ordered[max(1, math.ceil(share * len(ordered))) - 1]


def acked_waits_us(operations: Iterable[Operation]) -> list[int]:
    """The waits of the acked ones, ascending."""
    return sorted(
        wait for one in operations if one.outcome is Outcome.ACKED and (wait := wait_us(one)) is not None
    )


def latency(operations: Iterable[Operation]) -> tuple[LatencyRow, ...]:
    """One row per kind and phase that has acked operations; seed and audit are not judged."""
    groups: dict[tuple[OperationKind, Phase], list[Operation]] = defaultdict(list)
    for operation in operations:
        groups[operation.kind, operation.phase].append(operation)
    rows = []
    for kind in OperationKind:
        for phase in JUDGED_PHASES:
            if waits := acked_waits_us(groups[kind, phase]):
                rows.append(_row(kind, phase, waits))  # noqa: PERF401 (the walrus reads better here)
    return tuple(rows)


def _row(kind: OperationKind, phase: Phase, waits: Sequence[int]) -> LatencyRow:
    return LatencyRow(
        kind=kind,
        phase=phase,
        count=len(waits),
        p50_ms=percentile(waits, 0.50) / 1000,
        p95_ms=percentile(waits, 0.95) / 1000,
        p99_ms=percentile(waits, 0.99) / 1000,
        max_ms=waits[-1] / 1000,
    )
