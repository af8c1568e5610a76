"""The director: carries out a plan's faults on their timeline, and heals every one of them.

Each fault of the list has a thread of its own: it waits for its start, injects, waits, heals, so that
overlapping faults do not disturb each other. Whatever still stands at the end is healed in
reverse order, also after a failure or an interruption. A fault without effect is reported, not
raised: the run goes on and its verdict will be INCONCLUSIVE.

An attended director (`attend`) goes on until it is stopped, and takes further faults meanwhile: `submit`.

Not here: what a fault does (its own module), when a start is due (`timing`). Trap: a fault that lasts
until it is healed and has no `for:` (a pause, a partition) stays to the end of the scenario's
duration; in a scenario that runs until settled, which it would never be, for `settle_within`; under an
attended director to its end.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, replace
from enum import StrEnum

from harness.clock import WaitExpired, wait_until
from harness.errors import Interrupted, KitError, NoEffect
from harness.faults import FAULTS
from harness.faults.timing import FOREVER_S, LOOK_EVERY_S, SoFar, await_start
from harness.model.plan import Plan
from harness.model.records import Event
from harness.model.scenario import FaultStep
from harness.model.seams import Effect, Fault, FaultScene, Forgetful, Lasting, LastLook
from harness.model.words import Phase, Trait
from harness.redis_wire.protocol import ErrorReply, NoAnswer

WITHOUT_EFFECT = (NoEffect, NoAnswer, ErrorReply)
"""What a fault raises that has no effect: it says so itself, or a node that it needed does not answer or
refuses."""

_LOOK_AHEAD_S = 0.5
"""A look at a few hundred sessions takes this long at most, so that no fault lasts longer for it."""

WAITING_MAX = 100
"""Faults of an attended director that may wait or last at the same time; each has a thread."""

_ATTENDED_EVERY_S = 0.05


class StepStatus(StrEnum):
    EFFECT = "effect"
    NO_EFFECT = "no-effect"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What became of one fault of the list."""

    number: int
    kind: str
    target: str
    status: StepStatus = StepStatus.NO_EFFECT
    requested_us: int | None = None
    """None: its start condition was not met."""
    effect: Effect | None = None
    healed_us: int | None = None
    reason: str = ""
    """Why it had no effect."""
    heal_proof: str = ""
    heal_failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectorReport:
    began_us: int
    ended_us: int
    steps: tuple[StepReport, ...]
    interrupted: bool = False

    @property
    def without_effect(self) -> tuple[StepReport, ...]:
        return tuple(step for step in self.steps if step.status is StepStatus.NO_EFFECT)

    @property
    def heal_failures(self) -> tuple[StepReport, ...]:
        return tuple(step for step in self.steps if step.heal_failure)


class Director:
    """Carries out one plan's faults, once. `scene.record` is called from several threads."""

    def __init__(
        self,
        plan: Plan,
        scene: FaultScene,
        on_phase: Callable[[Phase], None] = lambda _: None,
        faults: Mapping[str, Fault] = FAULTS,
    ) -> None:
        self._steps = plan.scenario.faults
        self._scenario = plan.scenario
        self._resolved: dict[int, tuple[str, ...]] = dict(scene.resolved)
        self._scene = replace(scene, resolved=self._resolved, stopping=self._halted)
        self._on_phase = on_phase
        self._faults = faults
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._failed = False
        self._reports = {
            step.number: StepReport(number=step.number, kind=step.kind, target=step.target)
            for step in self._steps
        }
        self._so_far = SoFar(began_us=0)
        self._standing: dict[int, Effect] = {}
        """Effects not healed yet, in the order in which they were proved."""
        self._looked_at: set[int] = set()
        self._attended = threading.Event()
        self._over = False
        self._threads: ThreadPoolExecutor
        self._faulty_phase = False

    def attend(self, stop: threading.Event) -> DirectorReport:
        """As `run`, until `stop`: further faults may be submitted meanwhile.

        Raises:
            EnvironmentFailure: the machine failed at a fault of the plan's list; everything else was healed.
        """
        self._begin(stop)
        try:
            with ThreadPoolExecutor(WAITING_MAX, "fault") as threads:
                self._threads = threads
                self._attended.set()
                listed = [threads.submit(self._carry_out, step) for step in self._steps]
                while not stop.wait(_ATTENDED_EVERY_S):
                    if any(one.done() and one.exception() for one in listed):
                        break
                with self._lock:
                    self._over = True
                self._failed = not stop.is_set()
            for one in listed:
                one.result()
        finally:
            self._end()
        return self._report()

    def attended(self, within_s: float) -> bool:
        """Wait until `attend` has begun. For any thread."""
        return self._attended.wait(within_s)

    def submit(self, read: Callable[[int, int], FaultStep]) -> tuple[FaultStep, Future[StepReport]]:
        """Add a fault to an attended director. `read`: the fault, given its number and how long the director
        has run, in microseconds. Its report is there once it took effect or had none; the fault goes on.

        Raises:
            UsageError: what `read` raises.
            Interrupted: the director has ended, or is about to.
        """
        with self._lock:
            number = max(self._reports, default=0) + 1
            step = read(number, self._now_us() - self._so_far.began_us)
            if self._over or not self._attended.is_set():
                raise Interrupted("expected a run that goes on, found that it is ending: no fault starts now")
            self._steps = (*self._steps, step)
            scenario = replace(self._scenario, faults=self._steps)
            self._scene = replace(self._scene, plan=replace(self._scene.plan, scenario=scenario))
            self._reports[number] = StepReport(number=number, kind=step.kind, target=step.target)
            self._scene.learn(step)
            begun: Future[StepReport] = Future()
            self._threads.submit(self._carry_out_for, step, begun)
        return step, begun

    def heal_now(self, number: int | None = None) -> tuple[StepReport, ...]:
        """Undo a fault, or every fault that is in effect, the last first: what stands is healed, and nodes
        that were killed or stopped start again. Returns their reports, in that order. For any thread."""
        with self._lock:
            chosen = [one for one in self._steps if number in {None, one.number} and self._to_undo(one)][::-1]
        for step in chosen:
            self._heal(replace(step, for_s=step.for_s or 0.0))
        with self._lock:
            return tuple(self._reports[step.number] for step in chosen)

    def reports(self) -> tuple[StepReport, ...]:
        """What has become of every fault so far. For any thread."""
        with self._lock:
            return tuple(self._reports[step.number] for step in self._steps)

    def standing(self) -> tuple[int, ...]:
        """The faults that are in effect and can be undone, by number. For any thread."""
        with self._lock:
            return tuple(step.number for step in self._steps if self._to_undo(step))

    def run(self, stop: threading.Event) -> DirectorReport:
        """From the begin of the baseline (that is now) until the last fault is over and healed.

        Blocks; `stop` ends it early, with everything healed.

        Raises:
            EnvironmentFailure: the machine failed, not the topology; everything else was healed.
        """
        self._begin(stop)
        try:
            with ThreadPoolExecutor(max(1, len(self._steps)), "fault") as threads:
                under_way = [threads.submit(self._carry_out, step) for step in self._steps]
                done, _ = wait(under_way, return_when=FIRST_EXCEPTION)
                self._failed = any(one.exception() for one in done)
            for one in under_way:
                one.result()
            self._outlast_those_without_end()
        finally:
            self._end()
        return self._report()

    def _begin(self, stop: threading.Event) -> None:
        self._stop = stop
        self._so_far.began_us = self._now_us()

    def _end(self) -> None:
        self._heal_everything()
        if self._faulty_phase:
            self._on_phase(Phase.RECOVERY)

    def _report(self) -> DirectorReport:
        return DirectorReport(
            began_us=self._so_far.began_us,
            ended_us=self._now_us(),
            steps=self.reports(),
            interrupted=self._stop.is_set(),
        )

    def _carry_out(self, step: FaultStep) -> None:
        """One fault from its start to its healing. Runs in a thread of its own."""
        if (effect := self._started(step)) is not None:
            self._until_healing(step, effect)

    def _carry_out_for(self, step: FaultStep, begun: Future[StepReport]) -> None:
        """The same for whoever submitted it, who learns of its effect while it lasts."""
        try:
            effect = self._started(step)
        except Exception as problem:  # noqa: BLE001 - it is the submitter's, and raised there
            self._note(step, reason=str(problem))
            begun.set_exception(problem)
            return
        with self._lock:
            report = self._reports[step.number]
        begun.set_result(report)
        if effect is not None:
            self._until_healing(step, effect)

    def _started(self, step: FaultStep) -> Effect | None:
        """Its effect, once its start has come; None: it had none."""
        try:
            await_start(step, self._so_far, self._scene, self._scenario.settle_within_s)
            return self._inject(step)
        except (*WITHOUT_EFFECT, Interrupted) as nothing:
            self._report_no_effect(step, str(nothing))
            return None

    def _until_healing(self, step: FaultStep, effect: Effect) -> None:
        if step.for_s is not None:
            end_us = effect.at_us + int(step.for_s * 1e6)
            if self._looks_before_healing(step):
                self._wait_until_us(end_us - int(_LOOK_AHEAD_S * 1e6))
                self._take_last_look(step, effect)
            self._wait_until_us(end_us)
            if not self._halted():  # Else everything is healed at the end, in reverse order.
                self._heal(step)

    def _inject(self, step: FaultStep) -> Effect:
        self._enter_fault_phase()
        self._note(step, requested_us=self._now_us())
        self._event(step, "requested", self._now_us(), detail=f"{step.kind}: {step.target}")
        self._scene.note_undo(step, ())
        effect = self._faults[step.kind].inject(step, self._scene)
        with self._lock:
            self._resolved[step.number] = effect.targets
            self._standing[step.number] = effect
            self._note(step, status=StepStatus.EFFECT, effect=effect)
            self._event(
                step,
                "effect",
                effect.at_us,
                error_us=effect.error_us,
                node=effect.targets[0],
                detail=f"{', '.join(effect.targets)}: {effect.proof}",
            )
            self._so_far.took_effect(step.number, effect)
        if self._faults[step.kind].declaration.least_for_s is None:  # over at once
            self._scene.forget_undo(step.number)
        return effect

    def _report_no_effect(self, step: FaultStep, reason: str) -> None:
        self._scene.forget_undo(step.number)
        self._note(step, reason=reason)
        self._event(step, "no-effect", self._now_us(), detail=reason)
        self._so_far.had_no_effect(step.number, reason)

    def _heal(self, step: FaultStep) -> None:
        """Heal a fault unless somebody did; what goes wrong is written down, and other heals follow."""
        with self._lock:
            effect = self._standing.pop(step.number, None)
        if effect is None:
            return
        if self._looks_before_healing(step):
            self._take_last_look(step, effect)
        began_us = self._now_us()
        try:
            proof = self._faults[step.kind].heal(step, effect, self._scene)
        except (KitError, WaitExpired) as failure:
            with self._lock:  # Tried once more at the end.
                self._standing.setdefault(step.number, effect)
            self._note(step, heal_failure=str(failure))
            self._event(step, "heal-failed", self._now_us(), node=effect.targets[0], detail=str(failure))
            return
        now_us = self._now_us()
        self._scene.forget_undo(step.number)
        if proof is not None:
            self._note(step, healed_us=now_us, heal_proof=proof, heal_failure="")
            self._event(
                step, "healed", now_us, error_us=now_us - began_us, node=effect.targets[0], detail=proof
            )
            self._so_far.healed(step.number, now_us)
        self._take_last_look(step, effect)

    def _to_undo(self, step: FaultStep) -> bool:
        """Whether it is in effect and there is something to undo: it is in force, or a node is still down."""
        effect, fault = self._standing.get(step.number), self._faults[step.kind]
        if effect is None:
            return False
        if Trait.STOPS_PROCESS in step.traits:
            return any(not self._scene.topology.state(node).running for node in effect.targets)
        return isinstance(fault, Lasting) and fault.in_force(effect, self._scene)

    def _looks_before_healing(self, step: FaultStep) -> bool:
        look = self._last_look_of(step)
        return look is not None and not look.after_healing

    def _last_look_of(self, step: FaultStep) -> LastLook | None:
        fault = self._faults[step.kind]
        return fault.last_look if isinstance(fault, Forgetful) else None

    def _take_last_look(self, step: FaultStep, effect: Effect) -> None:
        """Once for each fault that calls for it; whoever ends a run wants no more evidence."""
        look = self._last_look_of(step)
        if look is not None and step.number not in self._looked_at and not self._halted():
            self._looked_at.add(step.number)
            self._scene.last_look(effect.targets, look.moment)

    def _heal_everything(self) -> None:
        by_number = {step.number: step for step in self._steps}
        with ExitStack() as remaining:
            for number in list(self._standing):
                remaining.callback(self._heal, by_number[number])

    def _outlast_those_without_end(self) -> None:
        """Let faults that last, and have no `for:`, stand until the scenario's time is over."""
        duration_s = self._scenario.duration_s
        now_us = self._now_us()
        limit_s = self._scenario.settle_within_s if duration_s is None else duration_s
        since_us = now_us if duration_s is None else self._so_far.began_us
        self._wait_until_us(since_us + int(limit_s * 1e6), unless=lambda: not self._any_in_force())

    def _any_in_force(self) -> bool:
        without_end = [step for step in self._steps if step.for_s is None and step.number in self._standing]
        return any(
            isinstance(fault := self._faults[step.kind], Lasting)
            and fault.in_force(self._standing[step.number], self._scene)
            for step in without_end
        )

    def _wait_until_us(self, end_us: int, unless: Callable[[], bool] = lambda: False) -> None:
        wait_until(
            lambda: self._now_us() >= end_us or self._halted() or unless(),
            within_s=FOREVER_S,
            waiting_for="the end of a fault",
            every_s=LOOK_EVERY_S,
        )

    def _halted(self) -> bool:
        return self._failed or self._stop.is_set()

    def _enter_fault_phase(self) -> None:
        with self._lock:
            if not self._faulty_phase:
                self._faulty_phase = True
                self._on_phase(Phase.FAULT)

    def _note(self, step: FaultStep, **changes: object) -> None:
        with self._lock:
            report = self._reports[step.number]
            self._reports[step.number] = replace(report, **changes)  # type: ignore[arg-type] # own fields

    def _event(
        self,
        step: FaultStep,
        name: str,
        t_us: int,
        *,
        error_us: int = 0,
        node: str | None = None,
        detail: str = "",
    ) -> None:
        shards = {known.name: known.shard for known in self._scene.plan.nodes}
        shards |= {name: view.shard for name, view in self._scene.observed.views().items()}
        event = Event(
            source=f"fault {step.number}",
            name=name,
            t_us=t_us,
            error_us=error_us,
            node=node,
            shard=shards.get(node) if node else None,
            detail=detail,
            fault=step.number,
        )
        with self._lock:
            self._scene.record(event)

    def _now_us(self) -> int:
        return self._scene.observed.now_us()
