"""Nobody who is logged in is turned away by a guard that did not answer: the finding refused-session.

A limiter that is asked in front of every page makes each of them wait for an INCR. Where its Redis is away,
full, or has too few replicas to write, whoever has logged in is refused with everybody else, although the
session can be read. The request that was turned away reads its session all the same, so it shows by itself
whether that was so.

One finding for each session, with the number of its requests. Trap: what that read showed may have ended
while it was read, or is an old answer of a replica. With a logout under way, or before, it decides nothing.
And a denylist would have refused whoever was revoked or banned before, had it answered.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import chain

from harness.checks.columns.arrays import Words
from harness.checks.facts.causes import Why
from harness.checks.facts.step_effects import Sight, State, StepEffect, seen_at, state_of
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, number_and_time, requests_told, unanswered
from harness.costly import np
from harness.model.finding_kind import FindingKind, FindingTrait, Part
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.table import rows_of
from harness.model.told import TURNED_AWAY
from harness.model.words import FindingSide, Outcome, StepKind
from harness.objects.flag import CUT_OFF, REVOKED
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
    requests = requests_told(timelines, TURNED_AWAY)
    found: dict[str, list[tuple[Operation, Sight]]] = defaultdict(list)
    doubtful: set[str] = set()
    forbidden = _forbidden(timelines.facts.history) if requests else {}
    for operation in requests:
        seen = _session_seen(timelines, operation)
        forbids = [] if seen is None else _forbids(operation, seen, forbidden)
        if seen is None or any(_was_heard(one, seen) for one in forbids):
            continue
        if forbids or _may_have_ended(timelines, operation.session, seen):
            doubtful.add(operation.session)
        else:
            found[operation.session].append((operation, seen))
    undecided = len(doubtful - found.keys())
    return Counted(
        findings=[_finding(timelines, turned_away) for turned_away in found.values()],
        undecidable={REFUSED_SESSION.name: undecided} if undecided else {},
    )


def _session_seen(timelines: Timelines, operation: Operation) -> Sight | None:
    """The request's own look at its session, where that worked; None: it could not be read, or was over."""
    step = next((one for one in operation.steps if one.does is StepKind.READ), None)
    if step is None or step.saw is None:
        return None
    sent_us, done_us = seen_at(operation, step)
    state = state_of(step.saw, operation.session, operation.user)
    over_us = ends_us(step.saw)
    if state is not State.PRESENT or (over_us is not None and over_us <= done_us):
        return None
    if any(one.done_us < sent_us for one in _logouts(timelines, operation.session)):
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


Forbidden = Mapping[str, Sequence[tuple[Operation, Step]]]
"""Key -> what was put there, and may have been carried out."""


def _forbidden(history: History) -> Forbidden:
    """What was revoked, and who was banned."""
    steps = history.table.steps
    puts = Words(steps, "does").equal(StepKind.PUT)
    puts &= Words(steps, "key").which(lambda key: key.startswith(_DENYLIST))
    found: dict[str, list[tuple[Operation, Step]]] = defaultdict(list)
    rows = np.unique(rows_of(steps)[puts])
    for operation in history.table.take(rows).records() if len(rows) else ():
        for step in operation.steps:
            if step.does is StepKind.PUT and step.outcome is not Outcome.REJECTED:
                found[step.key].append((operation, step))
    return found


_DENYLIST = (REVOKED.prefix, CUT_OFF.prefix)


def _forbids(operation: Operation, seen: Sight, forbidden: Forbidden) -> list[Step]:
    """Those because of which a denylist that this request asked may have had to refuse it. A limiter, which
    lets in whoever is slow, is none."""
    if not any(one.key.startswith(_DENYLIST) for one in operation.steps):
        return []
    of_token = forbidden.get(REVOKED.key(operation.session), ())
    of_user = (
        (by, step)
        for by, step in forbidden.get(CUT_OFF.key(operation.user), ())
        if operation.generation < by.id
    )
    return [step for _, step in chain(of_token, of_user) if (step.sent_us or 0) <= seen.done_us]


def _was_heard(put: Step, seen: Sight) -> bool:
    return put.outcome is Outcome.ACKED and put.done_us is not None and put.done_us < seen.sent_us


def _may_have_ended(timelines: Timelines, session: str, seen: Sight) -> bool:
    return any(one.first_us <= seen.done_us for one in _logouts(timelines, session))


def _logouts(timelines: Timelines, session: str) -> Sequence[StepEffect]:
    """Of a session that is beyond doubt none matters: nobody saw it after it had ended, or meanwhile."""
    timeline = timelines.sessions.get(session)
    return () if timeline is None else timeline.destroys


def _finding(timelines: Timelines, requests: list[tuple[Operation, Sight]]) -> Finding:
    first, seen = requests[0]
    asked = next(one for one in first.steps if one.outcome is not Outcome.ACKED)
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
