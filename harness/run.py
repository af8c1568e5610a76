"""The road from files to results: start reading the kit here.

    load -> ground -> compile -> run each plan -> write

`run` handles all selected scenarios, in the process of its caller. Each plan runs in its own process,
which goes the road of `harness.running.one_run`.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.many.enough import never_sure, nothing_is_enough, still_unsure, sure_enough
from harness.model.plan import Plan
from harness.model.results import Display, SuiteResult
from harness.model.words import Verdict
from harness.report.write import write_suite
from harness.running.compiling import compile_chosen, part_of
from harness.running.ground import ground_of
from harness.running.projects import surveyed
from harness.running.replaying import SavedRun
from harness.running.resuming import Begun, begun
from harness.running.selection import Choice, choose
from harness.running.suite import SuiteRequest, run_suite
from harness.saved.folders import point_latest


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRequest:
    """What somebody asks for, on the command line or through pytest."""

    choice: Choice
    """Scenarios, and what is changed in them."""
    name: str
    """How the suite's folder is called: `core`, `smoke`, `all`, `selected`, `pytest`."""
    backend: str
    """`docker`, `process` or `auto`."""
    out: Path
    """The folder for results."""
    seed: int | None = None
    """None: a new one."""
    jobs: int | None = None
    """None: one per CPU."""
    shard: tuple[int, int] | None = None
    """(2, 3): the second third of the runs, for the second of three machines."""
    resume: Path | None = None
    """The folder of a suite that the same command began, and that did not come to its end."""
    until_sure: float | None = None
    """Runs of a cell end as soon as it is sure whether at least this share of them is kept."""
    second_runs: bool = True
    """What decides nothing is run once more."""
    same_as: SavedRun | None = None
    """A saved run whose plan it must be."""
    command: str = ""
    """As it was typed, without secrets; empty: it was no command."""


class NotWritten(EnvironmentFailure):
    """The runs are over, and their report cannot be written: what they left can be gone on with."""

    def __init__(self, problem: EnvironmentFailure, suite: SuiteResult) -> None:
        super().__init__(
            f"{problem}; once that is mended, the same command with --resume {suite.directory} goes on with "
            "what has no result yet"
        )
        self.suite = suite


def run(asked: RunRequest, display: Display, warn: Callable[[str], None]) -> SuiteResult:
    """Run everything that was asked for, and leave the report in the suite's folder.

    Raises:
        UsageError: a file is wrong, or nothing matches. It is said before anything is pulled or started.
        EnvironmentFailure: the backend cannot work here, or the results cannot be written (`NotWritten`).
    """
    chosen = choose(asked.choice)
    ground = ground_of(asked.backend, [one.scenario for one in chosen])
    chosen = surveyed(chosen, warn)
    before = begun(asked.resume) if asked.resume else None
    seed = _seed(asked.seed, before)
    plans = compile_chosen(chosen, seed=seed, ground=ground, repeat=asked.choice.repeat)
    if asked.same_as:
        asked.same_as.check(plans)
    if asked.shard:
        plans = part_of(plans, *asked.shard)
    _warn_of_what_is_left_out(plans, warn)
    if asked.until_sure and plans:
        most = max(Counter(plan.key.cell for plan in plans).values())
        if said := never_sure(asked.until_sure, most):
            warn(said)
    of_users = (plan.run_by_user for plan in plans)
    for said in dict.fromkeys(guest.to_be_started for guest in of_users if guest is not None):
        warn(said)
    suite = run_suite(
        SuiteRequest(
            name=asked.name,
            plans=plans,
            ground=ground,
            seed=seed,
            jobs=asked.jobs or max(1, ground.machine.cpus),
            out=asked.out,
            header=f"{ground.said} · seed {seed}",
            resume=asked.resume,
            finished=before.finished(plans) if before else {},
            second_runs=asked.second_runs,
            command=asked.command,
            matrix=asked.choice.matrix,
            shard=asked.shard,
            enough=partial(sure_enough, asked.until_sure) if asked.until_sure else nothing_is_enough,
        ),
        display,
    )
    for said in still_unsure(asked.until_sure, suite.results) if asked.until_sure else ():
        warn(said)
    try:
        write_suite(suite)
        point_latest(suite)
    except EnvironmentFailure as problem:
        failed = replace(suite, verdict=Verdict.ERROR, exit_code=problem.exit_code)
        raise NotWritten(problem, failed) from problem
    return suite


def _seed(asked: int | None, before: Begun | None) -> int:
    if before is None:
        return secrets.randbelow(2**31) if asked is None else asked
    if asked not in {None, before.suite.seed}:
        raise UsageError(f"--seed {asked}: expected {before.suite.seed}, that of {before.directory}, or none")
    return before.suite.seed


def _warn_of_what_is_left_out(plans: tuple[Plan, ...], warn: Callable[[str], None]) -> None:
    for plan in plans:
        for one in plan.scenario.deployment.topology.everything_left_out:
            ends = "; the verdict cannot be PASS" if one.decides else ""
            warn(f"{plan.scenario.file}: left out: {one}{ends}")
