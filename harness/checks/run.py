"""A history, read once, against every promise: the table of checks applied, its findings put in order.

Trap: a check that crashes has found nothing *out*. Its names then have no upper bound, and the run
is at best INCONCLUSIVE.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.measures.at_risk import sessions_at_risk
from harness.checks.measures.session_counts import count_sessions
from harness.checks.promises import table
from harness.checks.promises.check import Check, Sequel
from harness.checks.screen.screening import Screened, screen
from harness.model.finding_kind import FindingTrait
from harness.model.history import History
from harness.model.judgement import Finding, Interval, SessionCounts, in_order


def run_checks(
    history: History, *, screened: bool = True
) -> tuple[list[Finding], dict[str, Interval], SessionCounts, tuple[str, ...]]:
    """Findings (open ones first, then by time), counts per finding name, sessions, crashed checks.

    `screened` False: look at every session record by record. It answers the same, and takes long.
    """
    divided = screen(history) if screened else Screened(suspects=history)
    facts = facts_of(history)
    timelines = Timelines(divided.suspects, facts, divided.objects)
    found: list[Finding] = []
    undecidable: dict[str, float] = defaultdict(float)
    crashed = []
    checks: tuple[Check | Sequel, ...] = (*table.CHECKS, *table.SEQUELS)
    for check in checks:
        try:
            counted = check.find(timelines) if isinstance(check, Check) else check.find(timelines, found)
        except Exception as failure:  # noqa: BLE001 - a crashed check is a gap in the evidence, not the end
            crashed.append(f"{check.find.__name__}: {type(failure).__name__}: {failure}")
            for kind in check.kinds:
                undecidable[kind.name] = float("inf")
            continue
        found += counted.findings
        for name, more in counted.undecidable.items():
            undecidable[name] += more
    kept, sure = [], table.having(FindingTrait.SURE_AT_THE_END)
    for one in _merged(found):
        if one.seen_us is not None and one.seen_us > timelines.horizon_us and one.name not in sure:
            undecidable[one.name] += 1
        else:
            kept.append(one)
    findings = in_order(kept)
    counts = {
        name: Interval(
            low=(proved := sum(one.name == name for one in findings)), high=proved + undecidable[name]
        )
        for name in table.FINDINGS
    }
    at_risk = set[str]() if facts.landmarks.danger_us is None else sessions_at_risk(facts)
    return findings, counts, count_sessions(timelines, findings, at_risk, divided.clean), tuple(crashed)


def _merged(found: Sequence[Finding]) -> list[Finding]:
    """One broken promise, one finding: several checks may have met the same one."""
    merged: dict[tuple[object, ...], Finding] = {}
    one_each = table.having(FindingTrait.ONE_PER_SESSION)
    for one in found:
        promise = () if one.name in one_each else one.operations[:1]
        key = (one.name, one.session, promise, one.sentence if one.session is None else "")
        before = merged.get(key)
        if before is None:
            merged[key] = one
        else:
            first, second = sorted((before, one), key=lambda item: item.seen_us or 0)
            merged[key] = replace(first, observations=first.observations + second.observations)
    return list(merged.values())
