"""Greet somebody who has not logged in: a bot, a health check, a first page. Promise: nothing is stored.

The visitor's cookie, if any, names no session: one look tells. A well-known mistake is an option: to save an
empty session for everybody who comes by (`saveUninitialized`).
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.unused import UNUSED
from harness.sessions.flags import put, value_of
from harness.sessions.request import OK, Request, told_by

EMPTY_LIVES_S = 1800.0


class GreetVisitor:
    declaration = Declaration(
        name="greet-visitor",
        help="look for the session of somebody who has none, and store nothing",
        options=(
            Option(
                name="save_empty",
                type=OptionType.FLAG,
                help="store an empty session for whoever has none",
                default=False,
            ),
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long an empty session is kept",
                default=EMPTY_LIVES_S,
            ),
        ),
        leads_to=names(UNUSED.findings),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        visitor = f"{request.dice >> 64:016x}"
        look = request.step_on(UNUSED, visitor, StepKind.LOOK, deciding=True)
        if await value_of(request, look) is not None or not request.options.get("save_empty", False):
            return told_by(look.outcome)
        lives_s = float(request.options.get("lifetime", EMPTY_LIVES_S))
        step = request.step_on(UNUSED, visitor, StepKind.PUT, deciding=True)
        return await put(request, step, str(request.operation), lives_s, told=OK)
