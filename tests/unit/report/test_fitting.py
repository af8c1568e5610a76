"""The closing table on terminals of any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.many.cells import cells_of
from harness.report.cells import cell_table
from harness.report.console import LOG_WIDTH
from harness.report.table import table
from tests.builders_results import result

NAME = "nobody is logged out"
WORDS = ("scenario", "longest outage", "why")


def drawn(width: int, *, repeated: bool = False) -> list[str]:
    one = result(name=f"sentinel: {NAME}")
    console = Console(file=io.StringIO(), width=width, emoji=False, markup=False)
    console.print(cell_table("Promises", cells_of([one])) if repeated else table("Promises", [one]))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("repeated", [False, True])
@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_narrow_terminal_has_a_few_lines_for_each_row(width: int, repeated: bool) -> None:
    """With the name in one piece, and no line that the terminal would break."""
    lines = drawn(width, repeated=repeated)
    assert lines[0] == "Promises"
    assert any(NAME in line for line in lines)
    assert max(map(len, lines)) <= width
    assert len(lines) <= 14
    assert not any(line.strip().endswith((": –", ":")) for line in lines), "what is not known is left out"


@pytest.mark.parametrize("repeated", [False, True])
def test_log_has_the_table(repeated: bool) -> None:
    """As wide as is assumed where there is no terminal."""
    lines = drawn(LOG_WIDTH, repeated=repeated)
    assert any("─" * 100 in line for line in lines)
    heads = " ".join(lines[1:6])
    assert all(word.split()[-1] in heads for word in WORDS)
