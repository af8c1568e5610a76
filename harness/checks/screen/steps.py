"""The steps on sessions in one part of a history, in the order of time, and what is wrong with them.

Steps of one session stand together, by operation and number; that they may have been carried out in
this order is the first thing that `misordered` proves. From then on "before" is "to the left".
Everything that finds something answers with the numbers of sessions.

Trap: a touch's look travels in the same pipeline as the touch, so it stands left of it, though both
have one beginning and one end. Other steps overlap as well; which order is meant is always this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from harness.checks.columns.arrays import (
    Codes,
    Flags,
    Integers,
    Places,
    Words,
    in_order_of,
    integers,
    picked,
)
from harness.checks.screen.so_far import SoFar
from harness.costly import np, npt
from harness.model.table import OperationTable, rows_of
from harness.model.words import StepKind

ON_SESSIONS = (
    StepKind.CREATE,
    StepKind.READ,
    StepKind.WRITE,
    StepKind.INCREMENT,
    StepKind.REMOVE_FIELD,
    StepKind.TOUCH,
    StepKind.DESTROY,
)
"""Steps that change or show a session, and that the screen knows."""

Number = TypeVar("Number", np.int32, np.uint64)

TIME_BITS = 40
"""Microseconds of twelve days."""
SESSION_BITS = 63 - TIME_BITS
"""Number of the session and time stand together in one signed number."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Parallel columns of the steps in `ON_SESSIONS`."""

    at: Places
    """Position in the table's steps."""
    row: Places
    """Of the operation."""
    session: Codes
    begin: Places
    """Where each session begins in these columns."""
    group: Places
    """Which of `begin` a step belongs to."""
    does: npt.NDArray[np.int8]
    """Position in `ON_SESSIONS`."""
    sent_us: Integers
    done_us: Integers

    def __len__(self) -> int:
        return len(self.row)

    def are(self, *kinds: StepKind) -> Flags:
        found = np.zeros(len(self), np.bool_)
        for kind in kinds:
            found |= self.does == ON_SESSIONS.index(kind)
        return found

    @property
    def changing(self) -> Flags:
        return np.logical_not(self.are(StepKind.READ))

    @property
    def end(self) -> Places:
        """The last position of each session."""
        ends: Places = np.append(self.begin[1:], len(self))[: len(self.begin)] - 1
        return ends

    def words(self, table: OperationTable, name: str, chosen: Integers | Places) -> Words:
        """A column of text, of the steps at these positions."""
        found = Words(table.steps, name)
        found.codes = found.codes[self.at[chosen]]
        return found

    def within(self, running: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """A running sum over everything, made (itself) one that begins anew with every session."""
        before = running[self.begin - 1]
        before[:1] = 0
        running -= picked(before, self.group)
        return running


def steps_in_order(table: OperationTable, session_of: Codes, does: Words) -> Steps:
    """`session_of`: of every step, the number of the session that it is about."""
    place = {str(kind): n for n, kind in enumerate(ON_SESSIONS)}
    kinds = does.mapped([place.get(name, -1) for name in does.names()], nothing=-1, dtype=np.int8)
    rows = rows_of(table.steps)
    at = np.flatnonzero(kinds >= 0).astype(np.int32)
    at = picked(at, in_order_of(picked(session_of, at)))
    row = picked(rows, at).astype(np.int32)
    session = picked(session_of, at)
    first = np.append(True, session[1:] != session[:-1])[: len(session)]
    return Steps(
        at=at,
        row=row,
        session=session,
        begin=np.flatnonzero(first).astype(np.int32),
        group=np.cumsum(first, dtype=np.int32) - np.int32(1),
        does=picked(kinds, at),
        sent_us=picked(integers(table.steps, "sent_us"), at),
        done_us=picked(integers(table.steps, "done_us"), at),
    )


def misordered(steps: Steps, so_far: SoFar) -> Codes:
    """Sessions whose steps cannot have been carried out in this order, or that are not begun by their
    only log-in.

    Steps may overlap. There is a moment for each, none before the one to its left, if each ended only
    after all to its left were sent. An execution in this order is then possible, and where everything
    that was seen agrees with it, no promise was broken.
    """
    creates, destroys = steps.are(StepKind.CREATE), steps.are(StepKind.DESTROY)
    first = steps.session[steps.begin]
    gone = steps.within(np.cumsum(destroys, dtype=np.int32))
    gone += picked(so_far.gone[first], steps.group)
    wrong = creates
    wrong[steps.begin] ^= ~so_far.begun[first]
    wrong |= steps.changing & (gone > destroys)
    before_us = so_far.latest_us[first]
    wrong[steps.begin] |= before_us >= steps.done_us[steps.begin]
    session = steps.group.astype(np.int64) << TIME_BITS
    latest_us = session + steps.sent_us
    latest_us[steps.begin] = np.maximum(
        latest_us[steps.begin], session[steps.begin] + np.maximum(before_us, 0)
    )
    np.maximum.accumulate(latest_us, out=latest_us)
    so_far.latest_us[first] = latest_us[steps.end] - session[steps.end]
    session += steps.done_us
    wrong[1:] |= latest_us[:-1] >= session[1:]
    return steps.session[wrong]
