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
    """Those of them in which the machine was late by too much for the tightest time-out: their times would
    be longer than on a quiet one, and are in no figure."""

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
    def fitting(self) -> list[CellSummary]:
        """Without the cells whose fault the topology cannot have."""
        return [one for one in self.cells if one.kept.runs or one.verdict != "SKIPPED"]
