"""One run of an application under a fault -> what its users saw. Pure.

Users are counted, not sessions: whoever is put out three times is one user who was put out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from harness.checks.facts.host_lateness import lateness
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
    kit: str = ""
    """The version of the kit that measured it."""
    measured_on: str = ""
    """Date, ISO 8601."""
    late_s: float | None = None
    """By how much this machine was late in its worst second or two, where that is too much to measure a
    second: the times may be too long by as much. 0: it was not; None: measured before this was kept."""
    undecided: tuple[str, ...] = ()
    """Those of the numbers that may be this machine's doing, in part or all."""

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
    """A run that was not judged, or whose sessions were not all asked for at the end, says nothing. When it
    was measured, and by which kit, is not known here."""
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
    facts = facts_of(past)
    put_out = {one.user for one in findings if _ends(one)}
    came_by = {one.user for one in past.operations if (one.sent_us or one.due_us) >= facts.landmarks.zero_us}
    outages = [one for one in judgement.metrics.outages if one.kind != SURVIVING and one.group != "worst"]
    worst = judgement.metrics.worst_outage
    late = lateness(facts)
    counted = {name: [one for one in findings if is_one(one)] for name, is_one in _COUNTED.items()}
    return Cell(
        guest=guest,
        fault=fault,
        came_by=len(came_by | put_out),
        put_out=len(put_out),
        cookies_deleted=sum(one.name == COOKIE_DELETED.name for one in findings),
        pages_for_nobody=len(counted["pages_for_nobody"]),
        got_in=len({one.session for one in counted["got_in"]}),
        lost=len(counted["lost"]),
        hung=len(counted["hung"]),
        restarted=len(counted["restarted"]),
        errors_s=worst.duration_s.low if worst is not None else 0.0,
        back_s=back_after_s([*outages, *([worst] if worst is not None else [])]),
        seed=result.seed,
        engine=result.engine,
        late_s=late.within_s(late.bound_s) if late.starved else 0.0,
        undecided=tuple(name for name, those in counted.items() if _undecided(those, judgement)),
    )


def _undecided(those: Sequence[Finding], judgement: Judgement) -> bool:
    """Whether the run proves fewer of them than there are."""
    names = Counter(one.name for one in those)
    return any(judgement.counts[name].low < number for name, number in names.items())


def back_after_s(outages: Sequence[Window]) -> float | None:
    """When the last of them was over, in seconds after the fault's effect. None: one never was."""
    ends = [one.start_s + one.duration_s.high for one in outages if one.duration_s.low >= NOTICED_S]
    last = max(ends, default=0.0)
    return None if last == float("inf") else max(0.0, last)


def _ends(one: Finding) -> bool:
    traits = FINDINGS[one.name].traits
    return FindingTrait.ENDS_SESSION in traits


def _named(*names: str) -> Callable[[Finding], bool]:
    return lambda one: one.name in names


_COUNTED: Mapping[str, Callable[[Finding], bool]] = {
    "put_out": _ends,
    "pages_for_nobody": _named(COOKIE_DELETED.name, ANONYMOUS_PAGE.name),
    "got_in": lambda one: one.side is FindingSide.OPEN,
    "lost": _named(*having(FindingTrait.LOST_WRITE), TOLD_OK_THEN_LOST.name),
    "hung": _named(HUNG_REQUEST.name),
    "restarted": _named(NEEDS_RESTART.name),
}
"""Number of a cell -> the findings that it counts."""
