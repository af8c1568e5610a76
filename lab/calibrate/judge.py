"""What a run should have measured, from the pauses and the arrivals alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from harness.checks.facts.of_run import facts_of
from harness.model.deployment import LONGEST_BACKOFF_S, ClientProfile
from harness.model.judgement import Interval, Window
from lab.calibrate.stopped import Measured, Pause

SLACK_S = 0.015
"""The issue's: what scheduling and one round trip may add."""


def outage_s(windows: Iterable[Window], *, kind: str, start_s: float, end_s: float) -> Interval:
    """Length of the longest of the kit's windows that overlaps a pause; 0 where there is none."""
    found = [
        window.duration_s
        for window in windows
        if window.kind == kind
        and window.group == "all"
        and window.start_s < end_s
        and window.start_s + window.duration_s.high > start_s
    ]
    return max(found, key=lambda one: one.high, default=Interval(low=0.0, high=0.0))


def error_s(measured_s: float, at_least_s: float, at_most_s: float) -> float:
    """How far a measurement is outside the interval in which the truth lies; negative: too short."""
    if measured_s > at_most_s:
        return measured_s - at_most_s
    return min(0.0, measured_s - at_least_s)


def outside_s(measured: Measured, pause: Pause, kind: str) -> float:
    """How far the true outage is outside the interval that the kit states; 0: it may be the truth."""
    zero_us = measured.history.opening.started_wall_us + facts_of(measured.history).landmarks.zero_us
    start_s, end_s = (pause.stopped_us - zero_us) / 1e6, (pause.continued_us - zero_us) / 1e6
    found_s = outage_s(measured.metrics.outages, kind=kind, start_s=start_s, end_s=end_s)
    return max(0.0, found_s.low - pause.at_most_s, pause.at_least_s - found_s.high)


def worst(errors: Sequence[float]) -> float:
    """The error that is furthest from none."""
    return max(errors, key=abs)


def errors_of(measured: Measured, kind: str) -> dict[float, float]:
    """Wanted pause -> error of the outage that the kit measured for it, both in seconds."""
    zero_us = measured.history.opening.started_wall_us + facts_of(measured.history).landmarks.zero_us
    windows = measured.metrics.outages
    return {pause.wanted_s: _error_of(pause, windows, kind, zero_us) for pause in measured.pauses}


def _error_of(pause: Pause, windows: Sequence[Window], kind: str, zero_us: int) -> float:
    start_s, end_s = (pause.stopped_us - zero_us) / 1e6, (pause.continued_us - zero_us) / 1e6
    found_s = outage_s(windows, kind=kind, start_s=start_s, end_s=end_s)
    return worst([error_s(end, pause.at_least_s, pause.at_most_s) for end in (found_s.low, found_s.high)])


def expected_percentile_s(*, share: float, count: int, interval_s: float, pause_s: float) -> float:
    """The wait of the operation at the nearest rank, when `count` operations came due at constant
    intervals, those within one pause waited for its end, and the others waited for nothing.

    The first delayed one came due up to one interval after the pause began: half of one is assumed.
    """
    from_the_top = count - max(1, math.ceil(share * count))
    return max(0.0, pause_s - (from_the_top + 0.5) * interval_s)


def client_adds_s(client: ClientProfile) -> float:
    """A client that gave up as a pause ended: its time-out, and the longest back-off before it asks
    again."""
    if not client.application_retries:
        return client.socket_timeout_s
    last_s = client.retry_backoff_s * (1 << (client.application_retries - 1))
    return client.socket_timeout_s + min(LONGEST_BACKOFF_S, last_s)


def lateness_ms(measured: Measured) -> float:
    """How late an idle thread of the run was at worst: what the machine itself added."""
    return max((pair.canary_lag_us for pair in measured.history.clocks), default=0) / 1000
