"""The command where a machine or a shell is not as usual: one line and a status, or simply the answer."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from failover_kit.start import main
from harness.topology.base import state_files
from tests.builders_kit import NO_ENGINE, ROOT
from tests.share import some

GOOD = """\
scenario: 1
name: ×quiet
deployment: {topology: {kind: single}}
workload: {rate: 50/s, users: 5, mix: {read: 1}}
"""
PLAN = ("plan", "--backend", "process", "--scenario", "ok.yaml")
SCRIPT = "import sys; from failover_kit.start import main; sys.exit(main())"


def call(
    folder: Path, *words: str | bytes, shell: str = 'exec "$0" "$@"', module: str = "", **changes: str
) -> subprocess.CompletedProcess[str]:
    """`failover-kit` as its installed script starts it, or `python -m MODULE`, from a folder and a shell."""
    (folder / "ok.yaml").write_text(GOOD, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTHONPATH", *changes}}
    environment = kept | {"DOCKER_HOST": NO_ENGINE, "PYTHONPATH": str(ROOT)}
    environment |= {name: value for name, value in changes.items() if value != "unset"}
    start = (sys.executable, "-m", module) if module else (sys.executable, "-P", "-c", SCRIPT)
    return subprocess.run(
        ["bash", "-c", shell, *start, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=60,
        check=False,
    )


ODD: tuple[dict[str, str], ...] = (
    {"HOME": "unset"},
    {"LC_ALL": "C"},
    {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "latin-1"},
    {"COLUMNS": "1"},
    {"TERM": "dumb"},
    {"TMPDIR": "/nonexistent"},
    {"TMPDIR": f"/tmp/{'x' * 150}"},
)


@pytest.mark.parametrize("changes", some(ODD, 1), ids=str)
def test_odd_environment_changes_no_answer(changes: dict[str, str], tmp_path: Path) -> None:
    """No home, no locale, no room, no folder for temporary files."""
    done = call(tmp_path, *PLAN, **changes)
    assert (done.returncode, done.stderr) == (0, "")
    assert "quiet (promise; ok.yaml)" in done.stdout


CLOSED = ("<&- >&- 2>&-", "<&-", ">&-", "2>&-")


@pytest.mark.parametrize(
    ("closed", "words", "status"),
    some([(one, *told) for one in CLOSED for told in ((PLAN, 0), ((*PLAN, "--set", "x"), 2))], 1),
)
def test_closed_streams_change_no_status(
    closed: str, words: tuple[str, ...], status: int, tmp_path: Path
) -> None:
    """As under cron or a daemon."""
    done = call(tmp_path, *words, shell=f'exec "$0" "$@" {closed}')
    assert done.returncode == status
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", some(["", "failover_kit"], 1))
def test_modules_in_the_current_folder_are_not_the_kits(module: str, tmp_path: Path) -> None:
    """Somebody's redis.py, yaml.py, signal.py or package harness is left alone."""
    for name in ("redis.py", "yaml.py", "signal.py", "numpy.py"):
        (tmp_path / name).write_text("raise SystemError('not for the kit')\n")
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemError('not for the kit')\n")
    done = call(tmp_path, *PLAN, module=module)
    assert (done.returncode, done.stderr) == (0, "")


def test_module_that_hides_a_package_of_the_kit_is_named(tmp_path: Path) -> None:
    """What PYTHONPATH names comes first, whatever it is: one line says which file, and status 4."""
    (tmp_path / "yaml.py").write_text("raise SystemError('not for the kit')\n")
    done = call(tmp_path, *PLAN, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert done.returncode == 4
    assert len(done.stderr.splitlines()) == 1
    assert "yaml.py" in done.stderr
    assert "PYTHONPATH" in done.stderr


@pytest.mark.parametrize("written", some([None, b"", b"{", b"[" * 100_000, b'{"seed": "\xff"}'], 1))
def test_attempt_without_a_plan_says_so(written: bytes | None, tmp_path: Path) -> None:
    """One line on standard output, which the suite makes its reason, and status 4."""
    if written is not None:
        (tmp_path / "plan.json").write_bytes(written)
    command = [sys.executable, "-P", str(ROOT / "failover_kit" / "start.py"), "harness.running.one_process"]
    done = subprocess.run(
        [*command, str(tmp_path), "abc", "-"],
        input="",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (4, "")
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{tmp_path / 'plan.json'}: the plan of this run cannot be read: ")


def test_harness_elsewhere_on_the_path_is_not_the_kits(tmp_path: Path) -> None:
    """Also where PYTHONPATH has a package of that name first."""
    (tmp_path / "harness").mkdir()
    (tmp_path / "harness" / "__init__.py").write_text("raise SystemError('not for the kit')\n")
    done = call(tmp_path, *PLAN, PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert (done.returncode, done.stderr) == (0, "")


def test_deleted_current_folder_is_said(tmp_path: Path) -> None:
    """One line, status 4."""
    gone = tmp_path / "gone"
    gone.mkdir()
    done = call(gone, *PLAN, shell='rm -r "$PWD"; exec "$0" "$@"')
    assert done.returncode == 4
    assert done.stderr == "failover-kit: the current folder does not exist any more: cd to another folder\n"


BAD_WORDS: tuple[tuple[tuple[str | bytes, ...], str], ...] = (
    (("plan", "--scenario", b"\xff.yaml"), "expected an argument in UTF-8"),
    (("plan", "--scenario", ""), "--scenario: expected a path, found nothing"),
    (("list", "--scenario", ""), "--scenario: expected a path, found nothing"),
    (("plan", "--scenario", "a" * 3000), "found too long a name"),
    (("plan", "--scenario", "a" * 300), "found too long a name"),
    (("plan", "--scenario", "nothing/**x"), "expected a glob"),
    (("plan", "--scenario", "/dev/zero"), "found none"),
    (("plan", "--deployment", "/dev/zero", "--backend", "process"), "found a device"),
    (
        ("down", "nowhere"),
        "expected one held topology called 'nowhere', found none; start one with: failover-kit up",
    ),
    (
        ("inject", "kill: primary"),
        "expected one held topology, found none; start one with: failover-kit up",
    ),
    (("up", "--backend", "process"), "expected a topology, a scenario or a deployment file"),
)


@pytest.mark.parametrize(("words", "says"), BAD_WORDS)
def test_bad_words_are_one_line(
    words: tuple[str | bytes, ...],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Status 2, what was expected and what was found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv(state_files.STATE, str(tmp_path))  # nodes that somebody holds here are none of ours
    monkeypatch.setenv("DOCKER_HOST", NO_ENGINE)
    monkeypatch.setattr("sys.argv", ["failover-kit", *map(os.fsdecode, words)])
    try:
        status = main()
    except SystemExit as ended:  # argparse
        status = int(str(ended.code))
    said = capsys.readouterr().err
    assert status == 2, said
    assert says in said
    assert said.splitlines()[-1].startswith("failover-kit")
    assert "Traceback" not in said
