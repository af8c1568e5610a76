"""Read the session from the web server's own memory, if it has a copy. Promise: a session that has ended is
not served from a copy.

The first request of a session reads it from Redis and keeps a copy for those that follow, in this process,
until `end-session` tells that it has ended. Half of the requests come with a session that the user had
before, as somebody would who stole the cookie.

A message reaches only who is listening when it is sent. So a web server that has lost its line does not trust
its copies (`when_deaf: forget`). A well-known mistake is an option: to keep them (`keep`).
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import FROM_MEMORY, OperationKind, Outcome, StepKind
from harness.objects.kind import VALUE
from harness.objects.message import ENDED
from harness.redis_wire.keys import session_key
from harness.sessions.read import note_seen, told_by_seen
from harness.sessions.request import OK, PLEASE_LOG_IN, REFUSED, Request, Session

FORGET, KEEP = "forget", "keep"
OLD_OF_16 = 8


class ReadCached:
    declaration = Declaration(
        name="read-cached",
        help="read the session from the web server's own memory, or from Redis and keep a copy",
        options=(
            Option(
                name="when_deaf",
                type=OptionType.WORD,
                help="what to do with copies while nobody can tell that a session has ended",
                default=FORGET,
                words=(FORGET, KEEP),
            ),
        ),
        shows=names(ENDED.findings),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        hearing = request.hearing
        await hearing.begin()
        asked = _session(request)
        careful = request.options.get("when_deaf", FORGET) == FORGET
        if careful and hearing.stale():
            hearing.forget()
        says = hearing.ended.get(asked.id)
        if says is None and asked.id not in hearing.cached:
            return await _read(request, asked, since=hearing.times if careful else None)
        step = request.step_on(ENDED, asked.id, StepKind.LOOK, deciding=True)
        _looked_up(request, step, says)
        if says is None:
            return OK
        return PLEASE_LOG_IN if asked is request.session else REFUSED


def _session(request: Request) -> Session:
    if request.dice % 16 >= OLD_OF_16 or not request.earlier:
        return request.session
    return request.earlier[(request.dice >> 8) % len(request.earlier)]


def _looked_up(request: Request, step: Step, says: str | None) -> None:
    """In memory: nobody else was asked."""
    step.command, step.outcome = FROM_MEMORY, Outcome.ACKED
    step.sent_us = step.done_us = request.now_us()
    step.saw = {} if says is None else {VALUE: says}


async def _read(request: Request, asked: Session, *, since: int | None) -> str:
    step = request.step(StepKind.READ, session_key(asked.id), deciding=True)
    step.session = asked.id
    note_seen(step, await request.alone(step, ("HGETALL", step.key), ("PTTL", step.key)))
    told = told_by_seen(step, request.user)
    if told == OK:
        request.hearing.keep(asked.id, request.user, since=since)
    if told == PLEASE_LOG_IN and asked is not request.session:
        return REFUSED
    return told
