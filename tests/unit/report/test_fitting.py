"""The closing table on terminals of any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.many.cells import cells_of
from harness.model.results import Progress
from harness.report.cells import cell_table
from harness.report.console import LOG_WIDTH
from harness.report.table import table
from harness.report.terminal import Underway
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


RUNS = [
    Progress(
        scenario="sentinel/01-primary-killed-replica-promoted",
        phase="fault",
        roles={f"redis-{n}": "primary" for n in range(1, 4)},
        rate_per_s=187.3,
        left_s=12.3,
    ),
    Progress(scenario="cluster/05-two-shards-at-once", phase="starting"),
]
LATER = [
    Progress(
        scenario=one.scenario, phase="settled", roles={"redis-1": "down", "redis-2": "primary"}, at_risk=9
    )
    for one in RUNS
]


def underway(runs: list[Progress], width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, emoji=False, markup=False)
    with console.capture() as drawn:
        console.print(Underway(runs, {"PASS": 3, "shown": 2}, 22))
    return drawn.get().splitlines()


@pytest.mark.parametrize("width", [20, 40, 80, 129, 130, 200])
def test_what_runs_keeps_its_lines_on_any_terminal(width: int) -> None:
    """Two for each run, or a row in a table. It is drawn in place: lines that come and go would flicker."""
    now, later = underway(RUNS, width), underway(LATER, width)
    assert len(now) == len(later) <= 5
    assert max(map(len, now + later)) <= width
    assert now[-1].startswith("5 of 22 done")


def test_what_runs_says_first_what_matters_on_a_narrow_terminal() -> None:
    """How each run goes; which node is what is cut off."""
    assert underway(RUNS, 40)[:4] == [
        "sentinel/01-primary-killed-replica-prom…",
        "  fault · 12.3 s left · 187/s · redis-1…",
        "cluster/05-two-shards-at-once",
        "  starting",
    ]
