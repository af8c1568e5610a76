"""The results of a suite, put together by what was run: one cell for all runs that differ in their seed.

Trap: a second attempt is no second run. Its result is already one with the first.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.many.figures import FIGURES, Figure
from harness.many.statistics import median, median_within, rate
from harness.model.cells import Cell, Rate, Spread
from harness.model.judgement import Interval
from harness.model.plan import RunKey
from harness.model.results import ScenarioResult
from harness.model.words import Verdict


def cells_of(results: Sequence[ScenarioResult]) -> tuple[Cell, ...]:
    """The cells, in the order in which their first runs come."""
    groups: dict[RunKey, list[ScenarioResult]] = {}
    for one in results:
        groups.setdefault(one.key.cell, []).append(one)
    return tuple(_cell(tuple(runs)) for runs in groups.values())


def _cell(runs: tuple[ScenarioResult, ...]) -> Cell:
    verdicts = [one.verdict for one in runs]
    passed, failed = verdicts.count(Verdict.PASS), verdicts.count(Verdict.FAIL)
    return Cell(
        label=runs[0].cell_label,
        runs=runs,
        kept=rate(passed, passed + failed),
        findings=_findings(runs),
        spreads=tuple(spread for one in FIGURES if (spread := _spread(one, runs)) is not None),
    )


def _findings(runs: Sequence[ScenarioResult]) -> dict[str, Rate]:
    """Only findings that some run proved. A run in which one is undecided counts neither way."""
    judged = [one.judgement.counts for one in runs if one.judgement is not None]
    names = sorted({name for counts in judged for name, count in counts.items() if count.low > 0})
    never = Interval(low=0, high=0)
    return {
        name: rate(
            sum(counts.get(name, never).low > 0 for counts in judged),
            sum(counts.get(name, never).low > 0 or counts.get(name, never).high == 0 for counts in judged),
        )
        for name in names
    }


def _spread(figure: Figure, runs: Sequence[ScenarioResult]) -> Spread | None:
    """None: no run measured it."""
    values = [
        value
        for one in runs
        if one.judgement is not None and (value := figure.seen_in(one.judgement)) is not None
    ]
    if not values:
        return None
    return Spread(
        name=figure.name,
        unit=figure.unit,
        values=tuple(values),
        median=median(values),
        range=Interval(low=min(one.low for one in values), high=max(one.high for one in values)),
        median_within=median_within(values),
    )
