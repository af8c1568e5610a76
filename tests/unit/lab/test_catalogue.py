"""The catalogue on each engine: what a run says is kept, and nothing that did not pass goes unsaid."""

from __future__ import annotations

from typing import Any

from harness.model.words import Shows, Verdict
from lab.catalogue.record import OneRun, Record, runs_of
from lab.catalogue.table import page

NAME = "sentinel/01-x"


def one(verdict: Verdict, *, engine: str = "redis-7.0", why: str = "", name: str = NAME) -> OneRun:
    return OneRun(
        scenario=name, engine=engine, backend="process", verdict=verdict, why=why, measured_on="2026-01-02"
    )


def test_runs_are_read_from_a_summary() -> None:
    """By the engine that answered, or the one that was asked for; what was changed or broken off is left out."""
    said: dict[str, Any] = {"file": "a/sentinel/01-x.yaml", "backend": "process", "reasons": ["because"]}
    summary = {
        "interrupted": True,
        "scenarios": [
            {**said, "engine": "Redis 7.0.15", "engine_asked": "", "verdict": "INCONCLUSIVE"},
            {**said, "engine": "Redis 7.0.15", "engine_asked": "redis-7", "verdict": "FAIL"},
            {**said, "engine": "", "engine_asked": "valkey-9.1", "verdict": "SKIPPED"},
            {**said, "engine": "Redis 7.0.15", "engine_asked": "", "verdict": "PASS", "varied": ["a=b"]},
        ],
    }
    (failed,) = runs_of(summary, "2026-01-02")
    assert failed == one(Verdict.FAIL, why="because")
    _, _, skipped = runs_of({**summary, "interrupted": False}, "2026-01-02")
    assert skipped == one(Verdict.SKIPPED, engine="valkey-9.1", why="because")


def test_run_that_decides_less_does_not_replace_an_earlier_one() -> None:
    """A busy machine takes back nothing; a later verdict does."""
    record = Record().with_runs([one(Verdict.INCONCLUSIVE), one(Verdict.PASS), one(Verdict.INCONCLUSIVE)])
    assert [run.verdict for run in record.runs] == [Verdict.PASS]
    assert [run.verdict for run in record.with_runs([one(Verdict.FAIL)]).runs] == [Verdict.FAIL]


def test_scenario_that_is_gone_leaves_the_record() -> None:
    """The page has the scenarios of this version."""
    record = Record().with_runs([one(Verdict.PASS), one(Verdict.PASS, name="sentinel/02-gone")])
    assert [run.scenario for run in record.of_shipped([NAME]).runs] == [NAME]


def test_page_has_a_cell_for_each_engine_and_a_reason_for_what_did_not_pass() -> None:
    """A weakness that failed was not shown, a promise that failed is broken, and both say why."""
    runs = [
        one(Verdict.PASS),
        one(Verdict.SKIPPED, engine="valkey-9.1", why="/usr/bin/redis-server needs | that"),
        one(Verdict.FAIL, name="single/02-y", why="lost-write was 3, expected 0"),
    ]
    text = "\n".join(page(Record().with_runs(runs), {NAME: Shows.WEAKNESS, "single/02-y": Shows.PROMISE}))
    assert "| scenario | | redis-7.0 (process) | valkey-9.1 (process) |" in text
    assert f"| `{NAME}` | W | shown | skipped |" in text
    assert "| `single/02-y` | P | **broken** |  |" in text
    assert f"| `{NAME}` | valkey-9.1 (process) | skipped | redis-server needs / that |" in text
    assert "| `single/02-y` | redis-7.0 (process) | fail | lost-write was 3, expected 0 |" in text
    assert "| redis-7.0 | process | 2026-01-02 | 1 | 0 | 1 |" in text
