"""The closing table: promises first, known weaknesses after, so that a green line never stands
beside `99 % lost` unexplained."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from textwrap import shorten
from typing import NamedTuple, TypeVar

from rich import box
from rich.table import Table
from rich.text import Text

from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.report.fitting import FittingTable
from harness.report.words import (
    bytes_of,
    first_line,
    got_back_in,
    logged_out,
    logouts_failed,
    longest_outage,
    loss_in_short,
    verdict_word,
    without_survivor,
)
from harness.visible import one_line

WITHOUT_SURVIVOR = "no surviving write"
COLUMNS = (
    "",
    "scenario",
    "logged out",
    "got back in",
    "logout failed",
    "longest outage",
    WITHOUT_SURVIVOR,
    "lag at the fault",
    "why",
)

LEFT_OUT_AT_MOST = 90
"""Characters; the page and the explanation have all of them."""

_WIDTHS: dict[str, tuple[int | None, int | None]] = {
    "scenario": (None, 4),
    "logged out": (12, None),
    "got back in": (8, None),
    "logout failed": (7, None),
    "longest outage": (18, None),
    WITHOUT_SURVIVOR: (16, None),
    "lag at the fault": (9, None),
    "why": (None, 5),
}
"""Most columns, or the share of what is left: the words get the room that a terminal has."""
_LEAST_WIDE = 140
"""Less, and the words are cut into pieces."""

COLOURS = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "bold magenta",
    Verdict.SKIPPED: "dim",
}


class Row(NamedTuple):
    verdict: str
    scenario: str
    logged_out: str
    got_back_in: str
    logouts_failed: str
    longest_outage: str
    without_survivor: str
    lag: str
    why: str


def row(result: ScenarioResult) -> Row:
    judgement = result.judgement
    told = result.name.startswith(result.topology)
    name = result.label if told else f"{result.topology}: {result.label}"
    if judgement is None:
        cells = (verdict_word(result), name, "–", "–", "–", "–", "–", "–", result.why or first_line(result))
    else:
        cells = (
            verdict_word(result),
            name,
            logged_out(judgement),
            got_back_in(judgement),
            logouts_failed(judgement),
            longest_outage(judgement),
            without_survivor(judgement),
            bytes_of(judgement.metrics.lag_at_fault_bytes),
            "; ".join(filter(None, (result.why, loss_in_short(judgement.metrics), _left_out(result)))),
        )
    return Row(*map(one_line, cells))


def _left_out(result: ScenarioResult) -> str:
    """`left out: port, dir`; empty where the nodes were set up as the deployment says."""
    names = ", ".join(dict.fromkeys(one.name for one in result.left_out))
    return shorten(f"left out: {names}", LEFT_OUT_AT_MOST, placeholder=" …") if names else ""


def blocks(results: Sequence[ScenarioResult]) -> list[tuple[str, list[ScenarioResult]]]:
    """The two blocks with their titles; an empty block is left out."""
    return titled_blocks(
        [one for one in results if one.shows is Shows.PROMISE],
        [one for one in results if one.shows is Shows.WEAKNESS],
        verdict_word,
    )


AnyRow = TypeVar("AnyRow")


def titled_blocks(
    promises: list[AnyRow], weaknesses: list[AnyRow], word: Callable[[AnyRow], str]
) -> list[tuple[str, list[AnyRow]]]:
    """The same for whatever fills the rows: each title counts its rows by their word."""
    weak = "Known weaknesses, triggered on purpose to show that the kit detects them"
    titled = [("Promises", promises), (weak, weaknesses)]
    return [(f"{title}: {_tally(map(word, rows))}", rows) for title, rows in titled if rows]


def _tally(words: Iterable[str]) -> str:
    return ", ".join(f"{count} {word}" for word, count in Counter(words).items())


def table(title: str, results: Sequence[ScenarioResult]) -> FittingTable:
    drawn = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, expand=True)
    for column in COLUMNS:
        width, ratio = _WIDTHS.get(column, (None, None))
        drawn.add_column(column, max_width=width, ratio=ratio, no_wrap=column == "", overflow="fold")
    fitting = FittingTable(title=title, drawn=drawn, least_wide=_LEAST_WIDE)
    for result in results:
        cells = row(result)
        fitting.add_row(Text(cells.verdict, style=COLOURS[result.verdict]), cells[1:])
    return fitting
