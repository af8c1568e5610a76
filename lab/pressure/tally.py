"""What the summaries of several runs say, counted. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.model.words import Verdict
from lab.rows import Row

JUDGED = (Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR)
WIDEST_REASON = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Verdicts of one run's scenarios, those that were skipped left out."""

    verdicts: Mapping[str, int]
    tried_again: int
    """Scenarios that were inconclusive at first; their verdict is the second attempt's."""
    reasons: tuple[str, ...]
    """`FAIL sentinel/01-…: why`, for whatever did not pass."""

    @property
    def judged(self) -> int:
        return sum(self.verdicts.values())

    def count(self, verdict: Verdict) -> int:
        return self.verdicts.get(verdict, 0)


def tally(summary: Mapping[str, Any]) -> Tally:
    """Of one run's `summary.json`."""
    judged = [one for one in summary["scenarios"] if one["verdict"] in JUDGED]
    return Tally(
        verdicts=Counter(one["verdict"] for one in judged),
        tried_again=sum(one["times_run"] > 1 for one in judged),
        reasons=tuple(_reason(one) for one in judged if one["verdict"] != Verdict.PASS),
    )


def line(number: int, one: Tally) -> str:
    """One run, for people."""
    counts = ", ".join(f"{one.count(verdict)} {verdict}" for verdict in JUDGED if one.count(verdict))
    again = f"; {one.tried_again} inconclusive at first" if one.tried_again else ""
    return "\n".join(
        [f"run {number}: {counts or 'nothing was judged'}{again}", *(f"    {why}" for why in one.reasons)]
    )


def rows(tallies: Sequence[Tally]) -> list[Row]:
    """FAIL must not occur; how often nothing could be said is shown, not bounded."""
    judged = sum(one.judged for one in tallies)
    if not judged:
        return [Row(name="scenarios judged", measured=0, at_least=1)]
    failed = [why for one in tallies for why in one.reasons if why.startswith(Verdict.FAIL)]
    inconclusive = sum(one.count(Verdict.INCONCLUSIVE) for one in tallies)
    at_first = sum(one.tried_again for one in tallies)
    return [
        Row(name="scenarios judged", measured=judged, at_least=1, note=f"in {len(tallies)} runs"),
        Row(
            name="FAIL",
            measured=sum(one.count(Verdict.FAIL) for one in tallies),
            at_most=0,
            note="; ".join(failed),
        ),
        Row(name="ERROR", measured=sum(one.count(Verdict.ERROR) for one in tallies), at_most=0),
        Row(name="INCONCLUSIVE, share", measured=100 * inconclusive / judged, unit="%", note=_why(tallies)),
        Row(name="INCONCLUSIVE at first, share", measured=100 * at_first / judged, unit="%"),
    ]


def _why(tallies: Sequence[Tally]) -> str:
    reasons = Counter(
        why.partition(": ")[2]
        for one in tallies
        for why in one.reasons
        if why.startswith(Verdict.INCONCLUSIVE)
    )
    return "; ".join(f"{count} x {why}" for why, count in reasons.most_common())


def _reason(scenario: Mapping[str, Any]) -> str:
    why = (scenario["reasons"] or ["no reason given"])[0]
    return f"{scenario['verdict']} {scenario['file'].removeprefix('scenarios/')}: {why[:WIDEST_REASON]}"
