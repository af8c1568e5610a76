"""From a history to its judgement: what is missing, what was broken, how it measures, what it means.

The one entry into this package. Pure: the same history gives the same judgement, today from the
run, next year from its folder.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from harness.checks.columns.arrays import give_back
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.request_ends import told_open
from harness.checks.measures.summary import measure
from harness.checks.promises.table import FINDINGS, having
from harness.checks.run import run_checks
from harness.checks.verdict.conclusion import conclude
from harness.checks.verdict.evidence import Affects, Evidence, weigh
from harness.checks.verdict.expectations import Case, evaluate, widened_count
from harness.checks.wording import told_by_clocks
from harness.model.finding_kind import FindingTrait
from harness.model.history import History
from harness.model.judgement import Finding, Interval, Judgement, SessionCounts, in_order
from harness.model.words import FindingSide

Checked = tuple[Sequence[Finding], Mapping[str, Interval], SessionCounts, Sequence[str]]
"""What `run_checks` returns: findings, their counts, the sessions, and checks that crashed."""


def judge(history: History) -> Judgement:
    """Judge a run. Never raises for what a history lacks: that makes it INCONCLUSIVE."""
    checked = run_checks(history)
    give_back(len(history.table))  # what screening leaves lies between what measuring needs
    return judge_checked(history, checked)


def judge_checked(history: History, checked: Checked) -> Judgement:
    """The same, for findings that are already there."""
    found, counts, sessions, crashed = checked
    facts = facts_of(history)
    evidence = weigh(facts, sessions, crashed, found)
    findings = tuple(in_order(found))
    metrics = measure(facts, findings, sessions)
    case = Case(
        facts=facts,
        findings=findings,
        counts=counts,
        metrics=metrics,
        evidence=evidence,
    )
    results = evaluate(case)
    conclusion = conclude(case, results)
    widened = {name: widened_count(name, count, evidence)[0] for name, count in counts.items()}
    return Judgement(
        verdict=conclusion.verdict,
        reasons=conclusion.reasons,
        shows=history.plan.scenario.shows,
        findings=findings,
        counts=widened,
        expectations=results,
        metrics=replace(
            metrics,
            let_in=_let_in(widened),
            starved=evidence.lateness.starved,
            lateness_known=not evidence.about(Affects.TIMING),
            losses_unknown=_losses_unknown(counts, evidence),
            sessions_unknown=next(iter(evidence.about(Affects.ALL, Affects.UPPER, Affects.AUDIT)), ""),
            measured={one.text: Interval(low=one.low, high=one.high) for one in results},
        ),
        evidence=(
            *_relevant(history, evidence),
            *filter(None, [told_open(facts.request_ends), told_by_clocks(history), history.unchecked]),
        ),
    )


def _let_in(counts: Mapping[str, Interval]) -> Interval:
    """All findings of the open side together."""
    open_side = {name for name, kind in FINDINGS.items() if kind.side is FindingSide.OPEN}
    those = [count for name, count in counts.items() if name in open_side]
    return Interval(low=sum(one.low for one in those), high=sum(one.high for one in those))


def _losses_unknown(counts: Mapping[str, Interval], evidence: Evidence) -> str:
    """Why more acked writes may be lost than findings say; empty: that is all."""
    gaps = evidence.about(Affects.ALL, Affects.UPPER, Affects.AUDIT, Affects.LOSS)
    undecided = sum(
        counts[name].high - counts[name].low for name in having(FindingTrait.LOST_WRITE) if name in counts
    )
    if not gaps and undecided:
        return f"{undecided:g} cannot be decided"
    return next(iter((*gaps, *evidence.lacks("loss window"))), "")


def _relevant(history: History, evidence: Evidence) -> tuple[str, ...]:
    """The gaps that leave something undecided; timing matters only where a time is expected."""
    timed = any(expectation.unit == "s" for expectation in history.plan.scenario.expect)
    kinds = [kind for kind in Affects if timed or kind is not Affects.TIMING]
    return tuple(dict.fromkeys((*evidence.about(*kinds), *evidence.without.values())))
