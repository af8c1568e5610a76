"""The list of scenarios. Apart from `terminal`, because a list needs nothing that results need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rich.table import Table

from harness.model.scenario import Scenario
from harness.report.console import console_on
from harness.visible import one_line


def show_list(scenarios: Sequence[Scenario], stream: TextIO) -> None:
    drawn = Table(box=None, padding=(0, 2, 0, 0))
    for title in ("file", "shows", "tags", "name"):
        drawn.add_column(title, overflow="fold")
    for one in scenarios:
        drawn.add_row(*map(one_line, (one.file, one.shows, " ".join(one.tags), one.name)))
    console_on(stream).print(drawn)
