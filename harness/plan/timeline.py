"""When each fault is expected, and how long the run takes: estimates, never used to judge.

The scheduler starts long scenarios first, `plan` prints the timeline, and an idle timeout is
checked against the latest possible end. Typical times are those of the default test timings:
Sentinel promotes about 1.5 s after down-after, a cluster after about 2 x node-timeout.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.deployment import TopologySpec
from harness.model.pacing import AUDIT_WITHIN_S, RECOVERED_FOR_S, SETTLED_S
from harness.model.scenario import FaultStep, Scenario
from harness.model.words import TopologyKind, Trait

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


def expected_faults(scenario: Scenario) -> tuple[Expected, ...]:
    faults: list[Expected] = []
    for step in scenario.faults:
        start_s = _start_s(step, tuple(faults), scenario.deployment.topology)
        healed_s = None if step.hold_s is None else start_s + step.hold_s
        faults.append(Expected(step=step, start_s=start_s, healed_s=healed_s))
    return tuple(faults)


def seed_s(scenario: Scenario) -> float:
    return 1.0 + scenario.workload.users / SEED_PER_S


def expected_s(scenario: Scenario) -> float:
    """From the first log-in to the end of the audit, typically."""
    faults = expected_faults(scenario)
    topology = scenario.deployment.topology
    over_s = max(
        (
            (fault.healed_s if fault.healed_s is not None else fault.start_s)
            + _recovery_s(fault.step, topology)
            for fault in faults
        ),
        default=0.0,
    )
    traffic_s = max(over_s + RECOVERED_FOR_S + SETTLED_S, scenario.duration_s or 0.0)
    return seed_s(scenario) + traffic_s + AUDIT_S


def latest_end_s(scenario: Scenario) -> float:
    """When the audit must be over, even if recovery takes as long as it is allowed to."""
    over_s = max((max(f.start_s, f.healed_s or 0.0) for f in expected_faults(scenario)), default=0.0)
    traffic_s = max(over_s + scenario.settle_within_s + SETTLED_S, scenario.duration_s or 0.0)
    return seed_s(scenario) + traffic_s + AUDIT_WITHIN_S


def _start_s(step: FaultStep, before: tuple[Expected, ...], topology: TopologySpec) -> float:
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
        "promoted": last_s + promotion_s(last.step, topology),
        "demoted": healed_s + _recovery_s(last.step, topology),
        "healed": healed_s,
        "recovered": healed_s + _recovery_s(last.step, topology) + RECOVERED_FOR_S,
    }
    return event_s[start.event] + start.offset_s


def promotion_s(step: FaultStep, topology: TopologySpec) -> float:
    if Trait.HANDS_OVER in step.traits:
        return QUICK_S
    if topology.kind is TopologyKind.CLUSTER:
        return 2 * topology.node_timeout_s
    return topology.down_after_s + 1.5


def _recovery_s(step: FaultStep, topology: TopologySpec) -> float:
    """From healed (or, with nothing to heal, from the effect) to one settled primary."""
    guarded = topology.sentinels > 0
    restarts = Trait.STARTS_PROCESS in step.traits
    if Trait.HANDS_OVER in step.traits or (restarts and step.target == "killed"):
        return DEMOTION_S if guarded else QUICK_S  # the old primary comes back as one
    missed = Trait.CAUSES_FAILOVER in step.traits and not restarts  # else it is back before anybody acts
    if not missed or "primary" not in step.target:
        return QUICK_S
    if step.hold_s is None:
        return promotion_s(step, topology)
    outlasts = step.hold_s > promotion_s(step, topology)
    return DEMOTION_S if outlasts and guarded else QUICK_S
