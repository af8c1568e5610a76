"""The kit in pytest: scenario files as test items, and the fixture `redis_failover` for tests of one's own.

    pytest scenarios/sentinel --failover-backend=process

There is one item per YAML file whose first key is `scenario`.

Running is the kit's business, in a process of its own (`harness.for_pytest`); this only turns a
verdict into pytest's words: FAIL is a failed test; INCONCLUSIVE and ERROR are errors, as nothing was
proved either way; SKIPPED is a skip.

Trap: pytest loads this wherever the kit is installed, also in a project that has a package `harness`
of its own. So nothing of the kit is ever imported here.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import cast

import pytest

from failover_kit.topologies import Options, Topologies

_SUFFIXES = frozenset({".yaml", ".yml"})
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What `harness.for_pytest` says. `problem` is a message for people: there is no verdict."""

    verdict: str = ""
    reasons: tuple[str, ...] = ()
    text: str = ""
    problem: str = ""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("redis failover scenarios")
    group.addoption(
        "--failover-backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="how nodes run: docker, process, or auto (default: auto)",
    )
    group.addoption(
        "--failover-engine",
        default=None,
        help="an engine by name, such as redis-7.0 or valkey-9.1 (default: what the machine has)",
    )
    group.addoption(
        "--failover-seed",
        default=None,
        help="repeat a plan: the same arrivals, users and choices",
    )


@pytest.fixture
def redis_failover(request: pytest.FixtureRequest) -> Iterator[Topologies]:
    """Starts Redis topologies that a test can break: `redis_failover("sentinel")`. They end with the test."""
    yield from _topologies(request.config)


@pytest.fixture(scope="session")
def redis_failover_session(request: pytest.FixtureRequest) -> Iterator[Topologies]:
    """The same for topologies that several tests share: they end with the session."""
    yield from _topologies(request.config)


def _topologies(config: pytest.Config) -> Iterator[Topologies]:
    topologies = Topologies(
        Options(
            backend=config.getoption("--failover-backend"),
            engine=config.getoption("--failover-engine"),
            seed=config.getoption("--failover-seed"),
            results=config.rootpath / "runs",
        )
    )
    try:
        yield topologies
    finally:
        sys.stderr.write(topologies.close())  # pytest shows it beside a test that failed


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in _SUFFIXES or not _is_scenario()(file_path):
        return None
    collector: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return collector


def _is_scenario() -> Callable[[Path], bool]:
    """The kit's own test of a first line, loaded as a file that stands alone."""
    name = "failover_kit._first_key"
    if name not in sys.modules:
        spec = spec_from_file_location(name, _ROOT / "harness" / "scenario" / "first_key.py")
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        sys.modules[name] = module
    return cast("Callable[[Path], bool]", sys.modules[name].is_scenario)


def run_one(
    path: Path, *, seed: str | None, backend: str, results: Path, engine: str | None = None
) -> Result:
    """Have a scenario run and wait for its end. Ctrl-C is passed on, and waits until all is taken down."""
    command = [sys.executable, "-P", str(_ROOT / "failover_kit" / "start.py"), "harness.for_pytest"]
    ours, theirs = socket.socketpair()  # its end tells the kit that we are gone
    with ours, theirs:
        process = subprocess.Popen(
            [*command, str(path), seed or "-", backend, engine or "-", str(results)],
            stdin=theirs.fileno(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # the terminal's Ctrl-C reaches us alone
        )
        theirs.close()
        try:
            said, errors = process.communicate()
        except KeyboardInterrupt:
            process.send_signal(signal.SIGINT)
            process.communicate()
            raise
    try:
        return Result(**json.loads(said))
    except (ValueError, TypeError):
        last = errors.decode(errors="replace").strip().splitlines()[-1:]
        ended = f"the kit ended with status {process.returncode} and said nothing"
        return Result(problem=": ".join([ended, *last]))


class ScenarioFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """`setup` gathers the evidence, so that what proves nothing is an error; `runtest` judges it."""

    _result = Result()

    def setup(self) -> None:
        self._result = run_one(
            self.path,
            seed=self.config.getoption("--failover-seed"),
            backend=self.config.getoption("--failover-backend"),
            results=self.config.rootpath / "runs",
            engine=self.config.getoption("--failover-engine"),
        )
        if self._result.problem:
            pytest.fail(self._result.problem, pytrace=False)
        reasons = "; ".join(self._result.reasons)
        if self._result.verdict == "SKIPPED":
            pytest.skip(reasons)
        if self._result.verdict in {"INCONCLUSIVE", "ERROR"}:
            pytest.fail(f"{self._result.verdict}: {reasons}\n{self._result.text}", pytrace=False)

    def runtest(self) -> None:
        if self._result.verdict != "PASS":
            pytest.fail(self._result.text, pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"scenario: {self.name}"
