"""Several scenarios in one go: each in a process of its own, side by side as cores allow.

A process per run gives each its own event loop, its own interpreter lock and a crash that takes
nothing else along. This scheduler only starts them, passes Ctrl-C on, relays their progress to a
display and gathers their results. The same scenario may be in a suite several times, against several
deployments or on several engines: plans, folders and results go by `Plan.key`.

Where several go side by side, each has a place among those with traffic. As soon as the faults of a run are
over, the next one starts its nodes; when the audit is over, it gets the place. So starting, taking down and
judging need no place. With one at a time, nothing happens beside a run.

Scenarios that measure short times run alone, after the others. FAIL is never retried;
INCONCLUSIVE is, once, alone, with the same seed, and both runs are kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import os
import secrets
import signal
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

import msgspec

from harness import kit_files
from harness.errors import EnvironmentFailure, KitError
from harness.many.enough import nothing_is_enough
from harness.model.plan import Plan, RunKey
from harness.model.redaction import redacted
from harness.model.results import (
    IN_TURN,
    ITS_TURN,
    TAKING_DOWN,
    Display,
    Progress,
    ScenarioResult,
    SuiteResult,
    overall,
)
from harness.model.words import Phase, Verdict
from harness.report.write import PLANNED, write_record
from harness.running.ground import Ground, clean
from harness.safe_files import make_folder, write_file
from harness.tasks import end
from harness.topology.backends import backend_of
from harness.version import kit_version
from harness.visible import as_folder_name

SECONDS_TO_WIND_DOWN = 60.0
"""After the first Ctrl-C a run may heal, collect and tear down for this long."""

SECOND_RUN = "-second-run"
"""Ends the name of its folder."""

UNFINISHED = "-unfinished-"
"""Comes before a number in the name of a folder whose run was interrupted, and then run again."""

SECONDS_OVER_EXPECTED = 300.0
"""A run that takes this much longer than planned is stuck, and is stopped."""

_ROOM_BYTES = 1 << 20
"""Less than every run leaves."""
_FAULTS_ARE_OVER = {Phase.RECOVERY, Phase.SETTLED, Phase.AUDIT, TAKING_DOWN}


class GetsItsTurn(Protocol):
    def write(self, line: bytes, /) -> None: ...


class RunProcess(Protocol):
    """The process of a run, as far as the scheduler looks at it."""

    @property
    def stdin(self) -> GetsItsTurn | None: ...
    @property
    def stdout(self) -> asyncio.StreamReader | None: ...
    @property
    def returncode(self) -> int | None: ...
    async def wait(self) -> int: ...
    def send_signal(self, signal: int, /) -> None: ...
    def kill(self) -> None: ...


async def start_process(command: Sequence[str], log: Path) -> RunProcess:
    """What it says on standard error goes into the log."""
    with log.open("ab") as said:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,  # a line gives it its turn, its end says that we are gone
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            start_new_session=True,  # the terminal's Ctrl-C reaches us alone; we pass it on once
            env=_environment(),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteRequest:
    name: str
    """`core`, `smoke`, `all`, or `selected` when a glob chose the scenarios."""
    plans: tuple[Plan, ...]
    ground: Ground
    seed: int
    jobs: int
    out: Path
    header: str
    """Backend, engine, timing profile: the first line of every output."""
    clean_up: Callable[[], list[str]] = clean
    """Removes what runs that had to be killed left behind."""
    run_module: str = "harness.running.one_process"
    """What is run for each scenario; tests put a scripted one here."""
    start: Callable[[Sequence[str], Path], Awaitable[RunProcess]] = start_process
    """Starts the command of a run, whose log lies there."""
    resume: Path | None = None
    """The folder of a suite that did not come to its end; None: a new one."""
    finished: Mapping[RunKey, ScenarioResult] = field(default_factory=dict)
    """Results that this suite has already."""
    enough: Callable[[Sequence[ScenarioResult]], str] = nothing_is_enough
    """From the results of a cell so far: why no more of its runs are needed; empty: they are."""
    second_runs: bool = True
    """What decides nothing is run once more."""
    command: str = ""
    """As it was typed; empty: it was no command."""
    matrix: str = ""
    """The fingerprint of the matrix that names the plans; empty: none does."""
    shard: tuple[int, int] | None = None
    """(2, 3): the plans are the second third of the runs."""


class _Pass:
    """One of a limited number, which whoever took it gives back once."""

    def __init__(self, limited: asyncio.Semaphore) -> None:
        self._limited = limited
        self._taken = False

    async def take(self) -> None:
        await self._limited.acquire()
        self._taken = True

    def give_back(self) -> None:
        if self._taken:
            self._taken = False
            self._limited.release()


def _its_own() -> _Pass:
    return _Pass(asyncio.Semaphore(1))


@dataclass(slots=True, eq=False)
class _Job:
    plan: Plan
    directory: Path
    attempt: int = 1
    begin: _Pass = field(default_factory=_its_own)
    """To start its nodes."""
    place: _Pass = field(default_factory=_its_own)
    """To send traffic to them."""
    ahead: bool = False
    """The next one may begin before this one is over."""
    process: RunProcess | None = None
    placed: float = 0.0
    """When it had both a place and a process."""
    left: float | None = None
    """When it gave its place to the next; None: it never did."""
    begun: bool = False
    """It has said so, and may have started nodes."""
    stopped: str = ""
    """Why the scheduler stopped it; empty: it did not."""
    killed: str = ""
    """Why it was not waited for after Ctrl-C; empty: it was."""
    said: str = ""
    """The last line of its output that was no progress: why it could not leave a result."""


class Suite:
    """Runs a request once. `run` is the whole story; the rest are its paragraphs."""

    def __init__(self, request: SuiteRequest, display: Display) -> None:
        self._request = request
        self._display = display
        self._run = secrets.token_hex(3)
        stamp = time.strftime("%Y%m%d-%H%M%S")
        self._directory = request.resume or request.out / f"{stamp}-{request.name}-{self._run}"
        self._folders = {key: self._directory / name for key, name in folder_names(request.plans).items()}
        self._inside = backend_of(request.ground.backend).inside()
        """Before each run's command: with threads of libraries there is no way in later."""
        self._running: set[_Job] = set()
        self._interrupts = 0
        self._full = ""
        """Why no result can be written any more; empty: it can."""
        self._forced = False

    async def run(self) -> SuiteResult:
        started_wall_us, started = time.time_ns() // 1000, time.monotonic()
        make_folder(self._directory, exist_ok=True)
        plans = self._request.plans
        write_record(
            self._directory, PLANNED, self._suite([self._planned(one) for one in plans], started_wall_us, 0.0)
        )
        self._display.begin(self._request.header, [plan.label for plan in plans])
        self._catch_signals()
        try:
            results = await self._run_all(plans)
        finally:
            self._display.close()
            if self._forced:
                self._clean_up()
        return self._suite(results, started_wall_us, time.monotonic() - started)

    def _planned(self, plan: Plan) -> ScenarioResult:
        """Before it began: so a suite whose harness is killed still knows what belongs to it."""
        if plan.skip is not None:
            return ScenarioResult.skipped(plan)
        if plan.key in self._request.finished:
            return self._request.finished[plan.key]
        never = "it did not run to its end: the harness was killed"
        planned = ScenarioResult.of(plan, Verdict.INCONCLUSIVE, never, run_dir=self._folders[plan.key].name)
        return replace(planned, why=never)

    def _suite(self, results: Sequence[ScenarioResult], started_wall_us: int, wall_s: float) -> SuiteResult:
        plans = self._request.plans
        verdict, exit_code = overall(results, interrupted=self._interrupts > 0)
        return SuiteResult(
            suite=self._request.name,
            run=self._run,
            directory=str(self._directory),
            started_wall_us=started_wall_us,
            wall_s=wall_s,
            backend=self._request.ground.backend,
            engine=", ".join(dict.fromkeys(result.engine for result in results if result.engine)),
            timing=plans[0].scenario.deployment.timing if plans else "",
            jobs=self._request.jobs,
            seed=self._request.seed,
            kit=kit_version(),
            commands=tuple(filter(None, [self._request.command])),
            matrix=self._request.matrix,
            shards=(self._request.shard,) if self._request.shard not in {None, (1, 1)} else (),
            verdict=verdict,
            exit_code=exit_code,
            results=tuple(results),
            interrupted=self._interrupts > 0,
        )

    @property
    def _why_no_more(self) -> str:
        """Why no run begins from now on; empty: they do."""
        return "the suite was interrupted first" if self._interrupts else self._full

    def _look_for_room(self) -> None:
        """A run that failed may have filled the disk: then every later one would fail of the same."""
        if self._full:
            return
        probe = self._directory / "room"
        try:
            write_file(probe, bytes(_ROOM_BYTES))
            probe.unlink()
        except (EnvironmentFailure, OSError) as problem:
            self._full = "its results could not be written"
            self._display.line(
                f"no further run begins: {problem}; once that is mended, the same command with "
                f"--resume {self._directory} goes on"
            )

    def _clean_up(self) -> None:
        try:
            self._request.clean_up()
        except KitError as problem:  # what was learnt is worth more than a clean machine
            self._display.line(f"something of a run is left; remove it with `failover-kit clean`: {problem}")

    async def _run_all(self, plans: Sequence[Plan]) -> list[ScenarioResult]:
        results: dict[RunKey, ScenarioResult] = {}
        runnable: list[_Job] = []
        results.update(self._request.finished)
        for plan in plans:
            if plan.key in results:
                continue
            if plan.skip is None:
                runnable.append(_Job(plan, self._folders[plan.key]))
            else:
                results[plan.key] = self._note(ScenarioResult.skipped(plan))
        together = [job for job in runnable if not job.plan.exclusive]
        turns = _turns(plans)
        together.sort(key=lambda job: (turns[job.plan.key], -job.plan.expected_s))
        await self._side_by_side(together, results)
        for job in runnable:
            if job.plan.exclusive and not self._why_no_more:
                results[job.plan.key] = self._note(await self._needed(job, results))
        await self._retry_inconclusive(results)
        return [results.get(plan.key) or _never_began(plan, self._why_no_more) for plan in plans]

    async def _side_by_side(self, jobs: list[_Job], results: dict[RunKey, ScenarioResult]) -> None:
        waiting, at_once = list(jobs), max(1, self._request.jobs)
        begins, places = asyncio.Semaphore(at_once), asyncio.Semaphore(at_once)
        # One after the other means nothing beside; and a run that began would no longer be left out.
        ahead = at_once > 1 and self._request.enough is nothing_is_enough

        async def worker() -> None:
            while waiting and not self._why_no_more:
                job = waiting.pop(0)
                job.ahead, job.begin, job.place = ahead, _Pass(begins), _Pass(places)
                await job.begin.take()
                try:
                    if not self._why_no_more:
                        results[job.plan.key] = self._note(await self._needed(job, results))
                finally:
                    job.begin.give_back()

        await asyncio.gather(*(worker() for _ in range(2 * at_once if ahead else at_once)))

    async def _retry_inconclusive(self, results: dict[RunKey, ScenarioResult]) -> None:
        for plan in self._request.plans if self._request.second_runs else ():
            first = results.get(plan.key)
            if first is None or first.verdict is not Verdict.INCONCLUSIVE or self._why_no_more:
                continue
            if any(one.decides for one in first.left_out):  # would be inconclusive again
                continue
            if first.start_that_never_came:
                self._display.line(
                    f"{plan.label}: inconclusive, and not run again, as the same plan waits for the same:"
                    f" {first.start_that_never_came}"
                )
                continue
            self._display.line(f"{plan.label}: inconclusive; running it once more, alone, with the same seed")
            folder = self._folders[plan.key]
            again = folder.with_name(f"{folder.name}{SECOND_RUN}")
            second = await self._run_apart(_Job(plan, again, attempt=2))
            if second.verdict is Verdict.SKIPPED:  # it was interrupted before it began
                continue
            results[plan.key] = self._note(replace(second, times_run=2, wall_s=first.wall_s + second.wall_s))

    async def _needed(self, job: _Job, results: Mapping[RunKey, ScenarioResult]) -> ScenarioResult:
        """The result of a run, or of one that is not needed any more."""
        cell = job.plan.key.cell
        if why := self._request.enough([one for key, one in results.items() if key.cell == cell]):
            return ScenarioResult.of(job.plan, Verdict.SKIPPED, why)
        return await self._run_apart(job)

    async def _run_apart(self, job: _Job) -> ScenarioResult:
        try:
            _make_way(job.directory)
            await self._start(job)
        except EnvironmentFailure as problem:
            self._look_for_room()
            if self._full:
                return _never_began(job.plan, self._full)
            return ScenarioResult.of(job.plan, Verdict.ERROR, str(problem))
        self._running.add(job)
        if self._interrupts:  # while it was being started
            self._interrupt(job)
        placing = asyncio.create_task(self._place(job))
        try:
            await self._follow(job)
        finally:
            await end([placing])
            job.place.give_back()
            self._running.discard(job)
        return self._result(job)

    async def _start(self, job: _Job) -> None:
        make_folder(job.directory, exist_ok=True)
        write_file(job.directory / "plan.json", msgspec.json.encode(job.plan))
        write_file(job.directory / "run.log", b"")
        image = self._request.ground.image_of(job.plan) or "-"
        words = (str(job.directory), f"{self._run}{job.attempt}", image, IN_TURN)
        command = [*self._inside, *kit_files.command(self._request.run_module, *words)]
        job.placed = time.monotonic()
        job.process = await self._request.start(command, job.directory / "run.log")

    async def _place(self, job: _Job) -> None:
        """Give it its turn when a place is free, and stop it where it then takes too long."""
        await job.place.take()
        job.placed = time.monotonic()
        assert job.process is not None
        if job.process.stdin is not None:
            job.process.stdin.write(ITS_TURN)
        await asyncio.sleep(job.plan.expected_s + SECONDS_OVER_EXPECTED)
        job.stopped = f"stopped, as it took {SECONDS_OVER_EXPECTED:g} s longer than planned"
        self._display.line(f"{job.plan.label}: {job.stopped}")
        await self._end(job)

    async def _follow(self, job: _Job) -> None:
        process = job.process
        assert process is not None
        assert process.stdout is not None
        while line := await process.stdout.readline():
            try:
                progress = msgspec.json.decode(line, type=Progress)
            except (msgspec.DecodeError, msgspec.ValidationError):
                job.said = redacted(line.decode(errors="replace").rstrip())
                self._display.line(job.said)
            else:
                job.begun = True
                self._display.progress(progress)
                self._make_room(job, progress.phase)
        await process.wait()

    def _make_room(self, job: _Job, phase: str) -> None:
        """For the next, as soon as what this run does now may happen beside it."""
        if not job.ahead or phase not in _FAULTS_ARE_OVER:
            return
        job.begin.give_back()
        if phase == TAKING_DOWN:
            job.left = job.left or time.monotonic()
            job.place.give_back()

    async def _end(self, job: _Job) -> None:
        process = job.process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), SECONDS_TO_WIND_DOWN)
        except TimeoutError:
            self._force(job)
            await process.wait()

    def _force(self, job: _Job) -> None:
        self._forced = True
        if job.process is not None and job.process.returncode is None:
            job.process.kill()

    def _result(self, job: _Job) -> ScenarioResult:
        wall_s = (job.left or time.monotonic()) - job.placed
        _blot_out(job.directory / "run.log")
        try:
            found = msgspec.msgpack.decode(
                (job.directory / "result.msgpack").read_bytes(), type=ScenarioResult
            )
        except (OSError, msgspec.DecodeError, msgspec.ValidationError):
            if self._interrupts and not job.begun:
                return _never_began(job.plan, self._why_no_more)
            if job.killed:
                return self._cut_short(job, wall_s)
            code = job.process.returncode if job.process else None
            self._forced = True
            log = _tail(job.directory / "run.log")
            last = log.splitlines()[-1:] if code == EnvironmentFailure.exit_code else []
            why = job.said or ": ".join([f"{_ended(code)} and wrote no result", *last])
            why = f"{job.stopped}: {why}" if job.stopped else why
            found = replace(ScenarioResult.of(job.plan, Verdict.ERROR, why), log_tail=log)
        if found.verdict is Verdict.ERROR:
            self._look_for_room()
        return replace(found, wall_s=wall_s, run_dir=job.directory.name)

    def _cut_short(self, job: _Job, wall_s: float) -> ScenarioResult:
        """Its user did that: nothing is wrong with the kit or the machine."""
        why = f"the run was interrupted: {job.killed}"
        result = ScenarioResult.of(job.plan, Verdict.INCONCLUSIVE, why, run_dir=job.directory.name)
        return replace(result, why=why, wall_s=wall_s)

    def _note(self, result: ScenarioResult) -> ScenarioResult:
        self._display.finished(result)
        return result

    def _catch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for caught in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(caught, self._interrupted)

    def _interrupted(self) -> None:
        self._interrupts += 1
        if self._interrupts > 1:
            self._force_all("it was killed at the second Ctrl-C, and left no result")
            return
        self._display.line(
            "interrupted: healing faults, saving logs, stopping nodes (press Ctrl-C again to stop at once)"
        )
        for job in self._running:
            self._interrupt(job)
        late = f"it was killed, as it had not wound down after {SECONDS_TO_WIND_DOWN:g} s"
        asyncio.get_running_loop().call_later(SECONDS_TO_WIND_DOWN, self._force_all, late)

    def _interrupt(self, job: _Job) -> None:
        if job.process is not None and job.process.returncode is None:
            job.process.send_signal(signal.SIGINT)

    def _force_all(self, why: str) -> None:
        for job in self._running:
            job.killed = job.killed or why
            self._force(job)


def _turns(plans: Sequence[Plan]) -> dict[RunKey, int]:
    """Which of its cell's runs each is: every cell runs once before any runs again, so that a suite that is
    interrupted has something of each. Finished runs count, so that one that is resumed goes on with the rest
    of a turn."""
    counts: dict[RunKey, Iterator[int]] = {}
    return {plan.key: next(counts.setdefault(plan.key.cell, itertools.count())) for plan in plans}


def _make_way(directory: Path) -> None:
    """What an earlier command left unfinished stays, under another name."""
    if not directory.exists():
        return
    names = (directory.with_name(f"{directory.name}{UNFINISHED}{n}") for n in itertools.count(1))
    try:
        directory.rename(next(name for name in names if not name.exists()))
    except OSError as problem:
        raise EnvironmentFailure(
            f"{directory}: cannot be renamed: {problem.strerror or problem}"
        ) from problem


def run_suite(request: SuiteRequest, display: Display) -> SuiteResult:
    """Run every plan of the request and return the result; nothing is printed or reported here."""
    return asyncio.run(Suite(request, display).run())


def _never_began(plan: Plan, why: str) -> ScenarioResult:
    """Told after Ctrl-C or on a full disk, so that a short list is not taken for a whole one."""
    return ScenarioResult.of(plan, Verdict.SKIPPED, f"not run: {why}")


def folder_names(plans: Sequence[Plan]) -> dict[RunKey, str]:
    """`sentinel-01-primary-killed`, with its variant where the suite has the scenario several times, and
    numbered where two would still have the same. Names of second runs are kept free."""
    names: dict[RunKey, str] = {}
    taken: set[str] = set()
    for plan in plans:
        wanted = _folder_name(plan)
        numbered = (f"{wanted}-{number}" for number in itertools.count(2))
        name = next(
            one for one in itertools.chain([wanted], numbered) if not taken & {one, f"{one}{SECOND_RUN}"}
        )
        taken |= {name, f"{name}{SECOND_RUN}"}
        names[plan.key] = name
    return names


def _folder_name(plan: Plan) -> str:
    """Made of the file's name, whatever that is: `...yaml` must not mean the folder above."""
    path = Path(plan.scenario.file)
    name = as_folder_name(path.stem if path.parent.name in {"", ".."} else f"{path.parent.name}-{path.stem}")
    return f"{name}-{as_folder_name(plan.apart)}" if plan.apart else name


def _ended(code: int | None) -> str:
    if code is not None and code < 0:
        return f"the process of this run was ended by {signal.Signals(-code).name}"
    return f"the process of this run ended with status {code}"


def _environment() -> dict[str, str]:
    """A run takes this very package, wherever it was imported from."""
    package_root = str(Path(__file__).resolve().parents[2])
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": f"{package_root}{os.pathsep}{known}" if known else package_root}


def _blot_out(log: Path) -> None:
    """The log of a run may quote whatever was at hand when something broke, passwords among it."""
    with contextlib.suppress(OSError):
        text = log.read_text(errors="replace")
        if (without := redacted(text)) != text:
            write_file(log, without.encode())


def _tail(path: Path, lines: int = 20) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
