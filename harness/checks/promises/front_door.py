"""What only an application of somebody's own can do to its users, whatever Redis does.

Its pages and cookies are what a user has. So a session that was out of sight for a while is more than an old
answer here: the application showed its user a page for nobody, or made the browser forget. A log-in that was
confirmed and never seen is no failover's loss as long as no node explains it. And a request without an answer
is a user who waits.

`presence` decides what became of a session, and asks here for the name. Trap: none of these may be found in a
run of the kit's own session client, whose "please log in" is an answer of Redis.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.checks.columns.arrays import Words
from harness.checks.facts.causes import NO_NODE, Why
from harness.checks.facts.step_effects import Sight, State
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted
from harness.costly import np
from harness.model.finding_kind import FindingKind, FindingTrait, Limit, OutOf
from harness.model.judgement import Finding
from harness.model.records import WEB_SERVER_STUCK, Event, Operation
from harness.model.times import FOREVER, NEVER
from harness.model.told import NO_ANSWER
from harness.model.words import Cause, FindingSide, OperationKind, Outcome, StepKind

NOTICED_WITHIN_US = 1_000_000
"""The kit looks whether a process has ended a few times a second; its requests ended before."""
REQUESTS_SHOWN = 3
"""Of the users of a web server that ended, or let nobody in."""
_FAILED = frozenset({Outcome.UNKNOWN, Outcome.REJECTED})

COOKIE_DELETED = FindingKind(
    name="cookie-deleted",
    side=FindingSide.CLOSED,
    sentence="the application told a user's browser to forget a session that was still there",
    of_guest=True,
    traits=(FindingTrait.BREAKS_SESSION, FindingTrait.ENDS_SESSION, FindingTrait.ONE_PER_SESSION),
)

ANONYMOUS_PAGE = FindingKind(
    name="anonymous-page",
    side=FindingSide.CLOSED,
    sentence="a logged-in user got a page for nobody, while the session was still there",
    out_of=OutOf.READS,
    of_guest=True,
    traits=(FindingTrait.MAY_END_SESSION, FindingTrait.ONE_PER_SESSION),
)

TOLD_OK_THEN_LOST = FindingKind(
    name="told-ok-then-lost",
    side=FindingSide.CLOSED,
    sentence="the application confirmed a log-in that nobody ever saw anything of",
    out_of=OutOf.LOGINS,
    of_guest=True,
    traits=(FindingTrait.BREAKS_SESSION, FindingTrait.ENDS_SESSION, FindingTrait.ONE_PER_SESSION),
)

HUNG_REQUEST = FindingKind(
    name="hung-request",
    side=FindingSide.CLOSED,
    sentence="a request got no answer within the time that a browser waits",
    needs=frozenset(),
    out_of=OutOf.READS,
    of_guest=True,
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.TIMED, FindingTrait.SURE_AT_THE_END),
    limit=Limit.PATIENCE,
)

APP_DIED = FindingKind(
    name="app-died",
    side=FindingSide.CLOSED,
    sentence="a web server of the application ended by itself",
    needs=frozenset(),
    out_of=None,
    of_guest=True,
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.SURE_AT_THE_END),
)

NEEDS_RESTART = FindingKind(
    name="needs-restart",
    side=FindingSide.CLOSED,
    sentence="a web server let nobody in although Redis was well again, until it was started anew",
    needs=frozenset(),
    out_of=None,
    of_guest=True,
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.SURE_AT_THE_END),
)


def out_of_sight(timelines: Timelines, looks: Sequence[Sight]) -> FindingKind | None:
    """What it is that these looks did not find a session that was there; None: an old answer."""
    if not timelines.of_guest:
        return None
    return COOKIE_DELETED if any(map(_made_forget, looks)) else ANONYMOUS_PAGE


def never_there(timelines: Timelines, timeline: Timeline, why: Why) -> bool:
    """Whether nobody ever saw a session whose loss no node explains."""
    if not timelines.of_guest or why.because != NO_NODE:
        return False
    return all(one.state is not State.PRESENT for one in timeline.sights)


def _made_forget(sight: Sight) -> bool:
    return sight.operation is not None and any(step.does is StepKind.FORGET for step in sight.operation.steps)


def judge_answers(timelines: Timelines) -> Counted:
    if not timelines.of_guest:
        return Counted()
    return Counted(findings=[*_hung(timelines), *_died(timelines), *_stuck(timelines)])


def _hung(timelines: Timelines) -> list[Finding]:
    table = timelines.facts.history.table
    rows = np.flatnonzero(Words(table.operations, "told").equal(NO_ANSWER))
    hung = table.take(rows).records() if len(rows) else ()
    last_us = _last_answers(timelines)
    return [_finding(one, last_us.get(one.web_server, 0)) for one in hung]


def _last_answers(timelines: Timelines) -> dict[str, int]:
    """Web server -> when it last answered anything as it should."""
    found: dict[str, int] = {}
    for one in timelines.facts.history.operations:
        if one.outcome is Outcome.ACKED and one.done_us is not None:
            found[one.web_server] = max(found.get(one.web_server, 0), one.done_us)
    return found


def _finding(one: Operation, last_answer_us: int) -> Finding:
    begun_us = one.due_us if one.sent_us is None else one.sent_us
    waited_s = ((one.done_us or begun_us) - begun_us) / 1e6
    ever = "" if last_answer_us > begun_us else f", and {one.web_server} answered nothing any more after it"
    return Finding(
        name=HUNG_REQUEST.name,
        side=HUNG_REQUEST.side,
        session=one.session,
        user=one.user,
        cause=Cause.NOT_DETERMINED,
        because="",
        sentence=f"{one.web_server} did not answer {one.behaviour} of {one.user} within {waited_s:.1f} s"
        f"{ever}.",
        operations=(one.id,),
        web_server=one.web_server,
        client_side=one.client_side,
        shard=one.shard,
        t_us=begun_us,
        seen_us=one.done_us,
    )


def _died(timelines: Timelines) -> list[Finding]:
    return [
        _death(event, _unserved(timelines, event.source, since_us=event.t_us - NOTICED_WITHIN_US))
        for event in timelines.facts.history.events
        if event.name == "web-server-died"
    ]


def _stuck(timelines: Timelines) -> list[Finding]:
    """Of a topology that did not recover nobody knows what its web servers were waiting for."""
    closing = timelines.history.closing
    if closing is None or closing.not_recovered:
        return []
    return [
        _shut(event, _unserved(timelines, event.source, until_us=event.t_us))
        for event in timelines.history.events
        if event.name == WEB_SERVER_STUCK
    ]


def _unserved(
    timelines: Timelines, web_server: str, *, since_us: float = NEVER, until_us: float = FOREVER
) -> list[Operation]:
    """What users asked of a web server that did not do it, in the order in which it ended."""
    table = timelines.facts.history.table
    failed = Words(table.operations, "outcome").which(_FAILED.__contains__)
    rows = np.flatnonzero(failed & Words(table.operations, "web_server").equal(web_server))
    found = table.take(rows).records() if len(rows) else ()
    ended = [one for one in found if one.done_us is not None and since_us <= one.done_us <= until_us]
    return sorted(ended, key=lambda one: one.done_us or 0)


def _shut(event: Event, unserved: Sequence[Operation]) -> Finding:
    log_ins = [one for one in unserved if one.kind is OperationKind.LOGIN][-REQUESTS_SHOWN:]
    whom = f"; {log_ins[-1].user} tried last to log in there" if log_ins else ""
    sentence = f"{event.source} let nobody in after Redis was well again; started anew it did{whom}."
    return _of_web_server(NEEDS_RESTART, event, sentence, log_ins)


def _death(event: Event, unserved: Sequence[Operation]) -> Finding:
    first = unserved[:REQUESTS_SHOWN]
    whom = (
        f"; the first user without an answer was {first[0].user}, with {first[0].behaviour}" if first else ""
    )
    sentence = f"{event.source} ended without the kit's doing: {event.detail.partition(';')[0]}{whom}."
    return _of_web_server(APP_DIED, event, sentence, first)


def _of_web_server(kind: FindingKind, event: Event, sentence: str, requests: Sequence[Operation]) -> Finding:
    return Finding(
        name=kind.name,
        side=kind.side,
        cause=Cause.NOT_DETERMINED,
        because=event.detail,
        sentence=sentence,
        operations=tuple(one.id for one in requests),
        web_server=event.source,
        t_us=event.t_us,
        seen_us=event.t_us,
    )


CHECK = Check(
    promise="Every request is answered, and no web server ends by itself or has to be started anew.",
    kinds=(HUNG_REQUEST, APP_DIED, NEEDS_RESTART),
    find=judge_answers,
)
