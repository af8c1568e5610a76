"""Windows in which a kind of operation got nothing through, per shard and side of a partition.

A window opens at the last success before and closes at the first success after, and it exists only
if it holds an operation that was due and failed, or waited too long: a group that sees few
operations has long gaps without anything being wrong. A success is an acked, effective operation.

Traps. A dead shard or a client pinned to a deposed primary hides behind the others' successes, so
groups are judged apart; a web server belongs to its side of a partition for the whole run, or its
group would end, censored, when the partition heals. What the end of the run cut off did not fail:
such an operation counts by how long it had waited by then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.latency import percentile, wait_us
from harness.checks.moments import Moments, succeeded
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval, Window
from harness.model.records import Operation
from harness.model.words import OperationKind, Outcome, Phase

LATE_AT_LEAST_US = 100_000
"""Nobody notices less; and a busy machine alone can delay a request by tens of milliseconds."""
LATE_FACTOR = 10
"""Times the baseline's 99th percentile: late against what this machine does on a good day."""

WITH_PRIMARY, REST = "with-primary", "rest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A window on the run's clock; `end_us` None: still open at the end."""

    start_us: int
    end_us: int | None
    failed: int


def outages(history: History, moments: Moments) -> tuple[Window, ...]:
    """Every kind's windows: of `all` (nobody got through), of each group, and once more the
    `worst` group's. A kind with a single group has only `all` and `worst`."""
    judged = [one for one in history.operations if one.phase not in {Phase.SEED, Phase.AUDIT}]
    found: list[Window] = []
    for kind in OperationKind:
        found += _of_kind([one for one in judged if one.kind is kind], kind, history, moments)
    return tuple(found)


def _of_kind(
    operations: Sequence[Operation], kind: OperationKind, history: History, moments: Moments
) -> list[Window]:
    late = late_us(operations)
    everybody = windows_from(gaps(operations, late=late, moments=moments), kind, "all", moments)
    groups = group_windows(operations, kind, sides(history.operations), late=late, moments=moments)
    worst = worst_of(groups)
    named = [window for windows in groups.values() for window in windows] if len(groups) > 1 else []
    return [*everybody, *named, *(_renamed(window, "worst") for window in worst)]


def group_windows(
    operations: Iterable[Operation], kind: str, side_of: Mapping[str, str], *, late: int, moments: Moments
) -> dict[str, tuple[Window, ...]]:
    """The windows of each group of these operations, by the group's name."""
    groups: dict[tuple[int, str], list[Operation]] = defaultdict(list)
    for operation in operations:
        groups[operation.shard, side_of.get(operation.web_server, "all")].append(operation)
    shards = {shard for shard, _ in groups}
    found = {}
    for (shard, side), members in sorted(groups.items()):
        name = _name(shard if len(shards) > 1 else None, side)
        found[name] = windows_from(gaps(members, late=late, moments=moments), kind, name, moments)
    return found


def gaps(operations: Sequence[Operation], *, late: int, moments: Moments) -> list[Gap]:
    """Windows of one group. Open ones end with the workload."""
    if not operations:
        return []
    done = sorted(one.done_us for one in operations if one.done_us is not None and succeeded(one))
    held: dict[int, int] = defaultdict(int)
    for operation in operations:
        if failed_or_late(operation, late=late, moments=moments):
            held[bisect_right(done, operation.due_us)] += 1
    first_due_us = min(one.due_us for one in operations)
    return [
        Gap(
            start_us=done[n - 1] if n else first_due_us,
            end_us=done[n] if n < len(done) else None,
            failed=failed,
        )
        for n, failed in sorted(held.items())
    ]


def failed_or_late(operation: Operation, *, late: int, moments: Moments) -> bool:
    if operation.outcome is Outcome.NOT_SENT:
        end_us = moments.spans.get(operation.phase, (0, moments.workload_ends_us))[1]
        return end_us - operation.due_us > late
    if operation.outcome is Outcome.ACKED or _cut_off(operation, moments):
        done_us = moments.workload_ends_us if operation.done_us is None else operation.done_us
        return done_us - operation.due_us > late
    return True


def _cut_off(operation: Operation, moments: Moments) -> bool:
    """Given up because the run ended, not because anything answered or timed out."""
    if operation.done_us is None:
        return True
    last = operation.attempts[-1].result if operation.attempts else ""
    return last == "cancelled" and operation.done_us >= moments.workload_ends_us


def late_us(operations: Iterable[Operation]) -> int:
    """From which wait on an operation of this kind counts as late."""
    waits = [
        wait
        for one in operations
        if one.phase is Phase.BASELINE and one.outcome is Outcome.ACKED and (wait := wait_us(one)) is not None
    ]
    return max(LATE_AT_LEAST_US, LATE_FACTOR * percentile(sorted(waits), 0.99)) if waits else LATE_AT_LEAST_US


def sides(operations: Iterable[Operation]) -> dict[str, str]:
    """Web server -> its side of the run's partition, for the whole run. One that was ever cut off
    together with a primary counts there: that side is the one that gets overlooked."""
    found: dict[str, str] = {}
    for operation in operations:
        if operation.client_side == WITH_PRIMARY or operation.web_server not in found:
            found[operation.web_server] = operation.client_side
        elif operation.client_side == REST and found[operation.web_server] == "all":
            found[operation.web_server] = REST
    return found


def windows_from(found: Iterable[Gap], kind: str, group: str, moments: Moments) -> tuple[Window, ...]:
    return tuple(
        Window(
            kind=kind,
            group=group,
            start_s=(gap.start_us - moments.zero_us) / 1e6,
            duration_s=_duration_s(gap, moments),
            failed=gap.failed,
        )
        for gap in found
    )


def _duration_s(gap: Gap, moments: Moments) -> Interval:
    if gap.end_us is None:
        return Interval(low=max(0, moments.workload_ends_us - gap.start_us) / 1e6, high=INFINITE)
    seconds = (gap.end_us - gap.start_us) / 1e6
    return Interval(low=seconds, high=seconds)


def clipped(windows: Iterable[Window], phase: Phase, moments: Moments) -> tuple[Window, ...]:
    """The parts of the windows that lie within a phase. A window that is open at the end of the run
    has a known length within every phase but the last."""
    if phase not in moments.spans:
        return ()
    start_us, end_us = moments.spans[phase]
    start_s, end_s = (start_us - moments.zero_us) / 1e6, (end_us - moments.zero_us) / 1e6
    kept = []
    for window in windows:
        begins = max(window.start_s, start_s)
        low = min(window.start_s + window.duration_s.low, end_s) - begins
        censored = window.duration_s.high == INFINITE and end_us >= moments.workload_ends_us
        if low > 0:
            duration = Interval(low=low, high=INFINITE if censored else low)
            kept.append(_part(window, begins, duration))
    return tuple(kept)


def longest(windows: Iterable[Window]) -> Interval:
    """Seconds of the longest window; zero where there is none."""
    durations = [window.duration_s for window in windows]
    return Interval(
        low=max((one.low for one in durations), default=0.0),
        high=max((one.high for one in durations), default=0.0),
    )


def total(windows: Iterable[Window]) -> Interval:
    """Seconds of all windows together."""
    durations = [window.duration_s for window in windows]
    return Interval(low=sum(one.low for one in durations), high=sum(one.high for one in durations))


def worst_of(groups: Mapping[str, tuple[Window, ...]]) -> tuple[Window, ...]:
    """The windows of the group with the longest single window."""
    return max(groups.values(), key=lambda windows: (longest(windows).low, total(windows).low), default=())


def _name(shard: int | None, side: str) -> str:
    words = [f"shard {shard}"] if shard is not None else []
    if side != "all":
        words.append(side)
    return ", ".join(words) or "all"


def _renamed(window: Window, group: str) -> Window:
    return Window(
        kind=window.kind,
        group=group,
        start_s=window.start_s,
        duration_s=window.duration_s,
        failed=window.failed,
    )


def _part(window: Window, start_s: float, duration: Interval) -> Window:
    return Window(
        kind=window.kind, group=window.group, start_s=start_s, duration_s=duration, failed=window.failed
    )
