"""Each expectation against what was measured: met, unmet, or undecided.

A measurement is an interval. Met only if all of it satisfies the comparison, unmet only if none of
it does. Gaps in the evidence widen it first (see `evidence`), so a proved violation stays unmet
however much is missing, and "none seen" is no zero where something may have been missed, or nobody
looked. Trap: a late machine widens times only, by as much as it was late; what was lost is lost at any
speed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.checks.columns.arrays import percentile
from harness.checks.columns.traffic import Traffic
from harness.checks.facts.failovers import promotions
from harness.checks.facts.landmarks import Landmarks
from harness.checks.facts.no_successor import election_failed
from harness.checks.facts.of_run import Facts
from harness.checks.facts.unserved import Span, unserved
from harness.checks.measures.availability import Group, groups_of, late_us, longest, sides, total
from harness.checks.measures.bounds import bounds_of, budget_of
from harness.checks.measures.latency import acked_waits_us
from harness.checks.measures.node_use import (
    ALL_THE_TIME,
    Known,
    cluster_down,
    connections,
    memory,
    new_connections,
)
from harness.checks.measures.scope import Membership, Scope, scope_of
from harness.checks.measures.summary import (
    loss_window_s,
    lost_operations,
    recovery_point_s,
    share,
    unread_evictions,
)
from harness.checks.measures.survival import survival
from harness.checks.promises.table import FINDINGS, having, measure_of
from harness.checks.verdict.evidence import Affects, Evidence
from harness.checks.wording import WINDOWS, interval_text, seconds_text, share_text
from harness.costly import np
from harness.model.engine import applies
from harness.model.finding_kind import FindingTrait, Need
from harness.model.history import History
from harness.model.judgement import INFINITE, ExpectationResult, Finding, Interval, LossBudget, Metrics
from harness.model.measures import SIDES, SURVIVING_WRITE, RunKind, measure_named, why_not
from harness.model.pacing import GRACE_S
from harness.model.scenario import Expectation
from harness.model.words import NodePurpose, OperationKind, Outcome, Phase, Shows

ANYTHING = Interval(low=0, high=INFINITE)
ANY_SHARE = Interval(low=0, high=100)
NONE = Interval(low=0, high=0)

LossTime = Callable[[Iterable[Finding], Landmarks, Iterable[LossBudget]], Interval | None]

LOSS_TIMES: Mapping[str, LossTime] = {
    "loss window": lambda findings, landmarks, _: loss_window_s(findings, landmarks),
    "recovery point": recovery_point_s,
}
"""Metrics that are a time between a fault's effect and writes that are lost."""
NOTHING_LOST = "nothing lost"
"""What was measured of them then."""
LOST = having(FindingTrait.LOST_WRITE)
WAITS = frozenset({"latency", "longest wait"})
"""Metrics of single requests: what is missing may have been shorter or longer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that an expectation may be measured on."""

    facts: Facts
    findings: Sequence[Finding]
    counts: Mapping[str, Interval]
    metrics: Metrics
    evidence: Evidence

    @property
    def history(self) -> History:
        return self.facts.history

    @property
    def landmarks(self) -> Landmarks:
        return self.facts.landmarks


@dataclass(frozen=True, slots=True)
class Measured:
    interval: Interval
    text: str = ""
    """Empty: the interval in words."""
    missing: str = ""
    """Why there is nothing to measure."""
    why: str = ""
    """Why it is no single number, where it may be none."""
    without_primary_s: float = 0.0
    """For how much of it the nodes themselves had no primary: a late load engine has no part in that."""


def evaluate(case: Case) -> tuple[ExpectationResult, ...]:
    """One result for each of the scenario's expectations, in its order."""
    expected = case.history.plan.scenario.expect
    return tuple(
        _result(expectation, bound, case)
        for expectation, bound in zip(expected, bounds_of(case.facts), strict=True)
    )


def _result(expectation: Expectation, bound: float | None, case: Case) -> ExpectationResult:
    engine = case.history.opening.engine
    if not applies(expectation.engine, engine):
        said = f"not expected of {engine}"
        return ExpectationResult(text=expectation.text, measured=said, low=0, high=0, met=None, aside=True)
    measured = _measure(expectation, case)
    interval, why = widened(expectation, measured.interval, case.evidence)
    met, late = _met(expectation, interval, bound, case.evidence, measured.without_primary_s)
    if met is False and bound is not None:
        machine = _no_chance(expectation, interval, bound, case) or _voted_late(expectation, bound, case)
        met, why = (None, machine) if machine else (met, why)
    if bound is None:
        budget = budget_of(expectation, case.facts)
        reason = "no fault took effect" if budget is None else budget.derivation
        why = f"its limit is a loss budget, and there is none: {reason}"
    changed = interval != measured.interval
    text = measured.text if measured.text and not changed else interval_text(interval, expectation)
    why = measured.missing or why or late or measured.why or "the evidence allows both answers"
    return ExpectationResult(
        text=expectation.text,
        measured="not measured" if measured.missing and interval.low <= 0 else text,
        low=interval.low,
        high=interval.high,
        met=met,
        why="" if met is not None else why,
    )


def _met(
    expectation: Expectation,
    interval: Interval,
    bound: float | None,
    evidence: Evidence,
    without_primary_s: float,
) -> tuple[bool | None, str]:
    """Whether it is met, and what this machine's lateness has to do with it not being decided."""
    if bound is None:
        return None, ""
    exactly = compare(interval, expectation.comparison, bound)
    if expectation.unit != "s":
        return exactly, ""
    if unknown := evidence.about(Affects.TIMING):
        return None, unknown[0]
    late = evidence.lateness
    hidden_s = late.hides_s if expectation.metric in WINDOWS else 0.0
    least_s = max(interval.low - late.within_s(bound), without_primary_s - late.of_nodes.within_s(bound))
    wide = Interval(low=min(interval.low, least_s), high=interval.high + hidden_s)
    met = compare(wide, expectation.comparison, bound)
    return met, late.said(bound) if exactly is not None else ""


def _no_chance(expectation: Expectation, measured: Interval, bound: float, case: Case) -> str:
    """Why less was seen than a weakness demands, where that may be this machine's doing: on one that is late
    with everything hardly anything is acked, and what is not acked cannot be lost. A time is only longer
    there."""
    demands = case.history.plan.scenario.shows is Shows.WEAKNESS and expectation.demands
    less = measured.high <= bound and expectation.unit != "s"
    return case.evidence.lateness.starved if demands and less else ""


def _voted_late(expectation: Expectation, bound: float, case: Case) -> str:
    """Why a time is longer than expected, where that may be this machine's doing although it was not late by
    as much: sentinels that are late ask for votes at the same time, nobody gets a majority, and they wait for
    their failover-timeout before they try again."""
    machine = case.evidence.lateness.of_nodes
    if not expectation.timing or not machine.counts_within(bound):
        return ""
    failed = election_failed(case.facts)
    return f"{machine.said(bound)}: {failed.source}: {failed.name}" if failed else ""


def compare(measured: Interval, comparison: str, bound: float) -> bool | None:
    """Whether all of an interval satisfies `comparison bound` (True), none of it (False), or some.

    Raises:
        ValueError: not a comparison.
    """
    satisfied: dict[str, Callable[[float, float], bool]] = {
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
    if comparison == "==":
        if measured.exact:
            return measured.low == bound
        return None if measured.low <= bound <= measured.high else False
    if comparison not in satisfied:
        raise ValueError(f"comparison {comparison!r}: expected one of ==, <, <=, >, >=")
    ends = {satisfied[comparison](end, bound) for end in (measured.low, measured.high)}
    return ends.pop() if len(ends) == 1 else None


def widened(expectation: Expectation, interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    """What the gaps in the evidence leave of a measurement, and the first gap that matters."""
    metric, of = expectation.metric, finding_named(expectation)
    if measure_named(expectation) == SURVIVING_WRITE:
        return _widened_survival(interval, evidence)
    if of is None and metric not in LOSS_TIMES:
        return _widened_traffic(metric, interval, evidence)
    if metric == of:
        interval, why = widened_count(of, interval, evidence)
    else:
        interval, why = _widened_loss(metric, of, interval, evidence)
    if metric in LOSS_TIMES or _is(of, FindingTrait.LOSS):
        gaps = evidence.about(Affects.LOSS)
        if gaps:
            return _open(interval, metric), why or gaps[0]
    return interval, why


def widened_count(finding: str, interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    """The same for the number of a finding, also where no expectation names it."""
    void = evidence.about(Affects.ALL) if _is(finding, FindingTrait.OF_AVAILABILITY) else ()
    void += evidence.about(Affects.TTL) if _is(finding, FindingTrait.OF_DEADLINES) else ()
    if void:
        return ANYTHING, void[0]
    timed = _is(finding, FindingTrait.TIMED) and interval.high > 0
    late = evidence.about_delays(finding) if timed else ()
    if late:
        return Interval(low=0, high=interval.high), late[0]
    gaps = evidence.about(Affects.ALL, Affects.UPPER) + _unseen(finding, evidence)
    if gaps:
        return Interval(low=interval.low, high=INFINITE), gaps[0]
    return interval, "" if interval.exact else evidence.why_undecidable(finding)


def _is(finding: str | None, trait: FindingTrait) -> bool:
    return finding is not None and finding in FINDINGS and trait in FINDINGS[finding].traits


def _unseen(measure: str, evidence: Evidence) -> tuple[str, ...]:
    """Why more of it may have happened than anybody looked for."""
    of = measure_of(measure)
    audited = of is None or Need.AUDIT in of.needs
    return evidence.lacks(measure) + (evidence.about(Affects.AUDIT, Affects.RECOVERY) if audited else ())


def _widened_loss(
    metric: str, of: str | None, interval: Interval, evidence: Evidence
) -> tuple[Interval, str]:
    """A share of findings, or a time of lost writes: both need all of the traffic to be known."""
    void = evidence.about(Affects.ALL, Affects.UPPER)
    void += evidence.about(Affects.TTL) if _is(of, FindingTrait.OF_DEADLINES) else ()
    if void:
        return (ANY_SHARE if metric == "share" else ANYTHING), void[0]
    gaps = _unseen(of or metric, evidence)
    return (_open(interval, metric), gaps[0]) if gaps else (interval, "")


def _widened_traffic(metric: str, interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    if gaps := evidence.about(Affects.ALL):
        return ANYTHING, gaps[0]
    if gaps := evidence.about(Affects.UPPER):
        return (ANYTHING if metric in WAITS else Interval(low=interval.low, high=INFINITE)), gaps[0]
    return interval, ""


def _widened_survival(interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    """A write that was not acked did not survive for anybody, whatever is missing: that end stays."""
    if gaps := evidence.about(Affects.ALL):
        return ANYTHING, gaps[0]
    gaps = evidence.about(Affects.UPPER) + _unseen(SURVIVING_WRITE, evidence) + evidence.about(Affects.LOSS)
    return (Interval(low=interval.low, high=INFINITE), gaps[0]) if gaps else (interval, "")


def _open(interval: Interval, metric: str) -> Interval:
    return Interval(low=interval.low, high=100 if metric == "share" else INFINITE)


def finding_named(expectation: Expectation) -> str | None:
    """The finding that an expectation counts, or whose share it is; None: it measures something else."""
    if expectation.metric == "share":
        return expectation.arguments[0]
    return None if expectation.metric in METRICS else expectation.metric


def _measure(expectation: Expectation, case: Case) -> Measured:
    scope, plan = scope_of(expectation), case.history.plan
    never = why_not(expectation, FINDINGS, RunKind.of(plan.scenario, plan.inventory))
    if expectation.metric not in METRICS:
        found = count(expectation.metric, scope, case)
        return Measured(Interval(low=found.low, high=INFINITE), missing=never) if never else Measured(found)
    if never:
        return Measured(ANY_SHARE if expectation.metric == "share" else ANYTHING, missing=never)
    return METRICS[expectation.metric](expectation, scope, case)


def count(finding: str, scope: Scope, case: Case) -> Interval:
    """How many of a finding lie in a scope. Undecidable ones may lie in any."""
    everywhere = case.counts.get(finding, NONE)
    if scope.everything:
        return everywhere
    members = [scope.finding(one, case.landmarks) for one in case.findings if one.name == finding]
    low = members.count(Membership.IN)
    undecided = max(0, everywhere.high - everywhere.low)
    return Interval(low=low, high=low + members.count(Membership.UNKNOWN) + undecided)


class Stretch(NamedTuple):
    lasted: Interval
    without_primary_s: float = 0.0
    """For how much of it the shard certainly had no primary."""


def _stretches(
    expectation: Expectation, scope: Scope, case: Case, traffic: Traffic
) -> list[list[Stretch]] | None:
    """How long the stretches without success were, of each shard and side in a scope: its windows, and what
    nobody tried in; None: nothing of that kind was due there. `traffic` says what succeeded.

    A web server counts as on its side of a partition for the whole run, as in the metrics.
    """
    kind, landmarks = expectation.arguments[0], case.landmarks
    if kind == SURVIVING_WRITE:
        kind = OperationKind.WRITE
    judged = traffic.of_kind(kind) & ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    late = late_us(case.facts.traffic.where(judged))
    if scope.on in SIDES:
        side_of = case.history.once(sides)
        there = np.array([*(side_of.get(one) == scope.on for one in traffic.web_servers), False], np.bool_)
        chosen = judged & there[traffic.web_server]
    else:
        chosen = judged & scope.group_has(traffic)
    span = landmarks.trouble_us if scope.phase is None else landmarks.spans.get(scope.phase)
    if span is None or not chosen.any():
        return None
    found = []
    for group in groups_of(case.facts, kind, chosen, traffic=traffic):
        windows = group.gaps(late=late, landmarks=landmarks)
        blind = group.unprobed(windows, span, late=late, landmarks=landmarks)
        if scope.phase is not None:
            parts = (one.within(*span, landmarks.workload_ends_us) for one in windows)
            windows = [part for part in parts if part is not None]
        without = _without_primary(group, case)
        found.append([Stretch(one.duration_s, one.proved_within_s(without)) for one in (*windows, *blind)])
    return found


def _without_primary(group: Group, case: Case) -> list[Span]:
    """When none of a group's operations can have got an answer; a replica's would do for a read."""
    replicas_answer = case.history.plan.scenario.deployment.client.read_from_replicas
    shards = set(group.judged.shard.tolist())
    if replicas_answer or len(shards) != 1:
        return []
    return unserved(case.facts).get(shards.pop(), [])


def _outage(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    return _of_the_worst(expectation, scope, case, longest)


def _downtime(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    return _of_the_worst(expectation, scope, case, total)


def _of_the_worst(
    expectation: Expectation,
    scope: Scope,
    case: Case,
    summed: Callable[[Iterable[Interval]], Interval],
) -> Measured:
    """Either end by the group that is worst there: which one was out longest is not known either. A write of
    which nobody knows whether it survived did so at the lower end alone."""
    kind, facts = expectation.arguments[0], case.facts
    views = [facts.traffic]
    if kind == SURVIVING_WRITE:
        survived = survival(facts, lost_operations(case.findings))
        views = [survived.at_least] if survived.decided else [survived.at_least, survived.at_most]
    found, without_primary_s = [], 0.0
    for traffic in views:
        stretches = _stretches(expectation, scope, case, traffic)
        if stretches is None:
            return _nothing_due(expectation)
        found.append(longest(summed(one.lasted for one in group) for group in stretches))
        sure = ([Interval(low=one.without_primary_s, high=INFINITE) for one in group] for group in stretches)
        without_primary_s = longest(map(summed, sure)).low
    interval = Interval(low=found[0].low, high=max(one.high for one in found))
    why = f"{kind} was not tried often enough to say when it worked and when it failed"
    if len(views) > 1:
        why = "it is not known of every acked write whether it survived"
    if kind == SURVIVING_WRITE and interval.low > 0 and interval.high == INFINITE and len(views) == 1:
        return Measured(interval, text=f"≥ {seconds_text(interval.low)}, and none survived until the end")
    return Measured(interval, why=why, without_primary_s=without_primary_s)


def _nothing_due(expectation: Expectation) -> Measured:
    return Measured(ANYTHING, missing=f"no {expectation.arguments[0]} was due there")


def _latency(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    kind, which = expectation.arguments
    traffic = case.facts.traffic
    chosen = traffic.of_kind(kind) & ~traffic.in_phase(Phase.SEED) & scope.has(traffic)
    waits = acked_waits_us(traffic, chosen)
    if not len(waits):
        return Measured(ANYTHING, missing=f"no {kind} was acked there")
    wait_us = percentile(waits, 1.0 if which == "max" else float(which.removeprefix("p")) / 100)
    return Measured(_lasted(wait_us, case.landmarks))


def _lasted(wait_us: int, landmarks: Landmarks) -> Interval:
    """Of what several clocks told, both ends may be off: it is never shorter than the truth."""
    low_us = max(0, wait_us - 2 * landmarks.clocks_apart_us)
    return Interval(low=low_us / 1e6, high=wait_us / 1e6)


def _longest_wait(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    """Of one request, whatever became of it: a user waits for an error as well. What the end of the run cut
    off would have lasted longer, nobody knows how long. It is cut off just before the audit, when the load
    has waited for it longer than a client does."""
    traffic, ends_us = case.facts.traffic, case.landmarks.workload_ends_us
    chosen = traffic.of_kind(expectation.arguments[0]) & ~traffic.in_phase(Phase.SEED, Phase.AUDIT)
    chosen &= scope.has(traffic) & ~traffic.with_outcome(Outcome.NOT_SENT)
    traffic = traffic.where(chosen)
    patience_us = (case.history.plan.longest_client_wait_s + GRACE_S) * 1e6
    at_the_end = (traffic.ended_us >= ends_us) | (traffic.ended_us - traffic.due_us >= patience_us)
    cut_off = ~traffic.done | (traffic.cancelled & at_the_end)
    traffic, cut_off = traffic.where(told := cut_off | ~traffic.cancelled), cut_off[told]
    if not len(traffic):
        return _nothing_due(expectation)
    over_us = np.where(traffic.done, traffic.ended_us, ends_us)
    lasted = _lasted(max(0, int((over_us - traffic.due_us).max())), case.landmarks)
    if cut_off.any():
        return Measured(replace(lasted, high=INFINITE), why="the run ended while one was still waiting")
    return Measured(lasted)


def _outcomes(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    of, traffic = expectation.arguments[0], case.facts.traffic
    a_behaviour = of in case.history.plan.scenario.workload.mix  # `logout` is the name of a kind too
    chosen = traffic.of_behaviour(of) if a_behaviour else traffic.of_kind(of)
    chosen = chosen & scope.has(traffic)
    if scope.phase is not Phase.SEED:
        chosen &= ~traffic.in_phase(Phase.SEED)
    if not chosen.any() and expectation.metric != Outcome.ACKED:
        return _nothing_due(expectation)
    seen = int((chosen & traffic.with_outcome(Outcome(expectation.metric))).sum())
    return Measured(Interval(low=seen, high=seen))


def _share(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    finding = expectation.arguments[0]
    had, could = share(finding, case.facts, case.findings, scope)
    if not could:
        return Measured(ANY_SHARE, missing=f"nothing here could have the finding {finding}")
    undecided = count(finding, scope, case)
    most = min(could, had + undecided.high - undecided.low)
    interval = Interval(low=100 * had / could, high=100 * most / could)
    return Measured(interval, text=share_text(had, could) if interval.exact else "")


def _lost_writes(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    """Losses of which nobody knows whether they belong there count at the upper end only."""
    time_s, landmarks = LOSS_TIMES[expectation.metric], case.landmarks
    where = [(one, scope.finding(one, landmarks)) for one in case.findings]
    budgets = case.metrics.loss_budgets
    certain = time_s([one for one, member in where if member is Membership.IN], landmarks, budgets)
    at_most = time_s([one for one, member in where if member is not Membership.OUT], landmarks, budgets)
    low = 0.0 if certain is None else certain.low
    undecided = sum(case.counts[one].high - case.counts[one].low for one in LOST if one in case.counts)
    if undecided:
        return Measured(Interval(low=low, high=INFINITE), why=f"{undecided:g} losses cannot be decided")
    if at_most is None:
        return Measured(NONE, text=NOTHING_LOST)
    return Measured(Interval(low=low, high=at_most.high))


def _failovers(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    seen = promotions(case.facts, scope.shard)
    return Measured(Interval(low=seen, high=seen))


def _evicted_keys(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    evicted = case.metrics.evicted_keys
    purposes = set(evicted) if scope.on is None else {scope.on}
    seen = sum(evicted.get(one, 0) for one in purposes)
    if purposes.isdisjoint(unread_evictions(case.facts)):
        return Measured(Interval(low=seen, high=seen))
    why = "a node ended or was not observed, so it is not known what it evicted after the last observation"
    return Measured(Interval(low=seen, high=INFINITE), why=why)


def _memory(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    span = _span(scope, case)
    return _known(memory(case.history, scope.on, span) if span else None)


def _connections(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    of = new_connections if expectation.metric == "new connections" else connections
    span, web_server = _span(scope, case), None if scope.on == NodePurpose.SESSIONS else scope.on
    return _known(of(case.history, web_server=web_server, span=span) if span else None)


def _cluster_down(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    return _known(cluster_down(case.history, scope.shard))


def _span(scope: Scope, case: Case) -> tuple[float, float] | None:
    """Of a phase; None: the run has none like it."""
    return ALL_THE_TIME if scope.phase is None else case.landmarks.spans.get(scope.phase)


def _known(known: Known | None) -> Measured:
    if known is None:
        return Measured(ANYTHING, missing="the run has no such phase")
    if known.interval is None:
        return Measured(ANYTHING, missing=known.why)
    return Measured(known.interval, why=known.why)


def _at_risk(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation, scope
    at_risk = case.metrics.sessions.at_risk
    return Measured(Interval(low=at_risk, high=at_risk))


METRICS: Mapping[str, Callable[[Expectation, Scope, Case], Measured]] = {
    "outage": _outage,
    "downtime": _downtime,
    "latency": _latency,
    "longest wait": _longest_wait,
    "acked": _outcomes,
    "rejected": _outcomes,
    "unknown": _outcomes,
    "not_sent": _outcomes,
    "share": _share,
    "loss window": _lost_writes,
    "recovery point": _lost_writes,
    "failovers": _failovers,
    "evicted keys": _evicted_keys,
    "memory": _memory,
    "connections": _connections,
    "new connections": _connections,
    "cluster down": _cluster_down,
    "at risk": _at_risk,
}
"""Every other metric is a finding's name."""
