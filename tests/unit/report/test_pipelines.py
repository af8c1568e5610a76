"""What CI systems and monitoring get: whatever a name holds, it is text; and all of it fits."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.cli.pipeline import tell_pipeline
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.report.github import ANNOTATIONS_MAX, SUMMARY_BYTES_MAX, annotations_of, step_summary
from harness.report.junit import junit
from harness.report.openmetrics import openmetrics
from tests.builders_results import result, suite

HOSTILE = 'a, b: c\n::error::x % "y" \\ | `z` <b>'


def hostile(verdict: Verdict) -> ScenarioResult:
    return replace(result(verdict, name=HOSTILE), file="a:b,c%.yaml", reasons=(HOSTILE,))


def test_each_run_that_did_not_pass_is_an_annotation() -> None:
    """FAIL and a failed environment are errors, INCONCLUSIVE is a warning, the others are nothing."""
    verdicts = (Verdict.INCONCLUSIVE, Verdict.FAIL, Verdict.PASS, Verdict.SKIPPED, Verdict.ERROR)
    lines = annotations_of(suite(*map(result, verdicts)))
    assert [line.split(" ")[0] for line in lines] == ["::error", "::error", "::warning"]
    assert all("file=scenarios/sentinel/01-primary-killed.yaml,line=1,title=" in line for line in lines)


def test_a_name_is_no_workflow_command() -> None:
    """A line break, a colon or a per cent sign would begin one, or end a property."""
    (line,) = annotations_of(suite(hostile(Verdict.FAIL)))
    assert "\n" not in line
    properties, _, message = line.removeprefix("::error ").partition("::")
    assert dict(one.split("=", 1) for one in properties.split(",")).keys() == {"file", "line", "title"}
    assert "%25" in message


def test_annotations_are_as_many_as_are_shown() -> None:
    """The last one says how many more there are."""
    lines = annotations_of(suite(*[result(Verdict.FAIL)] * 30))
    assert len(lines) == ANNOTATIONS_MAX
    assert lines[-1].endswith("::21 more: see the summary of the job")


def test_the_summary_is_a_table_of_text() -> None:
    """One row per run, or per cell where runs are repeated; markup in a name is shown as it is written."""
    text = step_summary(suite(hostile(Verdict.FAIL), result(Verdict.PASS)))
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert "\\<b\\>" in rows[2]
    repeated = [replace(result(Verdict.PASS), seed=seed, repeated=True) for seed in range(3)]
    assert "kept 3 of 3" in step_summary(suite(*repeated))


def test_the_summary_stays_below_what_is_taken() -> None:
    """However many runs there are; what is left out is said."""
    many = suite(*(replace(result(), file=f"{n}", name="x" * 900) for n in range(1500)))
    text = step_summary(many)
    assert len(text.encode()) < SUMMARY_BYTES_MAX + 1000
    assert "more rows: see the report of the run" in text


def test_only_a_job_of_github_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a summary that cannot be written is a note."""
    file = tmp_path / "summary.md"
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    tell_pipeline(suite(result()))
    assert not capsys.readouterr().out
    assert not file.exists()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    tell_pipeline(suite(result()))
    tell_pipeline(suite(result()))
    assert capsys.readouterr().out.startswith("::error file=")
    assert file.read_text().count("### FAIL") == 2
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    tell_pipeline(suite(result()))
    assert "cannot be written" in capsys.readouterr().err


def test_openmetrics_are_read_back_as_they_were_measured() -> None:
    """By somebody else's parser: base units, both ends of an interval, labels whatever they hold."""
    whole = suite(hostile(Verdict.FAIL), result(Verdict.SKIPPED))
    families = {one.name: one for one in text_string_to_metric_families(openmetrics(whole))}
    outage = families["failover_kit_longest_outage_seconds"]
    assert [(one.labels["bound"], one.value) for one in outage.samples] == [
        ("at_least", 1.9),
        ("at_most", 2.31),
    ]
    assert outage.samples[0].labels["scenario"] == HOSTILE
    assert families["failover_kit_p99_during_seconds"].samples[0].value == pytest.approx(0.003)
    verdicts = {
        one.labels["failover_kit_verdict"]: one.value
        for one in families["failover_kit_verdict"].samples
        if one.labels["scenario"] == HOSTILE
    }
    assert verdicts["FAIL"] == 1
    assert sum(verdicts.values()) == 1


def test_junit_has_what_every_reader_of_it_takes() -> None:
    """The members and the order that the common schema asks for."""
    root = ET.fromstring(junit(suite(hostile(Verdict.FAIL), result(Verdict.PASS), result(Verdict.SKIPPED))))
    assert root.tag == "testsuite"
    assert {"name", "tests", "failures", "errors", "skipped", "time", "timestamp"} <= set(root.keys())
    for case in root:
        assert case.tag == "testcase"
        assert {"classname", "name", "time"} <= set(case.keys())
        assert {child.tag for child in case} <= {"failure", "error", "skipped", "system-out"}
