"""The steps on sessions in the order of time, and what is wrong with them: part of the screen.

Steps of one session stand together, by operation and number; that this is the order of time is the
first thing that `misordered` proves. From then on "before" is "to the left". Everything that finds
something answers with session codes.

Trap: a touch's look travels in the same pipeline as the touch, so it stands left of it, though both
have one beginning and one end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from harness.checks.columns import Codes, Flags, Integers, Words, in_order_of, integers
from harness.checks.traffic import WRITING_STEPS, Traffic
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

Number = TypeVar("Number", np.int64, np.uint64)

TIME_BITS = 40
"""Microseconds of twelve days."""
SESSION_BITS = 22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Steps:
    """Parallel columns of the steps in `ON_SESSIONS`."""

    at: Integers
    """Position in the table's steps."""
    row: Integers
    """Of the operation."""
    session: Codes
    begin: Integers
    """Where each session begins in these columns."""
    group: Integers
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
    def end(self) -> Integers:
        """The last position of each session."""
        ends: Integers = np.append(self.begin[1:], len(self))[: len(self.begin)] - 1
        return ends

    def words(self, table: OperationTable, name: str) -> Words:
        """A column of text, in this order."""
        found = Words(table.steps, name)
        found.codes = found.codes[self.at]
        return found

    def within(self, running: npt.NDArray[Number]) -> npt.NDArray[Number]:
        """A running sum over everything, made one that begins anew with every session."""
        before = np.append(np.zeros(1, running.dtype), running)[self.begin]
        found: npt.NDArray[Number] = running - before[self.group]
        return found


def steps_in_order(table: OperationTable, session_of: Codes, does: Words) -> Steps:
    """`session_of`: of every operation, its session's code."""
    place = {str(kind): n for n, kind in enumerate(ON_SESSIONS)}
    kinds = does.mapped([place.get(name, -1) for name in does.names()], nothing=-1, dtype=np.int8)
    at = np.flatnonzero(kinds >= 0)
    session = session_of[rows_of(table.steps)[at]]
    order = in_order_of(session)
    at, session = at[order], session[order]
    first = np.append(True, session[1:] != session[:-1])[: len(session)]
    return Steps(
        at=at,
        row=rows_of(table.steps)[at],
        session=session,
        begin=np.flatnonzero(first),
        group=np.cumsum(first) - 1,
        does=kinds[at],
        sent_us=integers(table.steps, "sent_us")[at],
        done_us=integers(table.steps, "done_us")[at],
    )


def misordered(steps: Steps, table: OperationTable, traffic: Traffic) -> Integers:
    """Sessions in which something overlaps a change, or that are not begun by their only log-in."""
    changes = steps.changing
    creates, destroys = steps.are(StepKind.CREATE), steps.are(StepKind.DESTROY)
    gone = steps.within(np.cumsum(destroys, dtype=np.int64))
    begins = np.zeros(len(steps), np.bool_)
    begins[steps.begin] = True
    wrong = (creates != begins) | (changes & (gone > destroys))
    wrong[1:] |= _crowded_within(steps, integers(table.steps, "n")[steps.at], changes)
    return np.concatenate([steps.session[wrong], _crowded(steps, changes, traffic)])


def _crowded_within(steps: Steps, n: Integers, changes: Flags) -> Flags:
    """Steps that overlap the one before in the same operation, where one of the two changes
    something; a look before a touch may, and one after a write that shows it."""
    same = steps.row[1:] == steps.row[:-1]
    sent, done = steps.sent_us, steps.done_us
    looked_first = steps.are(StepKind.READ)[:-1] & steps.are(StepKind.TOUCH)[1:]
    looked_after = steps.are(*WRITING_STEPS)[:-1] & steps.are(StepKind.READ)[1:]
    overlap = (changes[1:] | changes[:-1]) & ~(looked_first | looked_after) & (done[:-1] >= sent[1:])
    overlap |= (sent[1:] < sent[:-1]) | (done[1:] < done[:-1]) | (n[1:] <= n[:-1])
    found: Flags = same & overlap
    return found


def _crowded(steps: Steps, changes: Flags, traffic: Traffic) -> Integers:
    """Sessions in which an operation that changes something overlaps another operation."""
    first = np.flatnonzero(np.append(True, steps.row[1:] != steps.row[:-1])[: len(steps)])
    if not len(first):
        return steps.begin
    row, group = steps.row[first], steps.group[first]
    changing = np.logical_or.reduceat(changes, first)
    sent = (group << TIME_BITS) + traffic.sent_us[row]
    done = (group << TIME_BITS) + traffic.done_us[row]
    before = np.maximum.accumulate(done)[:-1]
    wrong = (sent[1:] < sent[:-1]) | (changing[1:] & (before >= sent[1:]))
    wrong |= changing[:-1] & (done[:-1] >= sent[1:])
    return steps.session[first[1:][wrong]].astype(np.int64)
