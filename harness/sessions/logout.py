"""Log out. Promise: the id never works again.

Step 1 (deciding) deletes the session, step 2 takes it out of the user's index. A plain DEL works even
on an instance whose memory is full. DEL that answers 0 found nothing to delete: the session was gone
already, unless an earlier attempt of this very logout, whose answer was lost, had deleted it.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.keys import index_key
from harness.sessions.request import SIGNED_OUT, Request, told_by


class Logout:
    declaration = Declaration(
        name="logout",
        help="DEL the session, then take it out of the user's index",
        traffic={"shop": 3, "bank": 8, "admin": 5},
        leads_to=("resurrected-session", "undone-by-own-write"),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        step = request.step(StepKind.DESTROY, request.session.key, deciding=True)
        note_deleted(request, step, await request.alone(step, ("DEL", step.key)))
        return await sign_out(request, step)


def note_deleted(request: Request, step: Step, answer: list[object] | None) -> None:
    if answer is None:
        return
    step.reply = str(answer[0])
    if answer[0] == 1 or not request.ambiguous(step):
        step.effective = answer[0] == 1


async def sign_out(request: Request, destroyed: Step) -> str:
    """The index entry goes once the session is gone; a user whose session is gone is signed out."""
    if destroyed.outcome is not Outcome.ACKED:
        return told_by(destroyed.outcome)
    index = index_key(request.user)
    removed = request.step(StepKind.INDEX_REMOVE, index)
    removed.member = request.session.id
    answer = await request.alone(removed, ("SREM", index, request.session.id))
    if answer is not None and (answer[0] == 1 or not request.ambiguous(removed)):
        removed.effective = answer[0] == 1
    return SIGNED_OUT
