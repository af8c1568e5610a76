"""What an application tells its user at the end of a request: `Operation.told`, as histories have it."""

from __future__ import annotations

from harness.model.words import Outcome

OK = "ok"
SIGNED_OUT = "signed out"
PLEASE_LOG_IN = "please log in"
AS_NOBODY = "as nobody"
"""A page as anybody gets it who is not logged in, and no word about it."""
WRONG_USER = "somebody else's session"
ERROR = "error"
TRY_LATER = "try later"
REFUSED = "refused"
TURNED_AWAY = "turned away"
"""`ERROR` or `TRY_LATER` of a guard that got no answer, to somebody who has a session."""
NO_ANSWER = "no answer"
"""The user's browser gave up waiting."""

PUT_OUT = frozenset({PLEASE_LOG_IN, AS_NOBODY})
"""Whoever is told this has to log in again."""


def told_by(outcome: Outcome) -> str:
    """What the application says when the deciding step was not acked."""
    if outcome is Outcome.ACKED:
        return OK
    return TRY_LATER if outcome is Outcome.REJECTED else ERROR
