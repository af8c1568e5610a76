"""A command handed out as jobs, and its results as if it had been run here.

    understand -> count its runs -> hand out shards, gather -> merge -> report

The command is understood here first, so a file that is wrong is said before anything is started.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from harness.errors import EnvironmentFailure, Interrupted, UsageError
from harness.jobs import files, ledger
from harness.jobs.ledger import Ledger
from harness.jobs.shards import Asked, how_many
from harness.jobs.swarm import Submission
from harness.model.plan import Plan
from harness.model.results import Display, SuiteResult
from harness.running.compiling import compile_chosen
from harness.running.ground import ground_for_planning
from harness.running.selection import Choice, choose
from harness.safe_files import make_folder
from harness.saved.folders import point_latest
from harness.saved.merging import put_together
from harness.scenario import source
from harness.topology.backends import OF_JOBS
from harness.topology.docker import daemon, kit_image
from harness.topology.machines import hosts as known
from harness.topology.machines.hosts import Host


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What somebody asks for on the command line."""

    understand: Callable[[], Choice]
    """Reads the files of the command."""
    words: tuple[str, ...]
    """The same, as `run` takes it in a job."""
    name: str
    """How the folder of results is called."""
    out: Path
    seed: int | None = None
    shards: int | None = None
    resume: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Understood:
    plans: tuple[Plan, ...]
    files: bytes
    """The user's own, packed."""


def understood(understand: Callable[[], Choice], seed: int) -> Understood:
    """What a command means, on whatever machine its jobs will run.

    Raises:
        UsageError: a file is wrong, or nothing matches, or a job could not do it.
    """
    with source.noted() as read:
        choice = understand()
        chosen = choose(choice)
        ground = ground_for_planning(OF_JOBS)
        plans = compile_chosen(chosen, seed=seed, ground=ground, repeat=choice.repeat)
    for plan in plans:
        _check(plan)
    return Understood(plans=plans, files=files.packed(read))


def _check(plan: Plan) -> None:
    deployment = plan.scenario.deployment
    if deployment.project:
        raise UsageError(f"{deployment.project.file}: a Compose project needs an engine, which a job has not")
    if deployment.guest:
        raise UsageError(
            f"{plan.scenario.file}: a guest is an application of this machine, which a job has not"
        )
    if deployment.hosts:
        raise UsageError(
            f"{plan.scenario.file}: `hosts` name engines for its nodes, and a job has its nodes as processes"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    suite: SuiteResult
    repeated: tuple[str, ...]
    """Shards that were handed out more than once, each with the reasons, for people."""


def submit(asked: Request, display: Display, engines: Mapping[str, str]) -> Submitted:
    """Run everything that was asked for on these hosts, and leave the report in a folder below `out`.

    Raises:
        UsageError: a file is wrong, nothing matches, or other results are gone on with.
        EnvironmentFailure: a host, the swarm or the image is missing, or no results came.
    """
    before = ledger.read(asked.resume) if asked.resume else None
    seed = asked.seed
    if seed is None:
        seed = before.asked.seed if before else secrets.randbelow(2**31)
    of = understood(asked.understand, seed)
    with known.connected(engines) as hosts:
        known.manager(hosts)
        kit = kit_image.checked()
        shards = asked.shards or (before.asked.shards if before else None)
        count = how_many(shards, runs=len(of.plans), machines=len(hosts), cpus=_fewest_cpus(hosts))
        wanted = Ledger.of(
            Asked(words=asked.words, seed=seed, shards=count, runs=len(of.plans)),
            kit=kit,
            files=hashlib.sha256(of.files).hexdigest(),
        )
        folder, run = _folder(asked)
        found = ledger.same(before, wanted, folder) if before else wanted
        found.write(folder)
        display.begin(
            f"jobs of a swarm · hosts {', '.join(hosts)} · {len(of.plans)} runs in {count} shards · "
            f"seed {wanted.asked.seed}",
            [plan.label for plan in of.plans],
        )
        submission = Submission(ledger=found, files=of.files, folder=folder, hosts=hosts, display=display)
        suite = _ended(_carried_out(submission, display), name=asked.name, run=run)
    return Submitted(suite=suite, repeated=tuple(map(found.said_of, found.repeated)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ended:
    """How it ended, before anything is merged."""

    submission: Submission
    took_s: float
    interrupted: bool = False
    problem: EnvironmentFailure | None = None


def _carried_out(submission: Submission, display: Display) -> _Ended:
    started = time.monotonic()
    try:
        submission.carry_out()
    except KeyboardInterrupt:
        display.line("interrupted: removing the jobs and their containers")
        return _Ended(submission=submission, took_s=time.monotonic() - started, interrupted=True)
    except EnvironmentFailure as problem:
        return _Ended(submission=submission, took_s=time.monotonic() - started, problem=problem)
    finally:
        try:
            submission.remove()
        finally:
            display.close()
    return _Ended(submission=submission, took_s=time.monotonic() - started)


def _ended(ended: _Ended, *, name: str, run: str) -> SuiteResult:
    """The results of all shards that came, as one suite."""
    found, folder = ended.submission.ledger, ended.submission.folder
    parts = [found.place(folder, number) for number in found.gathered(folder)]
    left = found.left(folder)
    if not parts:
        if ended.interrupted:
            raise Interrupted(f"interrupted before the first results; go on with --resume {folder}")
        raise ended.problem or EnvironmentFailure("; ".join(_why(ended, left)))

    def amended(suite: SuiteResult) -> SuiteResult:
        return replace(
            suite,
            seed=found.asked.seed,
            wall_s=ended.took_s,
            interrupted=suite.interrupted or ended.interrupted,
            incomplete="; ".join(filter(None, [suite.incomplete, *_why(ended, left)])),
        )

    suite = put_together(parts, folder, name=name, run=run, amended=amended)
    if not left:
        shutil.rmtree(folder / ledger.SHARDS)
    point_latest(suite)
    return suite


def _why(ended: _Ended, left: Iterable[int]) -> list[str]:
    """Why shards are missing, each with its reason."""
    found, hopeless = ended.submission.ledger, ended.submission.hopeless
    rest = str(ended.problem) if ended.problem else "interrupted" if ended.interrupted else "no host is left"
    return [f"{found.asked.name(one)} has no results: {hopeless.get(one, rest)}" for one in left]


def _fewest_cpus(hosts: Mapping[str, Host]) -> int:
    def cpus(host: Host) -> int:
        with host.asked("asking for its processors"):
            return int(host.client.info().get("NCPU") or 1)

    return max(1, min(daemon.in_parallel(cpus, hosts.values())))


def _folder(asked: Request) -> tuple[Path, str]:
    """Of the results, and the name of their run."""
    if asked.resume:
        return asked.resume, asked.resume.name.rpartition("-")[2]
    run = secrets.token_hex(3)
    folder = asked.out / f"{time.strftime('%Y%m%d-%H%M%S')}-{asked.name}-{run}"
    make_folder(folder)
    return folder, run
