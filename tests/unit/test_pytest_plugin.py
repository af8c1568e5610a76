"""Scenario files as pytest items, with a stub in the place of the process that runs them."""

from __future__ import annotations

from importlib.metadata import entry_points
from pathlib import Path

import pytest

from failover_kit.pytest_plugin import run_one as run_for_real
from tests.share import some

ROOT = Path(__file__).parents[2]
pytest_plugins = ["pytester"]

STUB = """
from failover_kit import pytest_plugin

def run_one(path, *, seed, backend, engine, results):
    if path.stem == "usage":
        return pytest_plugin.Result(problem="usage.yaml:3: unknown key")
    verdict = path.stem.upper().replace("-", "_")
    asked = f"seed {seed}, backend {backend}, engine {engine}, results {results.name}"
    text = f"the whole story of {path.name}; {asked}"
    return pytest_plugin.Result(verdict=verdict, reasons=("the reason",), text=text)

pytest_plugin.run_one = run_one
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    """A user's project with scenario files, named after the verdict that the stub gives them."""
    pytester.makeconftest(STUB)
    return pytester


def _scenario(project: pytest.Pytester, name: str) -> None:
    (project.path / f"{name}.yaml").write_text("scenario: 1\nname: x\n")


def _installed() -> bool:
    return any(one.name == "failover_kit" for one in entry_points(group="pytest11"))


def _run(project: pytest.Pytester, *options: str) -> pytest.RunResult:
    plugin = () if _installed() else ("-p", "failover_kit.pytest_plugin")
    return project.runpytest_inprocess(*plugin, *options)


def test_other_yaml_is_left_alone(project: pytest.Pytester) -> None:
    """Only files whose first key is `scenario` become tests."""
    (project.path / "compose.yaml").write_text("services: {}\n")
    (project.path / "values.yml").write_text("name: x\nscenario: 1\n")
    _run(project, "--collect-only").stdout.fnmatch_lines(["*no tests collected*"])


def test_pass_is_a_passed_test(project: pytest.Pytester) -> None:
    """One item per file, named after it."""
    _scenario(project, "pass")
    result = _run(project, "-v")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["pass.yaml::pass PASSED*"])


def test_fail_is_a_failed_test_with_the_whole_text(project: pytest.Pytester) -> None:
    """A red test is readable in the log alone, without a traceback of the kit."""
    _scenario(project, "fail")
    result = _run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["the whole story of fail.yaml*"])
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


@pytest.mark.parametrize("verdict", ["inconclusive", "error"])
def test_what_proves_nothing_is_an_error_and_no_failure(verdict: str, project: pytest.Pytester) -> None:
    """INCONCLUSIVE and ERROR are told apart from FAIL, and never pass."""
    _scenario(project, verdict)
    result = _run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"{verdict.upper()}: the reason", "the whole story of *"])


def test_mistake_in_a_file_is_an_error_with_its_message(project: pytest.Pytester) -> None:
    """What the command line would print, and no traceback."""
    _scenario(project, "usage")
    result = _run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["usage.yaml:3: unknown key"])
    result.stdout.no_fnmatch_line("*pytest_plugin.py*")


def test_skipped_is_a_skip_with_its_reason(project: pytest.Pytester) -> None:
    """What this machine cannot do is skipped."""
    _scenario(project, "skipped")
    result = _run(project, "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*the reason"])


def test_options_reach_the_run(project: pytest.Pytester) -> None:
    """Backend, engine, seed and the results folder are handed on."""
    _scenario(project, "fail")
    options = ("--failover-backend=process", "--failover-seed=42", "--failover-engine=valkey-9.1")
    result = _run(project, *options)
    result.stdout.fnmatch_lines(["*seed 42, backend process, engine valkey-9.1, results runs*"])
    _run(project).stdout.fnmatch_lines(["*seed None, backend auto, engine None, results runs*"])


NOT_TO_BE_HAD = [
    ("redis7", "expected an engine such as redis-7.0 or valkey-9.1, found 'redis7'"),
    ("redis-1.0", "engine redis-1.0: expected it on this machine, found "),
]


@pytest.mark.parametrize(("engine", "said"), some(NOT_TO_BE_HAD, 1))
def test_engine_that_cannot_be_had_is_an_error(engine: str, said: str, tmp_path: Path) -> None:
    """By the kit's own process, before a node starts: a name that is none, and an engine that is not here."""
    file = tmp_path / "mine.yaml"
    file.write_text(
        "scenario: 1\nname: x\ndeployment: {topology: {kind: single}}\nworkload: {mix: {read: 1}}\n"
    )
    result = run_for_real(file, seed="1", backend="process", engine=engine, results=tmp_path / "runs")
    assert said in result.problem
    assert not (tmp_path / "runs").exists()


def test_plugin_loads_nothing_of_the_kit(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is loaded wherever the kit is installed, also where `harness` is another package."""
    _scenario(project, "pass")
    project.makepyfile(
        "import sys\n"
        "def test_loaded():\n"
        "    assert [m for m in sys.modules if m.startswith(('harness', 'yaml', 'msgspec', 'redis'))] == []\n"
    )
    _run_outside(project, monkeypatch).assert_outcomes(passed=2)


def test_project_with_a_harness_of_its_own_keeps_it(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its tests import theirs, and scenario files are collected beside them, also with `python -m pytest`."""
    _scenario(project, "pass")
    theirs = project.mkpydir("harness")
    (theirs / "scenario.py").write_text("OURS = 1\n")
    project.makepyfile("def test_ours():\n    from harness.scenario import OURS\n    assert OURS\n")
    _run_outside(project, monkeypatch).assert_outcomes(passed=2)


def _run_outside(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.RunResult:
    """`python -m pytest`, which puts the project's folder first on Python's path."""
    plugin = () if _installed() else ("-p", "failover_kit.pytest_plugin")
    monkeypatch.setenv("PYTHONPATH", f"{project.path}:{ROOT}")
    return project.runpytest_subprocess(*plugin)
