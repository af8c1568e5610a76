"""Measurements, bounds and causes in words, the same in tables, reasons and reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from harness.model.history import History
from harness.model.judgement import INFINITE, Finding, Interval, percent
from harness.model.measures import SURVIVING_WRITE, measure_named
from harness.model.scenario import Expectation

CAUSES_SHOWN = 4
WINDOWS = frozenset({"outage", "downtime"})


def number_text(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:,.1f}"


def seconds_text(seconds: float) -> str:
    """`0 s`, `31 ms`, `2.31 s`, `12.4 s`: three digits are what a window is worth."""
    if seconds <= 0:
        return "0 s"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms" if seconds >= 0.0095 else f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 9.995 else f"{seconds:.1f} s"


def value_text(value: float, unit: str) -> str:
    if unit == "s":
        return seconds_text(value)
    if unit == "B":
        return f"{value / 1e6:,.1f} MB"
    return f"{number_text(round(value, 1))} %" if unit == "%" else number_text(value)


def interval_text(interval: Interval, expectation: Expectation) -> str:
    """A measurement with its unit; an open end is said, not printed as infinity."""
    unit = expectation.unit
    low = value_text(interval.low, unit)
    if interval.exact:
        return low
    if interval.high == INFINITE:
        if interval.low <= 0:
            return "not known (none seen)"
        ending = (
            ", still failing at the end of the run"
            if expectation.metric in WINDOWS
            and interval.low > 0
            and measure_named(expectation) != SURVIVING_WRITE
            else ""
        )
        return f"≥ {low}{ending}"
    high = value_text(interval.high, unit)
    return low if low == high else f"{low} to {high}"


def share_text(had: int, could: int) -> str:
    return f"{had:,} of {could:,} ({percent(had, could)})"


def expected_text(expectation: Expectation, bound: float | None) -> str:
    """The right side as written, with its value where it is made from settings."""
    _, _, written = expectation.text.partition(":")
    written = written.strip()
    if bound is not None and any(term.setting is not None for term in expectation.bound):
        written += f" ({value_text(bound, expectation.unit)})"
    return written


def causes_text(findings: Sequence[Finding]) -> str:
    """`98 % acked by a deposed primary, 2 % not determined`: the most frequent causes first."""
    counted = Counter(str(one.cause) for one in findings).most_common()
    if len(counted) == 1:
        ((only, _),) = counted
        return only
    shown = [f"{percent(n, len(findings))} {cause}" for cause, n in counted[:CAUSES_SHOWN]]
    rest = sum(n for _, n in counted[CAUSES_SHOWN:])
    if rest:
        shown.append(f"{percent(rest, len(findings))} other causes")
    return ", ".join(shown)


def findings_text(name: str, findings: Sequence[Finding]) -> str:
    """`317 lost-write: 98 % acked by a deposed primary, 2 % not determined`."""
    return f"{len(findings):,} {name}: {causes_text(findings)}" if findings else f"0 {name}"


def told_by_clocks(history: History) -> str:
    """How well the moments of a run are known that several clocks told; empty: one told all of them."""
    if not history.clocks_apart_us:
        return ""
    clocks = len({one.clock for one in history.clock_readings})
    return (
        f"the times of {clocks} load worker{'s' if clocks > 1 else ''} are known to within "
        f"{_apart_text(history)}: measured times and deadlines allow for it"
    )


def give_or_take(history: History) -> str:
    """For the end of a sentence about a deadline."""
    return f" (clocks known to within {_apart_text(history)})" if history.clocks_apart_us else ""


def _apart_text(history: History) -> str:
    return f"\u00b1 {history.clocks_apart_us / 1000:.1f} ms"
