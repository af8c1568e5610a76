"""Log out inside MULTI. Promise: the id never works again, as for `logout`.

redis-py's pipelines are transactions unless told otherwise, so this is what many applications send.
An instance with a full memory refuses everything inside MULTI: this logout then fails where a plain
DEL works. It leaves a witness, because a group has room for one. (One EVAL in a cluster.)
"""

from __future__ import annotations

from harness.model.scenario import Declaration
from harness.model.words import OperationKind, StepKind
from harness.sessions.logout import note_deleted, sign_out
from harness.sessions.request import Request


class LogoutInTransaction:
    declaration = Declaration(
        name="logout-in-transaction",
        help="the same, with the DEL inside MULTI/EXEC",
        leads_to=("resurrected-session", "undone-by-own-write"),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        step = request.step(StepKind.DESTROY, request.session.key, deciding=True)
        main = [("DEL", step.key), *request.witness(step)]
        note_deleted(request, step, await request.together(step, main, grouped=True))
        return await sign_out(request, step)
