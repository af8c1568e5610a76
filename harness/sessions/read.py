"""Read the session, as every request does. Promise: the right user, nothing older than acknowledged.

HGETALL with PTTL in the same round trip, so that a TTL can be judged before it does harm. No MULTI:
a full instance refuses even reads inside it. A key without a user is answered like no session.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import Declaration
from harness.model.words import OperationKind, StepKind
from harness.sessions.request import OK, PLEASE_LOG_IN, WRONG_USER, Request, fields_of, told_by


class Read:
    declaration = Declaration(
        name="read",
        help="the whole session and its remaining time, in one round trip",
        traffic={"shop": 40, "bank": 29, "admin": 28},
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        return await read_back(request, deciding=True)


async def read_back(request: Request, *, deciding: bool) -> str:
    """A reading step; returns what the application makes of it."""
    key = request.session.key
    step = request.step(StepKind.READ, key, deciding=deciding)
    note_seen(step, await request.alone(step, ("HGETALL", key), ("PTTL", key)))
    return told_by_seen(step, request.user)


def note_seen(step: Step, answer: list[object] | None) -> None:
    if answer is None:
        return
    step.saw = fields_of(answer[0])
    if len(answer) > 1 and isinstance(answer[1], int):
        step.pttl_ms = answer[1]


def told_by_seen(step: Step, user: str) -> str:
    if step.saw is None:
        return told_by(step.outcome)
    owner = step.saw.get("user_id")
    if owner is None:
        return PLEASE_LOG_IN
    return OK if owner == user else WRONG_USER
