"""Come from an address. Promise: a session is used only from where it is bound to.

`GET address:{session}` on every request. A quarter of the requests comes from another network, as somebody
would who stole the cookie, and is refused. An eighth comes from another address of the same network, as a
telephone does that gets a new one: who binds to the exact address refuses its user, who binds to the network
lets in a thief next door. A session that is bound to nothing is let in, as the first request of a login is.

What to do when Redis does not answer is the application's choice: option `when_unreachable`.
"""

from __future__ import annotations

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import ADDRESS
from harness.sessions.flags import value_of
from harness.sessions.guard import told_by_guard, when_unreachable
from harness.sessions.request import Request

ELSEWHERE_OF_16, NEARBY_OF_16 = 4, 2
ADDRESS_ONLY, NETWORK = "address", "network"


class CheckAddress:
    declaration = Declaration(
        name="check-address",
        help="compare where the request comes from with the address that the session is bound to",
        options=(
            Option(
                name="bound_to",
                type=OptionType.WORD,
                help="what must be the same: the whole address, or its network (/24)",
                default=ADDRESS_ONLY,
                words=(ADDRESS_ONLY, NETWORK),
            ),
            when_unreachable(stale=False),
        ),
        leads_to=("let-in-unchecked",),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        step = request.step_on(ADDRESS, request.session.id, StepKind.LOOK, deciding=True)
        bound = await value_of(request, step)
        whole = request.options.get("bound_to", ADDRESS_ONLY) == ADDRESS_ONLY
        return told_by_guard(request, step, bound is not None and _comes_from_elsewhere(request.dice, whole))


def _comes_from_elsewhere(dice: int, whole: bool) -> bool:
    """`whole`: another address of the same network is elsewhere as well."""
    return dice % 16 < ELSEWHERE_OF_16 + (NEARBY_OF_16 if whole else 0)
