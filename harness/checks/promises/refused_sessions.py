"""Nobody who is logged in is turned away by a guard that did not answer: the finding refused-session.

A limiter that is asked in front of every page makes each of them wait for an INCR. Where its Redis is away,
full, or has too few replicas to write, whoever has logged in is refused with everybody else, although the
session can be read. The request that was turned away reads its session all the same, so it shows by itself
whether that was so.

One finding for each session, with the number of its requests. Trap: what that read showed may have ended
while it was read, or is an old answer of a replica. With a logout under way, or before, it decides nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.checks.columns.arrays import Words
from harness.checks.facts.causes import Why
from harness.checks.facts.step_effects import Sight, State, StepEffect, seen_at, state_of
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, number_and_time, unanswered
from harness.costly import np
from harness.model.finding_kind import FindingKind, FindingTrait, Part
from harness.model.judgement import Finding
from harness.model.records import Operation
from harness.model.told import TURNED_AWAY
from harness.model.words import FindingSide, Outcome, StepKind
from harness.redis_wire.ends import ends_us
from harness.redis_wire.refusals import REFUSALS, cannot_write

REFUSED_SESSION = FindingKind(
    name="refused-session",
    side=FindingSide.CLOSED,
    sentence="a guard that did not answer turned a logged-in user away, while the session could be read",
    needs=frozenset(),
    parts=frozenset({Part.PHASE, Part.WEB_SERVER, Part.SIDE, Part.SHARD}),
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.ONE_PER_SESSION, FindingTrait.SURE_AT_THE_END),
)


def judge_turned_away(timelines: Timelines) -> Counted:
    table = timelines.facts.history.table
    rows = np.flatnonzero(Words(table.operations, "told").equal(TURNED_AWAY))
    found: dict[str, list[tuple[Operation, Sight]]] = defaultdict(list)
    doubtful: set[str] = set()
    for operation in table.take(rows).records() if len(rows) else ():
        seen = _session_seen(timelines, operation)
        if seen is None:
            continue
        if _may_have_ended(timelines, operation.session, seen):
            doubtful.add(operation.session)
        else:
            found[operation.session].append((operation, seen))
    undecided = len(doubtful - found.keys())
    return Counted(
        findings=[_finding(timelines, requests) for requests in found.values()],
        undecidable={REFUSED_SESSION.name: undecided} if undecided else {},
    )


def _session_seen(timelines: Timelines, operation: Operation) -> Sight | None:
    """The request's own look at its session, where that worked; None: it could not be read, or was over."""
    step = next((one for one in operation.steps if one.does is StepKind.READ), None)
    if step is None or step.outcome is not Outcome.ACKED or step.saw is None:
        return None
    sent_us, done_us = seen_at(operation, step)
    state = state_of(step.saw, operation.session, operation.user)
    over_us = ends_us(step.saw)
    if state is not State.PRESENT or (over_us is not None and over_us <= done_us):
        return None
    if any(one.certain and one.done_us < sent_us for one in _logouts(timelines, operation.session)):
        return None
    return Sight(
        state=state,
        sent_us=sent_us,
        done_us=done_us,
        saw=step.saw,
        pttl_ms=step.pttl_ms,
        operation=operation,
        step=step,
    )


def _may_have_ended(timelines: Timelines, session: str, seen: Sight) -> bool:
    return any(one.first_us <= seen.done_us for one in _logouts(timelines, session))


def _logouts(timelines: Timelines, session: str) -> Sequence[StepEffect]:
    """Of a session that is beyond doubt none matters: nobody saw it after it had ended, or meanwhile."""
    timeline = timelines.sessions.get(session)
    return () if timeline is None else timeline.destroys


def _finding(timelines: Timelines, requests: list[tuple[Operation, Sight]]) -> Finding:
    first, seen = requests[0]
    asked = next(one for one in first.steps if one.deciding and one.outcome is not Outcome.ACKED)
    timeline = Timeline(first.session, first.user, first.shard, first.key)
    operations = [operation for operation, _ in requests]
    number, when = number_and_time(timelines, operations)
    return finding(
        timelines,
        REFUSED_SESSION,
        timeline,
        seen=seen,
        between=operations,
        why=_why(asked.error or ""),
        sentence=f"{first.web_server} turned away {number} of {first.user} {when}: {unanswered(asked)},"
        " and the session could be read.",
        observations=len(requests),
    )


def _why(error: str) -> Why:
    code = cannot_write(error)
    cause = None if code is None else REFUSALS[code].cannot_write
    return Why() if cause is None else Why(cause=cause, because=error)


CHECK = Check(
    promise="Whoever is logged in is not turned away by a guard that does not answer.",
    kinds=(REFUSED_SESSION,),
    find=judge_turned_away,
)
