"""Fill in a form of several steps. Promise: a finished step stays finished, in its order.

`RPUSH form:{session} <step>`, and `PEXPIRE`, for each step as it is finished; once all are, the user looks
at the whole with `LRANGE` and may submit it. An RPUSH is not safe to repeat: one whose answer was lost is
not sent again.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.kind import TOTAL
from harness.objects.listed import FORM
from harness.sessions.request import OK, Request, told_by

STEPS, LIVES_S = 4, 1800.0


class FillForm:
    declaration = Declaration(
        name="fill-form",
        help="finish the next step of a form, or look at the whole once all are finished",
        options=(
            Option(name="steps", type=OptionType.COUNT, help="how many steps the form has", default=STEPS),
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long a form is kept that is not continued",
                default=LIVES_S,
            ),
        ),
        traffic={"shop": 4, "bank": 8},
        leads_to=names(FORM.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        finished = await _finished(request)
        if finished is None:
            return told_by(request.steps[-1].outcome)
        if finished >= int(request.options.get("steps", STEPS)):
            request.steps[-1].deciding = True
            return OK
        return await _finish_next(request, finished + 1)


async def _finished(request: Request) -> int | None:
    """How many steps are; None: nobody said so."""
    step = request.step_on(FORM, request.session.id, StepKind.LOOK)
    request.about = step.key
    answer = await request.alone(step, ("LRANGE", step.key, "0", "-1"), ("PTTL", step.key))
    if answer is None:
        return None
    entries = answer[0]
    assert isinstance(entries, list)
    _note(step, len(entries), answer)
    return len(entries)


def _note(step: Step, finished: int, answer: list[object]) -> None:
    step.saw = {TOTAL: str(finished)} if finished else {}
    if len(answer) > 1 and isinstance(answer[1], int):
        step.pttl_ms = answer[1]


async def _finish_next(request: Request, number: int) -> str:
    step = request.step_on(FORM, request.session.id, StepKind.COUNT, deciding=True)
    step.added = {TOTAL: 1}
    step.ttl_ms = max(1, round(float(request.options.get("lifetime", LIVES_S)) * 1000))
    entered = ("RPUSH", step.key, f"{request.operation}:step {number}")
    kept = ("PEXPIRE", step.key, str(step.ttl_ms))
    answer = await request.alone(step, entered, kept, repeat_unanswered=False)
    if answer is None or step.outcome is not Outcome.ACKED:
        return told_by(step.outcome)
    step.added_now, step.effective = {TOTAL: int(str(answer[0]))}, True
    return OK
