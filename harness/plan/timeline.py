"""When each fault is expected, and how long the run takes: estimates, never used to judge.

The scheduler starts long scenarios first, `plan` prints the timeline, and an idle timeout is
checked against the latest possible end. Typical times are those of the default test timings:
Sentinel promotes about 1.5 s after down-after, a cluster after about 2 x node-timeout.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.deployment import TopologySpec
from harness.model.fit import LEFT_BY
from harness.model.inventory import Inventory
from harness.model.pacing import AUDIT_WITHIN_S, RECOVERED_FOR_S, SETTLED_S
from harness.model.scenario import FaultStep, Scenario
from harness.model.words import Trait

SEED_PER_S = 500.0
"""Log-ins per second while the users are seeded."""
AUDIT_S = 3.0
"""What an audit takes, typically."""
CONDITION_S = 1.0
DEMOTION_S = 12.0
"""Sentinel turns an old primary into a replica about 10 s after it can reach it again."""
QUICK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Seconds after the baseline began."""

    step: FaultStep
    start_s: float
    healed_s: float | None
    """None: not before the end of the run."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast these nodes promote and come to rest, with these time-outs."""

    topology: TopologySpec
    inventory: Inventory

    @property
    def suspicion_s(self) -> float:
        """How long a node is silent until somebody takes it for dead."""
        return self.topology.node_timeout_s if self.inventory.clustered else self.topology.down_after_s

    def promotion_s(self, step: FaultStep) -> float:
        if Trait.HANDS_OVER in step.traits:
            return QUICK_S
        if self.inventory.clustered:
            return 2 * self.topology.node_timeout_s
        return self.topology.down_after_s + 1.5

    def recovery_s(self, step: FaultStep) -> float:
        """From healed (or, with nothing to heal, from the effect) to one settled primary."""
        guarded = bool(self.inventory.sentinels)
        restarts = Trait.STARTS_PROCESS in step.traits
        if Trait.HANDS_OVER in step.traits or (restarts and LEFT_BY.get(step.target) is Trait.STOPS_PROCESS):
            return DEMOTION_S if guarded else QUICK_S  # the old primary comes back as one
        missed = Trait.CAUSES_FAILOVER in step.traits and not restarts  # else it is back before anybody acts
        if not missed or "primary" not in step.target:
            return QUICK_S
        if step.for_s is None:
            return self.promotion_s(step)
        outlasts = step.for_s > self.promotion_s(step)
        return DEMOTION_S if outlasts and guarded else QUICK_S


def expected_faults(scenario: Scenario, inventory: Inventory) -> tuple[Expected, ...]:
    faults: list[Expected] = []
    pace = Pace(scenario.deployment.topology, inventory)
    for step in scenario.faults:
        start_s = _start_s(step, tuple(faults), pace)
        healed_s = None if step.for_s is None else start_s + step.for_s
        faults.append(Expected(step=step, start_s=start_s, healed_s=healed_s))
    return tuple(faults)


def seed_s(scenario: Scenario) -> float:
    return 1.0 + scenario.workload.users * scenario.workload.devices / SEED_PER_S


def expected_s(scenario: Scenario, inventory: Inventory) -> float:
    """From the first log-in to the end of the audit, typically."""
    faults = expected_faults(scenario, inventory)
    pace = Pace(scenario.deployment.topology, inventory)
    over_s = max(
        (
            (fault.healed_s if fault.healed_s is not None else fault.start_s) + pace.recovery_s(fault.step)
            for fault in faults
        ),
        default=0.0,
    )
    traffic_s = max(over_s + RECOVERED_FOR_S + SETTLED_S, scenario.duration_s or 0.0)
    return seed_s(scenario) + traffic_s + AUDIT_S


def latest_end_s(scenario: Scenario, inventory: Inventory) -> float:
    """When the audit must be over, even if recovery takes as long as it is allowed to."""
    faults = expected_faults(scenario, inventory)
    over_s = max((max(f.start_s, f.healed_s or 0.0) for f in faults), default=0.0)
    traffic_s = max(over_s + scenario.settle_within_s + SETTLED_S, scenario.duration_s or 0.0)
    return seed_s(scenario) + traffic_s + AUDIT_WITHIN_S


def _start_s(step: FaultStep, before: tuple[Expected, ...], pace: Pace) -> float:
    start = step.start
    if start.after_s is not None:
        return start.after_s
    last = before[-1] if before else None
    last_s = last.start_s if last else 0.0
    if start.event is None:
        return last_s + CONDITION_S
    if last is None:
        return start.offset_s
    if start.event.startswith("fault "):
        number = int(start.event.removeprefix("fault "))
        return next(f.start_s for f in before if f.step.number == number) + start.offset_s
    healed_s = last.healed_s if last.healed_s is not None else last_s
    event_s = {
        "demoted": healed_s + pace.recovery_s(last.step),
        "healed": healed_s,
        "recovered": healed_s + pace.recovery_s(last.step) + RECOVERED_FOR_S,
    }
    promoted_s = last_s + pace.promotion_s(last.step)  # what leads to it is at most that long after
    return event_s.get(start.event, promoted_s) + start.offset_s
