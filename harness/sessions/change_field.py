"""Change one field or two. Promise: that field is new afterwards, the others are untouched.

Half of the turns move the session to another address: `ip` and `agent` in one HSET, so that a reader
who finds them disagree has seen a torn state. Guarded (the default): written only if the session
exists. Naive: HSET creates what is missing, so it can bring back a piece of a lost session, without
a TTL; it shows by counting every field as new.
"""

from __future__ import annotations

from harness.application import THEMES
from harness.model.scenario import Declaration
from harness.model.words import OperationKind, Outcome, StepKind
from harness.sessions.exchange import Command
from harness.sessions.log_in import address
from harness.sessions.request import OK, PLEASE_LOG_IN, Request, told_by


class ChangeField:
    declaration = Declaration(
        name="change-field",
        help="a new address or a new theme, the rest untouched",
        traffic={"shop": 5, "admin": 10},
        leads_to=("lost-write", "lost-update", "torn-state", "ghost-retry"),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        key, guarded = request.session.key, request.rules.guarded_writes
        step = request.step(StepKind.WRITE, key, deciding=True)
        step.wrote = new_values(request.operation, request.dice)
        write: Command = ("HSET", key, *(text for pair in step.wrote.items() for text in pair))
        answer = await request.together(step, [write, *request.witness(step)], guarded=guarded)
        if answer is None:
            return told_by(step.outcome)
        step.effective = bool(answer) if guarded else answer[0] != len(step.wrote)
        step.reply = str(answer[0]) if answer else "no session"
        if step.outcome is Outcome.ACKED and answer == []:
            return PLEASE_LOG_IN
        return OK


def new_values(operation: int, dice: int) -> dict[str, str]:
    if dice & 1:
        moved = address(dice)
        return {"ip": f"{operation}:{moved}", "agent": f"{operation}:{moved}"}
    return {"theme": f"{operation}:{THEMES[(dice >> 1) % len(THEMES)]}"}
