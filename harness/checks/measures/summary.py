"""The numbers of a run that are no findings: what the table, the page and the expectations show.

Takes the findings and says how much of the traffic they are; never makes or drops one. Trap: a
share needs a population that does not depend on the findings (or one more lost write could make
the share smaller). So it is what was in danger, plus any finding that lies outside of that.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.columns.arrays import Flags, Integers
from harness.checks.columns.traffic import OUTCOMES, Traffic, sessions_of
from harness.checks.facts.failovers import failover_steps, promotions
from harness.checks.facts.landmarks import Landmarks
from harness.checks.facts.of_run import Facts
from harness.checks.measures.at_risk import sessions_at_risk
from harness.checks.measures.availability import outages, total, worst_for_users
from harness.checks.measures.latency import latency
from harness.checks.measures.node_use import uses_of_nodes
from harness.checks.measures.scope import Membership, Scope
from harness.checks.measures.survival import survival, windows_without_survivor
from harness.checks.promises.kinds import STALE_READ
from harness.checks.promises.loss_budget import loss_budgets
from harness.checks.promises.table import FINDINGS, having
from harness.costly import np
from harness.model.finding_kind import FindingTrait, OutOf
from harness.model.history import History
from harness.model.judgement import Finding, Interval, LossBudget, Metrics, SessionCounts
from harness.model.records import NodeSample
from harness.model.times import NEVER
from harness.model.words import Cause, NodeRole, OperationKind, Outcome, Phase


@dataclass(frozen=True, slots=True)
class Population:
    """The operations that could have had a finding, and which of a finding's operations is the one
    that had it (they are listed as promise, what broke it, what saw it)."""

    has: Callable[[Traffic], Flags]
    had: slice


LAST_LOOK_US = 2_000_000
"""Counters are read many times a second until the run ends. Who was last read longer than this before the
audit was not read once the traffic was over."""
WRITES = Population(lambda all_of: all_of.succeeded & all_of.writes, slice(0, 1))
"""What a lost-write can be about; log-ins and logouts are promises of their own."""
READS = Population(
    lambda all_of: (
        all_of.succeeded & (all_of.of_kind(OperationKind.READ) | all_of.of_kind(OperationKind.TOUCH))
    ),
    slice(-1, None),
)
LOGOUTS = Population(lambda all_of: all_of.succeeded & all_of.of_kind(OperationKind.LOGOUT), slice(0, 1))
LOGINS = Population(lambda all_of: all_of.of_kind(OperationKind.LOGIN), slice(None))

POPULATIONS: Mapping[OutOf, Population] = {
    OutOf.WRITES: WRITES,
    OutOf.READS: READS,
    OutOf.LOGOUTS: LOGOUTS,
    OutOf.LOGINS: LOGINS,
}
"""The sessions are no operations: `share` counts them by themselves."""


def measure(facts: Facts, findings: Sequence[Finding], sessions: SessionCounts) -> Metrics:
    history, landmarks, traffic = facts.history, facts.landmarks, facts.traffic
    windows = outages(facts)
    lost = lost_operations(findings)
    without_survivor, longest_without = windows_without_survivor(facts, survival(facts, lost))
    return Metrics(
        outages=(*windows, *without_survivor),
        worst_outage=worst_for_users(facts),
        without_survivor=longest_without,
        logouts_failed=logouts_failed(facts),
        latency=latency(traffic),
        failover_steps=failover_steps(facts, [one for one in findings if one.name == STALE_READ.name]),
        sessions=sessions,
        operations=_by_outcome(traffic),
        by_behaviour=_by_behaviour(traffic),
        by_second=_by_second(traffic),
        lag_at_fault_bytes=lag_at_fault_bytes(facts),
        loss_window_s=loss_window_s(findings, landmarks),
        lost_before_s=lost_before_s(findings, landmarks),
        loss_budgets=loss_budgets(facts),
        writes_acked_after_fault=len(_in_danger(WRITES, facts, Scope(), lost)),
        writes_lost=len(lost),
        failovers=promotions(facts),
        evicted_keys=evicted_keys(history),
        memory_bytes=memory_bytes(history),
        nodes=uses_of_nodes(history),
        refused_login_s=total(
            one.duration_s for one in windows if one.kind == OperationKind.LOGIN and one.group == "worst"
        ).low,
    )


def logouts_failed(facts: Facts) -> int:
    """Sessions that their users asked to end, and that no acked logout ended: as far as anybody told them,
    they are still logged in."""
    traffic, table = facts.traffic, facts.history.table
    asked = traffic.of_kind(OperationKind.LOGOUT) & ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    refused = traffic.with_outcome(Outcome.REJECTED) | traffic.with_outcome(Outcome.UNKNOWN)
    in_vain = asked & refused & ~traffic.cancelled  # what the end of the run cut off is nobody's trouble
    acked = asked & traffic.with_outcome(Outcome.ACKED)
    return len(sessions_of(table, in_vain) - sessions_of(table, acked)) if in_vain.any() else 0


def lost_operations(findings: Iterable[Finding]) -> set[int]:
    """The acked writes that findings prove lost; a log-in is not counted among them."""
    writes = {name for name in having(FindingTrait.LOST_WRITE) if FINDINGS[name].out_of is OutOf.WRITES}
    return {one.operations[0] for one in findings if one.name in writes and one.operations}


def loss_window_s(findings: Iterable[Finding], landmarks: Landmarks) -> Interval | None:
    """From the first fault's effect to the ack of the last lost write; None: nothing lost, or no fault.

    An ack is told too late, if at all, by as much as clocks are apart."""
    acked = _lost_at_us(findings)
    if not acked or landmarks.fault_us is None:
        return None
    after_us = max(acked) - landmarks.fault_us
    return Interval(
        low=max(0, after_us - landmarks.clocks_apart_us) / 1e6,
        high=max(0, after_us + landmarks.fault_error_us) / 1e6,
    )


def _lost_at_us(findings: Iterable[Finding]) -> list[int]:
    """When the lost writes had been acked."""
    return [acked_us for _, acked_us in _lost_writes(findings)]


def _lost_writes(findings: Iterable[Finding]) -> list[tuple[Finding, int]]:
    """Each with the moment of its ack."""
    lost = having(FindingTrait.LOST_WRITE)
    return [(one, one.t_us) for one in findings if one.name in lost and one.t_us is not None]


def lost_before_s(findings: Iterable[Finding], landmarks: Landmarks) -> float:
    """How long before the first fault's effect the first lost write was acked."""
    if landmarks.fault_us is None:
        return 0.0
    return max(0, landmarks.fault_us - min(_lost_at_us(findings), default=landmarks.fault_us)) / 1e6


def recovery_point_s(
    findings: Iterable[Finding], landmarks: Landmarks, budgets: Iterable[LossBudget] = ()
) -> Interval | None:
    """The longest time from a lost write's ack to the fault's effect that put its user back; None: nothing
    lost, or no fault.

    A fault that cannot cost anything, by its budgets, did not do it: up to the next one it may be longer.

    Of what was acked before any fault, to the first one. Trap: later faults take writes away that were acked
    between faults, such as all that a slow replica never had when its primary was killed."""
    lost = _lost_writes(findings)
    if not lost or landmarks.fault_us is None:
        return None
    harmless = _harmless(budgets)
    spans = [_put_back_us(one, acked_us, landmarks, harmless) for one, acked_us in lost]
    high_us = max(high for _, high in spans)
    return Interval(
        low=max(low for low, _ in spans) / 1e6,
        high=(high_us + landmarks.clocks_apart_us) / 1e6 if high_us else 0,
    )


_WITH_A_PROMOTION = (Cause.NOT_YET_REPLICATED, Cause.AT_PROMOTION, Cause.NEW_PRIMARY_RESTARTED)
_TAKEN_BACK = (Cause.RESTARTED_EMPTY, Cause.OLDER_SNAPSHOT, Cause.NOT_ON_DISK, Cause.FLUSHED)


def _harmless(budgets: Iterable[LossBudget]) -> set[int | None]:
    """Faults none of whose effects may cost anything."""
    budgets = tuple(budgets)
    return {one.fault for one in budgets} - {one.fault for one in budgets if one.bound_s != 0}


def _put_back_us(
    lost: Finding, acked_us: int, landmarks: Landmarks, harmless: Container[int | None]
) -> tuple[float, float]:
    """How far, at least and at most. Losing what was acked after the fault, as at a primary that was deposed,
    puts nobody back."""
    effects = zip(landmarks.effects_us, landmarks.effects_of, strict=True)
    later = [(moment, fault) for moment, fault in effects if moment[1] >= acked_us]
    if not later:
        return 0, 0
    from_us, by_us = later[0][0]
    _, by_us = next((moment for moment, fault in later if fault not in harmless), (from_us, by_us))
    span = max(0, from_us - acked_us), by_us - acked_us
    if acked_us <= (landmarks.fault_us or 0) or lost.cause in _TAKEN_BACK:
        return span
    if lost.cause in _WITH_A_PROMOTION:
        taken = landmarks.taken_over_us.get(lost.shard or 0, ())
        return span if from_us <= next((one for one in taken if one >= acked_us), NEVER) else (0, 0)
    return (0, span[1]) if lost.cause is Cause.NOT_DETERMINED else (0, 0)


def lag_at_fault_bytes(facts: Facts) -> int | None:
    """How far the slowest replica was behind in the last look at the hit shard's primary before the fault."""
    effect = facts.history.first_effect
    if effect is None:
        return None
    before_us = effect.t_us - effect.error_us
    shard = facts.shards.of_event(effect) or 1
    nodes = facts.shards.members(shard, effect.t_us)
    last: dict[str, NodeSample] = {}
    for sample in facts.history.samples:
        if sample.node in nodes and sample.done_us <= before_us and sample.reachable:
            last[sample.node] = sample
    primary = last.get(facts.ownership.settled_owner_at(shard, before_us) or "")
    if primary is None or primary.role != NodeRole.PRIMARY:
        return None
    known = list(primary.replicas.values()) or [
        sample.offset for sample in last.values() if sample.role == NodeRole.REPLICA
    ]
    return max(0, primary.offset - min(known)) if known else None


def evicted_keys(history: History) -> dict[str, int]:
    """Purpose -> keys evicted. Every process was started by the run, so its counter began at zero."""
    purposes = {node.name: str(node.purpose) for node in history.plan.data_nodes()}
    highest: dict[tuple[str, str], int] = defaultdict(int)
    for sample in history.samples:
        if sample.reachable and sample.node in purposes:
            process = (sample.node, sample.run_id)
            highest[process] = max(highest[process], sample.evicted_keys)
    found = dict.fromkeys(sorted(purposes.values()), 0)
    for (node, _), keys in highest.items():
        found[purposes[node]] += keys
    return found


def memory_bytes(history: History) -> int | None:
    """Of all data nodes, each at its highest sample; what lies between two samples is not seen."""
    data_nodes = {node.name for node in history.plan.data_nodes()}
    highest: dict[str, int] = {}
    for sample in history.samples:
        if sample.node in data_nodes and sample.memory_bytes:
            highest[sample.node] = max(highest.get(sample.node, 0), sample.memory_bytes)
    return sum(highest.values()) if highest else None


def unread_evictions(facts: Facts) -> frozenset[str]:
    """Purposes of instances of which it is not known what they evicted after the last look at a counter: a
    process with a memory limit ended during the run, or nobody read it once the traffic was over, or nobody
    ever read any of them, and so whether they had a limit."""
    history = facts.history
    purposes = {node.name: str(node.purpose) for node in history.plan.data_nodes()}
    last: dict[str, NodeSample] = {}
    ended = set()
    for sample in history.samples:
        if not sample.reachable or sample.node not in purposes:
            continue
        before = last.get(sample.node)
        if before is not None and before.memory_limit_bytes and before.run_id != sample.run_id:
            ended.add(sample.node)
        last[sample.node] = sample
    over_us = facts.landmarks.workload_ends_us
    unread = {name for name, one in last.items() if one.sent_us < over_us - LAST_LOOK_US}
    unread |= _silent(history)
    ended |= {name for name in unread if name in last and last[name].memory_limit_bytes}
    never = set(purposes.values()) - {purposes[name] for name in last}
    return frozenset({purposes[name] for name in ended} | never)


def _silent(history: History) -> set[str]:
    """Nodes that did not answer when they were last looked at."""
    return {name for name, one in {one.node: one for one in history.samples}.items() if not one.reachable}


def share(finding: str, facts: Facts, findings: Iterable[Finding], scope: Scope) -> tuple[int, int]:
    """(how many had the finding, how many could have had it) within a scope.

    Without a phase the population is what was in danger: from the first fault's effect until the
    last effect, promotion, demotion or healing. Sessions in danger also are those that were alive
    when the fault took effect.
    """
    mine = [
        one
        for one in findings
        if one.name == finding and scope.finding(one, facts.landmarks) is Membership.IN
    ]
    kind = FINDINGS.get(finding)
    population = None if kind is None or kind.out_of is None else POPULATIONS.get(kind.out_of)
    if population is None:
        hit = {one.session for one in mine if one.session is not None}
        return len(hit), len(hit | sessions_at_risk(facts, scope))
    had = {operation for one in mine for operation in one.operations[population.had]}
    return len(had), len(_in_danger(population, facts, scope, had))


def _in_danger(population: Population, facts: Facts, scope: Scope, besides: Iterable[int]) -> Integers:
    """Ids of those that could have had the finding, and of those `besides` that had it."""
    traffic = facts.traffic
    chosen = population.has(traffic) & _exposed(traffic, facts.landmarks, scope)
    ids: Integers = np.union1d(traffic.id[chosen], np.fromiter(besides, np.int64))
    return ids


def _exposed(traffic: Traffic, landmarks: Landmarks, scope: Scope) -> Flags:
    if scope.phase is not None or landmarks.danger_us is None:
        return scope.has(traffic)
    start_us, end_us = landmarks.danger_us
    within = [(one.ended_us >= start_us) & (one.ended_us <= end_us) & one.done for one in traffic.pieces()]
    return np.concatenate([np.zeros(0, np.bool_), *within]) & scope.group_has(traffic)


def _by_outcome(traffic: Traffic) -> dict[str, int]:
    counted = np.bincount(traffic.outcome, minlength=len(OUTCOMES)).tolist()
    return {str(outcome): count for outcome, count in zip(OUTCOMES, counted, strict=True)}


def _by_behaviour(traffic: Traffic) -> dict[str, dict[str, int]]:
    count, names = len(OUTCOMES), traffic.behaviours
    pairs = np.bincount(
        traffic.behaviour.astype(np.int32) * count + traffic.outcome, minlength=count * len(names)
    )
    counted = dict(zip(names, pairs.reshape(-1, count).tolist(), strict=True))
    return {
        behaviour: {str(outcome): n for outcome, n in zip(OUTCOMES, counted[behaviour], strict=True)}
        for behaviour in sorted(names)
        if any(counted[behaviour])
    }


def _by_second(traffic: Traffic) -> dict[str, tuple[int, ...]]:
    count = len(OUTCOMES)
    ends_us = [max(0, int(one.ended_us.max())) for one in traffic.pieces()]
    counted = np.zeros((1 + max(ends_us) // 1_000_000 if ends_us else 0, count), np.int64)
    for one in traffic.pieces():
        places = np.maximum(0, one.ended_us) // 1_000_000 * count + one.outcome
        counted += np.bincount(places, minlength=counted.size).reshape(counted.shape)
    return {str(outcome): tuple(counted[:, n].tolist()) for n, outcome in enumerate(OUTCOMES)}
