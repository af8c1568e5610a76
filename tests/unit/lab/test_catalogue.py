"""The catalogue on each engine: what a run says is kept, and nothing that did not pass goes unsaid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import ExitStatus, UsageError
from harness.model.words import Shows, Verdict
from lab.catalogue import __main__ as catalogue
from lab.catalogue.reading import FullSummary, Summary, read_record, read_summary
from lab.catalogue.record import RECORD, OneRun, Record, runs_of
from lab.catalogue.table import page
from lab.track_record.__main__ import shipped_scenarios

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


SAID: dict[str, Any] = {
    "file": "sentinel/01-x.yaml",
    "backend": "process",
    "reasons": [],
    "engine": "Redis 7.0.15",
    "engine_asked": "",
    "verdict": "PASS",
}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b'{"scenarios": [',
        b"[]",
        b"{}",
        b'{"scenarios": null, "interrupted": false}',
        b'{"scenarios": [{"file": "a/b.yaml"}], "interrupted": false}',
        b"\xff\xfe{}",
        b"[" * 100_000,
        *(
            json.dumps({"scenarios": [{**SAID, **changed}], "interrupted": False}).encode()
            for changed in ({"verdict": "MAYBE"}, {"engine": None}, {"engine": "Redis 7 | x\n\n# heading"})
        ),
    ],
)
@pytest.mark.parametrize("kind", [Summary, FullSummary])
def test_damaged_summary_is_one_clear_error(
    tmp_path: Path, content: bytes, kind: type[Summary | FullSummary]
) -> None:
    """Which names the file. A table made of it would be damaged as well."""
    file = tmp_path / "summary.json"
    file.write_bytes(content)
    with pytest.raises(UsageError) as refused:
        read_summary(file, kind)
    assert str(refused.value).startswith(f"{file}: expected a summary.json of the kit's, found: ")
    assert "\n" not in str(refused.value)


def test_results_of_other_scenarios_write_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The page would not have them: whoever gave them hears which, and that it stays as it was."""
    written: list[Path] = []
    monkeypatch.setattr(catalogue, "write_file", lambda path, _: written.append(path))
    (_, scenario) = next(shipped_scenarios())
    monkeypatch.setattr(catalogue, "shipped_scenarios", lambda: [(NAME, scenario)])
    monkeypatch.setattr("sys.argv", ["lab.catalogue", "--results", str(tmp_path)])
    file = tmp_path / "summary.json"
    others = {**SAID, "file": "mine/ours.yaml"}
    file.write_text(json.dumps({"scenarios": [others], "interrupted": False}))
    assert (catalogue.main(), written) == (ExitStatus.USAGE, [])
    said = capsys.readouterr()
    assert "left out, as these are no shipped scenarios: mine/ours\nnothing is written" in said.err
    assert not said.out
    file.write_text(json.dumps({"scenarios": [others, SAID], "interrupted": False}))
    assert (catalogue.main(), written) == (ExitStatus.PASSED, [RECORD, catalogue.PAGE])
    assert "mine/ours" in capsys.readouterr().err


def test_summary_is_read_with_all_that_it_says(tmp_path: Path) -> None:
    """Members that nobody asks for among it; a track record needs less than the page."""
    file = tmp_path / "summary.json"
    whole = {"scenarios": [SAID], "interrupted": False, "more": 1}
    file.write_text(json.dumps(whole), encoding="utf-8")
    assert read_summary(file, FullSummary) == whole
    less = {"scenarios": [{one: SAID[one] for one in ("file", "verdict", "engine")}]}
    file.write_text(json.dumps(less), encoding="utf-8")
    assert read_summary(file, Summary) == less


def test_damaged_record_is_one_clear_error(tmp_path: Path) -> None:
    """After a merge that was left half done, say. Where none is kept yet there are no runs."""
    file = tmp_path / "record.json"
    assert read_record(file) == Record()
    file.write_text("<<<<<<< HEAD", encoding="utf-8")
    with pytest.raises(UsageError, match=r"record\.json: expected the record of the catalogue, found: "):
        read_record(file)
