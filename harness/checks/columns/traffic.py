"""Every operation of a run as a few numpy columns: what is measured over all of them stands on this.

A `Traffic` answers what availability, latency and the counts ask of an operation, a million of them
at once, without making a record of any. `where` leaves some out. Nothing is judged here. Trap: an
operation may have no `done_us` (and a not-sent one no `sent_us`); it is `NONE` then, earlier than all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
    Codes,
    Flags,
    Integers,
    Names,
    Words,
    flagged,
    integers,
    picked,
)
from harness.costly import np, npt, pa
from harness.model.attempt_results import CANCELLED
from harness.model.history import History
from harness.model.table import OperationTable, rows_of
from harness.model.words import OperationKind, Outcome, Phase, StepKind

KINDS = tuple(OperationKind)
PHASES = tuple(Phase)
OUTCOMES = tuple(Outcome)

WRITING_STEPS = (StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD)
MUTATING_STEPS = (StepKind.CREATE, *WRITING_STEPS, StepKind.TOUCH, StepKind.DESTROY)

Members: TypeAlias = "npt.NDArray[np.int8]"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Traffic:
    """Parallel columns, one entry an operation, in the order of the history."""

    id: Integers
    kind: Members
    """Positions in `KINDS`; likewise `phase` and `outcome`."""
    phase: Members
    outcome: Members
    shard: Codes
    due_us: Integers
    sent_us: Integers
    done_us: Integers
    web_server: Codes
    client_side: Codes
    behaviour: Codes
    succeeded: Flags
    """Acked and effective: what a user would call done. A touch of an absent session is not."""
    writes: Flags
    """Has a step that writes to a field."""
    mutates: Flags
    cancelled: Flags
    """Its last attempt was given up by the client itself."""
    web_servers: tuple[str, ...]
    """What the codes stand for."""
    client_sides: tuple[str, ...]
    behaviours: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.id)

    def where(self, chosen: Flags | slice) -> Traffic:
        return Traffic(
            **{name: getattr(self, name)[chosen] for name in _COLUMNS},
            web_servers=self.web_servers,
            client_sides=self.client_sides,
            behaviours=self.behaviours,
        )

    def of_kind(self, kind: str) -> Flags:
        return self.kind == KINDS.index(OperationKind(kind)) if kind in KINDS else self._none()

    def in_phase(self, *phases: Phase) -> Flags:
        return picked(np.array([phase in phases for phase in PHASES]), self.phase)

    def with_outcome(self, outcome: Outcome) -> Flags:
        found: Flags = self.outcome == OUTCOMES.index(outcome)
        return found

    def of_behaviour(self, behaviour: str) -> Flags:
        return self._named(self.behaviour, self.behaviours, behaviour)

    def by_web_server(self, web_server: str) -> Flags:
        return self._named(self.web_server, self.web_servers, web_server)

    def on_side(self, side: str) -> Flags:
        return self._named(self.client_side, self.client_sides, side)

    @property
    def ended_us(self) -> Integers:
        """When it was done; where that is not known, when it was due."""
        ended_us: Integers = np.where(self.done_us == NONE, self.due_us, self.done_us)
        return ended_us

    @property
    def wait_us(self) -> Integers:
        """From due to done, where it was done."""
        waits_us: Integers = np.maximum(0, self.done_us - self.due_us)
        return waits_us

    def _named(self, codes: Codes, names: tuple[str, ...], name: str) -> Flags:
        return codes == names.index(name) if name in names else self._none()

    def _none(self) -> Flags:
        return np.zeros(len(self), np.bool_)


_NAMED = ("web_server", "client_side", "behaviour")
_MOST = (1 << 15) - 1
_ASKED = {
    "operations": ("kind", "phase", "outcome", "shard", "due_us", "sent_us", "done_us", *_NAMED),
    "steps": ("does", "effective", "deciding"),
    "attempts": ("result",),
}
_COLUMNS = tuple(
    name for name in Traffic.__slots__ if name not in {"web_servers", "client_sides", "behaviours"}
)


def traffic_of(history: History) -> Traffic:
    """Made once for a history, and kept with it as its records are."""
    return history.once(_traffic)


def _traffic(history: History) -> Traffic:
    """Part by part, as a long run's columns take more memory than all that is made of them."""
    names = {name: Names() for name in _NAMED}
    count, found = len(history.table), dict[str, Any]()
    for these, part in history.table.parts(_ASKED):
        for name, values in _of_part(part, names).items():
            found[name] = _put(found.get(name), values, these, count)
    told = {name: tuple(known.all()) for name, known in names.items()}
    return Traffic(
        **found,
        web_servers=told["web_server"],
        client_sides=told["client_side"],
        behaviours=told["behaviour"],
    )


def _put(whole: Any, values: Any, these: slice, count: int) -> Any:
    """A part's values in their place in the whole column, which is made for the first of them."""
    if len(values) == count:
        return values
    if whole is None:
        whole = np.zeros(count, values.dtype)
    wide = whole.astype(np.promote_types(whole.dtype, values.dtype), copy=False)
    wide[these] = values
    return wide


def _of_part(table: OperationTable, names: Mapping[str, Names]) -> dict[str, Any]:
    operations, count = table.operations, len(table)
    outcome = Words(operations, "outcome").as_members(OUTCOMES)
    done_us = integers(operations, "done_us")
    rows, does = rows_of(table.steps), Words(table.steps, "does")
    acked = outcome == OUTCOMES.index(Outcome.ACKED)
    kind = Words(operations, "kind").as_members(KINDS)
    mutating = _any(rows[does.which(MUTATING_STEPS.__contains__)], count)
    return {
        **{name: _numbered(operations, name, known) for name, known in names.items()},
        "id": integers(operations, "id"),
        "kind": kind,
        "phase": Words(operations, "phase").as_members(PHASES),
        "outcome": outcome,
        "shard": _narrow(integers(operations, "shard")),
        "due_us": integers(operations, "due_us"),
        "sent_us": integers(operations, "sent_us"),
        "done_us": done_us,
        "succeeded": acked & (done_us != NONE) & ~_without_effect(table, rows, count),
        "writes": _any(rows[does.which(WRITING_STEPS.__contains__)], count),
        "mutates": mutating & (kind != KINDS.index(OperationKind.READ)),
        "cancelled": _cancelled(table, count),
    }


def _numbered(operations: pa.Table, name: str, known: Names) -> Codes:
    words = Words(operations, name)
    found: Codes = words.mapped(known.numbers(words.texts), nothing=NO_CODE, dtype=np.int32)
    return _narrow(found)


def _narrow(numbers: Any) -> Codes:
    """In two bytes where they fit, which they do in every run of the kit's: there are few of each."""
    fits = int(numbers.max(initial=0)) <= _MOST and int(numbers.min(initial=0)) >= -_MOST
    found: Codes = numbers.astype(np.int16 if fits else np.int32)
    return found


def _any(rows: Integers, count: int) -> Flags:
    found = np.zeros(count, np.bool_)
    found[rows] = True
    return found


def _without_effect(table: OperationTable, rows: Integers, count: int) -> Flags:
    """Operations one of whose deciding steps (all steps, where none is marked) changed nothing."""
    idle = flagged(table.steps, "effective", value=False)
    if not idle.any():
        return np.zeros(count, np.bool_)
    deciding = flagged(table.steps, "deciding", value=True)
    return _any(rows[idle & (deciding | ~_any(rows[deciding], count)[rows])], count)


def _cancelled(table: OperationTable, count: int) -> Flags:
    rows = rows_of(table.attempts)
    cancelled = Words(table.attempts, "result").equal(CANCELLED)
    last = np.append(rows[1:] != rows[:-1], True)[: len(rows)]
    return _any(rows[cancelled & last], count)


def sessions_of(table: OperationTable, chosen: Flags) -> set[str]:
    """The sessions that these operations are about."""
    found = set[str]()
    for these, part in table.parts({"operations": ("session",)}):
        found.update(Words(part.operations, "session").at(chosen[these]))
    return found


def answering_connections(table: OperationTable, wanted: Integers) -> tuple[Integers, Flags]:
    """The connection whose reply acked the deciding step of each of these operations, in rising order:
    this names the node. Where the second answer is False, none is known.

    The step itself says which attempt that was. Its attempt may have ended in an error all the same, behind
    the step's reply; and a later attempt may have been for other steps' sake.
    """
    pieces = [
        _answering(part, wanted[slice(*np.searchsorted(wanted, (these.start, these.stop)))] - these.start)
        for these, part in table.parts(_ANSWERS)
    ]
    connection = np.concatenate([np.zeros(0, np.int64), *pieces])
    return connection, connection != NONE


_ANSWERS = {"steps": ("outcome", "deciding", "attempts"), "attempts": ("n", "connection")}


def _answering(table: OperationTable, wanted: Integers) -> Integers:
    asked = _any(wanted, len(table))
    rows = rows_of(table.steps)
    acked = Words(table.steps, "outcome").equal(Outcome.ACKED)
    deciding = flagged(table.steps, "deciding", value=True)
    numbers = table.steps["attempts"].combine_chunks()
    first, end = numbers.offsets.to_numpy()[:-1], numbers.offsets.to_numpy()[1:]
    chosen = asked[rows] & acked & (end > first) & (deciding | ~_any(rows[deciding], len(table))[rows])
    places = np.flatnonzero(chosen)
    last = np.full(len(table), -1, np.int64)
    last[rows[places]] = numbers.values.to_numpy()[end[places] - 1]  # what is assigned last stays
    tried, n = rows_of(table.attempts), integers(table.attempts, "n")
    carrying = np.flatnonzero(asked[tried] & (n == last[tried]))
    connection = np.full(len(table), NONE, np.int64)
    connection[tried[carrying]] = integers(table.attempts, "connection")[carrying]
    return connection[wanted]
