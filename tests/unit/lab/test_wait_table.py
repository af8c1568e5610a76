"""What WAIT costs and saves, put together for each scenario and number of replicas."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.scenario.matrix import load_matrix
from lab.wait.__main__ import MATRIX
from lab.wait.table import HEAD, Run, table

ROOT = Path(__file__).parents[3]


def run(undone: int, *, replicas: int = 0, decided: bool = True, p50_ms: float = 1.0) -> Run:
    return Run(
        scenario="logout undone",
        replicas=replicas,
        decided=decided,
        p50_ms=p50_ms,
        p99_ms=10 * p50_ms,
        confirmed=100,
        undone=undone,
        warned=7,
    )


def lines(*runs: Run) -> list[str]:
    return table(runs).removeprefix(HEAD).strip().splitlines()


def test_a_line_for_each_number_of_replicas() -> None:
    """Fewest first, with the number of runs, the median and how far they lie apart."""
    assert lines(run(0, replicas=2, p50_ms=2.5), run(8), run(10), run(12, p50_ms=1.5)) == [
        "| logout undone | nobody | 3 | 1.0 (1.0 to 1.5) ms | 10.0 (10.0 to 15.0) ms | 100 | 10 (8 to 12) | 7 |",
        "| logout undone | 2 | 1 | 2.5 ms | 25.0 ms | 100 | 0 | 7 |",
    ]


def test_runs_whose_losses_are_not_known_count_as_runs_only() -> None:
    """Never as runs that undid nothing."""
    assert lines(run(0, decided=False), run(8)) == [
        "| logout undone | nobody | 1 of 2 decided | 1.0 ms | 10.0 ms | 100 | 8 | 7 |"
    ]
    assert lines(run(0, decided=False)) == ["| logout undone | nobody | 0 of 1 decided | – | – | – | – | – |"]


@pytest.mark.parametrize("file", sorted((ROOT / "matrices").glob("*.yaml")), ids=lambda file: file.stem)
def test_shipped_matrix_is_read(file: Path) -> None:
    """With scenarios that are there, in every combination."""
    matrix = load_matrix(file)
    assert all(list((ROOT / "scenarios").glob(f"{one}*.yaml")) for one in matrix.scenarios)
    assert MATRIX.is_file()
