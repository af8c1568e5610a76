"""Come from an address. Promise: a session is used only from where it is bound to.

`GET address:{session}` on every request. A quarter of the requests comes from somewhere else, as somebody
would who stole the cookie, and is refused. A session that is bound to nothing is let in, as the first request
of a login is.

What to do when Redis does not answer is the application's choice: option `when_unreachable`.
"""

from __future__ import annotations

from harness.model.scenario import Declaration
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import ADDRESS
from harness.sessions.flags import value_of
from harness.sessions.guard import told_by_guard, when_unreachable
from harness.sessions.request import Request

ELSEWHERE_OF_16 = 4


class CheckAddress:
    declaration = Declaration(
        name="check-address",
        help="compare where the request comes from with the address that the session is bound to",
        options=(when_unreachable(stale=False),),
        leads_to=("let-in-unchecked",),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        step = request.step_on(ADDRESS, request.session.id, StepKind.LOOK, deciding=True)
        bound = await value_of(request, step)
        elsewhere = request.dice % 16 < ELSEWHERE_OF_16
        return told_by_guard(request, step, bound is not None and elsewhere)
