"""A run's history as the checks receive it: every record by kind, typed, in order.

`harness.history` reads one from a run's folder; tests build small ones by hand. No I/O, no judging.
Trap: a history without a closing line ends where the harness died. What is missing after that point
widens what a check must hold possible, it never proves that nothing happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    Bracket,
    ClockPair,
    Closing,
    Connection,
    Event,
    ForensicEntry,
    ForensicReading,
    NodeSample,
    Opening,
    Operation,
    PhaseChange,
    Unanswered,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that one run wrote down, and the plan that it followed.

    Operations and connections are sorted by id; everything else is in the order of its own time
    (samples, readings: `done_us`; events, clocks, phases, brackets: `t_us`; audit and forensics: pass or
    reading, then `sent_us`; unanswered: by connection).
    """

    plan: Plan
    opening: Opening
    operations: tuple[Operation, ...] = ()
    connections: tuple[Connection, ...] = ()
    """The last record of each id: the complete one where the connection was closed."""
    unanswered: tuple[Unanswered, ...] = ()
    samples: tuple[NodeSample, ...] = ()
    events: tuple[Event, ...] = ()
    clocks: tuple[ClockPair, ...] = ()
    phases: tuple[PhaseChange, ...] = ()
    brackets: tuple[Bracket, ...] = ()
    audit: tuple[AuditEntry, ...] = ()
    """Every pass; `audit_summary.valid_pass` says which one counts."""
    audit_summary: AuditSummary | None = None
    """None: the run never came to its audit."""
    readings: tuple[ForensicReading, ...] = ()
    forensics: tuple[ForensicEntry, ...] = ()
    """What nodes held shortly before they lost it; no part of the audit."""
    closing: Closing | None = None
    incomplete: str = ""
    """Why the history is not whole (the harness died, its last line is cut off); empty: it is."""

    @property
    def complete(self) -> bool:
        return not self.incomplete
