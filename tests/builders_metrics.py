"""Small histories for tests of what is measured and judged: times in seconds, one line per operation.

A `Sketch` is a run in outline: baseline from 0 s, the fault's effect at 10 s, recovered at 15 s,
audit from 20 s, all evidence in order. Tests add operations and take evidence away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from harness.model.deployment import TopologySpec
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.plan import Plan, PlannedBound
from harness.model.records import (
    Attempt,
    AuditEntry,
    AuditSummary,
    ClockPair,
    Closing,
    Connection,
    Event,
    NodeSample,
    Opening,
    Operation,
    PhaseChange,
    Step,
)
from harness.model.scenario import Expectation, FaultStep, Start, Term, Workload
from harness.model.words import (
    NodePurpose,
    NodeRole,
    OperationKind,
    Outcome,
    Phase,
    Shows,
    StepKind,
    TopologyKind,
)
from lab.plans import plan_of, scenario_of
from lab.records import opening, traits_of, us

BASELINE_S, FAULT_S, RECOVERY_S, SETTLED_S, AUDIT_S, END_S = 0.0, 10.0, 13.0, 15.0, 20.0, 21.0
PHASES = (
    (Phase.BASELINE, BASELINE_S),
    (Phase.FAULT, FAULT_S),
    (Phase.RECOVERY, RECOVERY_S),
    (Phase.SETTLED, SETTLED_S),
    (Phase.AUDIT, AUDIT_S),
)
DOES = {
    OperationKind.LOGIN: StepKind.CREATE,
    OperationKind.READ: StepKind.READ,
    OperationKind.TOUCH: StepKind.TOUCH,
    OperationKind.WRITE: StepKind.WRITE,
    OperationKind.LOGOUT: StepKind.DESTROY,
}
BEHAVIOURS = {OperationKind.LOGIN: "log-in", OperationKind.WRITE: "change-field"}

WEB_SERVERS = ("web-1", "web-2", "web-3")


def phase_at(t_s: float) -> Phase:
    return [phase for phase, start_s in PHASES if start_s <= max(t_s, 0.0)][-1] if t_s >= 0 else Phase.SEED


def expect(
    text: str,
    value: float,
    *,
    unit: str = "",
    arguments: tuple[str, ...] = (),
    comparison: str = "==",
    metric: str = "",
    phase: Phase | None = None,
    on: str | None = None,
    timing: bool = False,
    setting: str | None = None,
    engine: str | None = None,
) -> tuple[Expectation, PlannedBound]:
    """An expectation and its bound; `text` as in a file, its metric read off its beginning."""
    left = text.partition(":")[0]
    return (
        Expectation(
            text=text,
            metric=metric or left.partition("(")[0].partition(" in ")[0].partition(" on ")[0].strip(),
            arguments=arguments,
            phase=phase,
            on=on,
            engine=engine,
            comparison=comparison,
            bound=(Term(factor=1.0, setting=setting), Term(factor=value))
            if setting
            else (Term(factor=value),),
            unit=unit,
            timing=timing,
        ),
        PlannedBound(text=text, value=value),
    )


@dataclass
class Sketch:
    """A sentinel run in outline, complete and healthy until told otherwise: each record is put there by hand.

    No node carries anything out, so records may contradict each other. Where sessions and what became of them
    are the point, `lab.past.Past` makes records that fit together."""

    expectations: Sequence[tuple[Expectation, PlannedBound]] = ()
    shows: Shows = Shows.PROMISE
    topology: TopologyKind = TopologyKind.SENTINEL
    workload: Workload = field(default_factory=lambda: Workload(mix={"log-in": 1.0}))
    engine: str = ""
    eviction_events: bool = True
    faulty: bool = True
    fault_kinds: tuple[str, ...] = ("kill",)
    operations: list[Operation] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    samples: list[NodeSample] = field(default_factory=list)
    loop_lag_s: float = 0.01
    canary_lag_s: float = 0.01
    pressure: float = 0.3
    drift_s: float = 0.0

    def do(
        self,
        kind: OperationKind,
        due_s: float,
        took_s: float = 0.002,
        *,
        outcome: Outcome = Outcome.ACKED,
        shard: int = 1,
        web: str = "web-1",
        side: str = "all",
        effective: bool | None = True,
        session: str = "",
        connection: int | None = 1,
        result: str = "",
        behaviour: str = "",
    ) -> Operation:
        """One operation with one step and one attempt, due and done at these seconds."""
        number = len(self.operations) + 1
        sent = outcome is not Outcome.NOT_SENT
        done_us = us(due_s + took_s) if sent else None
        acked = outcome is Outcome.ACKED
        attempt = Attempt(
            n=1,
            connection=connection,
            steps=(1,),
            handed_over=outcome is not Outcome.REJECTED,
            sent_us=us(due_s),
            done_us=done_us,
            result=result or ("reply" if acked else "timeout"),
        )
        step = Step(
            n=1,
            attempts=(1,) if sent else (),
            does=DOES[kind],
            command=kind.upper(),
            key=f"session:{{{session}}}",
            session=session,
            deciding=True,
            outcome=outcome,
            effective=effective if acked and kind is not OperationKind.READ else None,
            sent_us=us(due_s) if sent else None,
            done_us=done_us,
        )
        operation = Operation(
            id=number,
            actor=f"a{number}",
            web_server=web,
            client_side=side,
            behaviour=behaviour or BEHAVIOURS.get(kind, str(kind)),
            kind=kind,
            user=f"user-{number}",
            session=session or f"s{number}",
            key="",
            shard=shard,
            generation=0,
            due_us=us(due_s),
            sent_us=us(due_s) if sent else None,
            done_us=done_us,
            outcome=outcome,
            phase=phase_at(due_s),
            steps=(step,),
            attempts=(attempt,) if sent else (),
        )
        self.operations.append(operation)
        return operation

    def steady(
        self, kind: OperationKind, from_s: float, to_s: float, every_s: float = 0.1, **how: Any
    ) -> None:
        """The same operation again and again: `to_s` is left out."""
        for n in range(round((to_s - from_s) / every_s)):
            self.do(kind, from_s + n * every_s, **how)

    def event(
        self,
        name: str,
        t_s: float,
        *,
        source: str = "sentinel-1",
        node: str | None = None,
        error_s: float = 0.0,
        fault: int | None = None,
        shard: int | None = 1,
        detail: str = "",
    ) -> None:
        self.events.append(
            Event(
                source=source,
                name=name,
                t_us=us(t_s),
                error_us=us(error_s),
                node=node,
                shard=shard,
                detail=detail,
                fault=fault,
            )
        )

    def sample(self, node: str, t_s: float, **what: Any) -> None:
        self.samples.append(NodeSample(node=node, sent_us=us(t_s) - 500, done_us=us(t_s), **what))

    def history(self) -> History:
        events = list(self.events)
        if self.faulty and not any(event.name in {"effect", "no-effect"} for event in events):
            events.append(
                Event(source="fault 1", name="effect", t_us=us(FAULT_S), node="redis-1", shard=1, fault=1)
            )
        samples = self.samples or [
            NodeSample(node="redis-1", sent_us=us(1), done_us=us(1), role="primary", run_id="old", offset=10)
        ]
        return History(
            plan=self.plan(),
            opening=self.opening(),
            operations=tuple(self.operations),
            connections=tuple(self.connections),
            samples=tuple(sorted(samples, key=lambda one: one.done_us)),
            events=tuple(sorted(events, key=lambda one: one.t_us)),
            clocks=self.clocks(),
            phases=tuple(PhaseChange(phase=phase, t_us=us(start_s)) for phase, start_s in PHASES),
            audit=(
                AuditEntry(
                    pass_n=1,
                    session="s0",
                    node="redis-2",
                    role="primary",
                    sent_us=us(20.1),
                    done_us=us(20.2),
                    key_type="none",
                    saw={},
                ),
            ),
            audit_summary=AuditSummary(passes=1, valid_pass=1),
            closing=Closing(t_us=us(END_S), operations=len(self.operations)),
        )

    def opening(self) -> Opening:
        made = opening("a primary is killed")
        return msgspec.structs.replace(
            made, eviction_events=self.eviction_events, engine=self.engine or made.engine
        )

    def clocks(self) -> tuple[ClockPair, ...]:
        return tuple(
            ClockPair(
                t_us=us(second),
                wall_us=us(1_700_000_000 + second + self.drift_s * second / END_S),
                loop_lag_us=us(self.loop_lag_s),
                canary_lag_us=us(self.canary_lag_s),
                cpu_pressure=self.pressure,
            )
            for second in range(int(END_S) + 1)
        )

    def plan(self) -> Plan:
        faults = tuple(
            FaultStep(
                number=n, kind=kind, target="primary", start=Start(after_s=10.0), traits=traits_of(kind)
            )
            for n, kind in enumerate(self.fault_kinds, 1)
        )
        scenario = scenario_of(
            TopologySpec(kind=self.topology),
            file="sentinel/01.yaml",
            name="a primary is killed",
            shows=self.shows,
            workload=self.workload,
            faults=faults if self.faulty else (),
            expect=tuple(expectation for expectation, _ in self.expectations),
        )
        bounds = tuple(bound for _, bound in self.expectations)
        return plan_of(scenario, NODES, web_servers=WEB_SERVERS, actors=4, bounds=bounds, expected_s=20.0)


NODES = (
    NodePlan(name="redis-1", role=NodeRole.PRIMARY),
    NodePlan(name="redis-2", role=NodeRole.REPLICA, replica_of="redis-1"),
    NodePlan(name="redis-3", role=NodeRole.REPLICA, replica_of="redis-1"),
    NodePlan(name="sentinel-1", role=NodeRole.SENTINEL),
    NodePlan(name="cache-1", role=NodeRole.PRIMARY, purpose=NodePurpose.CACHE, shard=2),
)


def healthy(sketch: Sketch) -> Sketch:
    """Traffic in every phase, nothing of it ever late or refused."""
    sketch.steady(OperationKind.LOGIN, 0.0, 20.0)
    sketch.steady(OperationKind.WRITE, 0.05, 20.0)
    sketch.steady(OperationKind.READ, 0.02, 20.0)
    return sketch


def without(history: History, **evidence: Any) -> History:
    return replace(history, **evidence)
