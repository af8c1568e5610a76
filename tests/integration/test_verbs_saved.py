"""A suite with a red result: what is left of it, for people and machines, and every verb that reads it."""

from __future__ import annotations

import gzip
import json
import os
import pty
import subprocess
import sys
from collections import Counter
from itertools import takewhile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from tests.builders_kit import KEPT, LOST, Kit, one_line, processes_of

pytestmark = pytest.mark.process

RED = "killed without persistence"


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return Kit(tmp_path_factory.mktemp("verbs"))


@pytest.fixture(scope="module")
def ran(kit: Kit) -> subprocess.CompletedProcess[str]:
    """One broken and one kept promise, side by side."""
    (kit.folder / "mine").mkdir()
    kit.write("mine/lost.yaml", LOST)
    kit.write("mine/kept.yaml", KEPT)
    words = ("run", "--backend", "process", "--scenario", "mine", "--seed", "7", "--jobs", "2")
    return kit.run(*words, "--set", "workload.rate=80/s")


@pytest.fixture(scope="module")
def suite(kit: Kit, ran: subprocess.CompletedProcess[str]) -> Path:
    assert ran.returncode == 1, ran.stdout + ran.stderr
    return kit.latest


def summary(suite: Path) -> dict[str, Any]:
    return dict(json.loads((suite / "summary.json").read_text()))


def red_of(suite: Path) -> dict[str, Any]:
    (found,) = [one for one in summary(suite)["scenarios"] if one["name"] == RED]
    return dict(found)


def test_red_result_is_readable_in_the_log_alone(suite: Path, ran: subprocess.CompletedProcess[str]) -> None:
    """The sentence, measured against expected, the cause's share, a story, the knob, the host, the commands."""
    text = ran.stdout
    assert f"BROKEN: {RED}: " in text
    assert "lost-session" in text
    assert "no expectation allows this" in text
    assert "100 % primary restarted empty" in text
    assert "met       expected outage(write): < 20s, measured" in text
    assert "setting to change: appendonly yes keeps the sessions over a restart" in text
    assert "this machine: " in text
    repeat = "failover-kit run --scenario mine/lost.yaml --seed 7 --backend process --set workload.rate=80/s"
    assert f"  repeat it: {repeat}\n" in text
    assert f"{suite.name}/mine-lost/index.html" in text
    lines = text.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("  the story of session"))
    story = list(takewhile(lambda line: line.startswith("    "), lines[begin + 1 :]))
    assert 4 <= len(story) <= 12
    assert any("log-in" in line and "at redis-1 (primary)" in line for line in story)
    assert any("fault took effect" in line for line in story)
    assert lines[-1] == "exit status 1: an expectation failed"


def test_summary_has_what_a_pipeline_decides_on(suite: Path) -> None:
    """Every member of summary.json that the documents explain, with the numbers of this run."""
    whole = summary(suite)
    assert {"schema_version": 2, "verdict": "FAIL", "exit_code": 1}.items() <= whole.items()
    red = red_of(suite)
    assert red["file"] == "mine/lost.yaml"
    assert (red["shows"], red["topology"], red["backend"]) == ("promise", "single", "process")
    assert red["engine"].startswith(("Redis ", "Valkey "))
    assert (red["seed"], red["verdict"]) == (7, "FAIL")
    assert red["reasons"]
    (outage,) = red["expectations"]
    assert outage["text"] == "outage(write): < 20s"
    assert outage["met"] is True
    assert outage["measured"]
    assert red["findings"]["lost-session"] > 10
    assert {"acked", "rejected", "unknown"} <= red["operations"].keys()
    assert red["operations"]["acked"] > 100
    assert red["outages"]["write"]
    assert all(one["duration_s"] > 0 for one in red["outages"]["write"])
    assert isinstance(red["failover_steps"], dict)
    assert (suite / red["run_dir"] / "plan.json").is_file()


def test_junit_carries_the_same_text_as_the_log(suite: Path, ran: subprocess.CompletedProcess[str]) -> None:
    """FAIL is a failure with the whole explanation; a kept promise is a passed case."""
    root = ET.parse(suite / "junit.xml").getroot()
    counts = {name: root.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "2", "failures": "1", "errors": "0", "skipped": "0"}
    (failure,) = root.iter("failure")
    assert failure.text is not None
    assert failure.text in ran.stdout, "line by line what the log says"
    assert "the story of session" in failure.text


def test_folder_has_the_whole_evidence_and_no_password(suite: Path) -> None:
    """History, plan, findings, metrics, page, logs and configuration; secrets are blotted out."""
    folder = suite / "mine-lost"
    for name in (
        "plan.json",
        "history.jsonl.gz",
        "operations.parquet",
        "findings.json",
        "metrics.json",
        "index.html",
    ):
        assert (folder / name).stat().st_size > 0, name
    assert "ready to accept connections" in (folder / "nodes" / "redis-1.log").read_text().lower()
    configuration = (folder / "nodes" / "redis-1.conf").read_text()
    secret = next(line for line in configuration.splitlines() if line.startswith("requirepass"))
    assert "redacted" in secret
    page = (folder / "index.html").read_text()
    assert "<script" not in page
    assert "http://" not in page.replace("http://www.w3.org/2000/svg", "")


def test_same_seed_gives_the_same_plan(kit: Kit, suite: Path) -> None:
    """What is planned follows from file, options and seed alone, byte for byte."""
    code = (
        "import sys, msgspec\n"
        "from pathlib import Path\n"
        "from harness.running import selection\n"
        "from harness.running.compiling import compile_all\n"
        "from harness.running.ground import choose_ground\n"
        "ground = choose_ground('process')\n"
        "(one,) = selection.load([Path('mine/lost.yaml')], suite=None, overrides=sys.argv[1:], deployment=None)\n"
        "changed = ('--set', *sys.argv[1:])\n"
        "(plan,) = compile_all([one], seed=7, ground=ground, changed=changed)\n"
        "sys.stdout.buffer.write(msgspec.json.encode(plan))\n"
    )
    again = subprocess.run(
        [sys.executable, "-c", code, "workload.rate=80/s"],
        cwd=kit.folder,
        env=kit.environment(),
        capture_output=True,
        check=True,
    )
    assert json.loads((suite / "mine-lost" / "plan.json").read_bytes()) == json.loads(again.stdout)


def test_judging_again_says_the_same_without_redis_or_docker(kit: Kit, suite: Path) -> None:
    """Verdict, findings and metrics come from the history alone, also after the folder was moved."""
    moved = kit.folder / "elsewhere"
    subprocess.run(["cp", "-r", str(suite), str(moved)], check=True)
    before = {name: (moved / "mine-lost" / name).read_bytes() for name in ("findings.json", "metrics.json")}
    (moved / "mine-lost" / "findings.json").unlink()
    nothing = {"REDIS_SERVER": "/nonexistent", "PATH": "/nonexistent"}
    judged = kit.run("judge", "elsewhere", **nothing)
    assert judged.returncode == 1, judged.stdout + judged.stderr
    after = {name: (moved / "mine-lost" / name).read_bytes() for name in before}
    assert after == before
    assert {**red_of(moved), "wall_s": 0} == {**red_of(suite), "wall_s": 0}
    one = kit.run("judge", "elsewhere/mine-lost", **nothing)
    assert one.returncode == 1
    assert "mine-kept" not in one.stdout


def test_show_prints_the_report_again(kit: Kit, suite: Path, ran: subprocess.CompletedProcess[str]) -> None:
    """The same tables and explanations, the same status."""
    shown = kit.run("show", "runs/latest")
    assert shown.returncode == 1
    headline = next(line for line in ran.stdout.splitlines() if line.startswith("BROKEN: "))
    assert headline in shown.stdout


def test_why_tells_a_whole_session_by_a_prefix(kit: Kit, suite: Path) -> None:
    """Every operation of one session, its node and outcome, and the audit; found by part of its id."""
    findings = json.loads((suite / "mine-lost" / "findings.json").read_text())
    session = next(one["session"] for one in findings if one["name"] == "lost-session")
    told = kit.run("why", str(suite / "mine-lost"), session[:10])
    assert told.returncode == 0, told.stderr
    assert f"session {session}" in told.stdout
    assert "log-in #" in told.stdout
    assert "audit" in told.stdout
    nobody = kit.run("why", "runs/latest", "zzzz")
    assert (nobody.returncode, one_line(nobody.stderr)) == (2, True), nobody.stderr
    firsts = Counter(one["session"][0] for one in findings if one["session"] is not None)
    shared, _ = firsts.most_common(1)[0]
    many = kit.run("why", "runs/latest/mine-lost", shared)
    assert many.returncode == 2
    assert "give more of its id" in many.stderr


def test_why_without_a_session_lists_the_broken_ones(kit: Kit, suite: Path) -> None:
    """Every broken session with what was broken, under its scenario; nothing else."""
    findings = json.loads((suite / "mine-lost" / "findings.json").read_text())
    listed = kit.run("why", str(suite))
    assert listed.returncode == 0, listed.stderr
    for one in findings:
        if one["session"] is not None:
            assert any(one["session"] in line and one["name"] in line for line in listed.stdout.splitlines())
    only = kit.run("why", str(suite), "--scenario", "mine-kept")
    assert (only.returncode, len(only.stdout.splitlines())) == (0, 1)
    assert only.stdout.rstrip().endswith("mine-kept: no session was broken")


def test_history_begins_with_its_opening_and_ends_with_its_closing_and_seal(suite: Path) -> None:
    """Whoever reads it sees at once what stood there, and that nothing is missing."""
    text = gzip.decompress((suite / "mine-kept" / "history.jsonl.gz").read_bytes())
    lines = [json.loads(line) for line in text.splitlines()]
    assert (lines[0]["type"], lines[-2]["type"], lines[-1]["type"]) == ("opening", "closing", "seal")
    assert lines[0]["seed"] == 7


def test_history_is_printed_as_lines_of_everything(kit: Kit, suite: Path) -> None:
    """One scenario's records, operations among the rest; whoever stops reading early is no failure."""
    shown = kit.run("history", str(suite / "mine-kept"))
    assert shown.returncode == 0, shown.stderr
    lines = [json.loads(line) for line in shown.stdout.splitlines()]
    assert (lines[0]["type"], lines[-1]["type"]) == ("opening", "closing")
    operations = [line for line in lines if line["type"] == "operation"]
    assert len(operations) == lines[-1]["operations"] > 0
    assert operations[0]["steps"][0]["command"]
    several = kit.run("history", str(suite))
    assert (several.returncode, one_line(several.stderr)) == (2, True), several.stderr
    begun = subprocess.run(
        [
            "bash",
            "-o",
            "pipefail",
            "-c",
            f"{sys.executable} -m harness history {suite / 'mine-kept'} | head -n 1",
        ],
        cwd=kit.folder,
        env=kit.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (begun.returncode, begun.stderr) == (0, ""), begun.stderr


def test_nothing_is_left_after_a_failure(kit: Kit, suite: Path) -> None:
    """FAIL leaves results behind, and no process."""
    assert not list(processes_of(kit.runs))


def test_display_on_a_terminal_is_cleared_and_its_cursor_comes_back(kit: Kit) -> None:
    """Live lines while it runs; afterwards the report and a usable terminal."""
    name = kit.write("alive.yaml", KEPT)
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "--backend", "process", "--scenario", name, "--out", "tty"],
        cwd=kit.folder,
        env=kit.environment() | {"TERM": "xterm-256color", "COLUMNS": "150", "LINES": "40"},
        stdin=follower,
        stdout=follower,
        stderr=follower,
        start_new_session=True,
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            read = os.read(leader, 65536)
        except OSError:  # EIO: the last process that had the terminal is gone
            break
        if not read:
            break
        shown += read
    os.close(leader)
    assert process.wait(60) == 0, shown.decode(errors="replace")
    text = shown.decode(errors="replace")
    hidden, cursor = text.rfind("\x1b[?25l"), text.rfind("\x1b[?25h")
    assert 0 <= hidden < cursor, "the cursor is hidden while lines are redrawn, and shown again"
    assert "baseline" in text[:cursor]
    assert "redis-1 primary" in text[:cursor]
    report = text[cursor:]
    assert "running" not in report
    assert "exit status 0: all passed" in report
