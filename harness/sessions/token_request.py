"""A request with a signed token. Promise: a token that was revoked, or is older than its user's ban, is
refused.

The token says by itself who it is; only the denylist and the ban have to be asked, on every request. A part
of the requests comes with a token that the user had before, as somebody would who stole it. A user whose own
token is refused logs in anew.

What to do when Redis does not answer is the application's choice: option `when_unreachable`. Pages that have
a session beside their token, and are guarded as well, are option `asked`.
"""

from __future__ import annotations

from harness.model.scenario import Declaration, Option, OptionType
from harness.model.words import OperationKind, StepKind
from harness.objects.flag import CUT_OFF, REVOKED
from harness.sessions.flags import value_of
from harness.sessions.guard import instance, told_by_guard, when_unreachable
from harness.sessions.guarded_page import asked, told_with_session
from harness.sessions.request import OK, PLEASE_LOG_IN, REFUSED, Request, Session

OLD_OF_16 = 4
"""Turns of sixteen that come with a token from before."""


class TokenRequest:
    declaration = Declaration(
        name="token-request",
        help="ask whether the token was revoked or its user banned, then let in or refuse",
        options=(
            when_unreachable(),
            asked("whoever comes with a token alone"),
            instance(REVOKED, CUT_OFF),
            Option(name="bans", type=OptionType.FLAG, help="ask for the user's ban as well", default=True),
        ),
        traffic={"token-api": 75, "admin": 6},
        leads_to=("let-in-unchecked", "refused-session"),
    )
    kind = OperationKind.READ
    needs_session = True

    async def carry_out(self, request: Request) -> str:
        token = _token(request)
        if token is not request.session:  # whoever stole it has no session
            return await _told(request, token)
        return await told_with_session(request, lambda: _told(request, token), session_passes=False)


async def _told(request: Request, token: Session) -> str:
    told = await _asks_denylist(request, token)
    if told == OK and request.options.get("bans", True):
        told = await _asks_for_ban(request, token)
    if told == REFUSED and token is request.session:
        return PLEASE_LOG_IN
    return told


def _token(request: Request) -> Session:
    if request.dice % 16 >= OLD_OF_16 or not request.earlier:
        return request.session
    return request.earlier[(request.dice >> 8) % len(request.earlier)]


async def _asks_denylist(request: Request, token: Session) -> str:
    step = request.step_on(REVOKED, token.id, StepKind.LOOK, deciding=True)
    return told_by_guard(request, step, await value_of(request, step) is not None)


async def _asks_for_ban(request: Request, token: Session) -> str:
    step = request.step_on(CUT_OFF, request.user, StepKind.LOOK, deciding=True)
    since = await value_of(request, step)
    return told_by_guard(request, step, since is not None and token.generation < int(since))
