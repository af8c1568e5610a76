"""Which sessions are beyond doubt: the first of judging's two stages, a million operations at a time.

A session is *clean* if every step on it was acked at the first attempt and had an effect, all of them
may have been carried out in the order in which they stand, every look and the audit saw exactly what
was written before, and every time to live fits the touch before. No check has anything to say about such a
session. All others are *suspects*; their operations, and only theirs, become records for the checks.
Sessions that one operation is about, as a change of id is, are clean together or not at all.

A long history is read once, part by part (`OperationTable.parts`); `so_far` carries what one part must know
of those before it. So the memory that screening takes hardly grows with the run.

Conditions here are sufficient, never necessary: in doubt a session is a suspect, which costs time and
changes nothing. Trap: whoever adds a check, or a kind of step, asks whether it can find something in
what is called clean here. Kinds of steps that this module does not know make suspects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from harness.checks.columns.arrays import (
    NO_CODE,
    ROWS_AT_ONCE,
    Codes,
    Flags,
    Integers,
    Words,
    chunks,
    flagged,
    give_back,
    integers,
    known,
    picked,
)
from harness.checks.columns.traffic import OUTCOMES, WRITING_STEPS, Traffic, traffic_of
from harness.checks.screen.audit import agreed_on, contradicted
from harness.checks.screen.contents import Contents, contents_of, sums, weigh
from harness.checks.screen.course import changes_of, course_of, seen_amiss
from harness.checks.screen.objects import ObjectsSoFar
from harness.checks.screen.so_far import SoFar, Sums, chained, numbers_of
from harness.checks.screen.steps import (
    ON_SESSIONS,
    SESSION_BITS,
    TIME_BITS,
    Steps,
    misordered,
    steps_in_order,
)
from harness.costly import np
from harness.model.attempt_results import REPLY
from harness.model.history import History
from harness.model.table import OperationTable, rows_of
from harness.model.words import Outcome, StepKind
from harness.objects.kind import ON_OBJECTS

T = TypeVar("T")

NEUTRAL = (StepKind.INDEX_ADD, StepKind.INDEX_REMOVE, StepKind.WAIT, *ON_OBJECTS)
"""Steps that neither change nor show the session itself. Objects have a screen of their own (`objects`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Clean:
    """What counting needs to know of the sessions that no check looks at."""

    sessions: int = 0
    users: tuple[str, ...] = ()
    user: Codes
    """Of each log-in; stands for one of `users`."""
    logged_in_us: Integers
    """When it was sent."""

    def logged_in_since(self, user: str, since_us: float) -> bool:
        if user not in self.users:
            return False
        return bool(((self.user == self.users.index(user)) & (self.logged_in_us >= since_us)).any())


_NONE_AT_ALL = np.array([])
NOBODY = Clean(user=_NONE_AT_ALL.astype(np.int32), logged_in_us=_NONE_AT_ALL.astype(np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class Screened:
    suspects: History
    """The history with the suspects' operations alone."""
    clean: Clean = NOBODY
    objects: frozenset[str] | None = None
    """The keys of objects beside sessions that are not beyond doubt; None: nobody knows of any."""


def screen(history: History) -> Screened:
    """Divide a history, once. Everything is suspect where no audit tells what was left in the end, and where
    operations do not stand in order."""
    return history.once(_screen)


def _screen(history: History) -> Screened:
    traffic = traffic_of(history)
    everything_suspect = Screened(suspects=history)
    too_late = any((one.ended_us >= 1 << TIME_BITS).any() for one in traffic.pieces())
    if too_late or not (traffic.id[1:] > traffic.id[:-1]).all():
        return everything_suspect
    so_far, whose, made = SoFar(), list[Codes](), list[_Made]()
    objects = ObjectsSoFar() if any(one.on_objects.any() for one in traffic.pieces()) else None
    with ThreadPoolExecutor(1) if len(traffic) > ROWS_AT_ONCE else _AtOnce() as beside:
        for part in _cut_ahead(history.table, beside, keys=objects is not None):
            session_of, logins = _look_at(part, traffic.where(part.these), history, so_far, objects)
            whose.append(session_of)
            made.append(logins)
            give_back(len(part.table))
            del part
    if len(so_far.sessions) > 1 << SESSION_BITS:
        return everything_suspect
    so_far.conclude()
    _look_at_audit(history, so_far)
    so_far.blame_linked()
    rows = np.flatnonzero(np.concatenate([np.zeros(0, np.bool_), *(so_far.suspect[one] for one in whose)]))
    doubted = frozenset[str]() if objects is None else objects.doubted(history)
    if len(rows) == len(traffic):
        return replace(everything_suspect, objects=doubted)
    return Screened(
        suspects=replace(history, operations=history.table.take(rows)),
        clean=_clean(so_far, made),
        objects=doubted,
    )


class _AtOnce(Executor):
    """For a history that is screened before a thread has started."""

    def submit(self, call: Callable[..., T], /, *words: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(call(*words, **named))
        return done


COLUMNS = {
    "operations": ("session", "user"),
    "steps": (
        *("does", "session", "member", "members", "sent_us", "done_us", "outcome", "error"),
        *("effective", "attempts", "wrote", "saw", "added", "added_now", "removed", "ttl_ms", "pttl_ms"),
        "witness",
    ),
    "attempts": ("result", "n", "sent_us"),
}
"""What is read of each part; `Traffic` has the rest."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Part:
    """A part of a history, and what is costly about it: `wrote` and `saw` cut into tokens."""

    these: slice
    """Of the history's operations."""
    table: OperationTable
    wrote: Contents
    shown: Sums
    """Of each step, the sum of what it saw."""
    shows: Flags
    """It shows something, were it only that there is nothing."""


def _cut_ahead(table: OperationTable, beside: Executor, *, keys: bool) -> Iterator[_Part]:
    """Part by part, the next one always being read and cut already. `keys`: the steps' keys as well."""
    parts = table.parts({**COLUMNS, "steps": (*COLUMNS["steps"], "key")} if keys else COLUMNS)

    def cut() -> _Part | None:
        these, part = next(parts, (None, None))
        if these is None or part is None:
            return None
        saw = contents_of(chunks(part.steps, "saw"))
        return _Part(
            these=these,
            table=part,
            wrote=contents_of(chunks(part.steps, "wrote")),
            shown=sums(saw),
            shows=saw.codes != NO_CODE,
        )

    ahead = beside.submit(cut)
    while (part := ahead.result()) is not None:
        ahead = beside.submit(cut)
        yield part
        del part


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Made:
    """The log-ins of a part: what each made, for whom, and when it was sent."""

    session: Codes
    user: Codes
    sent_us: Integers


def _look_at(
    part: _Part, traffic: Traffic, history: History, so_far: SoFar, objects: ObjectsSoFar | None
) -> tuple[Codes, _Made]:
    """Blame whoever is not beyond doubt; of each operation, its session's number; and the log-ins."""
    table = part.table
    rows, does = rows_of(table.steps), Words(table.steps, "does")
    whose, users = _look_at_operations(table, traffic, so_far)
    session_of = _sessions_of_steps(table, whose, users, does, so_far)
    on_objects = does.which({*ON_OBJECTS}.__contains__)
    at_once = _acked_at_once(traffic, table, rows, on_objects)
    if objects is not None:
        objects.look_at(table, does, at_once)
    so_far.blame(whose[rows[~at_once]])
    del at_once
    so_far.blame(whose[rows[_tells_otherwise(part, does) & ~on_objects]])
    _look_at_lists(session_of[does.equal(StepKind.INDEX_REMOVE)], so_far)
    steps = steps_in_order(table, session_of, does)
    if not history.plan.scenario.workload.guarded_writes:
        # HDEL 1 then says that the field was there, which sums do not tell.
        so_far.blame(steps.session[steps.are(StepKind.REMOVE_FIELD)])
    if history.plan.scenario.workload.absolute_timeout_s:
        so_far.blame(steps.session)  # what is left at each touch differs
    so_far.blame(misordered(steps, so_far))
    changes, untold = changes_of(steps, table, part.wrote, so_far)
    added, odd = weigh(changes, len(steps), so_far)
    del changes
    course, changed = course_of(steps, table, added, so_far)
    so_far.blame(np.concatenate([untold, odd, changed]))
    so_far.blame(seen_amiss(steps, course, table, part.shown))
    _look_at_witnesses(steps, table, so_far)
    ends_us = np.maximum.reduceat(traffic.done_us[steps.row], steps.begin) if len(steps) else steps.done_us
    first = steps.session[steps.begin]
    so_far.over_us[first] = np.maximum(so_far.over_us[first], ends_us)
    at = np.flatnonzero(steps.are(StepKind.CREATE))
    return whose, _Made(session=steps.session[at], user=users[steps.row[at]], sent_us=steps.sent_us[at])


def _look_at_operations(table: OperationTable, traffic: Traffic, so_far: SoFar) -> tuple[Codes, Codes]:
    """Session and user of each operation, by number. Blames those with an operation that is not acked, has no
    end, or is of another user or shard than the session's first."""
    names, people = Words(table.operations, "session"), Words(table.operations, "user")
    whose: Codes = picked(so_far.number(names.texts), names.codes)
    users: Codes = picked(so_far.users.numbers(people.texts), people.codes)
    new = np.flatnonzero(so_far.user[whose] == NO_CODE)[::-1]  # what is assigned last stays
    so_far.user[whose[new]] = users[new]
    so_far.shard[whose[new]] = traffic.shard[new]
    has_steps = np.zeros(len(table), np.bool_)
    has_steps[rows_of(table.steps)] = True
    never_sent = traffic.with_outcome(Outcome.NOT_SENT) & ~has_steps
    whole = traffic.with_outcome(Outcome.ACKED) & has_steps
    whole &= traffic.sent & traffic.done
    whole |= never_sent
    whole &= (users == so_far.user[whose]) & (traffic.shard == so_far.shard[whose])
    so_far.blame(whose[~whole])
    so_far.blame(whose[names.which(lambda name: not name) | people.which(lambda name: not name)])
    rows = rows_of(table.attempts)
    so_far.blame(whose[rows[~Words(table.attempts, "result").equal(REPLY)]])
    return whose, users


def _sessions_of_steps(
    table: OperationTable, whose: Codes, users: Codes, does: Words, so_far: SoFar
) -> Codes:
    """The session that each step is about, by number: the one that it names, else its operation's.

    An operation links the sessions that it is about. That is enough where each step says whose it is, as in a
    change of id. It is not where a step is of a kind that the screen does not know, names several sessions,
    one that nobody has used yet or another user's, or asks which sessions a user has. Then all that it names
    are suspects, and all that its user has.
    """
    rows = rows_of(table.steps)
    own = picked(whose, rows)
    beyond = ~does.which({*ON_SESSIONS, *NEUTRAL}.__contains__)
    members = Words(table.steps, "members")
    beyond |= members.known
    told = [Words(table.steps, name) for name in ("session", "member")]
    about = own.copy()
    for words in told:
        named = words.mapped(so_far.sessions.known(words.names()), nothing=NO_CODE, dtype=np.int32)
        elsewhere = words.known & (named != about)
        strange = (named < 0) | (about != own) | (picked(so_far.user, named) != picked(users, rows))
        beyond |= elsewhere & strange
        about[elsewhere & ~strange] = named[elsewhere & ~strange]
    so_far.link(own[about != own], about[about != own])
    for words in told:
        so_far.blame_named(words.at(beyond))
    for text in members.at(members.known):
        so_far.blame_named(msgspec.json.decode(text, type=tuple[str, ...]))
    so_far.blame(own[beyond])
    asking = np.concatenate([rows[beyond], rows[does.equal(StepKind.INDEX_READ)]])
    so_far.blamed_users.update(np.unique(users[asking]).tolist())
    return about


_TOLD_BY: Mapping[str, tuple[StepKind, ...]] = {
    "wrote": (StepKind.CREATE, StepKind.WRITE),
    "added": (StepKind.INCREMENT,),
    "added_now": (StepKind.INCREMENT,),
    "removed": (StepKind.REMOVE_FIELD,),
    "witness": (StepKind.CREATE, *WRITING_STEPS),
    "pttl_ms": (StepKind.READ,),
}
"""Which steps on sessions tell this; the screen asks no others for it."""


def _tells_otherwise(part: _Part, does: Words) -> Flags:
    """Steps that tell what the screen does not ask them for, and looks that show nothing."""
    found: Flags = does.equal(StepKind.READ) != part.shows
    for column, kinds in _TOLD_BY.items():
        found |= known(part.table.steps, column) & ~does.which({*kinds}.__contains__)
    return found


def _look_at_lists(taken_out: Codes, so_far: SoFar) -> None:
    """Blame whoever was taken out of a user's list twice, with an effect each time."""
    sessions, times = np.unique(taken_out, return_counts=True)
    so_far.blame(sessions[(times > 1) | so_far.unlisted[sessions]])
    so_far.unlisted[sessions] = True


def _look_at_witnesses(steps: Steps, table: OperationTable, so_far: SoFar) -> None:
    """Note every witness that a session must have in the end, and its place among the session's."""
    leaving = np.flatnonzero(steps.are(StepKind.CREATE, *WRITING_STEPS))
    witness = steps.words(table, "witness", leaving)
    leaving, codes = leaving[witness.known], witness.codes[witness.known]
    numbers = picked(numbers_of(witness.names()), codes)
    sessions = steps.session[leaving]
    so_far.witnesses.add(numbers, sessions)
    begins = np.append(True, sessions[1:] != sessions[:-1])[: len(sessions)]
    at = np.arange(len(sessions))
    place = at - np.maximum.accumulate(np.where(begins, at, 0)) + so_far.left[sessions]
    np.add.at(so_far.chain, sessions, chained(numbers, place))
    np.add.at(so_far.left, sessions, 1)


def _look_at_audit(history: History, so_far: SoFar) -> None:
    """Blame whomever the nodes do not agree on in the end, and who is not as the steps left it."""
    audited = agreed_on(history, so_far)
    doubted = np.ones(len(so_far.suspect), np.bool_)
    doubted[audited.sessions] = False
    so_far.suspect |= doubted
    so_far.blame(contradicted(audited, so_far))


def _acked_at_once(traffic: Traffic, table: OperationTable, rows: Integers, on_objects: Flags) -> Flags:
    """Steps whose only attempt was answered, with an effect and without an error, in their time. A step on an
    object may have had no effect: a token that was spent before says nothing about the session."""
    steps = table.steps
    good: Flags = Words(steps, "outcome").as_members(OUTCOMES) == OUTCOMES.index(Outcome.ACKED)
    good &= ~known(steps, "error") & (on_objects | ~flagged(steps, "effective", value=False))
    sent_us, done_us = integers(steps, "sent_us"), integers(steps, "done_us")
    acked = traffic.with_outcome(Outcome.ACKED)
    tried, n = rows_of(table.attempts), integers(table.attempts, "n")
    attempts, tried_us = steps["attempts"].combine_chunks(), integers(table.attempts, "sent_us")
    offsets, numbers = attempts.offsets.to_numpy(), attempts.values.to_numpy()
    if not len(tried) or not len(numbers):
        return np.zeros(len(rows), np.bool_)
    each = np.bincount(tried, minlength=len(table))
    before = np.cumsum(each) - each
    for begin in range(0, len(rows), ROWS_AT_ONCE):
        these = slice(begin, begin + ROWS_AT_ONCE)
        row, sent, done, first = rows[these], sent_us[these], done_us[these], offsets[:-1][these]
        fine = (traffic.sent_us[row] <= sent) & (sent <= done) & (done <= traffic.done_us[row])
        fine &= acked[row] & (offsets[1:][these] == first + 1)
        number = numbers[np.minimum(first, len(numbers) - 1)]
        place = before[row] + number - 1
        fine &= (place >= 0) & (place < len(tried))
        place = np.clip(place, 0, len(tried) - 1)
        good[these] &= fine & (tried[place] == row) & (n[place] == number) & (tried_us[place] == sent)
    return good


def _clean(so_far: SoFar, made: list[_Made]) -> Clean:
    clean = ~so_far.suspect
    good = [clean[one.session] for one in made]
    return Clean(
        sessions=int(clean.sum()),
        users=tuple(so_far.users.all()),
        user=np.concatenate([one.user[fine] for one, fine in zip(made, good, strict=True)]),
        logged_in_us=np.concatenate([one.sent_us[fine] for one, fine in zip(made, good, strict=True)]),
    )
