"""List my devices. Promise: every session of the user that works is on the list.

`SMEMBERS user:{user}:sessions`, then `HGETALL` of each. What the list still names although it has ended is
left out; a session that works and that the list does not name cannot be ended from here, nor by logging out
everywhere.
"""

from __future__ import annotations

from harness.model.scenario import Declaration
from harness.model.words import OperationKind, StepKind
from harness.redis_wire.keys import index_key, session_key
from harness.sessions.read import note_seen
from harness.sessions.request import OK, Request, told_by


class ListDevices:
    declaration = Declaration(
        name="list-devices",
        help="read every session that the user's index lists",
        traffic={"bank": 3, "admin": 5},
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        index = index_key(request.user)
        listing = request.step(StepKind.INDEX_READ, index, deciding=True)
        answer = await request.alone(listing, ("SMEMBERS", index))
        if answer is None:
            return told_by(listing.outcome)
        members = answer[0]
        assert isinstance(members, list)
        listing.members = tuple(sorted(members))
        for session in listing.members:
            await _look(request, session)
        return OK


async def _look(request: Request, session: str) -> None:
    step = request.step(StepKind.READ, session_key(session))
    step.session = session
    note_seen(step, await request.alone(step, ("HGETALL", step.key), ("PTTL", step.key)))
