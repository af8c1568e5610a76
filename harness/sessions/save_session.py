"""Save the session as a whole. Promise: what a confirmed save put in is there for the next request.

The session is one value (`GET`, `SET ... EX`), as connect-redis, Flask-Session, Laravel and Django keep it:
read at the start of a request, stored again at its end. Two requests that overlap read the same value, and
the later save carries away what the earlier one had put in. Those stores do not look (`compare` false); the
cure is to store only if nobody has stored since, and to begin anew otherwise.

What is stored is text: JSON, MessagePack, or compressed, or sealed. Whoever cannot open it answers with an
error and writes nothing over it.
"""

from __future__ import annotations

import asyncio

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import VALUE
from harness.objects.saved import FORMS, PLAIN, SAVED, SHAPES, UNREADABLE, Document, marks_in, packed
from harness.sessions.commands import SAVE_UNCHANGED
from harness.sessions.flags import set_for
from harness.sessions.request import ERROR, TRY_LATER, Request, told_by

WORK_S, TRIES, LIVES_S = 0.02, 6, 1800.0
CONNECT_REDIS = "connect-redis"


class SaveSession:
    declaration = Declaration(
        name="save-session",
        help="read the session as one value, work, and store the whole again",
        options=(
            Option(
                name="work",
                type=OptionType.DURATION,
                help="how long the request works in between",
                default=WORK_S,
            ),
            Option(
                name="compare",
                type=OptionType.FLAG,
                help="store only if nobody has stored since, and begin anew otherwise",
                default=True,
            ),
            Option(
                name="tries",
                type=OptionType.COUNT,
                help="before the user is asked to try later",
                default=TRIES,
            ),
            Option(
                name="form",
                type=OptionType.WORD,
                help="JSON as it is, compressed, encrypted and authenticated, or MessagePack",
                default=PLAIN,
                words=FORMS,
            ),
            Option(
                name="payload",
                type=OptionType.SIZE,
                help="how much a session holds besides what requests change",
                default=0,
            ),
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long a session is kept that nobody saves",
                default=LIVES_S,
            ),
            Option(
                name="keys",
                type=OptionType.WORD,
                help="whose keys: what they begin with",
                default=CONNECT_REDIS,
                words=tuple(SHAPES),
            ),
        ),
        leads_to=names(SAVED.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        kept = SHAPES[str(request.options.get("keys", CONNECT_REDIS))]
        for _ in range(max(1, int(request.options.get("tries", TRIES)))):
            look = request.step_on(kept, request.session.id, StepKind.LOOK)
            value = await _read(request, look)
            if value is None:
                return told_by(look.outcome)
            marks = marks_in(value) if value else []
            if UNREADABLE in marks:
                return ERROR
            await asyncio.sleep(float(request.options.get("work", WORK_S)))
            saved = await _save(request, kept, value, [*marks, str(request.operation)])
            if saved.outcome is not Outcome.ACKED or saved.effective is not False:
                return told_by(saved.outcome)
            saved.deciding = False  # somebody else was faster: the next try decides
        saved.deciding = True
        return TRY_LATER


async def _read(request: Request, step: Step) -> str | None:
    """The value, empty where there is none; None: nobody answered."""
    answer = await request.alone(step, ("GET", step.key), ("PTTL", step.key))
    if answer is None:
        return None
    value = "" if answer[0] is None else str(answer[0])
    step.saw = {VALUE: " ".join(marks_in(value))} if value else {}
    if len(answer) > 1 and isinstance(answer[1], int):
        step.pttl_ms = answer[1]
    return value


async def _save(request: Request, kept: Document, before: str, marks: list[str]) -> Step:
    step = request.step_on(kept, request.session.id, StepKind.PUT, deciding=True)
    step.wrote = {VALUE: " ".join(marks)}
    step.ttl_ms = round(float(request.options.get("lifetime", LIVES_S)) * 1000)
    form, payload = str(request.options.get("form", PLAIN)), int(request.options.get("payload", 0))
    value = packed(marks, form, payload=payload)
    if not request.options.get("compare", True):
        if await request.alone(step, set_for(step.key, value, step.ttl_ms)) is not None:
            step.effective = True
        return step
    command = ("EVAL", SAVE_UNCHANGED, "1", step.key, before, value, str(step.ttl_ms))
    answer = await request.alone(step, command, repeat_unanswered=False)
    step.command = "EVAL (GET SET)"
    if answer is not None and (answer[0] == 1 or not request.ambiguous(step)):
        step.effective = answer[0] == 1
    return step
