"""What an exploration runs on: the road of every other run, for one backend and one deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.model.results import Display, SuiteResult
from harness.run import RunRequest, run
from harness.running.compiling import compile_chosen
from harness.running.ground import Ground
from harness.running.selection import Choice, Variation, choose


@dataclass(frozen=True, slots=True, kw_only=True)
class OnNodes:
    """Schedules against real nodes."""

    ground: Ground
    backend: str
    """As it was asked for."""
    deployment: Path | None
    """Somebody's own; None: that of each schedule."""
    settings: tuple[str, ...]
    engine: str | None
    seed: int
    jobs: int
    out: Path
    """The folder for the results of runs."""
    display: Display

    def why_not(self, file: Path) -> str | None:
        try:
            plans = compile_chosen(choose(self._choice([file])), seed=0, ground=self.ground)
        except UsageError as problem:
            return str(problem)
        return next((plan.skip for plan in plans if plan.skip), None)

    def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult:
        asked = RunRequest(
            choice=self._choice(files, repeat),
            name="explore",
            backend=self.backend,
            seed=self.seed,
            jobs=self.jobs,
            out=self.out,
            second_runs=False,  # another schedule says more, and time is limited
        )
        return run(asked, self.display, warn=lambda _: None)

    def options(self) -> tuple[str, ...]:
        """Of a `run` of one of the schedules on the same nodes."""
        same = Variation(deployment=self.deployment, engine=self.engine, varied=self.settings)
        return (*(("--backend", self.backend) if self.backend != "auto" else ()), *same.options())

    def _choice(self, files: Sequence[Path], repeat: int = 1) -> Choice:
        return Choice(
            files=tuple(files),
            settings=self.settings,
            deployments=(self.deployment,) if self.deployment else (),
            engines=(self.engine,) if self.engine else (),
            repeat=repeat,
        )
