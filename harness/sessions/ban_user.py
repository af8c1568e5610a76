"""Ban a user. Promise: nothing that was issued to this user before is accepted any more.

`SET not-before:{user} <now> EX ...`: a cut-off beside the single tokens, so that nobody has to know them all.
"Now" is the number of the operation, as log-ins have numbers too: the kit's clock that every node agrees on.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import CUT_OFF
from harness.sessions.flags import put
from harness.sessions.guard import instance
from harness.sessions.request import SIGNED_OUT, Request

BAN_LASTS_S = 7 * 86400.0


class BanUser:
    declaration = Declaration(
        name="ban-user",
        help="refuse everything that was issued to the user before",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long the cut-off is kept: as long as the oldest token may live",
                default=BAN_LASTS_S,
            ),
            instance(CUT_OFF),
        ),
        traffic={"token-api": 1, "bank": 1, "admin": 4},
        leads_to=names(CUT_OFF.findings),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        lives_s = float(request.options.get("lifetime", BAN_LASTS_S))
        step = request.step_on(CUT_OFF, request.user, StepKind.PUT, deciding=True)
        return await put(request, step, str(request.operation), lives_s, told=SIGNED_OUT)
