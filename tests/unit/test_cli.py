"""The verbs as a person types them: statuses, one line for each mistake, never a traceback. No nodes."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from failover_kit import start
from harness import cli, output
from harness.clock import WaitExpired
from harness.errors import EnvironmentFailure, ExitStatus, Interrupted, NoEffect, UsageError
from harness.model.hosts import NAMED
from harness.run import NotWritten
from tests.builders_kit import ROOT
from tests.builders_results import suite
from tests.share import some

GOOD = """\
scenario: 1
name: quiet
deployment: {topology: {kind: sentinel}}
workload: {rate: 50/s, users: 5, mix: {read: 1}}
faults:
  - {after: 1s, kill: primary}
"""


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    monkeypatch.delenv("CI", raising=False)


def call(*words: str) -> int:
    try:
        return cli.main(words)
    except SystemExit as ended:  # argparse
        return int(str(ended.code))


@pytest.mark.parametrize(
    ("change", "line", "says"),
    [
        (("workload:", "wrokload:"), 4, "unknown key 'wrokload'; did you mean 'workload'?"),
        (("name: quiet", "name: quiet\nname: again"), 3, "duplicate key 'name'; it is already at"),
        (("users: 5", "users: many"), 4, "workload.users: expected a whole number from 1 to 100000, found"),
        (("50/s", "50"), 4, "the unit is missing: write 50/s"),
        (("after: 1s", "after: 1"), 6, "the unit is missing: write 1s"),
        (("after: 1s", "after: 1200"), 6, "the unit is missing: write 1200ms or 1200s"),
        (("kill: primary", "kil: primary"), 6, "did you mean 'kill'?"),
        (("kill: primary", "kill: shard 3 primary"), 6, "there is no shard 3"),
        (("kill: primary", "kill: cache"), 6, "there is no cache in a sentinel topology"),
        (("kill: primary", "kill: redis-1"), 6, "expected a target of kill, found 'redis-1'"),
        (("kill: primary", "kill web server: web-9"), 6, "there is no web-9"),
        (("kind: sentinel", "kind: sentinal"), 3, "did you mean 'sentinel'?"),
        (("mix: {read: 1}", "mix: {raed: 1}"), 4, "did you mean 'read'?"),
        (("scenario: 1", "scenario: 2"), 1, "expected the format version 1, found '2'"),
    ],
)
def test_mistake_in_a_scenario_is_one_line_with_its_place(
    change: tuple[str, str], line: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2; file, line, what was found and the nearest legal word; the same for `run` and `plan`."""
    Path("mine.yaml").write_text(GOOD.replace(*change))
    told = []
    for verb in ("run", "plan"):
        assert call(verb, "--backend", "process", "--scenario", "mine.yaml") == 2
        printed = capsys.readouterr()
        assert printed.out == ""
        told.append(printed.err)
    assert told[0] == told[1]
    found = [
        one
        for one in told[0].splitlines()
        if one.removeprefix("failover-kit: ").startswith(f"mine.yaml:{line}:")
    ]
    assert any(says in one for one in found), told[0]
    assert "Traceback" not in told[0]
    assert not Path("runs").exists()


def test_mistakes_are_told_all_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One line each, so that a file is mended in one go."""
    Path("mine.yaml").write_text(GOOD.replace("50/s", "50").replace("1s", "1").replace("users", "usres"))
    assert call("plan", "--backend", "process", "--scenario", "mine.yaml") == 2
    assert len(capsys.readouterr().err.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "expected a mapping, found an empty file"),
        (b"{{{", "not YAML"),
        (b"\xff\xfe\x00", "cannot be read"),
        (b"- 1\n", "expected a mapping"),
        (
            b"deployment: 1\nname: x\ntopology: {kind: single}\n",
            "found a deployment file; give it with --deployment",
        ),
    ],
    ids=["empty", "no YAML", "binary", "a list", "a deployment"],
)
def test_what_is_no_scenario_is_refused(
    content: bytes, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever somebody points at, the answer is a message."""
    Path("mine.yaml").write_bytes(content)
    assert call("run", "--backend", "process", "--scenario", "mine.yaml") == 2
    said = capsys.readouterr().err
    assert says in said
    assert "mine.yaml" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--set", "nonsense"), "expected path=value"),
        (("--set", "workload.rate=50"), "write 50/s"),
        (("--set", "workload.rats=50/s"), "did you mean 'rate'?"),
        (("--set", "faults.7.after=2s"), "expected an index from 0 to 0, found '7'"),
        (("--seed", str(2**63)), f"expected a whole number from 0 to {2**63 - 1}, found '{2**63}'"),
        (("--seed", "9" * 5000), "found '9999"),
        (("--seed=-1",), "found '-1'"),
        (("--seed", "twelve"), "found 'twelve'"),
        (("--seed", ""), "found ''"),
        (("--jobs", "9" * 5000), "expected a whole number from 1 to 999999, found '999"),
        (("--deployment", "nowhere.yaml"), "nowhere.yaml: cannot be read"),
        (("--deployment", "mine.yaml"), "expected a deployment file, found a scenario"),
        (("--scenario", "nothing-like-it"), "found none"),
        (("--suite", "smok"), "choose from"),
        (("--backend", "podman"), "choose from"),
        (("--jobs", "0"), "expected a whole number from 1 to 999999, found '0'"),
        (("--jobs", "two"), "'two'"),
        (("--seed", "x"), "'x'"),
    ],
    ids=" ".join,
)
def test_bad_option_is_a_usage_error(
    options: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 2, what was expected and found; nothing is started."""
    Path("mine.yaml").write_text(GOOD)
    assert call("run", "--backend", "process", "--scenario", "mine.yaml", *options) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert (printed.out, Path("runs").exists()) == ("", False)


def test_settings_and_deployments_change_the_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """`--set` and `--deployment` take effect, seen in what a run would do."""
    Path("mine.yaml").write_text(GOOD + "fits: [cluster]\n")
    Path("ours.yaml").write_text("deployment: 1\nname: ours\ntopology: {kind: cluster, shards: 3}\n")
    plan = ("plan", "--backend", "process", "--scenario", "mine.yaml")
    assert call(*plan, "--set", "workload.rate=77/s", "--set", "faults.0.after=3s") == 0
    changed = capsys.readouterr().out
    assert "77/s" in changed
    assert "3.0 s   1. kill primary" in changed
    assert call(*plan, "--deployment", "ours.yaml") == 0
    assert "ours: cluster" in capsys.readouterr().out


def test_same_seed_prints_the_same_plan(capsys: pytest.CaptureFixture[str]) -> None:
    """A plan follows from file and seed."""
    printed = set()
    for _ in range(2):
        assert call("plan", "--backend", "process", "--scenario", "sentinel", "--seed", "3") == 0
        printed.add(capsys.readouterr().out)
    assert len(printed) == 1


def test_list_names_every_shipped_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    """File, what it shows, tags and name; one line each where no terminal has to hold it."""
    assert call("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["file", "shows", "tags,", "bugs", "name"]
    known = {Path(line.split()[0]).parts[-2:]: line for line in lines[1:]}
    assert len(known) == len(lines) - 1
    for path in (ROOT / "scenarios").glob("*/*.yaml"):
        name = re.search("^name: (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        assert name
        assert known[path.parts[-2:]].endswith(f"  {name[1].strip(chr(34))}")


@pytest.mark.parametrize("words", [(), ("frobnicate",), ("why",)])
def test_missing_or_unknown_verb_is_a_usage_error(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """The parser's own status and message."""
    assert call(*words) == 2
    assert "usage: failover-kit" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words", [("show", "nowhere"), ("judge", "nowhere"), ("why", "nowhere", "x"), ("down", "nowhere")]
)
def test_verb_about_no_run_is_one_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    """Status 2 and a message."""
    assert call(*words) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith("failover-kit: ")


def test_every_verb_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The list of verbs says what each is for, and each explains its options."""
    assert call("--help") == 0
    whole = capsys.readouterr().out
    for verb in ("run", "list", "plan", "judge", "show", "why", "doctor", "image", "up", "status", "inject"):
        assert call(verb, "--help") == 0
        assert "usage: failover-kit" in capsys.readouterr().out
        assert f"    {verb} " in whole


def ended_with(problem: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def fail(*_: object) -> int:
        raise problem

    monkeypatch.setattr("harness.doctor.examine", fail)
    return call("doctor")


def test_doctor_is_asked_of_the_hosts_that_a_run_would_have(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a first run on them, without a variable."""
    monkeypatch.setenv(NAMED, "")
    monkeypatch.setattr("harness.doctor.examine", lambda _: int(os.environ[NAMED] != "a=ssh://ops@a"))
    assert call("doctor", "--hosts", "a=ssh://ops@a") == 0
    assert call("doctor", "--hosts", "a") == 2


def test_failed_environment_is_status_4(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One message; a disk that refuses counts as the environment, whoever met it."""
    assert ended_with(EnvironmentFailure("no nodes"), monkeypatch) == 4
    assert capsys.readouterr().err == "failover-kit: no nodes\n"
    assert ended_with(OSError(28, "No space left on device", "/full/file"), monkeypatch) == 4
    assert capsys.readouterr().err == "failover-kit: /full/file: No space left on device\n"


def test_report_that_cannot_be_written_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that is full midway through a matrix costs only the runs that have no result."""
    full = EnvironmentFailure("out/x/suite.msgpack: cannot be written: No space left on device")
    assert ended_with(NotWritten(full, replace(suite(), directory="out/x")), monkeypatch) == 4
    said = capsys.readouterr().err
    assert said.startswith(f"failover-kit: {full}; ")
    assert "the same command with --resume out/x goes on" in said
    assert len(said.splitlines()) == 1


def test_interrupt_is_status_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Wherever Ctrl-C comes."""
    assert ended_with(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "failover-kit: interrupted\n"


@pytest.mark.parametrize(
    "bug",
    [
        ZeroDivisionError("division by zero"),
        WaitExpired("x", 1, None),
        RecursionError("maximum recursion depth exceeded"),
        MemoryError(),
        OverflowError("int too big to convert"),
    ],
    ids=lambda bug: type(bug).__name__,
)
def test_bug_of_the_kit_is_no_verdict(
    bug: Exception, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Status 4 and one line that names a file with the traceback; never 1, which means a broken promise."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert ended_with(bug, monkeypatch) == 4
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    (file,) = tmp_path.glob("failover-kit-crash-*.log")
    assert f"the traceback is in {file}" in said
    assert "in fail" in file.read_text()


def test_clean_names_tracebacks_and_leaves_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They are for whoever mends the kit; a link of that name is somebody else's."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("harness.running.ground.clean", list)
    file, link = (tmp_path / f"{output.CRASH}{name}.log" for name in ("one", "two"))
    file.write_text("Traceback")
    link.symlink_to(file)
    assert cli.main(["clean"]) == 0
    said = capsys.readouterr()
    assert said.out == "nothing to remove\n"
    assert str(file) in said.err
    assert str(link) not in said.err
    assert file.read_text() == "Traceback"


def test_clean_names_many_tracebacks_in_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The newest, and how many more there are and where."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr("harness.running.ground.clean", list)
    for name, age_s in (("a", 30), ("b", 10), ("c", 20)):
        file = tmp_path / f"{output.CRASH}{name}.log"
        file.write_text("Traceback")
        os.utime(file, (1_700_000_000 - age_s,) * 2)
    assert cli.main(["clean"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{output.CRASH}b.log and 2 more in {tmp_path}: tracebacks" in line
    assert line.endswith(f"remove the files ({output.CRASH}*.log)")


def test_bug_is_told_where_no_file_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The place in the code stands in the line then."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    assert ended_with(ZeroDivisionError(), monkeypatch) == 4
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert "test_cli.py:" in said


def test_bug_on_a_full_disk_leaves_no_empty_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`clean` would name it as if something stood in it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    real = tempfile.NamedTemporaryFile

    def full(*words: object, **options: object) -> object:
        file = real(*words, **options)  # type: ignore[call-overload]

        def write(_: str) -> int:
            raise OSError(28, "No space left on device")

        file.write = write
        return file

    monkeypatch.setattr("tempfile.NamedTemporaryFile", full)
    assert ended_with(ZeroDivisionError(), monkeypatch) == 4
    assert "no file for the traceback: No space left on device" in capsys.readouterr().err
    assert list(tmp_path.glob("failover-kit-crash-*")) == []


def by_shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KIT": f"{sys.executable} -m harness"}
    return subprocess.run(
        ["bash", "-c", line],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )


def test_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    """`failover-kit list | head -1`: no traceback, status 0."""
    done = by_shell("$KIT list | head -1; echo ${PIPESTATUS[0]}", tmp_path)
    assert done.stdout.splitlines()[-1] == "0"
    assert done.stderr == ""


WHERE = (("| true", ""), (">&-", ""), (">&- 2>&- <&-", ""), ("> /dev/full", "No space left on device"))


CONTRADICTION = '{"actor":"a","op":"read","key":"k","seen":1,"sent":1,"done":2,"outcome":"acked"}'
LINES = {CONTRADICTION: 1, "{}": 2}


@pytest.mark.parametrize(
    ("line", "where", "complaint"),
    [(CONTRADICTION, *WHERE[0]), *some([(line, *one) for line in LINES for one in WHERE[1:]], 1)],
)
def test_status_is_the_verdict_wherever_the_report_goes(
    line: str, where: str, complaint: str, tmp_path: Path
) -> None:
    """A contradiction is status 1 and a bad file 2, whether or not somebody reads why."""
    (tmp_path / "file.jsonl").write_text(f"{line}\n")
    done = by_shell(f"$KIT judge --history file.jsonl {where}; echo ${{PIPESTATUS[0]}}", tmp_path)
    assert done.stdout.splitlines()[-1] == str(LINES[line])
    assert "Traceback" not in done.stderr
    assert complaint in done.stderr or LINES[line] == 2


def test_narrow_terminal_encoding_does_not_stop_a_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `×` cannot be printed, a `?` is."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", stream)
    output.prepare()
    print("3 × lost")
    output.finish()
    assert stream.buffer.getvalue() == b"3 ? lost\n"


@pytest.mark.parametrize("setting", ["", "1"])
def test_a_note_is_told_at_once(setting: str) -> None:
    """Also with PYTHONUNBUFFERED, which many images set: what is told before a run is not told after it."""
    code = "from harness import output; output.prepare(); output.note('before'); import os; os._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": setting},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == "before\n"


def test_statuses_before_the_kit_is_loaded_are_the_same() -> None:
    """The module that loads it stands alone, and has the two numbers that it needs itself."""
    assert (start._CANNOT_START, start._INTERRUPTED) == (ExitStatus.ENVIRONMENT, ExitStatus.INTERRUPTED)


def test_statuses_are_a_promise_to_pipelines() -> None:
    """The numbers, and that every kind of error has the one that it is documented with."""
    assert [int(one) for one in ExitStatus] == [0, 1, 2, 3, 4, 5, 130]
    assert [one.exit_code for one in (UsageError, NoEffect, EnvironmentFailure, Interrupted)] == [
        2,
        3,
        4,
        130,
    ]
