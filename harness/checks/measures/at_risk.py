"""Which sessions a fault could have hurt: the one definition, for counts, shares and evidence.

At risk is a session that was alive when the first fault took effect, or was made before the danger was
over (`Landmarks.danger_us`). Whoever asked to end it before, or let it time out, has nothing to lose; and a
session that was made after a node had answered again cannot have been in the process that died.
"""

from __future__ import annotations

from harness.checks.columns.arrays import NONE, Flags, Integers, Words, flagged, integers
from harness.checks.columns.traffic import OUTCOMES, sessions_of, traffic_of
from harness.checks.facts.of_run import Facts
from harness.checks.measures.scope import Scope
from harness.costly import np, pa
from harness.model.history import History
from harness.model.words import OperationKind, Outcome, StepKind

EVERYTHING = Scope()


def sessions_at_risk(facts: Facts, scope: Scope = EVERYTHING) -> set[str]:
    """By their log-in's group; with a phase in the scope, the sessions made in that phase."""
    traffic, landmarks = facts.traffic, facts.landmarks
    table = facts.history.table
    made = traffic.succeeded & traffic.of_kind(OperationKind.LOGIN)
    if scope.phase is not None:
        return sessions_of(table, made & scope.has(traffic))
    start_us, end_us = landmarks.danger_us or (landmarks.workload_ends_us, landmarks.workload_ends_us)
    made[made] = traffic.where(made).ended_us <= end_us
    made &= scope.group_has(traffic)
    return sessions_of(table, made) - _over(facts.history, start_us)


def _over(history: History, by_us: int) -> set[str]:
    """Sessions that their users had asked to end by then, or whose last touch had promised no longer."""
    ended, promised, in_time = set[str](), set[str](), set[str]()
    last = _last_sent_before(by_us, history)
    for these, part in history.table.parts(_ASKED):
        if these.start > last and not promised:
            break  # from here on nobody ends or promises what is over by then
        names, does = Words(part.steps, "session"), Words(part.steps, "does")
        sent_us, promised_us = integers(part.steps, "sent_us"), _promised_us(part.steps, does)
        ended.update(names.at(does.equal(StepKind.DESTROY) & (sent_us != NONE) & (sent_us < by_us)))
        sets = promised_us != NONE
        promised.update(names.at(sets & (promised_us < by_us)))
        in_time.update(names.at(sets & (promised_us >= by_us)))
    return ended | (promised - in_time)


def _last_sent_before(by_us: int, history: History) -> int:
    """The last row with an operation that was sent (due, if it never was) before then; -1: none has one."""
    last, begin = -1, 0
    for piece in traffic_of(history).pieces():
        early = np.flatnonzero(piece.due_us + piece.sent_later_us < by_us)
        last, begin = begin + int(early[-1]) if len(early) else last, begin + len(piece)
    return last


_ASKED = {"steps": ("session", "does", "sent_us", "done_us", "ttl_ms", "outcome", "effective")}


def _promised_us(steps: pa.Table, does: Words) -> Integers:
    """Of each step, until when it promised its session; `NONE`: it promised nothing."""
    done_us, ttl_ms = integers(steps, "done_us"), integers(steps, "ttl_ms")
    acked: Flags = Words(steps, "outcome").as_members(OUTCOMES) == OUTCOMES.index(Outcome.ACKED)
    sets = acked & does.which({StepKind.CREATE, StepKind.TOUCH}.__contains__) & (ttl_ms != NONE)
    sets &= ~flagged(steps, "effective", value=False)
    promised_us: Integers = np.where(sets, done_us + ttl_ms * 1000, NONE)
    return promised_us
