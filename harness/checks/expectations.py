"""Each expectation against what was measured: met, unmet, or undecided.

A measurement is an interval. Met only if all of it satisfies the comparison, unmet only if none of
it does. Gaps in the evidence widen it first (see `evidence`), so a proved violation stays unmet
however much is missing, and "none seen" is no zero where something may have been missed. Trap: a
starved host spoils timing expectations only; what was lost is lost at any speed.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.checks.availability import clipped, group_windows, late_us, longest, sides, total, worst_of
from harness.checks.budget import bounds_of, budget_of
from harness.checks.evidence import Affects, Evidence
from harness.checks.failover import promotions
from harness.checks.findings import LOST_WRITES
from harness.checks.latency import acked_waits_us, percentile
from harness.checks.measure import loss_window_s, share
from harness.checks.moments import Moments
from harness.checks.scope import SIDES, Membership, Scope, scope_of
from harness.checks.traffic import traffic_of
from harness.checks.wording import interval_text, share_text
from harness.model.engine import applies
from harness.model.history import History
from harness.model.judgement import INFINITE, ExpectationResult, Finding, Interval, Metrics, Window
from harness.model.scenario import Expectation
from harness.model.words import NodePurpose, Outcome, Phase

ANYTHING = Interval(low=0, high=INFINITE)
ANY_SHARE = Interval(low=0, high=100)
NONE = Interval(low=0, high=0)

SEEN_WITHOUT_AUDIT = frozenset({"refused-login", "logged-out-by-outage", "no-recovery", "reply-mixed-up"})
FROM_AVAILABILITY = frozenset({"refused-login", "logged-out-by-outage", "no-recovery"})
"""Where the workload never ran, these say nothing about the topology."""
LOSSES = LOST_WRITES | {"partial-session", "evicted-session", "expired-early"}
TIMED = frozenset({"over-budget", "logged-out-by-outage", "lease-overrun", "no-recovery"})
"""Measured times: nodes on a starved host are late with what bounds a loss and with failing over, and
clients with coming back before a timeout or a lease ends."""
DEADLINES = frozenset({"expired-early", "outlived-timeout"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything that an expectation may be measured on."""

    history: History
    moments: Moments
    findings: Sequence[Finding]
    counts: Mapping[str, Interval]
    metrics: Metrics
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Measured:
    interval: Interval
    text: str = ""
    """Empty: the interval in words."""
    missing: str = ""
    """Why there is nothing to measure."""


def evaluate(case: Case) -> tuple[ExpectationResult, ...]:
    """One result for each of the scenario's expectations, in its order."""
    expected = case.history.plan.scenario.expect
    return tuple(
        _result(expectation, bound, case)
        for expectation, bound in zip(expected, bounds_of(case.history), strict=True)
    )


def _result(expectation: Expectation, bound: float | None, case: Case) -> ExpectationResult:
    engine = case.history.opening.engine
    if not applies(expectation.engine, engine):
        aside = f"left aside on {engine}"
        return ExpectationResult(text=expectation.text, measured=aside, low=0, high=0, met=True)
    measured = _measure(expectation, case)
    interval, why = widened(expectation, measured.interval, case.evidence)
    met = None if bound is None else compare(interval, expectation.comparison, bound)
    if expectation.timing and (spoilt := case.evidence.about(Affects.TIMING)):
        met, why = None, spoilt[0]
    elif expectation.timing and met is False and bound is not None:
        in_time = Interval(low=interval.low - case.evidence.lateness.late_s, high=interval.high)
        if compare(in_time, expectation.comparison, bound) is not False:
            met, why = None, str(case.evidence.lateness)
    if bound is None:
        budget = budget_of(expectation, case.history)
        reason = "no fault took effect" if budget is None else budget.derivation
        why = f"its bound is a loss budget, and there is none: {reason}"
    changed = interval != measured.interval
    text = measured.text if measured.text and not changed else interval_text(interval, expectation)
    return ExpectationResult(
        text=expectation.text,
        measured="not measured" if measured.missing else text,
        low=interval.low,
        high=interval.high,
        met=met,
        why="" if met is not None else measured.missing or why or "the evidence allows both answers",
    )


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
    if of is None and metric != "loss window":
        return _widened_traffic(metric, interval, evidence)
    if metric == of:
        interval, why = widened_count(of, interval, evidence)
    else:
        interval, why = _widened_loss(metric, of, interval, evidence)
    if metric == "loss window" or of in LOSSES:
        gaps = evidence.about(Affects.LOSS)
        if gaps:
            return _open(interval, metric), why or gaps[0]
    return interval, why


def widened_count(finding: str, interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    """The same for the number of a finding, also where no expectation names it."""
    void = evidence.about(Affects.ALL) if finding in FROM_AVAILABILITY else ()
    void += evidence.about(Affects.TTL) if finding in DEADLINES else ()
    if void:
        return ANYTHING, void[0]
    late = evidence.about_delays() if finding in TIMED and interval.high > 0 else ()
    if late:
        return Interval(low=0, high=interval.high), late[0]
    gaps = evidence.about(Affects.ALL, Affects.UPPER)
    gaps += () if finding in SEEN_WITHOUT_AUDIT else evidence.about(Affects.AUDIT)
    return (Interval(low=interval.low, high=INFINITE), gaps[0]) if gaps else (interval, "")


def _widened_loss(
    metric: str, of: str | None, interval: Interval, evidence: Evidence
) -> tuple[Interval, str]:
    """A share of findings, or the loss window: both need all of the traffic to be known."""
    void = evidence.about(Affects.ALL, Affects.UPPER)
    void += evidence.about(Affects.TTL) if of in DEADLINES else ()
    if void:
        return (ANY_SHARE if metric == "share" else ANYTHING), void[0]
    gaps = () if of in SEEN_WITHOUT_AUDIT else evidence.about(Affects.AUDIT)
    return (_open(interval, metric), gaps[0]) if gaps else (interval, "")


def _widened_traffic(metric: str, interval: Interval, evidence: Evidence) -> tuple[Interval, str]:
    if gaps := evidence.about(Affects.ALL):
        return ANYTHING, gaps[0]
    if gaps := evidence.about(Affects.UPPER):
        return (ANYTHING if metric == "latency" else Interval(low=interval.low, high=INFINITE)), gaps[0]
    return interval, ""


def _open(interval: Interval, metric: str) -> Interval:
    return Interval(low=interval.low, high=100 if metric == "share" else INFINITE)


def finding_named(expectation: Expectation) -> str | None:
    """The finding that an expectation counts, or whose share it is; None: it measures something else."""
    if expectation.metric == "share":
        return expectation.arguments[0]
    return None if expectation.metric in METRICS else expectation.metric


def _measure(expectation: Expectation, case: Case) -> Measured:
    scope = scope_of(expectation)
    if expectation.metric in METRICS:
        return METRICS[expectation.metric](expectation, scope, case)
    return Measured(count(expectation.metric, scope, case))


def count(finding: str, scope: Scope, case: Case) -> Interval:
    """How many of a finding lie in a scope. Undecidable ones may lie in any."""
    everywhere = case.counts.get(finding, NONE)
    if scope.everything:
        return everywhere
    members = [scope.finding(one, case.moments) for one in case.findings if one.name == finding]
    low = members.count(Membership.IN)
    undecided = max(0, everywhere.high - everywhere.low)
    return Interval(low=low, high=low + members.count(Membership.UNKNOWN) + undecided)


def _windows(expectation: Expectation, scope: Scope, case: Case) -> tuple[Window, ...] | None:
    """The windows of the worst group in a scope; None: nothing of that kind was due there.

    A web server counts as on its side of a partition for the whole run, as in the metrics.
    """
    kind, moments = expectation.arguments[0], case.moments
    traffic = traffic_of(case.history)
    judged = traffic.where(traffic.of_kind(kind) & ~traffic.in_phase(Phase.SEED, Phase.AUDIT))
    side_of = sides(traffic)
    if scope.on in SIDES:
        there = np.array([side_of.get(one) == scope.on for one in traffic.web_servers], np.bool_)
        chosen = judged.where(there[judged.web_server])
    else:
        chosen = judged.where(scope.group_has(judged))
    if not len(chosen):
        return None
    groups = group_windows(chosen, kind, side_of, late=late_us(judged), moments=moments)
    if scope.phase is not None:
        groups = {name: clipped(windows, scope.phase, moments) for name, windows in groups.items()}
    return worst_of(groups)


def _outage(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    windows = _windows(expectation, scope, case)
    return _nothing_due(expectation) if windows is None else Measured(longest(windows))


def _downtime(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    windows = _windows(expectation, scope, case)
    return _nothing_due(expectation) if windows is None else Measured(total(windows))


def _nothing_due(expectation: Expectation) -> Measured:
    return Measured(ANYTHING, missing=f"no {expectation.arguments[0]} was due there")


def _latency(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    kind, which = expectation.arguments
    traffic = traffic_of(case.history)
    chosen = traffic.of_kind(kind) & ~traffic.in_phase(Phase.SEED) & scope.has(traffic)
    waits = acked_waits_us(traffic, chosen)
    if not len(waits):
        return Measured(ANYTHING, missing=f"no {kind} was acked there")
    wait_s = percentile(waits, 1.0 if which == "max" else float(which.removeprefix("p")) / 100) / 1e6
    return Measured(Interval(low=wait_s, high=wait_s))


def _outcomes(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    of, traffic = expectation.arguments[0], traffic_of(case.history)
    a_behaviour = of in case.history.plan.scenario.workload.mix  # `logout` is the name of a kind too
    chosen = traffic.of_behaviour(of) if a_behaviour else traffic.of_kind(of)
    chosen = chosen & traffic.with_outcome(Outcome(expectation.metric)) & scope.has(traffic)
    if scope.phase is not Phase.SEED:
        chosen &= ~traffic.in_phase(Phase.SEED)
    seen = int(chosen.sum())
    return Measured(Interval(low=seen, high=seen))


def _share(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    finding = expectation.arguments[0]
    had, could = share(finding, case.history, case.moments, case.findings, scope)
    if not could:
        return Measured(ANY_SHARE, missing=f"nothing there could have had {finding}")
    undecided = count(finding, scope, case)
    most = min(could, had + undecided.high - undecided.low)
    interval = Interval(low=100 * had / could, high=100 * most / could)
    return Measured(interval, text=share_text(had, could) if interval.exact else "")


def _loss_window(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    mine = [one for one in case.findings if scope.finding(one, case.moments) is not Membership.OUT]
    window = loss_window_s(mine, case.moments)
    return Measured(NONE, text="nothing lost") if window is None else Measured(window)


def _failovers(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    del expectation
    seen = promotions(case.history, scope.shard)
    return Measured(Interval(low=seen, high=seen))


def _evicted_keys(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    evicted = case.metrics.evicted_keys
    if scope.on is None:
        seen = sum(evicted.values())
    elif scope.on in set(NodePurpose):
        seen = evicted.get(scope.on, 0)
    else:
        return _only_whole_runs(expectation)
    return Measured(Interval(low=seen, high=seen))


def _at_risk(expectation: Expectation, scope: Scope, case: Case) -> Measured:
    if not scope.everything:
        return _only_whole_runs(expectation)
    at_risk = case.metrics.sessions.at_risk
    return Measured(Interval(low=at_risk, high=at_risk))


def _only_whole_runs(expectation: Expectation) -> Measured:
    return Measured(ANYTHING, missing=f"{expectation.metric} is not measured per {expectation.on or 'phase'}")


METRICS: Mapping[str, Callable[[Expectation, Scope, Case], Measured]] = {
    "outage": _outage,
    "downtime": _downtime,
    "latency": _latency,
    "acked": _outcomes,
    "rejected": _outcomes,
    "unknown": _outcomes,
    "not_sent": _outcomes,
    "share": _share,
    "loss window": _loss_window,
    "failovers": _failovers,
    "evicted keys": _evicted_keys,
    "at risk": _at_risk,
}
"""Every other metric is a finding's name."""
