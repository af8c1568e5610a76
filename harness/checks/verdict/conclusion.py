"""One verdict and the sentences that explain it, the deciding one first.

FAIL if an expectation is unmet or something was found that none names; else INCONCLUSIVE if
anything is undecided; else PASS. A weakness passes when it is seen. Trap: an expectation `on` a
group or `in` a phase names a finding there only; what lies outside still must be none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from textwrap import shorten

from harness.checks.measures.bounds import bounds_of
from harness.checks.measures.scope import Membership, scope_of
from harness.checks.promises.recovery_limit import NO_RECOVERY
from harness.checks.promises.table import FINDINGS, having
from harness.checks.verdict.evidence import Affects
from harness.checks.verdict.expectations import Case, finding_named, widened_count
from harness.checks.wording import expected_text, findings_text
from harness.model.engine import applies
from harness.model.finding_kind import FindingTrait, Need, Premise
from harness.model.judgement import (
    INFINITE,
    ExpectationResult,
    Finding,
    Interval,
    Judgement,
    by_name,
    lets_in,
)
from harness.model.measures import SURVIVING_WRITE
from harness.model.scenario import Expectation, Workload
from harness.model.words import Shows, Verdict

WHY_AT_MOST = 110
"""Characters in the table's last column."""
WORTH_TELLING_S = 1.0


@dataclass(frozen=True, slots=True)
class Conclusion:
    verdict: Verdict
    reasons: tuple[str, ...]


def conclude(case: Case, results: Sequence[ExpectationResult]) -> Conclusion:
    failures = [*_unnamed(case), *_unmet(case, results)]
    undecided = [*_undecided_evidence(case), *_undecided(case, results), *_nothing_to_show(case)]
    if failures:
        return Conclusion(Verdict.FAIL, (*_open_first(failures), *(reason for _, reason in undecided)))
    if aside := _nothing_demanded(case, results):
        return Conclusion(Verdict.SKIPPED, (aside, *_once(reason for _, reason in undecided)))
    if undecided:
        return Conclusion(Verdict.INCONCLUSIVE, _once(reason for _, reason in undecided))
    return Conclusion(Verdict.PASS, _passed(case, results))


def _nothing_demanded(case: Case, results: Sequence[ExpectationResult]) -> str:
    """Why such a run can neither keep nor show anything: all that the scenario demands is about other
    engines. Empty: something is left."""
    scenario = case.history.plan.scenario
    demanded = [
        result
        for expectation, result in zip(scenario.expect, results, strict=True)
        if scenario.shows is Shows.PROMISE or expectation.demands
    ]
    if not demanded or not all(one.aside for one in demanded):
        return ""
    texts = "; ".join(one.text for one in demanded)
    return f"no expectation applies to {case.history.opening.engine}: {texts}"


def _nothing_to_show(case: Case) -> list[Reason]:
    """A weakness passes when it is seen. A scenario file that demands none is refused; a saved plan may be
    from elsewhere."""
    scenario = case.history.plan.scenario
    if scenario.shows is not Shows.WEAKNESS or any(one.demands for one in scenario.expect):
        return []
    return [(False, "a weakness passes when it is shown, and no expectation demands that")]


def uncovered(case: Case) -> dict[str, list[Finding]]:
    """Findings that no expectation is about, by name."""
    scopes: dict[str, list[Expectation]] = {}
    for expectation in case.history.plan.scenario.expect:
        if not applies(expectation.engine, case.history.opening.engine):
            continue
        if (name := finding_named(expectation)) is not None:
            scopes.setdefault(name, []).append(expectation)
    found: dict[str, list[Finding]] = {}
    for finding in case.findings:
        covering = (scope_of(one).finding(finding, case.landmarks) for one in scopes.get(finding.name, ()))
        if Membership.IN not in covering:
            found.setdefault(finding.name, []).append(finding)
    return found


RUN_TELLS = frozenset({Need.EVICTION_EVENTS})
"""Evidence that every run is to record. What a scenario itself does without is its own choice, is said, and
leaves no run undecided for findings that nobody named."""

Reason = tuple[bool, str]
"""(it is about somebody who gets in, the sentence)"""


def _unnamed(case: Case) -> list[Reason]:
    reasons = []
    for name, findings in uncovered(case).items():
        proved, _ = widened_count(name, Interval(low=len(findings), high=len(findings)), case.evidence)
        if proved.low > 0:
            is_open = lets_in(findings)
            reasons.append((is_open, f"{findings_text(name, findings)}; no expectation allows this"))
    return reasons


def _unmet(case: Case, results: Sequence[ExpectationResult]) -> list[Reason]:
    return [
        _against(case, expectation, result, bound)
        for expectation, result, bound in _met(case, results, met=False)
    ]


def _met(
    case: Case, results: Sequence[ExpectationResult], *, met: bool | None
) -> list[tuple[Expectation, ExpectationResult, float | None]]:
    expected = case.history.plan.scenario.expect
    return [
        (expectation, result, bound)
        for expectation, result, bound in zip(expected, results, bounds_of(case.facts), strict=True)
        if result.met is met
    ]


def _against(case: Case, expectation: Expectation, result: ExpectationResult, bound: float | None) -> Reason:
    """Measured against expected, with the causes where it is about findings."""
    left, _, _ = expectation.text.partition(":")
    expected = expected_text(expectation, bound)
    name = finding_named(expectation)
    findings = [
        one
        for one in case.findings
        if one.name == name and scope_of(expectation).finding(one, case.landmarks) is Membership.IN
    ]
    sentence = f"{left} was {result.measured}, expected {expected}"
    wants_more = expectation.comparison in {">", ">="}
    if wants_more and case.history.plan.scenario.shows is Shows.WEAKNESS:
        sentence = f"not shown: {sentence}"
    if findings and name is not None:
        sentence += f" ({findings_text(name, findings)})"
    return lets_in(findings), sentence


def _of_deadlines(workload: Workload) -> frozenset[str]:
    """Those that sessions of this workload can have."""
    about = having(FindingTrait.OF_DEADLINES)
    if workload.absolute_timeout_s:
        return about
    return frozenset(one for one in about if Premise.ABSOLUTE_TIMEOUT not in FINDINGS[one].premises)


def _undecided_evidence(case: Case) -> list[Reason]:
    """Gaps that leave open whether there were findings which no expectation names."""
    reasons = [
        (False, gap) for gap in case.evidence.about(Affects.PASS, Affects.ALL, Affects.UPPER, Affects.AUDIT)
    ]
    named = {finding_named(one) for one in case.history.plan.scenario.expect if scope_of(one).everything}
    if NO_RECOVERY.name not in named:
        reasons += [(False, gap) for gap in case.evidence.about(Affects.RECOVERY)]
    if not _of_deadlines(case.history.plan.scenario.workload) <= named:
        reasons += [(False, gap) for gap in case.evidence.about(Affects.TTL)]
    for name in sorted(having(FindingTrait.TIMED) & uncovered(case).keys()):
        reasons += [(False, f"{name} is undecided: {gap}") for gap in case.evidence.about_delays(name)]
    for need in RUN_TELLS & case.evidence.without.keys():
        open_ = sorted(name for name, one in FINDINGS.items() if need in one.needs and name not in named)
        reasons += [(False, f"{name} is undecided: {case.evidence.without[need]}") for name in open_]
    for name, interval in sorted(case.counts.items()):
        undecided = interval.high - interval.low
        if name not in named and 0 < undecided < INFINITE:  # infinite: a crashed check, said above
            why = case.evidence.why_undecidable(name)
            said = f"{name}: {undecided:g} cannot be decided, and none is allowed"
            reasons.append((False, f"{said}: {why}" if why else said))
    return reasons


def _undecided(case: Case, results: Sequence[ExpectationResult]) -> list[Reason]:
    return [
        (False, f"{result.text} is undecided: measured {result.measured}; {result.why}")
        for _, result, _ in _met(case, results, met=None)
        if not result.aside
    ]


def _passed(case: Case, results: Sequence[ExpectationResult]) -> tuple[str, ...]:
    if case.history.plan.scenario.shows is Shows.WEAKNESS:
        shown = [f"shown: {sentence}" for sentence in _by_name(case.findings)]
        return tuple(shown) or ("shown: " + _measurements(results),)
    nothing = "no findings" if not case.findings else "no unexpected findings"
    return ("; ".join(filter(None, (nothing, _measurements(results), *case.evidence.without.values()))),)


def _measurements(results: Sequence[ExpectationResult]) -> str:
    return ", ".join(
        f"{result.text.partition(':')[0]} {result.measured}" for result in results if not result.aside
    )


def _by_name(findings: Sequence[Finding]) -> list[str]:
    """One clause per finding name."""
    return [findings_text(name, members) for name, members in by_name(findings)]


def _open_first(reasons: Sequence[Reason]) -> tuple[str, ...]:
    return _once(sentence for _, sentence in sorted(reasons, key=lambda reason: not reason[0]))


def _once(sentences: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(sentences))


def why_clause(judgement: Judgement) -> str:
    """One clause for the closing table: why this verdict, or what was seen."""
    if judgement.verdict is not Verdict.PASS:
        clause = judgement.reasons[0]
    elif judgement.findings:
        first, *others = _by_name(judgement.findings)
        clause = "; ".join([first, *others[:1]])
        if len(clause) > WHY_AT_MOST:
            clause = first
    else:
        clause = _nothing_found(judgement)
    return shorten(clause, WHY_AT_MOST, placeholder=" …", break_on_hyphens=False)


def _nothing_found(judgement: Judgement) -> str:
    unknown = judgement.metrics.losses_unknown
    still_out = dict.fromkeys(
        one.kind
        for one in judgement.metrics.outages
        if one.duration_s.high == INFINITE
        and one.duration_s.low >= WORTH_TELLING_S
        and not (unknown and one.kind == SURVIVING_WRITE)  # it has no end because nobody could look
    )
    lost = "no loss seen" if unknown else "nothing lost"
    if still_out:
        return f"{lost}, but {', '.join(still_out)} still failed at the end of the run"
    at_risk = judgement.metrics.sessions.at_risk
    return f"{lost}, {at_risk:,} session{'' if at_risk == 1 else 's'} at risk"
