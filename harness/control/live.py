"""Faults, events and nodes of a topology that runs: what the calls of the control interface do.

One object for one run. It adds faults to the run's own director, so that they are recorded, told and
healed as those of its list are. Its methods belong into the run's event loop; what blocks, they do in
threads.

Trap: an event counts from the fault that it is asked for, not from the question. Otherwise a failover that
is faster than the question would never be seen.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

from harness.clock import RunClock
from harness.control.words import (
    Awaited,
    FaultStatus,
    Healed,
    HealedFault,
    Injected,
    NodeStatus,
    Status,
)
from harness.errors import KitError, NoEffect, UsageError
from harness.faults import FAULTS
from harness.faults.director import Director, StepReport, StepStatus
from harness.model.fit import LEFT_BY, misfit
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, Vocabulary
from harness.model.seams import Machine, Topology
from harness.model.words import NodePurpose, NodeRole
from harness.observe import Observers
from harness.scenario import load_live_fault

WAIT_DEFAULT_S = 30.0

RECOVERED = "recovered"
EVENTS = ("agreed", "elected", "promoted", "published", "demoted", "rebooted", "healed", RECOVERED)
"""What can be waited for."""

_LOOK_EVERY_S = 0.01
_ANY_NODE = "random"
"""A fault with this target can be done to any node."""
_NODE_NAME = re.compile(r"[a-z]+-\d{1,4}")
_DIRECTOR_WITHIN_S = 10.0


class Unknown(UsageError):
    """No such node, fault or event here."""


class NotSeen(KitError):
    """What was waited for did not happen in time."""


class HealFailed(KitError):
    """A fault could not be undone."""


class Live:
    """A run whose faults somebody else decides about."""

    def __init__(
        self,
        plan: Plan,
        topology: Topology,
        *,
        run: str,
        machine: Machine,
        vocabulary: Vocabulary,
        observers: Observers,
        director: Director,
        clock: RunClock,
    ) -> None:
        self._plan = plan
        self._topology = topology
        self._run = run
        self._machine = machine
        self._vocabulary = vocabulary
        self._observers = observers
        self._director = director
        self._clock = clock
        self.answered: set[int] = set()
        """Faults of which whoever asked for them knows what became of them."""

    async def inject(self, wanted: Mapping[str, object]) -> Injected:
        """Carry out a fault as a scenario's list has it, and answer once it is in effect.

        Raises:
            Unknown: no such node.
            UsageError: no such fault, or none that this topology or machine allows.
            NoEffect: no effect was seen, or its start did not come.
            EnvironmentFailure: the machine failed, not the topology.
        """
        asked_us = self._clock.now_us()
        await asyncio.to_thread(self._director.attended, _DIRECTOR_WITHIN_S)
        step, begun = self._director.submit(lambda number, since_us: self._read(wanted, number, since_us))
        report = await asyncio.wrap_future(begun)
        self.answered.add(step.number)
        if report.effect is None:
            raise NoEffect(f"fault {step.number} ({step.kind}: {step.target}) had no effect: {report.reason}")
        return Injected(
            fault=step.number,
            kind=step.kind,
            target=step.target,
            nodes=report.effect.targets,
            proof=report.effect.proof,
            asked_s=_s(asked_us),
            asked_at=self._at(asked_us),
            started_s=_s(report.requested_us or asked_us),
            effect_s=_s(report.effect.at_us),
            effect_at=self._at(report.effect.at_us),
            effect_error_s=_s(report.effect.error_us),
            for_s=step.for_s,
        )

    async def heal(self, number: int | None) -> Healed:
        """Undo a fault, or all; also start nodes again that it killed or stopped.

        Raises:
            Unknown: no such fault.
            HealFailed: one could not be undone.
        """
        if number is not None:
            self._report(number)
        reports = await asyncio.to_thread(self._director.heal_now, number)
        if failed := [report for report in reports if report.heal_failure]:
            raise HealFailed(
                "; ".join(
                    f"fault {one.number} ({one.kind}) is not healed: {one.heal_failure}" for one in failed
                )
            )
        return Healed(
            healed=tuple(
                HealedFault(
                    fault=one.number,
                    kind=one.kind,
                    nodes=one.effect.targets if one.effect else (),
                    healed_s=_s(one.healed_us or self._clock.now_us()),
                )
                for one in reports
            )
        )

    async def wait(self, event: str, *, within_s: float, fault: int | None) -> Awaited:
        """Answer once the event was observed since a fault's effect (left out: the last one's) began.

        Raises:
            Unknown: no such event, or no such fault.
            NotSeen: not within this time.
        """
        if event not in EVENTS:
            raise Unknown(f"wait: expected one of {', '.join(EVENTS)}, found {event[:40]!r}")
        since_us = self._since_us(fault)
        if event == RECOVERED:
            if missing := await self._observers.recovered(within_s):
                raise NotSeen(f"expected `{RECOVERED}` within {within_s:g} s, found not: {missing}")
            return self._awaited(event, self._clock.now_us(), since_us)
        end_us = self._clock.now_us() + round(within_s * 1e6)
        while (seen_us := self._observers.observed.first_event_us(event, since_us)) is None:
            if self._clock.now_us() >= end_us:
                roles = ", ".join(f"{name} {role}" for name, role in sorted(self._observers.roles().items()))
                raise NotSeen(f"expected `{event}` within {within_s:g} s, found not; last seen: {roles}")
            await asyncio.sleep(_LOOK_EVERY_S)
        return self._awaited(event, seen_us, since_us)

    def status(self) -> Status:
        """Nodes and faults as known now."""
        now_us = self._clock.now_us()
        roles, views = self._observers.roles(), self._observers.observed.views()
        standing = self._director.standing()
        return Status(
            run=self._run,
            topology=str(self._plan.scenario.deployment.topology.kind),
            engine=self._topology.engine,
            now_s=_s(now_us),
            now_at=self._at(now_us),
            primary=self._observers.observed.primary_of(1),
            nodes=tuple(
                NodeStatus(
                    name=node.name,
                    role=roles.get(node.name, "silent"),
                    host=self._topology.address(node.name).host,
                    port=self._topology.address(node.name).port,
                    offset=views[node.name].offset if node.name in views else None,
                )
                for node in self._plan.nodes
            ),
            faults=tuple(_fault_status(report, standing) for report in self._director.reports()),
        )

    def _read(self, wanted: Mapping[str, object], number: int, since_us: int) -> FaultStep:
        start = {} if {"after", "when"} & wanted.keys() else {"after": "0s"}
        kind, node = self._named_node(wanted)
        symbolic = {kind: self._stand_in(kind, node)} if kind and node else {}
        text = json.dumps({**start, **wanted, **symbolic})
        step = load_live_fault(text, number, self._plan.scenario, self._vocabulary)
        if node:
            step = replace(step, target=node)
        if reason := misfit(step, self._plan.inventory):
            raise UsageError(f"fault: {step.kind}: {reason}")
        if step.start.acked is not None:
            raise UsageError(
                "fault: when: acked: expected a time, an event or 'replica_lag', as the kit sends no requests"
            )
        if step.target not in LEFT_BY and (reason := FAULTS[step.kind].fits(step, self._plan, self._machine)):
            raise UsageError(f"fault: {step.kind}: {reason}")
        if step.start.after_s is None:
            return step
        return replace(step, start=replace(step.start, after_s=step.start.after_s + since_us / 1e6))

    def _named_node(self, wanted: Mapping[str, object]) -> tuple[str, str]:
        """The fault and the node's own name, where a fault's target is one; else nothing.

        Raises:
            Unknown: it looks like a node's name, and no node has it.
        """
        names = [node.name for node in self._plan.nodes]
        for kind, target in wanted.items():
            if kind not in self._vocabulary.faults or not isinstance(target, str):
                continue
            if target in names:
                return kind, target
            if _NODE_NAME.fullmatch(target) and target not in self._plan.web_servers:
                raise Unknown(f"fault: {kind}: expected one of {', '.join(names)}, found {target[:40]!r}")
        return "", ""

    def _stand_in(self, kind: str, node: str) -> str:
        """The word by which the grammar reads a fault on a named node.

        Raises:
            UsageError: this fault takes no node of that kind by its name.
        """
        known, targets = self._plan.node(node), self._vocabulary.faults[kind].targets
        word = "cache" if known.purpose is NodePurpose.CACHE else "primary"
        word = "sentinel" if known.role is NodeRole.SENTINEL else word
        if word in targets and _ANY_NODE in targets:
            return word
        raise UsageError(
            f"fault: {kind}: expected {', '.join(targets) or 'no target'}, found the node {node}"
        )

    def _report(self, number: int) -> StepReport:
        for report in self._director.reports():
            if report.number == number:
                return report
        raise Unknown(f"expected the number of a fault of this run, found {number}")

    def _since_us(self, fault: int | None) -> int:
        if fault is not None:
            report = self._report(fault)
            if report.effect is None:
                raise UsageError(
                    f"wait: expected a fault that took effect, found fault {fault}, which has not"
                )
            return report.effect.at_us - report.effect.error_us
        effects = [report.effect for report in self._director.reports() if report.effect]
        return max((effect.at_us - effect.error_us for effect in effects), default=0)

    def _awaited(self, event: str, seen_us: int, since_us: int) -> Awaited:
        return Awaited(event=event, event_s=_s(seen_us), event_at=self._at(seen_us), since_s=_s(since_us))

    def _at(self, t_us: int) -> str:
        moment = datetime.fromtimestamp((self._clock.started_wall_us + t_us) / 1e6, UTC)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fault_status(report: StepReport, standing: tuple[int, ...]) -> FaultStatus:
    if report.status is StepStatus.EFFECT:
        state = "healed" if report.healed_us is not None and report.number not in standing else "effect"
    else:
        state = "no-effect" if report.reason else "waiting"
    return FaultStatus(
        fault=report.number,
        kind=report.kind,
        target=report.target,
        nodes=report.effect.targets if report.effect else (),
        state=state,
        reason=report.reason or report.heal_failure,
        healed=report.heal_proof,
    )


def _s(t_us: int) -> float:
    return round(t_us / 1e6, 6)
