"""What an exploration of a weakness runs on: the road of every run, in another process."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.explore import OnNodes
from harness.model.results import SuiteResult
from harness.running.compiling import compile_chosen
from harness.running.selection import choose
from harness.running.suite import SuiteRequest, run_suite

MODULE = "lab.weakness.behind"


class Misbehaving(OnNodes):
    """Schedules against nodes with a weakness."""

    def run(self, files: Sequence[Path], *, repeat: int) -> SuiteResult:
        plans = compile_chosen(
            choose(self._choice(files, repeat)), seed=self.seed, ground=self.ground, repeat=repeat
        )
        request = SuiteRequest(
            name="explore",
            plans=plans,
            ground=self.ground,
            seed=self.seed,
            jobs=self.jobs,
            out=self.out,
            header=f"{self.ground.said} · seed {self.seed}",
            second_runs=False,
            run_module=MODULE,
        )
        return run_suite(request, self.display)
