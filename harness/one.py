"""One scenario file, run for somebody else's test session: what the pytest plug-in asks for."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness import hold, selection
from harness.model.results import Progress, ScenarioResult
from harness.model.words import Verdict
from harness.report.explain import explain
from harness.report.write import write_suite
from harness.suite import SuiteRequest, point_latest, run_suite


@dataclass(frozen=True, slots=True, kw_only=True)
class OneResult:
    verdict: Verdict
    reasons: tuple[str, ...]
    text: str
    """The whole explanation, as the terminal would show it."""


def run_one(path: Path, *, seed: int | None, backend: str, results: Path) -> OneResult:
    """Run one scenario through the suite's scheduler, quietly.

    Raises:
        UsageError: the file is no valid scenario.
        EnvironmentFailure: the backend cannot work here.
    """
    scenarios = selection.load([path], suite=None, overrides=(), deployment=None)
    ground = selection.choose_ground(backend)
    seed = seed if seed is not None else secrets.randbelow(2**31)
    plans = selection.compile_all(scenarios, seed=seed, ground=ground)
    suite = run_suite(
        SuiteRequest(
            name="pytest",
            plans=plans,
            backend=ground.backend,
            image=ground.image,
            seed=seed,
            jobs=1,
            out=results,
            header=ground.said,
            clean_up=hold.clean,
        ),
        _Quiet(),
    )
    write_suite(suite)
    point_latest(suite)
    if suite.interrupted:
        raise KeyboardInterrupt
    result = suite.results[0]
    return OneResult(
        verdict=result.verdict,
        reasons=result.reasons,
        text="\n".join(explain(result, suite.directory)),
    )


class _Quiet:
    def begin(self, header: str, names: Sequence[str]) -> None: ...
    def progress(self, progress: Progress) -> None: ...
    def line(self, text: str) -> None: ...
    def finished(self, result: ScenarioResult) -> None: ...
    def close(self) -> None: ...
