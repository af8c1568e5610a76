"""A page that has a session and has to pass a guard: which of the two is asked first, and what that costs.

A limiter or a denylist that is asked before the session decides about everybody. Where it gets no answer and
refuses, whoever has logged in is turned away, too, although nobody asked for the session. Its session is read
all the same, so that the records say whether it could have been let in; whoever is told `TURNED_AWAY` and had
a session is counted.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from harness.model.scenario import Option, OptionType
from harness.model.told import TURNED_AWAY
from harness.model.words import LET_IN_UNCHECKED
from harness.sessions.read import read_back
from harness.sessions.request import ERROR, OK, PLEASE_LOG_IN, TRY_LATER, Request

WITHOUT_SESSION, BEFORE_SESSION, AFTER_SESSION = "without-session", "before-session", "after-session"
UNANSWERED = frozenset({ERROR, TRY_LATER})
"""What a guard that refuses tells, where Redis did not say."""


def asked(of_whom: str) -> Option:
    """The option of guards that may stand in front of requests with a session."""
    return Option(
        name="asked",
        type=OptionType.WORD,
        help=f"of whom: `without-session` {of_whom}; before or after the session of whoever has one is read",
        default=WITHOUT_SESSION,
        words=(WITHOUT_SESSION, BEFORE_SESSION, AFTER_SESSION),
    )


async def told_with_session(
    request: Request, ask: Callable[[], Awaitable[str]], *, session_passes: bool
) -> str:
    """What a request is told that has to pass a guard, and has a session if option `asked` says so.

    `ask`: the guard, as it stands alone. `session_passes`: whoever has a session that works need not be
    asked, as of a limit for log-ins; otherwise the session says nothing about it, as of a denylist.
    """
    order = request.options.get("asked", WITHOUT_SESSION)
    if order == AFTER_SESSION:
        told = await read_back(request, deciding=True)
        if told == OK:
            return OK if session_passes else _of_a_session(await ask())
        return await ask() if told == PLEASE_LOG_IN and session_passes else told
    told = await ask()
    if order == WITHOUT_SESSION:
        return told
    if told in {OK, LET_IN_UNCHECKED}:
        seen = await read_back(request, deciding=True)
        return told if seen == OK else seen
    if told in UNANSWERED:
        await read_back(request, deciding=False)
    return _of_a_session(told)


def _of_a_session(told: str) -> str:
    return TURNED_AWAY if told in UNANSWERED else told
