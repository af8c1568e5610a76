"""`summary.json` of a finished suite, read back as far as comparing needs it: its cells.

It is all that is compared, so that a baseline is one small text file, which a team can keep in its
repository. Trap: the file may come from anybody; whatever does not have the shape is refused whole.
"""

from __future__ import annotations

import math

import msgspec

from harness.errors import UsageError
from harness.model.judgement import INFINITE, Interval
from harness.visible import visible

SIZE_MAX = 64 << 20
"""Bytes; a summary has about two kilobytes per run."""


class Seen(msgspec.Struct, kw_only=True):
    """How often something was seen; as in `harness.model.cells.Rate`."""

    seen: int
    runs: int


class Figures(msgspec.Struct, kw_only=True):
    """One figure of a cell, run by run."""

    unit: str
    values: list[list[float | None]]
    """Lower and upper end; None where there is no upper end."""

    @property
    def intervals(self) -> list[Interval]:
        ends = [(low or 0.0, INFINITE if high is None else high) for low, high in self.values]
        return [Interval(low=low, high=high) for low, high in ends]


class CellSummary(msgspec.Struct, kw_only=True):
    name: str
    file: str
    shows: str
    deployment_file: str
    engine_asked: str
    varied: list[str]
    set: list[str] | None = None
    """None: an earlier kit did not say."""
    verdict: str
    seeds: list[int]
    kept: Seen
    findings: dict[str, Seen]
    figures: dict[str, Figures]


class Summary(msgspec.Struct, kw_only=True):
    kit: str
    backend: str
    engine: str
    timing: str
    suite: str
    run: str
    jobs: int
    cells: list[CellSummary]


def read_summary(content: bytes, where: str) -> Summary:
    """
    Raises:
        UsageError: it is no summary, or one of a kit that left no cells in it.
    """
    try:
        found = msgspec.json.decode(content, type=Summary)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as problem:
        raise UsageError(
            f"{where}: expected a summary.json with cells, found: {visible(str(problem))[:120]}; "
            "`failover-kit judge RUN` writes that of an older run anew"
        ) from problem
    for cell in found.cells:
        if why := _wrong(cell):
            raise UsageError(f"{where}: cell {visible(cell.name)[:80]!r}: {why}")
    return found


def _wrong(cell: CellSummary) -> str:
    for rate in (cell.kept, *cell.findings.values()):
        if not 0 <= rate.seen <= rate.runs:
            return f"expected some of {rate.runs} runs, found {rate.seen}"
    for name, figures in cell.figures.items():
        if any(len(ends) != 2 or not _is_interval(*ends) for ends in figures.values):
            return f"figure {visible(name)[:40]!r}: expected pairs of a lower and an upper end"
    return ""


def _is_interval(low: float | None, high: float | None) -> bool:
    if low is None or not math.isfinite(low):
        return False
    return high is None or (math.isfinite(high) and low <= high)
