"""Every operation of a run as a few numpy columns: what is measured over all of them stands on this.

A `Traffic` answers what availability, latency and the counts ask of an operation, a million of them
at once, without making a record of any. `where` leaves some out. Nothing is judged here. Trap: an
operation may have no `done_us` (and a not-sent one no `sent_us`); it is `NONE` then, earlier than all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
    ROWS_AT_ONCE,
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
from harness.objects.kind import ON_OBJECTS

KINDS = tuple(OperationKind)
PHASES = tuple(Phase)
OUTCOMES = tuple(Outcome)

WRITING_STEPS = (StepKind.WRITE, StepKind.INCREMENT, StepKind.REMOVE_FIELD)
MUTATING_STEPS = (StepKind.CREATE, *WRITING_STEPS, StepKind.TOUCH, StepKind.DESTROY)

Members: TypeAlias = "npt.NDArray[np.int8]"


class Traffic:
    """Parallel columns, one entry an operation, in the order of the history. A column of a part is picked
    when somebody first asks for it: few are asked for."""

    id: Integers
    kind: Members
    """Positions in `KINDS`; likewise `phase` and `outcome`."""
    phase: Members
    outcome: Members
    shard: Codes
    due_us: Integers
    sent_later_us: Integers
    """From due to sent and to done; 0 where it was not. They take half of the memory that moments do."""
    done_later_us: Integers
    web_server: Codes
    client_side: Codes
    behaviour: Codes
    marks: npt.NDArray[np.uint8]
    """Of each operation, the bits of those of `MARKS` that are so."""

    def __init__(
        self, names: Mapping[str, tuple[str, ...]], columns: Mapping[str, Any], part_of: Any = None
    ) -> None:
        """`names`: what the codes stand for. `part_of`: another one, and what was chosen of it."""
        self._names = names
        self._part_of: tuple[Traffic, Flags | slice] | None = part_of
        vars(self).update(columns)

    def __getattr__(self, name: str) -> Any:
        if name not in _COLUMNS or self._part_of is None:
            raise AttributeError(name)
        whole, chosen = self._part_of
        vars(self)[name] = getattr(whole, name)[chosen]
        return vars(self)[name]

    def __len__(self) -> int:
        return len(self.marks)

    def where(self, chosen: Flags | slice) -> Traffic:
        return Traffic(self._names, {}, (self, chosen))

    def pieces(self) -> Iterator[Traffic]:
        """One after the other, so that what is made on the way takes little memory."""
        for begin in range(0, len(self), ROWS_AT_ONCE):
            yield self.where(slice(begin, begin + ROWS_AT_ONCE))

    def without(self, gone: Flags) -> Traffic:
        """The same, where these were rejected and did not succeed."""
        outcome = np.where(gone, np.int8(OUTCOMES.index(Outcome.REJECTED)), self.outcome)
        marks = np.where(gone, self.marks & ~_bit("succeeded"), self.marks)
        return Traffic(self._names, {"outcome": outcome, "marks": marks}, (self, slice(None)))

    @property
    def succeeded(self) -> Flags:
        """Acked and effective: what a user would call done. A touch of an absent session is not."""
        return self._marked("succeeded")

    @property
    def writes(self) -> Flags:
        """Has a step that writes to a field."""
        return self._marked("writes")

    @property
    def mutates(self) -> Flags:
        return self._marked("mutates")

    @property
    def on_objects(self) -> Flags:
        """Has a step on what is no session."""
        return self._marked("on_objects")

    @property
    def cancelled(self) -> Flags:
        """Its last attempt was given up by the client itself."""
        return self._marked("cancelled")

    @property
    def sent(self) -> Flags:
        return self._marked("sent")

    @property
    def done(self) -> Flags:
        """It has an end, whichever."""
        return self._marked("done")

    @property
    def sent_us(self) -> Integers:
        """`NONE`: it was not sent; likewise `done_us`."""
        return _moments(self.due_us, self.sent_later_us, self.sent)

    @property
    def done_us(self) -> Integers:
        return _moments(self.due_us, self.done_later_us, self.done)

    @property
    def ended_us(self) -> Integers:
        """When it was done; where that is not known, when it was due."""
        return self.due_us + self.done_later_us

    @property
    def wait_us(self) -> Integers:
        """From due to done, where it was done."""
        waits_us: Integers = np.maximum(0, self.done_later_us)
        return waits_us

    @property
    def web_servers(self) -> tuple[str, ...]:
        """What the codes stand for."""
        return self._names["web_server"]

    @property
    def client_sides(self) -> tuple[str, ...]:
        return self._names["client_side"]

    @property
    def behaviours(self) -> tuple[str, ...]:
        return self._names["behaviour"]

    def of_kind(self, kind: str) -> Flags:
        return self.kind == KINDS.index(OperationKind(kind)) if kind in KINDS else self._none()

    def in_phase(self, *phases: Phase) -> Flags:
        return picked(np.array([phase in phases for phase in PHASES]), self.phase)

    def with_outcome(self, outcome: Outcome) -> Flags:
        found: Flags = self.outcome == OUTCOMES.index(outcome)
        return found

    def of_behaviour(self, behaviour: str) -> Flags:
        return self._named("behaviour", behaviour)

    def by_web_server(self, web_server: str) -> Flags:
        return self._named("web_server", web_server)

    def on_side(self, side: str) -> Flags:
        return self._named("client_side", side)

    def _marked(self, mark: str) -> Flags:
        found: Flags = (self.marks & _bit(mark)) != 0
        return found

    def _named(self, column: str, name: str) -> Flags:
        names = self._names[column]
        found: Flags = getattr(self, column) == names.index(name) if name in names else self._none()
        return found

    def _none(self) -> Flags:
        return np.zeros(len(self), np.bool_)


MARKS = ("succeeded", "writes", "mutates", "on_objects", "cancelled", "sent", "done")
_NAMED = ("web_server", "client_side", "behaviour")
_ASKED = {
    "operations": ("kind", "phase", "outcome", "shard", "due_us", "sent_us", "done_us", *_NAMED),
    "steps": ("does", "effective", "deciding"),
    "attempts": ("result",),
}
_COLUMNS = frozenset(Traffic.__annotations__)


def _bit(mark: str) -> np.uint8:
    return np.uint8(1 << MARKS.index(mark))


def _moments(due_us: Integers, later_us: Integers, known: Flags) -> Integers:
    found_us = due_us + later_us
    found_us[~known] = NONE
    return found_us


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
    return Traffic({name: tuple(known.all()) for name, known in names.items()}, found)


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
    due_us, sent_us = integers(operations, "due_us"), integers(operations, "sent_us")
    marks = {
        "succeeded": acked & (done_us != NONE) & ~_without_effect(table, rows, count),
        "writes": _any(rows[does.which(WRITING_STEPS.__contains__)], count),
        "mutates": mutating & (kind != KINDS.index(OperationKind.READ)),
        "on_objects": _any(rows[does.which({str(one) for one in ON_OBJECTS}.__contains__)], count),
        "cancelled": _cancelled(table, count),
        "sent": sent_us != NONE,
        "done": done_us != NONE,
    }
    return {
        **{name: _numbered(operations, name, known) for name, known in names.items()},
        "id": _narrow(integers(operations, "id"), np.int32),
        "kind": kind,
        "phase": Words(operations, "phase").as_members(PHASES),
        "outcome": outcome,
        "shard": _narrow(integers(operations, "shard"), np.int8),
        "due_us": due_us,
        "sent_later_us": _narrow(np.where(marks["sent"], sent_us - due_us, 0), np.int32),
        "done_later_us": _narrow(np.where(marks["done"], done_us - due_us, 0), np.int32),
        "marks": np.bitwise_or.reduce([flags * _bit(mark) for mark, flags in marks.items()]),
    }


def _numbered(operations: pa.Table, name: str, known: Names) -> Codes:
    words = Words(operations, name)
    found: Codes = words.mapped(known.numbers(words.texts), nothing=NO_CODE, dtype=np.int32)
    return _narrow(found, np.int8)


def _narrow(numbers: npt.NDArray[Any], narrow: type[np.signedinteger[Any]]) -> npt.NDArray[Any]:
    """In as few bytes, if they fit, which they do in every run of the kit's."""
    least, most = int(numbers.min(initial=0)), int(numbers.max(initial=0))
    fits = np.iinfo(narrow).min <= least and most <= np.iinfo(narrow).max
    return numbers.astype(narrow) if fits else numbers


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
