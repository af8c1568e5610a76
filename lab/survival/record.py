"""What docs/survival/ keeps of a suite: its summary, as `failover-kit compare --baseline` reads it."""

from __future__ import annotations

import os
from typing import Self

import msgspec

from harness.many.summary import CellSummary, Summary, read_summary
from harness.model.results import SuiteResult

_GIB = 1 << 30


class Record(Summary, kw_only=True):
    measured_on: str
    """Date, ISO 8601."""
    cores: int
    memory_gib: int
    judged: int
    """Runs."""
    slow: int
    """Those of them in which the machine was late by too much for the tightest time-out: their times are
    longer than they would be on a quiet one."""

    @classmethod
    def of(cls, suite: SuiteResult, summary: bytes, where: str, measured_on: str) -> Self:
        """`summary`: that of the suite, which ran on this machine.

        Raises:
            UsageError: it is no summary with cells.
        """
        memory_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        judged = [one.judgement for one in suite.results if one.judgement is not None]
        return cls(
            **msgspec.structs.asdict(read_summary(summary, where)),
            measured_on=measured_on,
            cores=os.cpu_count() or 0,
            memory_gib=round(memory_bytes / _GIB),
            judged=len(judged),
            slow=sum(bool(one.metrics.starved) for one in judged),
        )

    @property
    def too_slow(self) -> bool:
        """In most runs: no median of times says anything about the topology."""
        return 2 * self.slow > self.judged

    @property
    def fitting(self) -> list[CellSummary]:
        """Without the cells whose fault the topology cannot have, and without times that mean nothing."""
        found = [one for one in self.cells if one.kept.runs or one.verdict != "SKIPPED"]
        return [_without_times(one) for one in found] if self.too_slow else found


def _without_times(cell: CellSummary) -> CellSummary:
    """Nor the share of refused requests, which is that of the outage."""
    kept = {name: one for name, one in cell.figures.items() if one.unit not in {"s", "ms", "%"}}
    return msgspec.structs.replace(cell, figures=kept)
