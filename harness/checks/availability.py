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

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from harness.checks.columns import NONE, ROWS_AT_ONCE, Flags, Integers
from harness.checks.latency import acked_waits_us, percentile
from harness.checks.moments import Moments
from harness.checks.traffic import KINDS, PHASES, Traffic, traffic_of
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval, Window
from harness.model.words import OperationKind, Outcome, Phase

LATE_AT_LEAST_US = 100_000
"""Nobody notices less; and a busy machine alone can delay a request by tens of milliseconds."""
LATE_FACTOR = 10
"""Times the baseline's 99th percentile: late against what this machine does on a good day."""
LATE_AT_MOST_US = 250_000
"""Half of the shortest outage that shipped scenarios speak of. One slow answer among the forty of a short
baseline would hide an outage of nearly a second otherwise, in which every request waited and was
answered. A window is no longer for being let in: it ends with the first success."""

_OVERLOOKED = ("all", "rest", "with-primary")
"""Sides of a partition; of several that a web server was on, the last one here counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """A window on the run's clock; `end_us` None: still open at the end."""

    start_us: int
    end_us: int | None
    failed: int


def outages(history: History, moments: Moments) -> tuple[Window, ...]:
    """Every kind's windows: of `all` (nobody got through), of each group, and once more the
    `worst` group's. A kind with a single group has only `all` and `worst`."""
    traffic = traffic_of(history)
    judged, side_of = ~traffic.in_phase(Phase.SEED, Phase.AUDIT), sides(traffic)
    found: list[Window] = []
    for kind in _with_failures(traffic, judged, moments):
        found += _of_kind(traffic.where(judged & traffic.of_kind(kind)), kind, side_of, moments)
    return tuple(found)


def _with_failures(traffic: Traffic, judged: Flags, moments: Moments) -> list[OperationKind]:
    """The kinds that have a window at all: told for all at once, as in long runs few do."""
    baseline = traffic.where(traffic.in_phase(Phase.BASELINE))
    late = np.array([late_us(baseline.where(baseline.of_kind(kind))) for kind in KINDS])
    counted = np.zeros(len(KINDS), np.int64)
    for begin in range(0, len(traffic), ROWS_AT_ONCE):
        these = slice(begin, begin + ROWS_AT_ONCE)
        part = traffic.where(these)
        hit = judged[these] & failed_or_late(part, late=late[part.kind], moments=moments)
        counted += np.bincount(part.kind[hit], minlength=len(KINDS))
    return [kind for kind in OperationKind if counted[KINDS.index(kind)]]


def _of_kind(
    traffic: Traffic, kind: OperationKind, side_of: Mapping[str, str], moments: Moments
) -> list[Window]:
    late = late_us(traffic)
    everybody = windows_from(gaps(traffic, late=late, moments=moments), kind, "all", moments)
    groups = group_windows(traffic, kind, side_of, late=late, moments=moments)
    worst = worst_of(groups)
    named = [window for windows in groups.values() for window in windows] if len(groups) > 1 else []
    return [*everybody, *named, *(_renamed(window, "worst") for window in worst)]


def group_windows(
    traffic: Traffic, kind: str, side_of: Mapping[str, str], *, late: int, moments: Moments
) -> dict[str, tuple[Window, ...]]:
    """The windows of each group of these operations, by the group's name."""
    names = sorted({*side_of.values(), "all"})
    places = np.array([*(names.index(side_of.get(web, "all")) for web in traffic.web_servers), 0])
    group = traffic.shard * len(names) + places[traffic.web_server]
    found = {}
    groups = np.flatnonzero(np.bincount(group)).tolist()
    shards = len({number // len(names) for number in groups})
    for number in groups:
        shard, side = divmod(number, len(names))
        name = _name(shard if shards > 1 else None, names[side])
        members = traffic.where(group == number) if len(groups) > 1 else traffic
        found[name] = windows_from(gaps(members, late=late, moments=moments), kind, name, moments)
    return found


def gaps(traffic: Traffic, *, late: int, moments: Moments) -> list[Gap]:
    """Windows of one group. Open ones end with the workload."""
    if not len(traffic):
        return []
    done = np.sort(traffic.done_us[traffic.succeeded])
    hit = failed_or_late(traffic, late=late, moments=moments)
    places, failed = np.unique(np.searchsorted(done, traffic.due_us[hit], side="right"), return_counts=True)
    first_due_us = int(traffic.due_us.min())
    return [
        Gap(
            start_us=int(done[n - 1]) if n else first_due_us,
            end_us=int(done[n]) if n < len(done) else None,
            failed=count,
        )
        for n, count in zip(places.tolist(), failed.tolist(), strict=True)
    ]


def failed_or_late(traffic: Traffic, *, late: int | Integers, moments: Moments) -> Flags:
    """What was due and failed or waited too long. What the end of the run cut off (not what timed out
    or got an error) counts by how long it had waited by then."""
    ends = [moments.spans.get(phase, (0, moments.workload_ends_us))[1] for phase in PHASES]
    not_sent = traffic.with_outcome(Outcome.NOT_SENT)
    unended = traffic.done_us == NONE
    cut_off = unended | (traffic.cancelled & (traffic.done_us >= moments.workload_ends_us))
    over_us = np.where(unended, moments.workload_ends_us, traffic.done_us)
    over_us = np.where(not_sent, np.array(ends, np.int64)[traffic.phase], over_us)
    excused = not_sent | traffic.with_outcome(Outcome.ACKED) | cut_off
    found: Flags = ~excused | (over_us - traffic.due_us > late)
    return found


def late_us(traffic: Traffic) -> int:
    """From which wait on an operation of this kind counts as late."""
    waits = acked_waits_us(traffic, traffic.in_phase(Phase.BASELINE))
    usual = LATE_FACTOR * percentile(waits, 0.99) if len(waits) else LATE_AT_LEAST_US
    return min(max(usual, LATE_AT_LEAST_US), LATE_AT_MOST_US)


def sides(traffic: Traffic) -> dict[str, str]:
    """Web server -> its side of the run's partition, for the whole run. One that was ever cut off
    together with a primary counts there: that side is the one that gets overlooked."""
    count = len(traffic.client_sides)
    found: dict[str, str] = {}
    for pair in np.flatnonzero(np.bincount(traffic.web_server * count + traffic.client_side)).tolist():
        web_server, side = traffic.web_servers[pair // count], traffic.client_sides[pair % count]
        found[web_server] = max(found.get(web_server, side), side, key=_OVERLOOKED.index)
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
