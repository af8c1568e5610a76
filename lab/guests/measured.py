"""One run of an application under a fault -> what its users saw. Pure.

Users are counted, not sessions: whoever is put out three times is one user who was put out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from harness.checks.facts.of_run import facts_of
from harness.checks.promises.front_door import (
    ANONYMOUS_PAGE,
    COOKIE_DELETED,
    HUNG_REQUEST,
    NEEDS_RESTART,
    TOLD_OK_THEN_LOST,
)
from harness.checks.promises.table import FINDINGS, having
from harness.model.finding_kind import FindingTrait
from harness.model.history import History
from harness.model.judgement import Finding, Judgement, Window
from harness.model.results import ScenarioResult
from harness.model.words import FindingSide, Verdict

NOTICED_S = 0.5
"""A shorter outage long after the fault is as likely the machine's."""
SURVIVING = "surviving write"
"""Not something that users wait for."""


class Cell(msgspec.Struct, kw_only=True, frozen=True):
    """What the users of one application saw under one fault."""

    guest: str
    """Its file in guests/: `flask/guest.yaml`."""
    fault: str
    """The scenario's file without its ending: `primary-killed`."""
    why_not: str = ""
    """Why nothing is known; empty: all of the following is."""
    came_by: int = 0
    """Users who asked for something after the fault's effect, or were put out."""
    put_out: int = 0
    """Users who had to log in again, though they had not logged out."""
    cookies_deleted: int = 0
    """Of their sessions, those that the application told the browser to forget although they were there."""
    pages_for_nobody: int = 0
    """Sessions whose user got a page as for nobody, although they were there."""
    got_in: int = 0
    """Sessions by which somebody got in, or stayed in, who must not."""
    lost: int = 0
    """Log-ins and changes that the application confirmed, and that were gone later."""
    hung: int = 0
    """Requests without an answer within the browser's patience."""
    restarted: int = 0
    """Web servers that let nobody in although Redis was well again, until the kit started them anew."""
    errors_s: float = 0.0
    """The longest time in which some kind of request did not work on some web server."""
    back_s: float | None = None
    """From the fault's effect until every kind of request worked again; None: it never did in this run."""
    seed: int = 0
    engine: str = ""

    @property
    def bad(self) -> bool:
        """Whether users lost something, were let in wrongly, or waited in vain."""
        return bool(
            self.put_out or self.pages_for_nobody or self.got_in or self.lost or self.hung or self.restarted
        )


def unknown(guest: str, fault: str, why: str) -> Cell:
    return Cell(guest=guest, fault=fault, why_not=why)


def after_all(before: Iterable[Cell], now: Iterable[Cell]) -> dict[tuple[str, str], Cell]:
    """(guest, fault) -> its cell: what was measured now, unless that says nothing and the one before does."""
    known = {(one.guest, one.fault): one for one in before}
    for one in now:
        place = (one.guest, one.fault)
        if not one.why_not or place not in known or known[place].why_not:
            known[place] = one
    return known


def measured(guest: str, result: ScenarioResult, past: History | None) -> Cell:
    """A run that was not judged, or whose sessions were not all asked for at the end, says nothing."""
    fault = Path(result.file).stem
    judgement = result.judgement
    if judgement is None or past is None:
        if result.verdict is Verdict.SKIPPED:
            return unknown(guest, fault, result.why or "it could not run here")
        return unknown(guest, fault, f"no result: its run ended as {result.verdict}")
    if judgement.metrics.sessions_unknown:
        return unknown(guest, fault, judgement.metrics.sessions_unknown)
    return _of_users(guest, fault, result, judgement, past)


def _of_users(guest: str, fault: str, result: ScenarioResult, judgement: Judgement, past: History) -> Cell:
    findings = judgement.findings
    zero_us = facts_of(past).landmarks.zero_us
    put_out = {one.user for one in findings if _ends(one)}
    came_by = {one.user for one in past.operations if (one.sent_us or one.due_us) >= zero_us}
    outages = [one for one in judgement.metrics.outages if one.kind != SURVIVING and one.group != "worst"]
    worst = judgement.metrics.worst_outage
    return Cell(
        guest=guest,
        fault=fault,
        came_by=len(came_by | put_out),
        put_out=len(put_out),
        cookies_deleted=_count(findings, COOKIE_DELETED.name),
        pages_for_nobody=_count(findings, COOKIE_DELETED.name, ANONYMOUS_PAGE.name),
        got_in=len({one.session for one in findings if one.side is FindingSide.OPEN}),
        lost=_count(findings, *having(FindingTrait.LOST_WRITE), TOLD_OK_THEN_LOST.name),
        hung=_count(findings, HUNG_REQUEST.name),
        restarted=_count(findings, NEEDS_RESTART.name),
        errors_s=worst.duration_s.low if worst is not None else 0.0,
        back_s=back_after_s([*outages, *([worst] if worst is not None else [])]),
        seed=result.seed,
        engine=result.engine,
    )


def back_after_s(outages: Sequence[Window]) -> float | None:
    """When the last of them was over, in seconds after the fault's effect. None: one never was."""
    ends = [one.start_s + one.duration_s.high for one in outages if one.duration_s.low >= NOTICED_S]
    last = max(ends, default=0.0)
    return None if last == float("inf") else max(0.0, last)


def _ends(one: Finding) -> bool:
    traits = FINDINGS[one.name].traits
    return FindingTrait.ENDS_SESSION in traits


def _count(findings: Sequence[Finding], *names: str) -> int:
    return sum(one.name in names for one in findings)
