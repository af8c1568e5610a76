"""Rows of a measurement: when they are met, what is written, what the exit status says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab.rows import Row, exit_status, report, skipped, table


@pytest.mark.parametrize(
    ("measured", "at_least", "at_most", "met"),
    [
        (0.85, 0.85, None, True),
        (0.8499, 0.85, None, False),
        (3.0, None, 3.0, True),
        (3.01, None, 3.0, False),
        (1.0, 0.5, 2.0, True),
        (0.0, None, 0.0, True),
        (7.0, None, None, None),
        (None, 0.85, None, None),
    ],
)
def test_row_is_met_up_to_its_bounds(
    measured: float | None, at_least: float | None, at_most: float | None, met: bool | None
) -> None:
    """Bounds are included; nothing measured or nothing asked is neither met nor missed."""
    assert Row(name="x", measured=measured, at_least=at_least, at_most=at_most).met is met


def test_exit_status_names_a_missed_bound() -> None:
    """One missed row is enough; a row that could not be measured is not missed."""
    met, missed = Row(name="a", measured=1, at_most=1), Row(name="b", measured=2, at_most=1)
    assert exit_status([met, skipped("c", "no engine")]) == 0
    assert exit_status([met, missed]) == 1


def test_report_writes_what_it_prints(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The file has the rows and the machine; the table has the same numbers."""
    rows = [Row(name="ratio", measured=0.9, at_least=0.85), skipped("compose", "no Docker engine")]
    assert report("bench", rows, directory=tmp_path / "runs") == 0
    written = json.loads((tmp_path / "runs/bench.json").read_text())
    assert written["rows"][0] == {
        "name": "ratio",
        "measured": 0.9,
        "unit": "",
        "bound": ">= 0.85",
        "met": True,
        "note": "",
    }
    assert written["rows"][1]["measured"] is None
    assert {"python", "cpus", "redis"} <= set(written["machine"])
    printed = capsys.readouterr().out
    assert "0.9" in printed
    assert "no Docker engine" in printed


def test_table_shouts_what_was_missed() -> None:
    """A missed bound cannot be overlooked."""
    assert "MISSED" in table([Row(name="x", measured=2, at_most=1)])
    assert "MISSED" not in table([Row(name="x", measured=1, at_most=1)])
