"""Runs a plan on a topology that is up, and records everything that happens into one history.

    (workload || faults || observers) -> recovered -> audit -> history closed

Everything goes through one recorder. Whatever happens, faults are healed before this returns; the
caller stops the topology. What was recorded is judged later, from the saved files alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import uvloop

from harness import history
from harness.clock import RunClock
from harness.errors import EnvironmentFailure
from harness.faults.director import Director
from harness.libraries import apart
from harness.model.pacing import SETTLED_S, audit_within_s
from harness.model.plan import Plan
from harness.model.records import Closing, Event, Opening, PhaseChange, Record
from harness.model.results import TAKING_DOWN, Progress
from harness.model.seams import FaultScene, Topology
from harness.model.words import Phase
from harness.observe import Observers, enable_eviction_events
from harness.running.crew import Crew
from harness.running.environment import environment, package_version
from harness.running.guest_servers import guest_of
from harness.sessions.engine import LoadEngine
from harness.tasks import end

STOP_NOTICED_WITHIN_S = 0.1

T = TypeVar("T")


class Stop:
    """Asked for once, from a signal handler or a thread; noticed by everything that waits."""

    def __init__(self) -> None:
        self.event = threading.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        self.reason = self.reason or reason
        self.event.set()


def record_on(
    topology: Topology,
    plan: Plan,
    *,
    run: str,
    directory: Path,
    image: str | None,
    tell: Callable[[Progress], None],
    stop: Stop,
) -> None:
    """Run a plan on a topology that is up, and leave everything in `directory` that judging needs.

    Raises:
        EnvironmentFailure: a node or the disk failed, so that there is nothing to judge.
    """
    clock = RunClock()

    def drive(recorder: history.Recorder, evictions: bool) -> Coroutine[Any, Any, Closing]:
        recording = _Recording(
            plan=plan,
            topology=topology,
            recorder=recorder,
            clock=clock,
            directory=directory,
            tell=tell,
            stop=stop,
        )
        return recording.drive(evictions)

    client = who_sends(plan)
    record_whole(topology, plan, drive, run=run, directory=directory, image=image, clock=clock, client=client)


def who_sends(plan: Plan) -> str:
    """The client library, its version, and how it finds the primary; or the guest."""
    deployment = plan.scenario.deployment
    if deployment.guest is not None:
        return f"guest {deployment.guest.name}"
    profile = deployment.client
    library = apart(profile.library, profile.version)
    if library is None:
        return f"redis-py {package_version('redis')} asyncio, {profile.discovery}"
    version = profile.version or library.version or package_version(library.package)
    return f"{library.name} {version}, {profile.discovery}"


Drive = Callable[[history.Recorder, bool], Coroutine[Any, Any, Closing]]
"""What happens between opening and closing of a history, given its recorder, and whether nodes tell of
evictions."""


def record_whole(
    topology: Topology,
    plan: Plan,
    drive: Drive,
    *,
    run: str,
    directory: Path,
    image: str | None,
    clock: RunClock,
    client: str,
) -> None:
    """A history from its opening to its closing, and beside it what the nodes and this machine say.
    `client`: who sends the operations.

    Raises:
        EnvironmentFailure: a node or the disk failed, so that there is nothing to judge.
    """
    recorder = history.Recorder(directory, clock, secrets=topology.secrets)
    closing: Closing | None = None
    try:
        evictions = enable_eviction_events(topology)
        opening = _opening(plan, run, topology, clock, client=client, evictions=evictions)
        opening.plan_digest = history.digest_of_plan(directory)
        recorder.record(opening)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            closing = runner.run(drive(recorder, evictions))
    finally:
        recorder.close(closing or _failed(clock))
        uncollected = _collect(topology, directory, image)
    if (trouble := recorder.failure or uncollected) is not None:
        raise trouble


def _failed(clock: RunClock) -> Closing:
    return Closing(t_us=clock.now_us(), interrupted=True, reason="the harness failed")


def _collect(topology: Topology, directory: Path, image: str | None) -> EnvironmentFailure | None:
    """Keep what is known of nodes and machine; what prevents it is returned, not raised."""
    try:
        known = json.dumps(environment(topology, image), indent=2)
        (directory / "environment.json").write_text(f"{known}\n")
        topology.collect(directory / "nodes")
    except OSError as problem:
        return EnvironmentFailure(
            f"{problem.filename or directory}: the nodes' logs cannot be kept: {problem.strerror or problem}"
        )
    return None


class _Recording:
    """The part of a run that lives in the event loop."""

    def __init__(
        self,
        *,
        plan: Plan,
        topology: Topology,
        recorder: history.Recorder,
        clock: RunClock,
        directory: Path,
        tell: Callable[[Progress], None],
        stop: Stop,
    ) -> None:
        self._plan = plan
        self._topology = topology
        self._recorder = recorder
        self._clock = clock
        self._tell = tell
        self._stop = stop
        self._phase: Phase | None = None
        self._not_recovered = ""
        self._unseen: tuple[str, ...] = ()
        self._began = time.monotonic()
        guest = guest_of(plan, topology, recorder.record, clock)
        workers = plan.scenario.deployment.workers
        self._crew = Crew(plan, topology, recorder.record, clock, directory) if workers else None
        self._engine = self._crew or LoadEngine(plan, topology, recorder.record, clock, guest)
        self._observers: Observers

    async def drive(self, evictions: bool) -> Closing:
        engine = self._engine
        async with Observers(
            self._plan,
            self._topology,
            self._recorder.record,
            self._clock,
            acked_since=engine.acked_since,
            last_acked_us=engine.last_acked_us,
            sessions=engine.sessions,
            unanswered=engine.unanswered,
            late_elsewhere=self._crew.take_lag if self._crew else None,
            seen_elsewhere=self._crew.seen if self._crew and self._crew.on_hosts else None,
            eviction_events=evictions,
        ) as self._observers:
            teller = asyncio.create_task(self._tell_progress())
            try:
                self._enter(Phase.SEED)
                await self._unless_stopped(engine.seed())
                await self._load_and_faults()
                self._enter(Phase.AUDIT)
                await self._audit()
            finally:
                teller.cancel()
                await engine.close()
        self._tell(Progress(scenario=self._plan.label, phase=TAKING_DOWN))
        if self._crew is not None:
            self._recorder.take_in(self._crew.parts())
        return Closing(
            t_us=self._clock.now_us(),
            interrupted=self._stop.event.is_set(),
            reason=self._stop.reason,
            operations=engine.operations,
            not_recovered=self._not_recovered,
            unseen=self._unseen,
            peaks=engine.peaks(),
        )

    async def _audit(self) -> None:
        """At the front door of a guest, and then at its back door, if the keys are known; else on the nodes,
        once nobody writes any more."""
        engine = self._engine
        asked = engine.audit(within_s=self._audit_within_s(), recovered=not self._not_recovered)
        if await self._unless_stopped(asked):
            if keys := engine.at_back_door():
                await engine.close()
                await self._unless_stopped(self._observers.settle())
                await self._unless_stopped(self._observers.back_door(keys, within_s=self._audit_within_s()))
            return
        await engine.close()
        await self._unless_stopped(self._observers.settle())
        await self._unless_stopped(
            self._observers.audit(engine.sessions(), engine.objects(), within_s=self._audit_within_s())
        )

    async def _load_and_faults(self) -> None:
        """Traffic from the baseline to the end of the settled phase, faults on their timeline."""
        finished = asyncio.Event()
        self._enter(Phase.BASELINE)
        baseline = time.monotonic()
        load = asyncio.create_task(self._engine.drive(finished))
        director = self._director()
        try:
            await asyncio.to_thread(director.run, self._stop.event)
            self._not_recovered = await self._recovered()
            self._enter(Phase.SETTLED)
            await self._pause(max(SETTLED_S, self._left_of_duration(baseline)))
        except asyncio.CancelledError:
            # Ctrl-C, where nobody else catches it. Closing the loop waits for the director's thread.
            self._stop.set("by its user")
            raise
        finally:
            finished.set()
            await load

    def _audit_within_s(self) -> float:
        elapsed_s = time.monotonic() - self._began
        return audit_within_s(self._plan.scenario.workload.shortest_life_s, elapsed_s)

    def _left_of_duration(self, baseline: float) -> float:
        duration_s = self._plan.scenario.duration_s
        return 0.0 if duration_s is None else duration_s - (time.monotonic() - baseline)

    async def _recovered(self) -> str:
        """Empty, or why the topology was not seen recovered."""
        if self._plan.scenario.faults and not self._stop.event.is_set():
            self._enter(Phase.RECOVERY)  # with nothing to recover from, all of it is baseline
        within_s = self._plan.scenario.settle_within_s
        missing = await self._unless_stopped(self._observers.recovered(within_s=within_s))
        self._unseen = self._observers.unseen if missing else ()
        return "the run was stopped before" if missing is None else missing

    async def _unless_stopped(self, work: Coroutine[Any, Any, T]) -> T | None:
        """What `work` returns; None where the run was asked to stop first, and `work` was given up."""
        task = asyncio.create_task(work)
        while not self._stop.event.is_set():
            done, _ = await asyncio.wait({task}, timeout=STOP_NOTICED_WITHIN_S)
            if done:
                return task.result()
        await end([task])
        return None

    def _director(self) -> Director:
        loop = asyncio.get_running_loop()
        scene = FaultScene(
            plan=self._plan,
            topology=self._topology,
            observed=self._observers.observed,
            web_servers=self._engine,
            record=self._record_and_tell,
            resolved={},
            random=random.Random(f"faults {self._plan.seed}").random,
            set_sides=self._engine.set_sides,
            last_look=self._observers.last_look,
        )

        def enter(phase: Phase) -> None:
            loop.call_soon_threadsafe(self._enter, phase)

        return Director(self._plan, scene, enter)

    def _record_and_tell(self, record: Record) -> None:
        self._observers.record(record)
        if isinstance(record, Event):
            self._progress(f"{record.source} {record.name}: {record.said}".strip(": "))

    def _enter(self, phase: Phase) -> None:
        if phase is self._phase:
            return
        self._phase = phase
        self._engine.set_phase(phase)
        self._recorder.record(PhaseChange(phase=phase, t_us=self._clock.now_us()))
        self._progress()

    async def _pause(self, seconds: float) -> None:
        """Let traffic flow for so long, or until asked to stop."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self._stop.event.wait, seconds), seconds + 1)

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self._progress()
            if self._recorder.failure is not None:  # nothing that happens from here on can be judged
                self._stop.set("the history cannot be written")

    def _progress(self, note: str = "") -> None:
        seen = self._engine.snapshot()
        self._tell(
            Progress(
                scenario=self._plan.label,
                phase=self._phase or Phase.SEED,
                roles=self._observers.roles(),
                rate_per_s=seen.acked_per_s,
                errors_per_s=seen.errors_per_s,
                at_risk=seen.sessions,
                left_s=max(0.0, self._plan.expected_s - (time.monotonic() - self._began)),
                note=note,
            )
        )


def _opening(
    plan: Plan, run: str, topology: Topology, clock: RunClock, *, client: str, evictions: bool
) -> Opening:
    return Opening(
        format=history.FORMAT,
        run=run,
        scenario=plan.scenario.name,
        seed=plan.seed,
        backend=plan.backend,
        engine=topology.engine,
        client=client,
        timing=plan.scenario.deployment.timing,
        started_wall_us=clock.started_wall_us,
        loopback=topology.loopback,
        eviction_events=evictions,
    )
