"""The list of scenarios. Apart from `terminal`, because a list needs nothing that results need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.table import Table

from harness.model.scenario import Scenario
from harness.report.console import console_on
from harness.visible import one_line


def show_list(scenarios: Sequence[tuple[Scenario, Sequence[str]]], stream: TextIO) -> None:
    """Each with the reports that it shows, as `--bug` takes them."""
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("file", "shows", "tags, bugs", "name"):
        drawn.add_column(title, overflow="fold", no_wrap=title == "file")
    for one, bugs in scenarios:
        words = (one.file, one.shows, " ".join((*one.tags, *bugs)), one.name)
        drawn.add_row(*map(one_line, words))
    console_on(stream).print(drawn)
