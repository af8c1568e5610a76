"""A suite that did not come to its end, gone on with: what it has finished is not run again.

It is asked for by the same command. Plans are never taken from the folder, which may come from anybody:
they are compiled anew, and each must be the one that the folder has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from harness.errors import UsageError
from harness.model.plan import Plan, RunKey
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict
from harness.report.write import PLANNED, SUITE, read_suite
from harness.running.suite import SECOND_RUN, folder_names
from harness.safe_files import read_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """What an earlier command left."""

    directory: Path
    suite: SuiteResult

    def finished(self, plans: Sequence[Plan]) -> dict[RunKey, ScenarioResult]:
        """The results that need no further run: PASS and FAIL. What was interrupted, decided nothing or could
        not be started runs again.

        Raises:
            UsageError: the folder holds other runs than these.
        """
        if [one.key for one in self.suite.results] != [plan.key for plan in plans]:
            raise UsageError(
                f"{self.directory}: expected the runs of this command, found others: repeat the command that "
                "began them (scenarios, settings, --repeat, --shard) with --resume"
            )
        names = folder_names(plans)
        found = {plan.key: self._result(plan, names[plan.key]) for plan in plans if plan.skip is None}
        return {key: result for key, result in found.items() if result is not None}

    def _result(self, plan: Plan, name: str) -> ScenarioResult | None:
        second = self._of_folder(plan, f"{name}{SECOND_RUN}")
        first = self._of_folder(plan, name)
        return first if second is None else replace(second, times_run=2)

    def _of_folder(self, plan: Plan, name: str) -> ScenarioResult | None:
        folder = self.directory / name
        try:
            kept = msgspec.json.decode(read_file(folder / "plan.json"))
            result = msgspec.msgpack.decode(read_file(folder / "result.msgpack"), type=ScenarioResult)
        except (OSError, ValueError, RecursionError):
            return None
        if kept != as_kept(plan):
            raise UsageError(
                f"{folder}: expected the plan of this command, found another: the scenario, its deployment "
                "or the kit has changed since; begin anew, without --resume"
            )
        decided = result.judgement is not None and result.verdict in {Verdict.PASS, Verdict.FAIL}
        return replace(result, run_dir=name) if decided else None


def as_kept(plan: Plan) -> Mapping[str, Any]:
    """As it is written down in the folder of its run."""
    kept: Mapping[str, Any] = msgspec.json.decode(msgspec.json.encode(plan))
    return kept


def begun(directory: Path) -> Begun:
    """
    Raises:
        UsageError: no suite was begun there.
    """
    for name in (PLANNED, SUITE):
        try:
            return Begun(directory=directory, suite=read_suite(directory, name))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as problem:
            raise UsageError(f"{directory / name}: cannot be read: {problem}") from problem
    raise UsageError(f"{directory}: expected a folder of results to go on with, found none")
