"""Read the session once, and work on that copy for the rest of the request. Promise: nobody works on what is
older than what the request itself read first.

The first look is at Redis, everything after it at the copy, and what changes is written to both. With the end
of the request the copy is gone. A well-known mistake is an option: to keep the copy for the requests that
follow (`shared`), in this process alone. Then whoever changes the session elsewhere is not seen.
"""

from __future__ import annotations

import asyncio

from harness.application import THEMES
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import FROM_MEMORY, OperationKind, Outcome, StepKind
from harness.sessions.read import read_back, told_by_seen
from harness.sessions.request import OK, PLEASE_LOG_IN, Request, told_by

WORK_S = 0.02
CHANGES_OF_16 = 4


class UseCopy:
    declaration = Declaration(
        name="use-copy",
        help="read the session once, and work on that copy for the rest of the request",
        options=(
            Option(
                name="work",
                type=OptionType.DURATION,
                help="how long the request works on it before it changes something",
                default=WORK_S,
            ),
            Option(
                name="shared",
                type=OptionType.FLAG,
                help="keep the copy for later requests of this web server: a known mistake",
                default=False,
            ),
        ),
        leads_to=("lost-write", "lost-update", "ghost-retry"),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        shared = bool(request.options.get("shared", False))
        told = await _look(request, shared=shared)
        saw = request.steps[-1].saw
        if told != OK or saw is None:
            return told
        copy = dict(saw)
        if shared:
            request.hearing.copies[request.session.id] = copy
        await asyncio.sleep(float(request.options.get("work", WORK_S)))
        if request.dice % 16 >= CHANGES_OF_16:
            return OK
        return await _change(request, copy)


async def _look(request: Request, *, shared: bool) -> str:
    """At the copy of an earlier request where it is kept, else at Redis."""
    kept = request.hearing.copies.get(request.session.id) if shared else None
    if kept is None:
        return await read_back(request, deciding=True)
    step = request.step(StepKind.READ, request.session.key, deciding=True)
    step.command, step.outcome = FROM_MEMORY, Outcome.ACKED
    step.sent_us = step.done_us = request.now_us()
    step.saw = dict(kept)
    return told_by_seen(step, request.user)


async def _change(request: Request, copy: dict[str, str]) -> str:
    """Written through: to Redis, and then to the copy."""
    key, guarded = request.session.key, request.rules.guarded_writes
    step: Step = request.step(StepKind.WRITE, key, deciding=True)
    step.wrote = {"theme": f"{request.operation}:{THEMES[(request.dice >> 4) % len(THEMES)]}"}
    answer = await request.together(
        step, [("HSET", key, "theme", step.wrote["theme"]), *request.witness(step)], guarded=guarded
    )
    if answer is None:
        return told_by(step.outcome)
    # An unguarded HSET of the theme makes it where there is no session, and only there.
    step.effective = bool(answer) if guarded else answer[0] == 0
    step.reply = str(answer[0]) if answer else "no session"
    if not step.effective:
        request.hearing.copies.pop(request.session.id, None)
        return PLEASE_LOG_IN
    copy |= step.wrote
    return OK
