"""Revoke a token. Promise: it is refused from now on, until it would have expired.

A signed token is valid without anybody being asked, so what ends it early is an entry in a denylist: `SET
revoked:{token} ... EX <what is left of its life>`. The user's browser forgets the token; whoever stole it
does not.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import REVOKED
from harness.sessions.flags import put
from harness.sessions.guard import instance
from harness.sessions.request import SIGNED_OUT, Request

TOKEN_LIVES_S = 900.0


class RevokeToken:
    declaration = Declaration(
        name="revoke-token",
        help="enter the token in the denylist, for as long as it would be valid",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long the entry is kept: what is left of the token's life",
                default=TOKEN_LIVES_S,
            ),
            instance(REVOKED),
        ),
        traffic={"token-api": 4, "admin": 4},
        leads_to=names(REVOKED.findings),
    )
    kind = OperationKind.LOGOUT
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        lives_s = float(request.options.get("lifetime", TOKEN_LIVES_S))
        step = request.step_on(REVOKED, request.session.id, StepKind.PUT, deciding=True)
        return await put(request, step, str(request.operation), lives_s, told=SIGNED_OUT)
