"""Rows for runs that were repeated: one for each cell, with intervals instead of single figures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rich import box
from rich.table import Table
from rich.text import Text

from harness.model.cells import CONFIDENCE, Cell, Rate, Spread
from harness.model.judgement import Interval
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.report.fitting import FittingTable
from harness.report.table import COLOURS, titled_blocks
from harness.report.words import first_line, seconds
from harness.visible import one_line

TITLE = (
    "Repeated runs: the share of runs and the median of each figure. In brackets, from 6 runs on: where the "
    "median of all such runs lies; in parentheses: the smallest and the largest. "
    f"Intervals hold at {CONFIDENCE:.0%}."
)
COLUMNS = (
    "",
    "scenario",
    "of all runs",
    "logged out",
    "got in wrongly",
    "longest outage",
    "no surviving write",
    "acked writes lost",
    "p99 before",
    "p99 during",
    "why",
)
FIGURES_SHOWN = COLUMNS[3:10]
ON_A_TERMINAL = (0, 1, 2, 3, 4, 5, 6, 7, 10)
"""The columns that a terminal has room for; the page has all of them."""

_WIDTHS: dict[str, tuple[int | None, int | None]] = {
    "scenario": (None, 4),
    "of all runs": (16, None),
    "logged out": (12, None),
    "got in wrongly": (9, None),
    "longest outage": (16, None),
    "no surviving write": (16, None),
    "acked writes lost": (14, None),
    "why": (None, 5),
}
"""Most columns, or the share of what is left."""
_LEAST_WIDE = 150
"""Less, and the words are cut into pieces."""

ODD_NAMED = 3
"""Runs of a cell that are named one by one; how many more there are is said."""


class CellRow(NamedTuple):
    """Parallel to `COLUMNS`."""

    verdict: str
    scenario: str
    share: str
    figures: tuple[str, ...]
    why: str

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(map(one_line, (self.verdict, self.scenario, self.share, *self.figures, self.why)))


def is_repeated(cells: Sequence[Cell]) -> bool:
    return any(len(one.runs) > 1 for one in cells)


def cell_row(cell: Cell) -> CellRow:
    spreads = {one.name: one for one in cell.spreads}
    first = cell.first
    named = first.name.startswith(first.topology)
    return CellRow(
        verdict=verdict_of(cell),
        scenario=cell.label if named else f"{first.topology}: {cell.label}",
        share=share_text(cell.kept),
        figures=tuple(spread_text(spreads.get(name)) for name in FIGURES_SHOWN),
        why="; ".join(_why(cell)),
    )


def verdict_of(cell: Cell) -> str:
    """`kept 30 of 30`, `BROKEN in 1 of 30`, `shown 5 of 5`, with runs that decided nothing."""
    shown = cell.first.shows is Shows.WEAKNESS
    kept, runs = cell.kept.seen, cell.kept.runs
    if not runs:
        return cell.verdict.lower()
    if kept == runs:
        return f"{'shown' if shown else 'kept'} {kept} of {runs}"
    return f"{'NOT SHOWN' if shown else 'BROKEN'} in {runs - kept} of {runs}"


def share_text(rate: Rate) -> str:
    """What the runs say of all runs like them: `at least 90.5 %`, `at most 9.5 %`, `82.8 to 99.9 %`."""
    if not rate.runs:
        return "–"
    if rate.seen == rate.runs:
        return f"at least {_percent(rate.share.low)} %"
    if not rate.seen:
        return f"at most {_percent(rate.share.high)} %"
    return f"{_percent(rate.share.low)} to {_percent(rate.share.high)} %"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def spread_text(spread: Spread | None) -> str:
    """`4.9 s [4.8 s to 5.3 s] (4.7 s to 6.2 s)`: where the median of all such runs lies, if they are enough
    to say, and the range; the median alone where all runs measured the same."""
    if spread is None:
        return "–"
    median = interval_text(spread.median, spread.unit)
    whole = interval_text(spread.range, spread.unit)
    if whole == median:
        return median
    within = spread.median_within
    return f"{median}{f' [{interval_text(within, spread.unit)}]' if within else ''} ({whole})"


def interval_text(interval: Interval, unit: str) -> str:
    low = quantity(interval.low, unit)
    if math.isinf(interval.high):
        return f"≥ {low}"
    high = quantity(interval.high, unit)
    return low if low == high else f"{low} to {high}"


def quantity(value: float, unit: str) -> str:
    if unit == "s":
        return seconds(value)
    if unit == "ms":
        return seconds(value / 1000)
    return f"{value:.1f} %" if unit == "%" else f"{value:.6g}"


def _why(cell: Cell) -> list[str]:
    undecided = sum(one.verdict is Verdict.INCONCLUSIVE for one in cell.runs)
    failed = sum(one.verdict is Verdict.ERROR for one in cell.runs)
    parts = [f"{count} {word}" for count, word in ((undecided, "inconclusive"), (failed, "error")) if count]
    if len(cell.runs) > 1:  # with others that ran: enough of them did, or somebody stopped the suite
        parts += dict.fromkeys(one.why for one in cell.runs if one.verdict is Verdict.SKIPPED and one.why)
    if cell.late and len(cell.runs) > 1:
        parts.append(f"no times of {cell.late} on a late machine")
    if cell.odd:
        parts += ["the one: " + _run(cell.odd[0])] if len(cell.odd) == 1 else [_some(cell.odd)]
    parts += [
        f"{name} in {rate.seen} of {rate.runs} runs ({share_text(rate)})"
        for name, rate in cell.findings.items()
    ]
    single = len(cell.runs) == 1
    return parts or ([cell.first.why or first_line(cell.first)] if single else [])


def _some(odd: Sequence[ScenarioResult]) -> str:
    more = f" and {len(odd) - ODD_NAMED} more" if len(odd) > ODD_NAMED else ""
    return "; ".join(_run(one) for one in odd[:ODD_NAMED]) + more


def _run(result: ScenarioResult) -> str:
    return f"seed {result.seed}: {result.why or first_line(result)}"


def cell_blocks(cells: Sequence[Cell]) -> list[tuple[str, list[Cell]]]:
    """Promises first, known weaknesses after, as for single runs."""
    return titled_blocks(
        [one for one in cells if one.first.shows is Shows.PROMISE],
        [one for one in cells if one.first.shows is Shows.WEAKNESS],
        lambda one: verdict_of(one).partition(" ")[0] if one.kept.runs else one.verdict.lower(),
    )


def cell_table(title: str, cells: Sequence[Cell]) -> FittingTable:
    drawn = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, expand=True)
    for place in ON_A_TERMINAL:
        width, ratio = _WIDTHS.get(COLUMNS[place], (None, None))
        drawn.add_column(COLUMNS[place], max_width=width, ratio=ratio, no_wrap=place == 0, overflow="fold")
    fitting = FittingTable(title=title, drawn=drawn, least_wide=_LEAST_WIDE)
    for cell in cells:
        first, *rest = (cell_row(cell).texts[place] for place in ON_A_TERMINAL)
        fitting.add_row(Text(first, style=COLOURS[cell.verdict]), rest)
    return fitting
