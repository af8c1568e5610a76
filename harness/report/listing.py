"""The list of scenarios. Apart from `terminal`, because a list needs nothing that results need.

On a terminal its words wrap within their columns. Through a pipe each scenario is one line, for `grep`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TextIO

from rich.cells import cell_len, set_cell_size
from rich.table import Table

from harness.model.scenario import Scenario
from harness.report.console import console_on
from harness.visible import one_line

COLUMNS = ("file", "shows", "tags, bugs", "name")


def show_list(scenarios: Sequence[tuple[Scenario, Sequence[str]]], stream: TextIO) -> None:
    """Each with the reports that it shows, as `--bug` takes them."""
    rows = [
        tuple(map(one_line, (one.file, one.shows, " ".join((*one.tags, *bugs)), one.name)))
        for one, bugs in scenarios
    ]
    if not stream.isatty():
        stream.writelines(f"{line}\n" for line in _in_columns([COLUMNS, *rows]))
        return
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for title in COLUMNS:
        drawn.add_column(title, overflow="fold", no_wrap=title == "file")
    for words in rows:
        drawn.add_row(*words)
    console_on(stream).print(drawn)


def _in_columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(set_cell_size(text, width) for text, width in zip(row, widths, strict=True)).rstrip()
