"""What CI systems and monitoring get: whatever a name holds, it is text; and all of it fits."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import xmlschema
import yaml
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from harness.cli.arguments import parser
from harness.cli.pipeline import tell_pipeline
from harness.model.results import ScenarioResult
from harness.model.words import Verdict
from harness.report.github import ANNOTATIONS_MAX, SUMMARY_BYTES_MAX, annotations_of, step_summary
from harness.report.gitlab import PAGES_MAX, addresses
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


@cache
def junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(str(Path(__file__).parents[2] / "junit.xsd"))


def test_junit_is_valid_whatever_a_suite_came_to() -> None:
    """By the schema, with names that hold markup, control characters or nothing printable."""
    others = [replace(result(one, name=f"{one} once"), wall_s=1234567.25) for one in Verdict]
    odd = replace(result(Verdict.FAIL, name="\x00\x1b[31m \ud800"), reasons=("]]> \x0b & <",))
    whole = suite(hostile(Verdict.FAIL), odd, *others)
    for one in (whole, replace(whole, incomplete="its list was lost <&>"), suite()):
        junit_schema().validate(junit(one))


def test_schema_of_junit_refuses_what_its_readers_refuse() -> None:
    """Else it would prove nothing."""
    good = junit(suite(result(Verdict.FAIL)))
    for old, new in (
        ('tests="1"', 'tests="one"'),
        ('time="', 'time="-'),
        ("<failure ", "<failed "),
        ('classname="', 'class="'),
        ('timestamp="', 'timestamp="on '),
        ('type="FAIL"', ""),
    ):
        assert old in good
        assert not junit_schema().is_valid(
            good.replace(old, new).replace("</failure>", f"</{'failed' if 'failed' in new else 'failure'}>")
        )


def test_job_of_gitlab_gets_the_addresses_of_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the suite and of what did not pass; of nothing that cannot be an artefact."""
    failed = replace(result(Verdict.FAIL), run_dir="a b", file="x")
    whole = replace(suite(failed, result(Verdict.PASS)), directory=str(tmp_path / "results" / "1"))
    monkeypatch.setenv("CI_JOB_URL", "https://gitlab.example/group/project/-/jobs/7")
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path))
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITLAB_CI", raising=False)
    tell_pipeline(whole)
    assert not capsys.readouterr().out
    monkeypatch.setenv("GITLAB_CI", "true")
    tell_pipeline(whole)
    base = "https://gitlab.example/group/project/-/jobs/7/artifacts/file/results/1"
    first, second = capsys.readouterr().out.splitlines()
    assert first == f"all scenarios: {base}/index.html"
    assert second.endswith(f": {base}/a%20b/index.html")
    monkeypatch.setenv("CI_PROJECT_DIR", str(tmp_path / "elsewhere"))
    tell_pipeline(whole)
    assert "cannot be an artefact" in capsys.readouterr().out
    many = [replace(failed, seed=seed) for seed in range(PAGES_MAX + 2)]
    lines = addresses(replace(whole, results=tuple(many)), job_url="https://x", project=tmp_path)
    assert (len(lines), lines[-1]) == (PAGES_MAX + 2, "2 more: see the page of all scenarios")


def test_example_workflows_are_workflows_of_commands_that_there_are() -> None:
    """They are read as YAML, and each command of the kit in them by the kit's own parser."""
    text = (Path(__file__).parents[3] / "docs" / "ci.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    github, gitlab = map(yaml.safe_load, blocks)
    lines = [step["run"] for job in github["jobs"].values() for step in job["steps"] if "run" in step]
    lines += [line for job in gitlab.values() if isinstance(job, dict) for line in job["script"]]
    commands = [line.removesuffix(" || true") for line in lines if line.startswith("failover-kit ")]
    verbs = set()
    for command in commands:
        number = re.sub(r"\$\{\{.*?\}\}|\$CI_NODE_INDEX", "1", command).replace("$CI_NODE_TOTAL", "4")
        verbs.add(parser().parse_args(shlex.split(number)[1:]).verb)
    assert verbs == {"run:carry_out", "many:merge", "many:decide", "many:compare"}
