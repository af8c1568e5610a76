"""Log out everywhere. Promise: none of the sessions that existed when it was called works again.

SMEMBERS of the user's index, DEL each session (every one of them decides), then take the listed
sessions out of the index. Deleting the index whole, as many applications do, also throws away the
entry of a log-in that came in between, which the next call then cannot find: option `whole_index`.
"""

from __future__ import annotations

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.redis_wire.keys import index_key, session_key
from harness.sessions.logout import note_deleted
from harness.sessions.request import SIGNED_OUT, Request, told_by


class LogoutEverywhere:
    declaration = Declaration(
        name="logout-everywhere",
        help="delete every session that the user's index lists",
        options=(
            Option(
                name="whole_index",
                type=OptionType.FLAG,
                help="DEL the index instead of taking out what it listed: loses parallel log-ins",
                default=False,
            ),
        ),
        traffic={"bank": 2, "admin": 3},
        leads_to=("escaped-logout", "resurrected-session", "undone-by-own-write"),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        index = index_key(request.user)
        listing = request.step(StepKind.INDEX_READ, index)
        answer = await request.alone(listing, ("SMEMBERS", index))
        if answer is None:
            return told_by(listing.outcome)
        members = answer[0]
        assert isinstance(members, list)
        listing.members = tuple(sorted(members))
        outcomes = [await self._destroy(request, session) for session in listing.members]
        if Outcome.UNKNOWN in outcomes:
            return told_by(Outcome.UNKNOWN)
        if Outcome.REJECTED in outcomes:
            return told_by(Outcome.REJECTED)
        await self._clear(request, index, listing.members)
        return SIGNED_OUT

    async def _destroy(self, request: Request, session: str) -> Outcome:
        step = request.step(StepKind.DESTROY, session_key(session), deciding=True)
        step.session = session
        note_deleted(request, step, await request.alone(step, ("DEL", step.key)))
        return step.outcome

    async def _clear(self, request: Request, index: str, members: tuple[str, ...]) -> None:
        whole = bool(request.options.get("whole_index", False))
        if not whole and not members:
            return
        step = request.step(StepKind.INDEX_DESTROY if whole else StepKind.INDEX_REMOVE, index)
        step.members = members
        answer = await request.alone(step, ("DEL", index) if whole else ("SREM", index, *members))
        if answer is None:
            return
        step.reply = str(answer[0])
        if not request.ambiguous(step):
            step.effective = answer[0] != 0
