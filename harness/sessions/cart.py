"""The cart: add or merge a quantity, remove, read back. Promise: the contents equal the acknowledged
operations, each counted once.

Quantities are integer fields and grow by HINCRBY, which is not safe to repeat: an increment whose
answer was lost is not sent again, unless `repeat: true` asks for that well-known mistake.
"""

from __future__ import annotations

from harness.model.records import Step
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.sessions.exchange import Command
from harness.sessions.read import read_back
from harness.sessions.request import OK, PLEASE_LOG_IN, Request, told_by

REMOVES_OF_16 = 2
"""Turns of sixteen that remove an item; the others add."""
READS_BACK_OF_16 = 4
"""Turns of sixteen that read the cart back afterwards."""


class Cart:
    declaration = Declaration(
        name="cart",
        help="add to, merge and remove items of a cart kept in the session, and read it back",
        options=(
            Option(name="items", type=OptionType.COUNT, help="different items per cart", default=6),
            Option(
                name="repeat",
                type=OptionType.FLAG,
                help="send an increment again when its answer was lost: it may then count twice",
                default=False,
            ),
        ),
        traffic={"shop": 20},
        leads_to=("doubled-update", "lost-write", "lost-update"),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        dice = request.dice
        item = f"cart:{(dice >> 8) % max(1, int(request.options.get('items', 6)))}"
        if (dice >> 4) % 16 < REMOVES_OF_16:
            told = await self._remove(request, item)
        else:
            told = await self._add(request, item, 1 + (dice >> 16) % 3)
        if told == OK and dice % 16 < READS_BACK_OF_16:
            return await read_back(request, deciding=False)
        return told

    async def _add(self, request: Request, item: str, quantity: int) -> str:
        step = request.step(StepKind.INCREMENT, request.session.key, deciding=True)
        step.added = {item: quantity}
        command = ("HINCRBY", step.key, item, str(quantity))
        answer = await self._write(request, step, command, repeat=bool(request.options.get("repeat", False)))
        if answer:
            total = int(str(answer[0]))
            step.added_now = {item: total}
            step.effective = True
        return told_by_answer(step, answer)

    async def _remove(self, request: Request, item: str) -> str:
        step = request.step(StepKind.REMOVE_FIELD, request.session.key, deciding=True)
        step.removed = (item,)
        answer = await self._write(request, step, ("HDEL", step.key, item), repeat=True)
        if answer and (request.rules.guarded_writes or answer[0] == 1):
            step.effective = True
        return told_by_answer(step, answer)

    async def _write(
        self, request: Request, step: Step, command: Command, *, repeat: bool
    ) -> list[object] | None:
        guarded = request.rules.guarded_writes
        return await request.together(
            step, [command, *request.witness(step)], guarded=guarded, repeat_unanswered=repeat
        )


def told_by_answer(step: Step, answer: list[object] | None) -> str:
    """A guard that found no session is an acknowledged absence."""
    if answer is None:
        return told_by(step.outcome)
    if not answer:
        step.effective = False
        step.reply = "no session"
        return PLEASE_LOG_IN
    step.reply = str(answer[0])
    return OK
