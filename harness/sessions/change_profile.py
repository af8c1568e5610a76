"""Change the user's profile. Promise: every service sees it, as soon as this is confirmed.

The profile is a key of its own beside the session (`SET user_profile:{user} ... PX`), because services that
know no sessions read it. In a cluster it has another slot than the session, and so may have another primary.
A failover of one of them then undoes a part of what a user did.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import PROFILE
from harness.sessions.flags import put
from harness.sessions.request import OK, Request

LIVES_S = 7 * 86400.0


class ChangeProfile:
    declaration = Declaration(
        name="change-profile",
        help="write the user's profile, which other services read",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long a profile is kept that nobody changes",
                default=LIVES_S,
            ),
        ),
        traffic={"bank": 2, "admin": 6},
        leads_to=names(PROFILE.findings),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        lives_s = float(request.options.get("lifetime", LIVES_S))
        step = request.step_on(PROFILE, request.user, StepKind.PUT, deciding=True)
        return await put(request, step, str(request.operation), lives_s, told=OK)
