"""Keep statistics. Promise: every confirmed event is counted once.

`HINCRBY stats:{day} <user> 1`, and `EXPIRE`, in one plain pipeline. An increment whose answer was lost is not
sent again: it would be counted twice. One turn in eight adds all numbers up, as a report does.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.kind import TOTAL, VALUE
from harness.objects.tally import STATISTICS
from harness.sessions.request import Request, told_by

DAY = "today"
KEPT_S = 7 * 86400.0
LOOKS_OF_16 = 2


class CountEvent:
    declaration = Declaration(
        name="count-event",
        help="count an event of the user in the statistics of the day, or add them up",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long the numbers of a day are kept",
                default=KEPT_S,
            ),
        ),
        leads_to=names(STATISTICS.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        if request.dice % 16 < LOOKS_OF_16:
            return told_by((await _add_up(request)).outcome)
        return told_by((await _count(request)).outcome)


async def _count(request: Request) -> Step:
    step = request.step_on(STATISTICS, DAY, StepKind.PUT, deciding=True)
    step.wrote = {VALUE: str(request.operation)}
    step.ttl_ms = round(float(request.options.get("lifetime", KEPT_S)) * 1000)
    counted, kept = ("HINCRBY", step.key, request.user, "1"), ("PEXPIRE", step.key, str(step.ttl_ms))
    if await request.alone(step, counted, kept, repeat_unanswered=False) is not None:
        step.effective = True
    return step


async def _add_up(request: Request) -> Step:
    step = request.step_on(STATISTICS, DAY, StepKind.LOOK, deciding=True)
    answer = await request.alone(step, ("HVALS", step.key))
    if answer is not None:
        numbers = answer[0]
        assert isinstance(numbers, list)
        step.saw = {TOTAL: str(sum(map(int, numbers)))}
    return step
