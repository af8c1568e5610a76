"""How an attempt ended for the client: `Attempt.result`, as histories have it."""

from __future__ import annotations

REPLY = "reply"
TIMEOUT = "timeout"
CONNECT_FAILED = "connect-failed"
RESOLVE_FAILED = "resolve-failed"
"""Nobody said where to connect to."""
CONNECTION_LOST = "connection-lost"
CANCELLED = "cancelled"
_ERROR = "error:"


def error_of(code: str) -> str:
    """The node answered with this error: `READONLY`, say."""
    return _ERROR + code


def is_error(result: str) -> bool:
    return result.startswith(_ERROR)


def is_answer(result: str) -> bool:
    """A node said something, be it a refusal."""
    return result == REPLY or is_error(result)


def code_of(result: str) -> str:
    """Of an error its code; of everything else the result itself."""
    return result.removeprefix(_ERROR)
