"""docs/findings.md and docs/results.md against the code: findings, causes, reports, records.

Lists are taken from the code, as in test_docs.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from harness import history
from harness.checks.promises.table import FINDINGS
from harness.clock import RunClock
from harness.model import records
from harness.model.finding_kind import FindingKind, FindingTrait, Need
from harness.model.judgement import Finding
from harness.model.seams import Secrets
from harness.model.words import Cause, FindingSide, OperationKind, Outcome, Phase, StepKind, Verdict
from harness.report.junit import junit
from harness.report.summary import SCHEMA_VERSION, summary
from tests import builders_observe
from tests.builders_docs import FINDINGS_TEXT, RESULTS_TEXT, section_of, table_row, table_rows, ticked
from tests.builders_results import result, suite
from tests.share import some

# ---------------------------------------------------------------- findings


def row_of(kind: FindingKind) -> str:
    """The kind's line in the table, as it declares itself."""
    side = f"{kind.side}, or open" if FindingTrait.EITHER_SIDE in kind.traits else str(kind.side)
    needs = ", ".join(need for need in Need if need in kind.needs) or "–"
    return f"| [{kind.name}](#{kind.name}) | {side} | {kind.sentence} | {kind.out_of or '–'} | {needs} |"


@pytest.mark.parametrize("kind", FINDINGS.values(), ids=str)
def test_every_finding_is_documented(kind: FindingKind) -> None:
    """What it declares, and what proves it, can cause it and would cure it, under the heading of its side."""
    assert row_of(kind) in FINDINGS_TEXT.splitlines()
    opens, closes = FINDINGS_TEXT.split("\n# Closed\n")
    under = opens.split("\n# Open\n")[1] if kind.side is FindingSide.OPEN else closes
    section = section_of(under, kind.name)
    for part in ("Evidence", "Causes", "Change"):
        assert f"- **{part}**: " in section


def test_no_finding_is_documented_that_does_not_exist() -> None:
    """Every heading below the two sides is a finding."""
    assert (
        set(re.findall(r"^## (.+)$", FINDINGS_TEXT.split("\n# Open\n")[1], re.MULTILINE)) == FINDINGS.keys()
    )


@pytest.mark.parametrize("cause", Cause)
def test_every_cause_is_explained(cause: Cause) -> None:
    """Who reads a cause can look up what decided it."""
    assert table_row(section_of(FINDINGS_TEXT, "Causes"), cause)


def test_every_member_of_a_finding_is_explained() -> None:
    """findings.json has no member that nobody explains."""
    assert set(Finding.__dataclass_fields__) <= set(ticked(section_of(FINDINGS_TEXT, "How to read one")))


# ---------------------------------------------------------------- results


def test_every_member_of_summary_json_is_documented() -> None:
    """The tables are the members, of the suite and of a scenario, in this version of the schema."""
    written = summary(suite(result()))
    tables = section_of(RESULTS_TEXT, "summary.json")
    assert f"`schema_version` is {SCHEMA_VERSION};" in tables
    of_suite, of_scenario = tables.split("| member of a scenario |")
    assert _first_cells(of_suite) == set(written)
    assert _first_cells(of_scenario) == set(written["scenarios"][0])


def _first_cells(text: str) -> set[str]:
    return {word for cells in table_rows(text) for word in ticked(cells[0])}


@pytest.mark.parametrize("verdict", Verdict)
def test_junit_is_documented_as_it_is_written(verdict: Verdict) -> None:
    """The element that a verdict becomes is the one in the table."""
    rows = [
        cells
        for cells in table_rows(section_of(RESULTS_TEXT, "junit.xml"))
        if verdict in cells[0].split(", ")
    ]
    assert len(rows) == 1
    assert f"<{ticked(rows[0][1])[0]}" in junit(suite(result(verdict)))


STRUCTS = {
    "operation": records.Operation,
    "steps of an operation": records.Step,
    "attempts of an operation": records.Attempt,
    "connection": records.Connection,
    "unanswered": records.Unanswered,
    "sample": records.NodeSample,
    "event": records.Event,
    "audit": records.AuditEntry,
    "object": records.ObjectEntry,
    "forensic": records.ForensicEntry,
}
"""Heading in docs/results.md -> what its table lists; the others share one table."""


def _kinds() -> dict[str, type[msgspec.Struct]]:
    return {str(kind.__struct_config__.tag): kind for kind in records.Record.__args__}


@pytest.mark.parametrize("heading", STRUCTS)
def test_every_field_of_a_record_is_documented(heading: str) -> None:
    """The table lists the fields of the record, all of them and no others."""
    told = {word for cells in table_rows(section_of(RESULTS_TEXT, heading)) for word in ticked(cells[0])}
    assert told == set(STRUCTS[heading].__struct_fields__)


def test_every_kind_of_record_is_documented() -> None:
    """Each `type` has its row, and each small one its list of fields."""
    told = {
        word for cells in table_rows(section_of(RESULTS_TEXT, "The history")) for word in ticked(cells[0])
    }
    assert told == set(_kinds())
    others = {
        ticked(cells[0])[0]: set(ticked(cells[1]))
        for cells in table_rows(section_of(RESULTS_TEXT, "the others"))[1:]
    }
    assert others.keys() | STRUCTS.keys() >= _kinds().keys()
    for kind, fields in others.items():
        assert fields == set(_kinds()[kind].__struct_fields__), kind


def _questions() -> list[str]:
    return [block.strip() for block in re.findall(r"```sh\n(.*?)```", RESULTS_TEXT, re.DOTALL)]


@pytest.mark.parametrize("question", _questions())
def test_questions_to_a_history_name_real_fields(question: str) -> None:
    """Every member that a one-liner asks for exists in some record."""
    fields = {name for one in (*STRUCTS.values(), *_kinds().values()) for name in one.__struct_fields__}  # type: ignore[attr-defined]
    asked = set(re.findall(r"(?<![\w.])\.([a-z_]+)", question)) - {"jsonl", "gz"}
    assert asked
    assert asked <= fields | {"type"}


@pytest.mark.skipif(not shutil.which("jq"), reason="needs jq")
@pytest.mark.parametrize("question", some(_questions(), 1))
def test_questions_to_a_history_can_be_asked(question: str, tmp_path: Path) -> None:
    """Each one-liner runs, and answers something, on a small history."""
    history.write_plan(tmp_path, builders_observe.plan())
    writer = history.Recorder(tmp_path, RunClock(), secrets=Secrets(redis="x" * 20, sentinel="y" * 20))
    for record in (builders_observe.opening(), *_small_history()):
        writer.record(record)
    writer.close(records.Closing(t_us=4_000_000, operations=1))
    tools = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", question],
        cwd=tmp_path,
        env=tools,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert done.stdout.strip()


def _small_history() -> tuple[records.Record, ...]:
    session = "da613554c38d651940e2d0b5606168a0"
    step = records.Step(n=1, does=StepKind.DESTROY, command="DEL", key="k", error="READONLY You can't write")
    return (
        records.NodeSample(node="redis-1", sent_us=1, done_us=2_500_000, role="primary", run_id="ab" * 20),
        records.Event(source="fault 1", name="effect", t_us=3_000_000, fault=1, detail="process gone"),
        records.Operation(
            id=1, actor="a1", web_server="web-1", behaviour="logout", kind=OperationKind.LOGOUT, user="u1", session=session,
            key="k", shard=1, generation=0, due_us=1, sent_us=2, done_us=3, outcome=Outcome.REJECTED, phase=Phase.FAULT,
            steps=(step,), attempts=(records.Attempt(n=1, result="error:READONLY"),),
        ),
    )  # fmt: skip
