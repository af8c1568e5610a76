"""A run's history as the checks receive it: every record by kind, typed, in order.

`harness.history` reads one from a run's folder; tests build small ones by hand. No I/O, no judging.
Trap: a history without a closing line ends where the harness died. What is missing after that point
widens what a check must hold possible, it never proves that nothing happened.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from threading import Lock
from typing import Any, Protocol, TypeVar

from harness.model.clock_bounds import widest_us
from harness.model.packed_audit import PackedAudit, as_kind
from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    Bracket,
    ClockPair,
    ClockReading,
    Closing,
    Connection,
    Event,
    ForensicEntry,
    ForensicReading,
    NodeSample,
    ObjectEntry,
    Opening,
    Operation,
    PhaseChange,
    Unanswered,
)
from harness.model.table import OperationTable
from harness.model.words import Phase

T = TypeVar("T")


class _OfAPass(Protocol):
    pass_n: int


S = TypeVar("S", bound=_OfAPass)


class _Operations:
    """The field `operations`: given as records or as a table, read as records made when first asked for."""

    def __get__(self, history: History | None, owner: type[History]) -> tuple[Operation, ...]:
        if history is None:
            return ()  # what dataclass takes for the default
        held = vars(history)
        if "records" not in held:
            held["records"] = held["table"].records()
        records: tuple[Operation, ...] = held["records"]
        return records

    def __set__(self, history: History, given: tuple[Operation, ...] | OperationTable) -> None:
        vars(history)["table" if isinstance(given, OperationTable) else "records"] = given


class _Made:
    """What was made of one history, by what made it; each at most once, whoever asks meanwhile waits."""

    __slots__ = ("_lock", "_made")

    def __init__(self) -> None:
        self._lock = Lock()
        self._made: dict[Callable[[History], Any], tuple[Lock, list[Any]]] = {}

    def once(self, make: Callable[[History], T], history: History) -> T:
        with self._lock:
            being_made, made = self._made.setdefault(make, (Lock(), []))
        with being_made:
            if not made:
                made.append(make(history))
        found: T = made[0]
        return found


@dataclass(frozen=True, kw_only=True)  # no slots: `table` and the records are kept once made
class History:
    """Everything that one run wrote down, and the plan that it followed.

    Operations and connections are sorted by id; everything else is in the order of its own time
    (samples, readings, clock readings: `done_us`; events, clocks, phases, brackets: `t_us`; audit, objects
    and forensics: pass or reading, then `sent_us`; unanswered: by connection).
    """

    plan: Plan
    opening: Opening
    operations: _Operations = _Operations()
    """As records; may be given as an `OperationTable`. A million of them take seconds to make: what has
    to be fast asks `table`."""
    connections: tuple[Connection, ...] = ()
    """The last record of each id: the complete one where the connection was closed."""
    unanswered: tuple[Unanswered, ...] = ()
    samples: tuple[NodeSample, ...] = ()
    events: tuple[Event, ...] = ()
    clocks: tuple[ClockPair, ...] = ()
    clock_readings: tuple[ClockReading, ...] = ()
    """Of the clocks of load engines elsewhere, whose operations have been moved to the run's clock."""
    phases: tuple[PhaseChange, ...] = ()
    brackets: tuple[Bracket, ...] = ()
    audit: Sequence[AuditEntry] = ()
    """Every pass; `audit_summary.valid_pass` says which one counts."""
    objects: tuple[ObjectEntry, ...] = ()
    """The audit of what is no session; every pass, as above."""
    audit_summary: AuditSummary | None = None
    """None: the run ended before its audit."""
    readings: tuple[ForensicReading, ...] = ()
    forensics: tuple[ForensicEntry, ...] = ()
    """What nodes held shortly before they lost it; no part of the audit."""
    closing: Closing | None = None
    incomplete: str = ""
    """Why the history is not whole (the harness died, its last line is cut off); empty: it is."""
    unchecked: str = ""
    """What of it no checksum confirms, as it was recorded before there was one; empty: nothing."""
    _made: _Made = field(default_factory=_Made, init=False, repr=False, compare=False)

    @cached_property
    def table(self) -> OperationTable:
        """The operations as columns; the table they were read from, if they were."""
        return OperationTable.of(self.operations)

    def once(self, make: Callable[[History], T]) -> T:
        """What `make` makes of this history: made when first asked for, and kept as long as the history."""
        return self._made.once(make, self)

    @cached_property
    def clocks_apart_us(self) -> int:
        """How far off a moment of an operation may be, as another clock told it; 0: the run's own did."""
        return widest_us(self.clock_readings)

    @property
    def effects(self) -> list[Event]:
        """The proved effects of the run's faults, in their order."""
        return [event for event in self.events if event.name == "effect"]

    @property
    def first_effect(self) -> Event | None:
        """The earliest of them; None: no fault took effect."""
        return min(self.effects, key=lambda event: event.t_us, default=None)

    @property
    def begin_us(self) -> int:
        """The baseline began; the seed before it is not judged."""
        began = [change.t_us for change in self.phases if change.phase is Phase.BASELINE]
        return began[-1] if began else 0

    @property
    def zero_us(self) -> int:
        """What seconds count from: the first effect; without a fault, the baseline's beginning."""
        first = self.first_effect
        return self.begin_us if first is None else first.t_us

    @property
    def valid_pass(self) -> int | None:
        """The number of the audit's pass that counts; None: none does, or there was no audit."""
        return None if self.audit_summary is None else self.audit_summary.valid_pass

    def valid_audit(self) -> Iterator[AuditEntry]:
        """What the pass that counts read."""
        number = self.valid_pass
        return (entry for entry in self.audit if number is not None and entry.pass_n == number)

    def audit_as(self, kind: type[T]) -> Iterator[list[T]]:
        """Every pass, some entries at a time, for whoever needs less of each and is quicker: a Struct that
        has some of an entry's fields."""
        return as_kind(self.audit, kind)

    def valid_audit_as(self, kind: type[S]) -> Iterator[list[S]]:
        """The same of the pass that counts; the Struct has `pass_n`."""
        number = self.valid_pass
        for entries in self.audit_as(kind) if number is not None else ():
            yield [entry for entry in entries if entry.pass_n == number]

    def valid_audit_about(self, sessions: Collection[str]) -> Iterator[AuditEntry]:
        """The same of these sessions alone."""
        number, audit = self.valid_pass, self.audit
        entries = audit.about(sessions) if isinstance(audit, PackedAudit) else audit
        return (one for one in entries if one.session in sessions and one.pass_n == number)

    def valid_objects(self) -> Iterator[ObjectEntry]:
        """What the pass that counts read of objects that are no sessions."""
        number = self.valid_pass
        return (entry for entry in self.objects if number is not None and entry.pass_n == number)

    def sessions(self) -> list[str]:
        """The ids of all sessions that an operation is about, in no order."""
        found: list[str] = self.table.operations["session"].unique().to_pylist()
        return found

    @property
    def complete(self) -> bool:
        return not self.incomplete
