"""Move to another address. Promise: from now on the session is bound to the new one.

`SET address:{session} ... EX` when a user whose telephone changes its network has proved who they are.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import ADDRESS
from harness.sessions.flags import put
from harness.sessions.log_in import address
from harness.sessions.request import OK, Request

BOUND_S = 1800.0


class MoveAddress:
    declaration = Declaration(
        name="move-address",
        help="bind the session to the address that its user has moved to",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long the binding is kept: as long as the session",
                default=BOUND_S,
            ),
        ),
        leads_to=names(ADDRESS.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        lives_s = float(request.options.get("lifetime", BOUND_S))
        step = request.step_on(ADDRESS, request.session.id, StepKind.PUT, deciding=True)
        moved = f"{request.operation}:{address(request.dice)}"
        return await put(request, step, moved, lives_s, told=OK)
