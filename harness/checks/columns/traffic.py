"""Every operation of a run as a few numpy columns: what is measured over all of them stands on this.

A `Traffic` answers what availability, latency and the counts ask of an operation, a million of them
at once, without making a record of any. `where` leaves some out. Nothing is judged here. Trap: an
operation may have no `done_us` (and a not-sent one no `sent_us`); it is `NONE` then, earlier than all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from harness.checks.columns.arrays import NONE, Codes, Flags, Integers, Words, flagged, integers, picked
from harness.costly import np, npt
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


_COLUMNS = tuple(
    name for name in Traffic.__slots__ if name not in {"web_servers", "client_sides", "behaviours"}
)


def traffic_of(history: History) -> Traffic:
    """Made once for a history, and kept with it as its records are."""
    return history.once(_traffic)


def _traffic(history: History) -> Traffic:
    table = history.table
    operations, count = table.operations, len(table)
    outcome = Words(operations, "outcome").as_members(OUTCOMES)
    done_us = integers(operations, "done_us")
    web_server, client_side, behaviour = (
        Words(operations, name) for name in ("web_server", "client_side", "behaviour")
    )
    rows, does = rows_of(table.steps), Words(table.steps, "does")
    acked = outcome == OUTCOMES.index(Outcome.ACKED)
    kind = Words(operations, "kind").as_members(KINDS)
    mutating = _any(rows[does.which(MUTATING_STEPS.__contains__)], count)
    return Traffic(
        id=integers(operations, "id"),
        kind=kind,
        phase=Words(operations, "phase").as_members(PHASES),
        outcome=outcome,
        shard=integers(operations, "shard").astype(np.int32),
        due_us=integers(operations, "due_us"),
        sent_us=integers(operations, "sent_us"),
        done_us=done_us,
        web_server=web_server.codes,
        client_side=client_side.codes,
        behaviour=behaviour.codes,
        succeeded=acked & (done_us != NONE) & ~_without_effect(table, rows, count),
        writes=_any(rows[does.which(WRITING_STEPS.__contains__)], count),
        mutates=mutating & (kind != KINDS.index(OperationKind.READ)),
        cancelled=_cancelled(table, count),
        web_servers=tuple(web_server.names()),
        client_sides=tuple(client_side.names()),
        behaviours=tuple(behaviour.names()),
    )


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


def answering_connections(table: OperationTable, wanted: Integers) -> tuple[Integers, Flags]:
    """The connection whose reply acked the deciding step of each of these operations: this names the
    node. Where the second answer is False, none is known.

    The step itself says which attempt that was. Its attempt may have ended in an error all the same, behind
    the step's reply; and a later attempt may have been for other steps' sake.
    """
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
    found = connection[wanted]
    return found, found != NONE
