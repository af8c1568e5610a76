"""Many runs of the same thing, as one cell of a table: how often it was kept, and how large each figure was.

A cell is every run of one scenario against one deployment on one engine with the same settings; its runs
differ in their seed. `harness.many` makes cells of results; the report shows them.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.judgement import Interval
from harness.model.results import ScenarioResult
from harness.model.words import Verdict

CONFIDENCE = 0.95
"""Of every interval in a cell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """How many of `runs` runs something was seen in, and which shares these runs do not rule out."""

    seen: int
    runs: int
    share: Interval
    """From 0 to 1, at `CONFIDENCE`; [0, 1] where there is no run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """One figure over the runs in which it was measured."""

    name: str
    """As a column's title: `longest outage`."""
    unit: str
    """`s`, `ms`, or what is counted, such as `users`."""
    values: tuple[Interval, ...]
    """Of the runs in which it was measured; only those count here."""
    median: Interval
    """Exact where each of these runs measured it exactly."""
    range: Interval
    """The smallest and the largest that a run may have had."""
    median_within: Interval | None
    """Where the median of all such runs lies, at `CONFIDENCE`; None: too few runs to say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """Runs that differ in nothing but their seed."""

    label: str
    """The scenario with what tells the cell from the others of its suite; never with a seed."""
    runs: tuple[ScenarioResult, ...]
    """In the order of the suite."""
    kept: Rate
    """Runs that passed, among those that were decided: a promise kept, or a weakness shown."""
    findings: dict[str, Rate]
    """Finding -> runs in which it was proved, among those that were judged."""
    spreads: tuple[Spread, ...]

    @property
    def first(self) -> ScenarioResult:
        return self.runs[0]

    @property
    def verdict(self) -> Verdict:
        """The worst of its runs: a promise that is kept in most runs only is broken."""
        seen = {one.verdict for one in self.runs}
        order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)
        return next((one for one in order if one in seen), Verdict.SKIPPED)

    @property
    def late(self) -> int:
        """Runs whose machine was late by too much for the time-outs: their times are in no spread."""
        return sum(one.judgement is not None and bool(one.judgement.metrics.starved) for one in self.runs)

    @property
    def undecided(self) -> tuple[ScenarioResult, ...]:
        """The runs that ran, or were to, and decided nothing."""
        decided = {Verdict.PASS, Verdict.FAIL, Verdict.SKIPPED}
        return tuple(one for one in self.runs if one.verdict not in decided)

    @property
    def odd(self) -> tuple[ScenarioResult, ...]:
        """The runs that were not kept."""
        return tuple(one for one in self.runs if one.verdict is Verdict.FAIL)
