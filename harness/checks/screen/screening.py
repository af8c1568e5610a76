"""Which sessions are beyond doubt: the first of judging's two stages, a million operations at a time.

A session is *clean* if every step on it was acked at the first attempt and had an effect, all of them
may have been carried out in the order in which they stand, every look and the audit saw exactly what
was written before, and every time to live fits the touch before. No check has anything to say about such a
session. All others are *suspects*; their operations, and only theirs, become records for the checks.

Conditions here are sufficient, never necessary: in doubt a session is a suspect, which costs time and
changes nothing. Trap: whoever adds a check, or a kind of step, asks whether it can find something in
what is called clean here. Kinds of steps that this module does not know make suspects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import msgspec

from harness.checks.columns.arrays import (
    NO_CODE,
    NONE,
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
)
from harness.checks.columns.traffic import OUTCOMES, Traffic, traffic_of
from harness.checks.screen.audit import agreed_on, contradicted, said
from harness.checks.screen.contents import Contents, Sums, Tokens, contents_of, weigh
from harness.checks.screen.course import changes_of, course_of, seen_amiss
from harness.checks.screen.steps import (
    ON_SESSIONS,
    SESSION_BITS,
    TIME_BITS,
    Steps,
    misordered,
    steps_in_order,
)
from harness.costly import np, pa
from harness.model.attempt_results import REPLY
from harness.model.history import History
from harness.model.table import OperationTable, rows_of
from harness.model.words import Outcome, StepKind
from harness.objects.kind import ON_OBJECTS

T = TypeVar("T")

NEUTRAL = (StepKind.INDEX_ADD, StepKind.INDEX_REMOVE, StepKind.WAIT, *ON_OBJECTS)
"""Steps that neither change nor show the session itself. Objects have a screen of their own
(`facts.object_pasts`), which goes by the whole history."""


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


def screen(history: History) -> Screened:
    """Divide a history, once. Everything is suspect where no audit tells what was left in the end, and where
    operations do not stand in order."""
    return history.once(_screen)


def _screen(history: History) -> Screened:
    ids = integers(history.table.operations, "id")
    if not (ids[1:] > ids[:-1]).all():
        return Screened(suspects=history)
    with ThreadPoolExecutor(1) if len(ids) > ROWS_AT_ONCE else _AtOnce() as beside:
        cut = _cut_beside(history, beside)
        sessions = _Sessions(history.table, traffic_of(history))
        steps = _look_at_steps(sessions, history, cut, beside)
    if steps is None:
        return Screened(suspects=history)
    rows = np.flatnonzero(sessions.suspect[sessions.of.codes])
    if len(rows) == len(ids):
        return Screened(suspects=history)
    return Screened(
        suspects=replace(history, operations=history.table.take(rows)),
        clean=_clean(sessions, steps),
    )


class _AtOnce(Executor):
    """For a history that is screened before a thread has started."""

    def submit(self, call: Callable[..., T], /, *words: Any, **named: Any) -> Future[T]:
        done: Future[T] = Future()
        done.set_result(call(*words, **named))
        return done


def _cut_beside(history: History, beside: Executor) -> list[Future[Contents]]:
    """Begin with what is costly about a screen and needs nothing else: `wrote`, then `saw`, cut into
    tokens. What the audit saw is cut together with `saw`; its rows come last."""
    steps = history.table.steps

    def seen() -> Iterator[pa.Array]:
        yield from chunks(steps, "saw")
        yield said(history.audit)

    return [beside.submit(contents_of, chunks(steps, "wrote")), beside.submit(contents_of, seen())]


class _Sessions:
    """Sessions by their code in the column `session`, and which of them are suspects."""

    def __init__(self, table: OperationTable, traffic: Traffic) -> None:
        self.of = Words(table.operations, "session")
        self.user = Words(table.operations, "user")
        self.traffic = traffic
        self.suspect = np.zeros(len(self.of), np.bool_)
        rows = np.arange(len(table))
        self.first = np.zeros(len(self.of), np.int64)
        self.first[self.of.codes[::-1]] = rows[::-1]  # what is assigned last stays
        self._by_operations(table)

    def blame(self, sessions: Codes | Integers) -> None:
        self.suspect[sessions] = True

    def blame_user_of(self, rows: Integers) -> None:
        """Everything that these operations' users had: some of it is told by several sessions."""
        users = np.zeros(len(self.user), np.bool_)
        users[self.user.codes[rows]] = True
        self.suspect |= users[self.user.codes[self.first]]

    def identity_of(self, steps: Steps) -> list[tuple[str, str, str]]:
        """What the log-in of each session in `steps` made it: `step_effects.IDENTITY`."""
        names, users = self.of.names(), self.user.names()
        rows = steps.row[steps.begin]
        return [
            (names[session], users[user], str(number))
            for session, user, number in zip(
                steps.session[steps.begin].tolist(),
                self.user.codes[rows].tolist(),
                self.traffic.id[rows].tolist(),
                strict=True,
            )
        ]

    def _by_operations(self, table: OperationTable) -> None:
        """Not acked, without an end, of another user or shard than the session's first."""
        traffic, codes = self.traffic, self.of.codes
        first = self.first[codes]
        has_steps = np.zeros(len(table), np.bool_)
        has_steps[rows_of(table.steps)] = True
        never_sent = traffic.with_outcome(Outcome.NOT_SENT) & ~has_steps
        whole = traffic.with_outcome(Outcome.ACKED) & has_steps
        whole &= (traffic.sent_us != NONE) & (traffic.done_us != NONE)
        whole |= never_sent
        whole &= (self.user.codes == self.user.codes[first]) & (traffic.shard == traffic.shard[first])
        self.blame(codes[~whole])
        self.blame(codes[self.of.which(lambda name: not name) | self.user.which(lambda name: not name)])
        listing = Words(table.steps, "does").equal(StepKind.INDEX_READ)
        self.blame_user_of(np.unique(rows_of(table.steps)[listing]))
        rows = rows_of(table.attempts)
        self.blame(codes[rows[~Words(table.attempts, "result").equal(REPLY)]])


def _look_at_steps(
    sessions: _Sessions, history: History, cut: list[Future[Contents]], beside: Executor
) -> Steps | None:
    """The steps on sessions, in order; None: numbers beyond what the screen can hold. Takes from `cut`
    what it has used, so that it can go."""
    table, traffic = history.table, sessions.traffic
    rows = rows_of(table.steps)
    does = Words(table.steps, "does")
    if (traffic.done_us >= 1 << TIME_BITS).any() or len(sessions.of) > 1 << SESSION_BITS:
        return None
    whose, reads = sessions.of.codes, does.equal(StepKind.READ)
    _beyond_one_session(sessions, table, rows, does)
    sessions.blame(whose[rows[~_acked_at_once(traffic, table, rows)]])
    give_back(len(rows))
    steps = steps_in_order(table, sessions.of.codes, does)
    without = np.ones(len(sessions.of), np.bool_)
    without[steps.session] = False
    sessions.suspect |= without
    if not history.plan.scenario.workload.guarded_writes:
        # HDEL 1 then says that the field was there, which sums do not tell.
        sessions.blame(steps.session[steps.are(StepKind.REMOVE_FIELD)])
    sessions.blame(misordered(steps))
    give_back(len(rows))
    tokens, changes, untold = changes_of(steps, table, cut.pop(0).result(), sessions.identity_of(steps))
    seen = beside.submit(_summed, tokens, cut.pop())
    give_back(len(rows))
    added, odd = weigh(changes, tokens, len(steps))
    del changes
    course, changed = course_of(steps, table, added)
    sessions.blame(np.concatenate([untold, odd, changed]))
    looks = beside.submit(lambda: seen_amiss(steps, course, table, seen.result().sums))
    give_back(len(rows))
    audited = agreed_on(history, sessions.of, steps, traffic)
    sessions.blame(audited.doubted)
    sums, something = seen.result().sums, seen.result().something
    sessions.blame(whose[rows[reads != something[: len(rows)]]])
    sessions.blame(contradicted(audited, steps, course, traffic, sums[len(rows) :]))
    sessions.blame(looks.result())
    return steps


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Looks:
    """Of each step, and then of each entry of the audit."""

    sums: Sums
    something: Flags
    """It shows something, were it only that there is nothing."""


def _summed(tokens: Tokens, saw: Future[Contents]) -> _Looks:
    contents = saw.result()
    return _Looks(sums=tokens.sums(contents), something=contents.codes != NO_CODE)


def _beyond_one_session(sessions: _Sessions, table: OperationTable, rows: Integers, does: Words) -> None:
    """Operations on more than their own session: all that they touch, and all of their users'."""
    own = sessions.of.codes[rows]
    told = [Words(table.steps, name).same_as(sessions.of) for name in ("session", "member")]
    beyond = ~does.which({*ON_SESSIONS, *NEUTRAL}.__contains__)
    for codes in told:
        beyond |= (codes != NO_CODE) & (codes != own)
    members = Words(table.steps, "members")
    beyond |= members.known
    for codes in told:
        other = codes[beyond]
        sessions.blame(other[other >= 0])
    place = {name: n for n, name in enumerate(sessions.of.names())}
    for text in members.names():
        listed = msgspec.json.decode(text, type=tuple[str, ...])
        sessions.blame(np.array([place[one] for one in listed if one in place], np.int64))
    sessions.blame(own[beyond])
    sessions.blame_user_of(rows[beyond])


def _acked_at_once(traffic: Traffic, table: OperationTable, rows: Integers) -> Flags:
    """Steps whose only attempt was answered, with an effect and without an error, in their time."""
    steps = table.steps
    good: Flags = Words(steps, "outcome").as_members(OUTCOMES) == OUTCOMES.index(Outcome.ACKED)
    good &= ~known(steps, "error") & ~flagged(steps, "effective", value=False)
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


def _clean(sessions: _Sessions, steps: Steps) -> Clean:
    clean = ~sessions.suspect
    made = np.flatnonzero(steps.are(StepKind.CREATE) & clean[steps.session])
    return Clean(
        sessions=int(clean.sum()),
        users=tuple(sessions.user.names()),
        user=sessions.user.codes[steps.row[made]],
        logged_in_us=steps.sent_us[made],
    )
