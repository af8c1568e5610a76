"""Another service reads the session and the user's profile. Promise: it sees what the first service wrote.

`HGETALL session:{id}`, as every request, then `GET user_profile:{user}`. A user without a profile is a new
one.
"""

from __future__ import annotations

from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.flag import PROFILE
from harness.sessions.flags import value_of
from harness.sessions.read import read_back
from harness.sessions.request import OK, Request, told_by


class ReadProfile:
    declaration = Declaration(
        name="read-profile",
        help="the session, then the user's profile, as another service reads them",
        traffic={"shop": 4, "bank": 5, "admin": 4},
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        told = await read_back(request, deciding=True)
        if told != OK:
            return told
        step = request.step_on(PROFILE, request.user, StepKind.LOOK, deciding=True)
        await value_of(request, step)
        return OK if step.outcome is Outcome.ACKED else told_by(step.outcome)
