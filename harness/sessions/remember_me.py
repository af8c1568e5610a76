"""Come back with a one-time token ("remember me"). Promise: a token that was spent never works again.

The browser comes back after its session has ended, with a long-lived token. Whoever uses it spends it:
`SET spent:{token} ... NX`. The first one is let in and gets a new token; whoever comes with it again has
stolen it, or was stolen from. An answer that is lost is not asked for again: the second answer would say
"spent", by oneself.

What to do when Redis does not answer is the application's choice: option `when_unreachable`.
"""

from __future__ import annotations

from harness.model.finding_kind import names
from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, Outcome, StepKind
from harness.objects.flag import SPENT
from harness.sessions.flags import put_once
from harness.sessions.guard import told_by_guard, when_unreachable
from harness.sessions.request import Request

TOKEN_LIVES_S = 30 * 86400.0
OWN_OF_16 = 8
"""Turns of sixteen that come with the token of the user's own session; the others with an earlier one."""


class RememberMe:
    declaration = Declaration(
        name="remember-me",
        help="let in with a one-time token, which is spent by it",
        options=(
            Option(
                name="lifetime",
                type=OptionType.DURATION,
                help="how long it is known that the token was spent: as long as it may live",
                default=TOKEN_LIVES_S,
            ),
            when_unreachable(stale=False),
        ),
        traffic={"shop": 2, "token-api": 10},
        leads_to=(*names(SPENT.findings), "let-in-unchecked"),
    )
    kind = OperationKind.WRITE
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        lives_s = float(request.options.get("lifetime", TOKEN_LIVES_S))
        step = request.step_on(SPENT, _token(request), StepKind.PUT, deciding=True)
        await put_once(request, step, str(request.operation), lives_s)
        spent_before = step.outcome is Outcome.ACKED and step.effective is not True
        return told_by_guard(request, step, spent_before)


def _token(request: Request) -> str:
    """Each session came with a token of its own."""
    if request.dice % 16 < OWN_OF_16 or not request.earlier:
        return request.session.id
    return request.earlier[(request.dice >> 8) % len(request.earlier)].id
