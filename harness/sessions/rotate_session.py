"""Give the session a new id, as at a change of privilege. Promise: the old id is dead, the new one complete.

Somebody may have planted the old id in the user's browser, and waits for the user to log in with it: session
fixation. So the data are copied under a fresh id, and the old key is deleted; both decide. The new one has
an identity of its own, and the age of the old one. What is written to the old one meanwhile is lost with it,
as in the applications that do this.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.keys import index_key
from harness.sessions.log_in import create, enter_in_index, identity, left_s
from harness.sessions.logout import note_deleted
from harness.sessions.read import note_seen, told_by_seen
from harness.sessions.request import OK, PLEASE_LOG_IN, Request, Session, told_by


class RotateSession:
    declaration = Declaration(
        name="rotate-session",
        help="copy the session under a fresh id, and delete the old one: against session fixation",
        traffic={"shop": 2, "bank": 5},
        leads_to=("fixated-session",),
    )
    kind = OperationKind.LOGIN
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        old = request.replaces
        assert old is not None
        seen = await _read(request, old)
        told = told_by_seen(seen, request.user)
        if told == OK and left_s(request, seen.saw or {}) <= 0:
            told = PLEASE_LOG_IN
        if told != OK:
            if told == PLEASE_LOG_IN:  # nothing to copy: no session was made
                seen.deciding, seen.effective = True, False
            return told
        created = request.step(StepKind.CREATE, request.session.key, deciding=True)
        own = identity(request)
        created.wrote = {name: value for name, value in (seen.saw or {}).items() if name not in own}
        await create(request, created)
        if created.outcome is not Outcome.ACKED:
            return told_by(created.outcome)
        created.effective = True
        return await _replace(request, old)


async def _read(request: Request, old: Session) -> Step:
    seen = request.step(StepKind.READ, old.key)
    seen.session = old.id
    note_seen(seen, await request.alone(seen, ("HGETALL", old.key), ("PTTL", old.key)))
    return seen


async def _replace(request: Request, old: Session) -> str:
    """The old id dies, and the user's index names the new one in its place."""
    destroyed = request.step(StepKind.DESTROY, old.key, deciding=True)
    destroyed.session = old.id
    note_deleted(request, destroyed, await request.alone(destroyed, ("DEL", old.key)))
    if destroyed.outcome is not Outcome.ACKED:
        return told_by(destroyed.outcome)
    await enter_in_index(request)
    index = index_key(request.user)
    removed = request.step(StepKind.INDEX_REMOVE, index)
    removed.session = removed.member = old.id
    answer = await request.alone(removed, ("SREM", index, old.id))
    if answer is not None and (answer[0] == 1 or not request.ambiguous(removed)):
        removed.effective = answer[0] == 1
    return OK
