"""The numbers of a run that are no findings: what the table, the page and the expectations show.

Takes the findings and says how much of the traffic they are; never makes or drops one. Trap: a
share needs a population that does not depend on the findings (or one more lost write could make
the share smaller). So it is what was in danger, plus any finding that lies outside of that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harness.checks.availability import outages, total
from harness.checks.failover import failover_steps, promotions
from harness.checks.latency import latency
from harness.checks.moments import Moments, effects, is_effective_write, shard_of, succeeded
from harness.checks.scope import Membership, Scope
from harness.model.history import History
from harness.model.judgement import Finding, Interval, Metrics, SessionCounts
from harness.model.records import NodeSample, Operation
from harness.model.words import OperationKind, Outcome, StepKind

LOST_WRITES = frozenset({"lost-write", "lost-session", "lost-update"})
"""Each of them is an acked write that is gone; its promise is the first of its operations."""


@dataclass(frozen=True, slots=True)
class Population:
    """The operations that could have had a finding, and which of a finding's operations is the one
    that had it (they are listed as promise, what broke it, what saw it)."""

    has: Callable[[Operation], bool]
    had: slice


WRITES = Population(is_effective_write, slice(0, 1))
READS = Population(
    lambda one: succeeded(one) and one.kind in {OperationKind.READ, OperationKind.TOUCH}, slice(-1, None)
)
LOGOUTS = Population(lambda one: succeeded(one) and one.kind is OperationKind.LOGOUT, slice(0, 1))
LOGINS = Population(lambda one: one.kind is OperationKind.LOGIN, slice(None))

POPULATIONS: Mapping[str, Population] = {
    **dict.fromkeys(("lost-write", "lost-update", "doubled-update", "torn-state", "ghost-retry"), WRITES),
    **dict.fromkeys(("stale-read", "foreign-session", "unwritten-value", "reply-mixed-up"), READS),
    **dict.fromkeys(("resurrected-session", "undone-by-own-write", "escaped-logout"), LOGOUTS),
    "refused-login": LOGINS,
}
"""Every finding that is not listed is a share of the sessions."""


def measure(
    history: History, moments: Moments, findings: Sequence[Finding], sessions: SessionCounts
) -> Metrics:
    windows = outages(history, moments)
    lost = lost_operations(findings)
    return Metrics(
        outages=windows,
        latency=latency(history.operations),
        failover_steps=failover_steps(history, findings),
        sessions=sessions,
        operations=_by_outcome(history.operations),
        by_behaviour=_by_behaviour(history.operations),
        by_second=_by_second(history.operations),
        lag_at_fault_bytes=lag_at_fault_bytes(history, moments),
        loss_window_s=loss_window_s(findings, moments),
        writes_acked_after_fault=len(_in_danger(WRITES, history, moments, Scope()) | lost),
        writes_lost=len(lost),
        failovers=promotions(history),
        evicted_keys=evicted_keys(history),
        refused_login_s=total(
            one for one in windows if one.kind == OperationKind.LOGIN and one.group == "worst"
        ).low,
    )


def lost_operations(findings: Iterable[Finding]) -> set[int]:
    """The acked writes that findings prove lost; a log-in is not counted among them."""
    lost = (one for one in findings if one.name in LOST_WRITES and POPULATIONS.get(one.name) is WRITES)
    return {one.operations[0] for one in lost if one.operations}


def loss_window_s(findings: Iterable[Finding], moments: Moments) -> Interval | None:
    """From the first fault's effect to the ack of the last lost write; None: nothing lost, or no fault."""
    acked = [one.t_us for one in findings if one.name in LOST_WRITES and one.t_us is not None]
    if not acked or moments.fault_us is None:
        return None
    after_us = max(acked) - moments.fault_us
    return Interval(
        low=max(0, after_us) / 1e6,
        high=max(0, after_us + moments.fault_error_us) / 1e6,
    )


def lag_at_fault_bytes(history: History, moments: Moments) -> int | None:
    """How far the slowest replica was behind in the last look at the hit primary before the fault."""
    if moments.fault_us is None:
        return None
    effect = min(effects(history), key=lambda event: event.t_us)
    shard = shard_of(history, effect) or 1
    nodes = {node.name for node in history.plan.data_nodes() if node.shard == shard}
    before_us = moments.fault_us - moments.fault_error_us
    last: dict[str, NodeSample] = {}
    for sample in history.samples:
        if sample.node in nodes and sample.done_us <= before_us and sample.reachable:
            last[sample.node] = sample
    primaries = [sample for sample in last.values() if sample.role == "primary"]
    if not primaries:
        return None
    primary = max(primaries, key=lambda sample: sample.done_us)
    known = list(primary.replicas.values()) or [
        sample.offset for sample in last.values() if sample.role == "replica"
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
    found = dict.fromkeys(sorted(set(purposes.values())), 0)
    for (node, _), keys in highest.items():
        found[purposes[node]] += keys
    return found


def share(
    finding: str, history: History, moments: Moments, findings: Iterable[Finding], scope: Scope
) -> tuple[int, int]:
    """(how many had the finding, how many could have had it) within a scope.

    Without a phase the population is what was in danger: from the first fault's effect until the
    last effect, promotion, demotion or healing. Sessions in danger also are those that were alive
    when the fault took effect.
    """
    mine = [one for one in findings if one.name == finding and scope.finding(one, moments) is Membership.IN]
    population = POPULATIONS.get(finding)
    if population is None:
        hit = {one.session for one in mine if one.session is not None}
        return len(hit), len(hit | _sessions_in_danger(history, moments, scope))
    had = {operation for one in mine for operation in one.operations[population.had]}
    return len(had), len(had | _in_danger(population, history, moments, scope))


def _in_danger(population: Population, history: History, moments: Moments, scope: Scope) -> set[int]:
    return {one.id for one in history.operations if population.has(one) and _exposed(one, moments, scope)}


def _exposed(operation: Operation, moments: Moments, scope: Scope) -> bool:
    if scope.phase is not None or moments.danger_us is None:
        return scope.has(operation)
    if operation.done_us is None or not scope.group_has(operation):
        return False
    start_us, end_us = moments.danger_us
    return start_us <= operation.done_us <= end_us


def _sessions_in_danger(history: History, moments: Moments, scope: Scope) -> set[str]:
    """Those alive when the fault took effect, and those made while the danger lasted. One that its
    user had already asked to end is nobody's loss."""
    made = [one for one in history.operations if one.kind is OperationKind.LOGIN and succeeded(one)]
    if scope.phase is not None:
        return {one.session for one in made if scope.has(one)}
    start_us, end_us = moments.danger_us or (moments.workload_ends_us, moments.workload_ends_us)
    ended = {
        step.session
        for one in history.operations
        for step in one.steps
        if step.does is StepKind.DESTROY and step.sent_us is not None and step.sent_us < start_us
    }
    return {
        one.session
        for one in made
        if scope.group_has(one) and (one.done_us or 0) <= end_us and one.session not in ended
    }


def _by_outcome(operations: Iterable[Operation]) -> dict[str, int]:
    counted = Counter(str(one.outcome) for one in operations)
    return {str(outcome): counted[outcome] for outcome in Outcome}


def _by_behaviour(operations: Iterable[Operation]) -> dict[str, dict[str, int]]:
    groups: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        groups[operation.behaviour].append(operation)
    return {behaviour: _by_outcome(members) for behaviour, members in sorted(groups.items())}


def _by_second(operations: Iterable[Operation]) -> dict[str, tuple[int, ...]]:
    counted: dict[str, Counter[int]] = {str(outcome): Counter() for outcome in Outcome}
    for operation in operations:
        t_us = operation.due_us if operation.done_us is None else operation.done_us
        counted[operation.outcome][max(0, t_us) // 1_000_000] += 1
    seconds = 1 + max((max(one, default=-1) for one in counted.values()), default=-1)
    return {outcome: tuple(one[n] for n in range(seconds)) for outcome, one in counted.items()}
