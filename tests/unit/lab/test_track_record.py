"""The track record says what results say, and nothing of runs that decided nothing."""

from __future__ import annotations

from typing import Any

import pytest

from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.scenario import load
from lab.track_record.__main__ import CATALOGUE_PAGE, README, shipped_scenarios
from lab.track_record.table import (
    BEGIN,
    CATALOGUE_HEAD,
    END,
    HEAD,
    NO_RESULT,
    catalogue,
    runs_in,
    runs_of,
    table,
    written_into,
)

NAME = "sentinel/03-planned-failover-loses-writes"
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
    assert found == [
        f"| redis/redis#6062 | `{NAME}` | W | {ON} |",
        f"| valkey-io/valkey#1291 | `{NAME}` | W | {ON} |",
    ]


@pytest.mark.parametrize(
    "changes", [{"verdict": "INCONCLUSIVE"}, {"verdict": "SKIPPED"}, {"varied": ["a=1"]}, {"engine": ""}]
)
def test_run_that_decides_nothing_says_nothing(changes: dict[str, Any]) -> None:
    """A variation is another scenario."""
    assert not list(runs_of(summary(**changes)))


def test_results_add_to_what_the_table_says() -> None:
    """Without any result it stays as it is."""
    before = rows(summary(), summary(engine="Valkey 9.1.2", verdict="FAIL"))
    text = written_into(f"{BEGIN}\n{END}", [*HEAD, *before])
    (path,) = scenario_files(NAME)
    assert table({NAME: load(path, shipped())}, runs_in(text)) == before


def test_a_report_without_a_verdict_says_so() -> None:
    """A gap would read as a result; and what the row says is no engine."""
    before = rows(summary(verdict="INCONCLUSIVE"))
    assert [one.split("|")[4].strip() for one in before] == [NO_RESULT, NO_RESULT]
    text = written_into(f"{BEGIN}\n{END}", [*HEAD, *before])
    assert not list(runs_in(text))
    failed = rows(summary(verdict="FAIL"))
    assert [one.split("|")[4].strip() for one in failed] == ["", ""]


def test_table_takes_the_place_of_the_one_there() -> None:
    """Twice written is once written."""
    text = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    once = written_into(text, [*HEAD, "| new |"])
    assert once == f"before\n{BEGIN}\n\n{HEAD[0]}\n{HEAD[1]}\n| new |\n\n{END}\nafter\n"
    assert written_into(once, [*HEAD, "| new |"]) == once


def test_readme_and_the_catalogue_are_up_to_date() -> None:
    """A scenario that names a report is in the track record, and each of the catalogue is on its page."""
    scenarios = dict(shipped_scenarios())
    _, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    told = {line.split("|")[2].strip() for line in rest.partition(END)[0].splitlines() if "#" in line}
    assert told == {f"`{name}`" for name, one in scenarios.items() if one.bugs}, "run: make track-record"
    reports = {name: one for name, one in scenarios.items() if one.bugs}
    text = README.read_text(encoding="utf-8")
    assert written_into(text, [*HEAD, *table(reports, runs_in(text))]) == text, "run: make track-record"
    page = CATALOGUE_PAGE.read_text(encoding="utf-8")
    rows = [*CATALOGUE_HEAD, *catalogue(scenarios)]
    assert written_into(page, rows) == page, "run: make track-record"
