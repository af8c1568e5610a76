"""pytest collects scenario files: one item per YAML file whose first key is `scenario`.

    pytest scenarios/sentinel --failover-backend=process

Running is the suite's business (`harness.one.run_one`); this only turns a verdict into pytest's
words: FAIL is a failed test; INCONCLUSIVE and ERROR are errors, as nothing was proved either way;
SKIPPED is a skip. Trap: pytest loads this wherever the kit is installed, so nothing of the kit is
imported before a YAML file is met.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_SUFFIXES = frozenset({".yaml", ".yml"})


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("redis failover scenarios")
    group.addoption(
        "--failover-backend",
        choices=("auto", "docker", "process"),
        default="auto",
        help="how nodes run: docker, process, or auto (default: auto)",
    )
    group.addoption(
        "--failover-seed",
        type=int,
        default=None,
        help="repeat a plan: the same arrivals, users and choices",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if file_path.suffix not in _SUFFIXES:
        return None
    from harness.scenario import is_scenario  # noqa: PLC0415 - see the module's trap

    if not is_scenario(file_path):
        return None
    collector: ScenarioFile = ScenarioFile.from_parent(parent, path=file_path)
    return collector


class ScenarioFile(pytest.File):
    def collect(self) -> Iterator[pytest.Item]:
        yield ScenarioItem.from_parent(self, name=self.path.stem)


class ScenarioItem(pytest.Item):
    """`setup` gathers the evidence, so that what proves nothing is an error; `runtest` judges it."""

    _result: Any = None

    def setup(self) -> None:
        from harness.errors import KitError  # noqa: PLC0415 - see the module's trap
        from harness.one import run_one  # noqa: PLC0415 - see the module's trap

        try:
            self._result = run_one(
                self.path,
                seed=self.config.getoption("--failover-seed"),
                backend=self.config.getoption("--failover-backend"),
                results=self.config.rootpath / "runs",
            )
        except KitError as error:  # its message is for people; a traceback would be a bug of the kit
            pytest.fail(str(error), pytrace=False)
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
