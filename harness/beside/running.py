"""Nodes up, the command and its faults, nodes down; on standard error, what happened when.

Nodes are watched as in every run, and what they say is kept in the run's folder. The steps of each
failover are told at the end.

Traps: nothing here may write to standard output, which is the command's. And the command may end before a
fault's start has come, or its effect: for the command such a fault had none. Whatever stands is healed before
the nodes go.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import sys
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import uvloop

from harness import history
from harness.beside.command import Command, check
from harness.beside.surroundings import filled, mapped, variables
from harness.checks.facts.failovers import failover_steps
from harness.checks.facts.of_run import facts_of
from harness.clock import RunClock
from harness.errors import EnvironmentFailure, NoEffect, UsageError
from harness.faults.director import Director, DirectorReport, StepReport, StepStatus
from harness.model.pacing import RECOVERED_FOR_S
from harness.model.plan import Plan
from harness.model.records import Closing, Event, Opening, PhaseChange, Record
from harness.model.scenario import Scenario
from harness.model.seams import FaultScene, Topology
from harness.model.words import BackendKind, Phase, Trait
from harness.observe import Observers, enable_eviction_events
from harness.plan.timeline import DEMOTION_S
from harness.report.explain import failovers
from harness.running import selection
from harness.running.environment import package_version
from harness.running.ground import Ground
from harness.saved.judging import read_run
from harness.topology.process import user_namespace
from harness.topology.start import up

RECOVERED_WITHIN_S = DEMOTION_S + 2 * RECOVERED_FOR_S
"""After a command that had faults, the nodes are watched this long for what they come to. Sentinels leave a
primary that came back a primary for some 10 s, and a command may end as soon as it has been started again."""

_TOLD = frozenset({"agreed", "elected", "promoted", "published", "demoted", "rebooted", "recovered"})


def with_command(
    scenario: Scenario,
    ground: Ground,
    *,
    command: Sequence[str],
    environment: Sequence[str],
    seed: int,
    out: Path,
) -> int:
    """Start the scenario's nodes, run the command, do its faults meanwhile, take everything down.

    `environment`: `NAME=TEXT` each. Returns the command's own status (128 + n after signal n); 3 where it
    succeeded and a fault had no effect.

    Raises:
        UsageError: the faults, the command or its environment cannot be what was asked for.
        EnvironmentFailure: the nodes could not be started, or what they said could not be kept.
    """
    check(command)
    _check_starts(scenario)
    scenario = replace(
        scenario, audit_expiry=True
    )  # nothing is audited: faults may take as long as they like
    own = _reachable(ground)
    (plan,) = selection.compile_all([scenario], seed=seed, ground=own)
    if plan.skip is not None:
        raise UsageError(f"with: {scenario.name}: {plan.skip}")
    run = secrets.token_hex(3)
    directory = out / f"with-{run}"
    try:
        directory.mkdir(parents=True)
    except OSError as problem:
        raise EnvironmentFailure(
            f"{directory}: cannot be created: {problem.strerror or problem}"
        ) from problem
    history.write_plan(directory, plan)
    with up(
        plan,
        run=run,
        directory=directory,
        backend=own.backend,
        image=own.image_of(plan),
        loopback=not own.machine.network_faults,
    ) as topology:
        known = variables(topology)
        words = [filled(word, known) for word in command]
        added = mapped(environment, known)
        _say(f"with: {topology.engine} ({own.said}), {len(plan.nodes)} nodes, files in {directory}")
        if own.backend is BackendKind.DOCKER and scenario.faults_with(Trait.CUTS_LINKS):
            _say(
                "with: network faults act between containers only: the command still reaches every "
                "node; with --backend process"
            )
            _say("      they cut it off as well")
        with Command(words, os.environ | known | added) as started:
            status, report = _Beside(plan, topology, directory, run).carry_out(started)
    _tell_end(directory, report)
    return status or (NoEffect.exit_code if report.without_effect else 0)


def _check_starts(scenario: Scenario) -> None:
    for step in scenario.faults:
        if step.start.acked is not None:
            raise UsageError(
                f"--fault {step.number}: when: acked: expected a time, an event or 'replica_lag', as the kit "
                "sends nothing itself beside a command"
            )


def _reachable(ground: Ground) -> Ground:
    """Nodes must be where the command can reach them: without root no network of their own, which only the
    kit could enter."""
    if ground.backend is BackendKind.DOCKER or not user_namespace.needs_user_namespace():
        return ground
    why = "without root the nodes have the machine's own loopback address, so that the command reaches them"
    return replace(ground, machine=replace(ground.machine, network_faults=False, why_no_network_faults=why))


class _Beside:
    """One command beside one topology."""

    def __init__(self, plan: Plan, topology: Topology, directory: Path, run: str) -> None:
        self._plan = plan
        self._topology = topology
        self._directory = directory
        self._run = run
        self._clock = RunClock()

    def carry_out(self, command: Command) -> tuple[int, DirectorReport]:
        """The command's status, and what became of the faults.

        Raises:
            EnvironmentFailure: a node or the disk failed.
        """
        recorder = history.Recorder(self._directory, self._clock, secrets=self._topology.secrets)
        reason = "the kit failed"
        try:
            evictions = enable_eviction_events(self._topology)
            recorder.record(self._opening(evictions=evictions))
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                done = runner.run(self._drive(command, recorder, evictions=evictions))
            reason = ""
        finally:
            now_us = self._clock.now_us()
            recorder.close(Closing(t_us=now_us, interrupted=bool(reason), reason=reason))
            self._topology.collect(self._directory / "nodes")
        if recorder.failure is not None:
            raise recorder.failure
        return done

    async def _drive(
        self, command: Command, recorder: history.Recorder, *, evictions: bool
    ) -> tuple[int, DirectorReport]:
        def record(rec: Record) -> None:
            recorder.record(rec)
            if isinstance(rec, Event):
                self._tell(rec)

        def enter(phase: Phase) -> None:
            recorder.record(PhaseChange(phase=phase, t_us=self._clock.now_us()))

        async with Observers(
            self._plan,
            self._topology,
            record,
            self._clock,
            acked_since=lambda *_: 0,
            last_acked_us=lambda _: None,
            eviction_events=evictions,
        ) as observers:
            enter(Phase.BASELINE)
            scene = self._scene(observers)
            stop = threading.Event()
            command.start()
            faults = asyncio.create_task(asyncio.to_thread(Director(self._plan, scene, enter).run, stop))
            status = await self._awaited(command, faults)
            ended_us = self._clock.now_us()
            _say(f"{self._after()} the command ended with status {status}")
            stop.set()
            report = await faults
            if any(one.effect for one in report.steps):
                await self._watch_the_end(observers)
        return status, met(report, ended_us)

    async def _awaited(self, command: Command, faults: asyncio.Task[DirectorReport]) -> int:
        """The command's status; where a fault fails for the machine's sake, the command is ended first."""
        end = asyncio.create_task(asyncio.to_thread(command.ended))
        await asyncio.wait({end, faults}, return_when=asyncio.FIRST_COMPLETED)
        if faults.done() and faults.exception() is not None:
            command.terminate()
        return await end

    async def _watch_the_end(self, observers: Observers) -> None:
        missing = await observers.recovered(within_s=RECOVERED_WITHIN_S)
        if missing:
            _say(f"{self._after()} not recovered {RECOVERED_WITHIN_S:g} s after the command's end: {missing}")

    def _scene(self, observers: Observers) -> FaultScene:
        return FaultScene(
            plan=self._plan,
            topology=self._topology,
            observed=observers.observed,
            web_servers=_OwnCommand(),
            record=observers.record,
            resolved={},
            random=random.Random(f"faults {self._plan.seed}").random,
            set_sides=lambda *_: None,
        )

    def _opening(self, *, evictions: bool) -> Opening:
        scenario = self._plan.scenario
        return Opening(
            format=history.FORMAT,
            run=self._run,
            scenario=scenario.name,
            seed=self._plan.seed,
            backend=self._plan.backend,
            engine=self._topology.engine,
            client=f"a command of its user's; observed with redis-py {package_version('redis')}",
            timing=scenario.deployment.timing,
            started_wall_us=self._clock.started_wall_us,
            loopback=self._topology.loopback,
            eviction_events=evictions,
            plan_digest=history.digest_of_plan(self._directory),
        )

    def _tell(self, event: Event) -> None:
        if event.fault is not None:
            _say(f"{self._after()} fault {event.fault} {event.name}: {event.detail}")
        elif event.name in _TOLD:
            where = f"{event.node}: " if event.node else ""
            _say(f"{self._after()} {where}{event.name} ({event.source})")

    def _after(self) -> str:
        return f"[{self._clock.now_us() / 1e6:7.2f} s]"


class _OwnCommand:
    """In the place of web servers: the kit does not know how to kill a part of somebody's command."""

    def kill_web_server(self, name: str) -> str:
        raise UsageError(f"with: {name!r}: the command is the application; expected a node")

    def start_web_server(self, name: str) -> None:
        raise UsageError(f"with: {name!r}: the command is the application; expected a node")


def met(report: DirectorReport, ended_us: int) -> DirectorReport:
    """What the command met: a fault that was under way when the command ended may take effect after it."""

    def of_command(step: StepReport) -> StepReport:
        if step.effect is None or step.effect.at_us <= ended_us:
            return step
        late_s = (step.effect.at_us - ended_us) / 1e6
        reason = f"none is proved before the command's end, the first one {late_s:.3f} s after it"
        return replace(step, status=StepStatus.NO_EFFECT, reason=reason)

    return replace(report, steps=tuple(of_command(step) for step in report.steps))


def _tell_end(directory: Path, report: DirectorReport) -> None:
    for step in report.without_effect:
        _say(f"fault {step.number} ({step.kind}: {step.target}) had no effect: {step.reason}")
    try:
        for line in failovers(failover_steps(facts_of(read_run(directory)))):
            _say(line.strip())
    except UsageError as problem:
        _say(f"it is not known how the failovers went: {problem}")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
