"""The track record says what results say, and nothing of runs that decided nothing."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario import load
from lab.track_record.__main__ import CATALOGUE_PAGE, README, main, shipped_scenarios
from lab.track_record.table import (
    CATALOGUE_HEAD,
    HEAD,
    MADE,
    NO_RESULT,
    catalogue,
    runs_in,
    runs_of,
    table,
)

NAME = "sentinel/03-planned-failover-loses-writes"
REPORTS = ("redis/redis#6062", "redis/redis-py#3867", "valkey-io/valkey#1291")
"""Of that scenario."""
ON = "redis-7.0 | valkey-9.1"


def summary(**changes: Any) -> dict[str, Any]:
    one = {"file": f"scenarios/{NAME}.yaml", "verdict": "PASS", "engine": "Redis 7.0.15", "varied": []}
    return {"scenarios": [one | changes]}


def rows(*summaries: dict[str, Any]) -> list[str]:
    (path,) = scenario_files(NAME)
    runs = [run for one in summaries for run in runs_of(one)]
    return table({NAME: load(path, shipped())}, runs)


def test_weakness_that_passed_was_seen_there() -> None:
    """And one that failed was not; each engine once, each report in a row of its own."""
    found = rows(summary(), summary(), summary(engine="Valkey 9.1.2", verdict="FAIL"))
    assert found == [f"| {report} | `{NAME}` | W | {ON} |" for report in REPORTS]


@pytest.mark.parametrize(
    "changes", [{"verdict": "INCONCLUSIVE"}, {"verdict": "SKIPPED"}, {"varied": ["a=1"]}, {"engine": ""}]
)
def test_run_that_decides_nothing_says_nothing(changes: dict[str, Any]) -> None:
    """A variation is another scenario."""
    assert not list(runs_of(summary(**changes)))


def test_results_add_to_what_the_table_says() -> None:
    """Without any result it stays as it is."""
    before = rows(summary(), summary(engine="Valkey 9.1.2", verdict="FAIL"))
    text = MADE.into(f"{MADE.begin}\n{MADE.end}", "\n".join([*HEAD, *before]))
    (path,) = scenario_files(NAME)
    assert table({NAME: load(path, shipped())}, runs_in(text)) == before


def test_a_report_without_a_verdict_says_so() -> None:
    """A gap would read as a result; and what the row says is no engine."""
    before = rows(summary(verdict="INCONCLUSIVE"))
    assert [one.split("|")[4].strip() for one in before] == [NO_RESULT] * len(REPORTS)
    text = MADE.into(f"{MADE.begin}\n{MADE.end}", "\n".join([*HEAD, *before]))
    assert not list(runs_in(text))
    failed = rows(summary(verdict="FAIL"))
    assert [one.split("|")[4].strip() for one in failed] == [""] * len(REPORTS)


def test_readme_and_the_catalogue_are_up_to_date() -> None:
    """A scenario that names a report is in the track record, and each of the catalogue is on its page."""
    scenarios = dict(shipped_scenarios())
    text = README.read_text(encoding="utf-8")
    told = {line.split("|")[2].strip() for line in MADE.of(text).splitlines() if "#" in line}
    assert told == {f"`{name}`" for name, one in scenarios.items() if one.bugs}, "run: make track-record"
    reports = {name: one for name, one in scenarios.items() if one.bugs}
    assert MADE.of(text) == "\n".join([*HEAD, *table(reports, runs_in(text))]), "run: make track-record"
    page = CATALOGUE_PAGE.read_text(encoding="utf-8")
    rows = [*CATALOGUE_HEAD, *catalogue(scenarios)]
    assert MADE.of(page) == "\n".join(rows), "run: make track-record"


def test_folder_without_results_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """README stays as it is."""
    before = README.read_text(encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["track_record", "--write", str(tmp_path)])
    assert main() == 2
    assert capsys.readouterr().err == f"{tmp_path}: expected a results folder or a summary.json\n"
    assert README.read_text(encoding="utf-8") == before
