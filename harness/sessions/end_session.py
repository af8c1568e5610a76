"""Log out, and tell all web servers. Promise: soon afterwards nobody serves the session from a cached copy.

As in `logout`, and then `PUBLISH`: who has cached the session drops it. Redis tells whoever is connected at
that moment, once.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import VALUE
from harness.objects.message import ENDED
from harness.sessions.hearing import CHANNEL
from harness.sessions.logout import note_deleted, sign_out
from harness.sessions.request import Request


class EndSession:
    declaration = Declaration(
        name="end-session",
        help="log out, and publish it so that web servers drop their cached copies",
        leads_to=("resurrected-session", "undone-by-own-write", *names(ENDED.findings)),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        destroyed = request.step(StepKind.DESTROY, request.session.key, deciding=True)
        note_deleted(request, destroyed, await request.alone(destroyed, ("DEL", destroyed.key)))
        told = await sign_out(request, destroyed)
        if destroyed.outcome is Outcome.ACKED:
            step = request.step_on(ENDED, request.session.id, StepKind.PUT)
            step.wrote = {VALUE: str(request.operation)}
            answer = await request.alone(
                step, ("PUBLISH", CHANNEL, f"{request.session.id} {request.operation}")
            )
            if answer is not None:
                step.effective, step.reply = True, f"heard by {answer[0]}"
        return told
