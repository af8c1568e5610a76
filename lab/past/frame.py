"""The run around its records: what it was about, its plan, its phases, its clocks, and how it ended.

It is a sentinel run that ended well, with all evidence, unless a field says otherwise. Every history
that is made by hand gets its plan and its opening here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.model.plan import Plan, PlannedBound
from harness.model.records import AuditSummary, ClockPair, Closing, Opening, PhaseChange
from harness.model.scenario import Expectation, FaultStep, Workload
from harness.model.words import NodeRole, Phase, Shows, TopologyKind
from harness.presets import of_topology
from lab.plans import plan_of, scenario_of
from lab.records import opening, us

NODES = ("redis-1", "redis-2", "redis-3")
AUDIT_S = 30.0
SETTLES_S = 5.0
"""So long before the audit everybody had recovered."""
THREE_NODES = (
    NodePlan(name="redis-1", role=NodeRole.PRIMARY),
    *(NodePlan(name=node, role=NodeRole.REPLICA, replica_of="redis-1") for node in NODES[1:]),
)


@dataclass
class Frame:
    # What the run is about.
    idle_s: float = 300.0
    age_s: float = 0.0
    """The absolute timeout; 0: none."""
    engine: str = "Redis 7.0.15"
    witnesses: bool = True
    guarded: bool = True
    topology: TopologyKind = TopologyKind.SENTINEL
    nodes: Sequence[NodePlan] = THREE_NODES
    guarded_by_sentinels: bool = False
    """Its plan has the sentinels that such a topology has."""
    mix: Mapping[str, float] = field(default_factory=dict)
    faults: tuple[FaultStep, ...] = ()
    expectations: Sequence[tuple[Expectation, PlannedBound]] = ()
    shows: Shows = Shows.PROMISE
    settings: dict[str, dict[str, str]] = field(default_factory=dict)
    """Node -> the scenario's own directives."""

    # What was recorded of it, and how it ended.
    eviction_events: bool = False
    clocks: bool = True
    drift_ms: float = 0.0
    """Of the wall clock, over the whole run."""
    loop_lag_s: float = 0.0
    canary_lag_s: float = 0.0
    pressure: float | None = None
    audited: bool = True
    complete: bool = True
    not_recovered: str = ""
    interrupted: str = ""
    end_s: float = AUDIT_S
    """When its audit begins."""
    phase_starts: Sequence[tuple[Phase, float]] = ()
    """Its phases before the audit, where they are others than a baseline and a settled phase."""

    def plan(self) -> Plan:
        topology = TopologySpec(kind=self.topology)
        scenario = scenario_of(
            topology,
            file="story.yaml",
            name="a story",
            shows=self.shows,
            workload=Workload(
                idle_timeout_s=self.idle_s,
                absolute_timeout_s=self.age_s,
                mix=self.mix,
                witnesses=self.witnesses,
                guarded_writes=self.guarded,
            ),
            faults=self.faults,
            expect=tuple(expectation for expectation, _ in self.expectations),
        )
        nodes = [replace(node, directives=self.settings.get(node.name, {})) for node in self.nodes]
        sentinels = of_topology(topology).sentinels if self.guarded_by_sentinels else ()
        bounds = tuple(bound for _, bound in self.expectations)
        return plan_of(scenario, (*nodes, *sentinels), actors=10, bounds=bounds, expected_s=self.end_s)

    def opening(self) -> Opening:
        return opening("a story", engine=self.engine, eviction_events=self.eviction_events)

    def phases(self) -> tuple[PhaseChange, ...]:
        return tuple(PhaseChange(phase=phase, t_us=us(at)) for phase, at in self._begins())

    def phase_at(self, at: float) -> Phase:
        """The seed comes before them all."""
        begun = [phase for phase, begins in self._begins() if begins <= at]
        return begun[-1] if begun else Phase.SEED

    def _begins(self) -> Iterator[tuple[Phase, float]]:
        yield from self.phase_starts or ((Phase.BASELINE, 0.0), (Phase.SETTLED, self.end_s - SETTLES_S))
        yield Phase.AUDIT, self.end_s

    def clock_pairs(self) -> tuple[ClockPair, ...]:
        """One each second, until the audit."""
        if not self.clocks:
            return ()
        return tuple(
            ClockPair(
                t_us=us(at),
                wall_us=us(at) + round(self.drift_ms * 1000 * at / self.end_s),
                loop_lag_us=us(self.loop_lag_s),
                canary_lag_us=us(self.canary_lag_s),
                cpu_pressure=self.pressure,
            )
            for at in range(int(self.end_s) + 1)
        )

    def audit_summary(self) -> AuditSummary | None:
        return AuditSummary(passes=1, valid_pass=1) if self.audited else None

    def closing(self, operations: int) -> Closing | None:
        """None where the run broke off."""
        if not self.complete:
            return None
        return Closing(
            t_us=us(self.end_s + 1),
            operations=operations,
            interrupted=bool(self.interrupted),
            reason=self.interrupted,
            not_recovered=self.not_recovered,
        )
