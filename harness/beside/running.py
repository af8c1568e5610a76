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
import secrets
import sys
import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harness import history
from harness.beside.command import Command, check
from harness.beside.left_behind import recorded
from harness.beside.losses import losses
from harness.checks.facts.failovers import failover_steps
from harness.checks.facts.of_run import facts_of
from harness.clock import RunClock
from harness.control.live import Live
from harness.control.scene import scene_without_load
from harness.control.told import Told
from harness.errors import NoEffect, UsageError
from harness.faults.director import Director, DirectorReport, StepReport, StepStatus
from harness.faults.refused import refused_by
from harness.model.fit import APPLICATION
from harness.model.pacing import RECOVERED_FOR_S
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.records import Closing, PhaseChange, Record
from harness.model.scenario import Scenario
from harness.model.seams import Machine, Topology
from harness.model.words import Phase
from harness.observe import Observers
from harness.plan.timeline import DEMOTION_S
from harness.report.explain import failovers
from harness.running.compiling import compile_all
from harness.running.ground import Ground
from harness.running.recording import record_whole
from harness.running.surroundings import filled, inherited, mapped, variables
from harness.running.vocabulary import shipped
from harness.safe_files import make_folder
from harness.saved.judging import read_run
from harness.topology.backends import up

if TYPE_CHECKING:
    from harness.control.server import Control

RECOVERED_WITHIN_S = DEMOTION_S + 2 * RECOVERED_FOR_S
"""After a command that had faults, the nodes are watched this long for what they come to. Sentinels leave a
primary that came back a primary for some 10 s, and a command may end as soon as it has been started again."""


def with_command(
    scenario: Scenario,
    ground: Ground,
    *,
    command: Sequence[str],
    environment: Sequence[str],
    seed: int,
    out: Path,
    join: str | None = None,
    pins: Pins = FREE,
) -> int:
    """Start the scenario's nodes, run the command, do its faults meanwhile, take everything down.

    `environment`: `NAME=TEXT` each. `join`: what of the user's gets an address beside the nodes.
    Returns the command's own status (128 + n after signal n); 3 where it
    succeeded and a fault had no effect.

    Raises:
        UsageError: the faults, the command or its environment cannot be what was asked for.
        EnvironmentFailure: the nodes could not be started, or what they said could not be kept.
    """
    check(command)
    _check_starts(scenario)
    scenario = replace(scenario, audit_expiry=True)  # nothing is audited: faults may take any time
    (plan,) = compile_all([scenario], seed=seed, ground=ground)
    if plan.skip is not None:
        raise UsageError(f"with: {scenario.name}: {plan.skip}")
    run = secrets.token_hex(3)
    directory = out / f"with-{run}"
    make_folder(directory)
    history.write_plan(directory, plan)
    with ExitStack() as stack:
        topology = stack.enter_context(
            up(
                plan,
                run=run,
                directory=directory,
                backend=ground.backend,
                image=ground.image_of(plan),
                loopback=not ground.machine.network_faults,
                join=join,
                pins=pins,
            )
        )
        control = stack.enter_context(_control())
        known = {**variables(topology), **control.variables()}
        added = mapped(environment, known)
        words = [filled(word, known) for word in command]
        nodes = "node" if len(plan.nodes) == 1 else "nodes"
        _say(f"with: {topology.engine} ({ground.said}), {len(plan.nodes)} {nodes}, files in {directory}")
        for line in _partitions(topology, ground.machine, join):
            _say(f"with: {line}")
        stack.enter_context(recorded(control.variables()["FAILOVER_CONTROL_TOKEN"]))
        with Command(words, inherited(os.environ) | known | added) as started:
            beside = _Beside(plan, topology, started, control, run=run, machine=ground.machine)
            record_whole(
                topology,
                plan,
                beside.drive,
                run=run,
                directory=directory,
                image=ground.image_of(plan),
                clock=beside.clock,
                client="a command of its user's",
            )
    status, report = beside.outcome()
    _tell_end(directory, report)
    return status or (NoEffect.exit_code if report.without_effect else 0)


def _partitions(topology: Topology, machine: Machine, join: str | None) -> Iterator[str]:
    """What a person must know of them before the command starts; nothing where they reach everybody."""
    if not machine.network_faults:
        refused = ", ".join(refused_by(machine, topology.plan))
        yield f"{refused} cannot be injected: {machine.why_no_network_faults}"
    elif topology.plan.scenario.deployment.project is not None:
        yield (
            "partitions do not reach the command, which reaches every node: beside a Compose project it has "
            "no address of its own. Faults reach an application that is a service of the project: `service "
            "NAME`"
        )
    elif topology.source(APPLICATION).ports is not None:
        yield (
            f"partitions reach {join or 'a container that joins'}, and not the command, which reaches every "
            "node: an address of its own takes root and a Docker engine on this machine"
        )


def _control() -> Control:
    from harness.control.server import Control  # noqa: PLC0415 - the HTTP library, which light verbs do without

    return Control()


def _check_starts(scenario: Scenario) -> None:
    for step in scenario.faults:
        if step.start.acked is not None:
            raise UsageError(
                f"--fault {step.number}: when: acked: expected a time, an event or 'replica_lag', as the kit "
                "sends nothing itself beside a command"
            )


class _Beside:
    """One command beside one topology."""

    def __init__(
        self,
        plan: Plan,
        topology: Topology,
        command: Command,
        control: Control,
        *,
        run: str,
        machine: Machine,
    ) -> None:
        self.clock = RunClock()
        self._control = control
        self._run = run
        self._machine = machine
        self._plan = plan
        self._topology = topology
        self._command = command
        self._told = Told(self.clock, _say)
        self._outcome: tuple[int, DirectorReport] | None = None

    def outcome(self) -> tuple[int, DirectorReport]:
        """The command's status, and what became of the faults; after `drive`."""
        assert self._outcome is not None
        return self._outcome

    async def drive(self, recorder: history.Recorder, evictions: bool) -> Closing:
        """Run the command, and the faults meanwhile.

        Raises:
            EnvironmentFailure: the machine failed, not the topology.
        """

        def record(rec: Record) -> None:
            recorder.record(rec)
            self._told.notice(rec)

        def enter(phase: Phase) -> None:
            recorder.record(PhaseChange(phase=phase, t_us=self.clock.now_us()))

        async with Observers(
            self._plan, self._topology, record, self.clock, eviction_events=evictions
        ) as observers:
            enter(Phase.BASELINE)
            scene = scene_without_load(
                self._plan,
                self._topology,
                observers,
                instead="the command is the application",
                seed=f"faults {self._plan.seed}",
            )
            director = Director(self._plan, scene, enter)
            stop = threading.Event()
            live = self._live(observers, director)
            async with self._control.served(live):
                self._command.start()
                faults = asyncio.create_task(asyncio.to_thread(director.attend, stop))
                status = await self._awaited(faults)
                ended_us = self.clock.now_us()
                self._told.line(f"the command ended with status {status}")
                stop.set()
                report = await faults
            if any(one.effect for one in report.steps):
                await self._watch_the_end(observers)
        self._outcome = status, met(report, ended_us, known_to_command=live.answered)
        return Closing(t_us=self.clock.now_us())

    async def _awaited(self, faults: asyncio.Task[DirectorReport]) -> int:
        """The command's status; where a fault fails for the machine's sake, the command is ended first."""
        end = asyncio.create_task(asyncio.to_thread(self._command.ended))
        await asyncio.wait({end, faults}, return_when=asyncio.FIRST_COMPLETED)
        if faults.done() and faults.exception() is not None:
            self._command.terminate()
        return await end

    async def _watch_the_end(self, observers: Observers) -> None:
        missing = await observers.recovered(within_s=RECOVERED_WITHIN_S)
        if missing:
            self._told.line(f"not recovered {RECOVERED_WITHIN_S:g} s after the command's end: {missing}")

    def _live(self, observers: Observers, director: Director) -> Live:
        return Live(
            self._plan,
            self._topology,
            run=self._run,
            machine=self._machine,
            vocabulary=shipped(),
            observers=observers,
            director=director,
            clock=self.clock,
        )


def met(report: DirectorReport, ended_us: int, known_to_command: Collection[int] = ()) -> DirectorReport:
    """What the command met: a fault that was under way when the command ended may take effect after it.

    `known_to_command`: faults that it asked for itself, and was told what became of them. It has drawn its
    own conclusions.
    """

    def of_command(step: StepReport) -> StepReport:
        if step.effect is None or step.effect.at_us <= ended_us:
            return step
        late_s = (step.effect.at_us - ended_us) / 1e6
        reason = f"none is proved before the command's end, the first one {late_s:.3f} s after it"
        return replace(step, status=StepStatus.NO_EFFECT, reason=reason)

    steps = (step for step in report.steps if step.number not in known_to_command)
    return replace(report, steps=tuple(map(of_command, steps)))


def _tell_end(directory: Path, report: DirectorReport) -> None:
    for step in report.without_effect:
        _say(f"fault {step.number} ({step.kind}: {step.target}) had no effect: {step.reason}")
    try:
        facts = facts_of(read_run(directory))
    except UsageError as problem:
        _say(f"it is not known how the failovers went: {problem}")
        return
    for line in failovers(failover_steps(facts)):
        _say(line.strip())
    if facts.history.effects:
        for line in losses(facts):
            _say(line)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
