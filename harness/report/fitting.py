"""A table where a terminal has room for it. On a narrow one a row is a few lines: words of one letter below
another are no words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

NOTHING = frozenset({"", "–"})
"""Cells that a narrow terminal leaves out."""


@dataclass(kw_only=True)
class FittingTable:
    title: str
    drawn: Table
    """Has the columns, and no row yet."""
    least_wide: int
    """Columns of a terminal on which it is drawn as a table."""
    _rows: list[tuple[Text, Sequence[str]]] = field(default_factory=list)

    def add_row(self, verdict: Text, cells: Sequence[str]) -> None:
        """`cells`: those behind the verdict; the first is the scenario's name."""
        self._rows.append((verdict, cells))
        self.drawn.add_row(verdict, *cells)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= self.least_wide:
            yield self.drawn
            return
        yield Text(self.title, style="bold")
        names = [str(one.header) for one in self.drawn.columns][2:]
        for verdict, (name, *cells) in self._rows:
            yield Text.assemble(verdict, f"  {name}")
            for what, cell in zip(names, cells, strict=True):
                if cell not in NOTHING:
                    yield Padding(Text.assemble((f"{what}: ", "dim"), cell), (0, 0, 0, 2))
        yield Text("")
