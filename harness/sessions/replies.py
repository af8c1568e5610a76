"""What comes back on a connection: hiredis as redis-py uses it, and error replies behind exceptions.

Most replies of a pipeline arrive in one piece. redis-py starts a timer for each of them and goes down
five coroutines to find that it is there already, which is half of what reading costs a client; so the
parser answers two questions that need no turn of the event loop.
"""

from __future__ import annotations

from typing import Any

from redis._parsers.hiredis import NOT_ENOUGH_DATA as NOT_YET
from redis._parsers.hiredis import _AsyncHiredisParser
from redis.exceptions import ResponseError

from harness.sessions.exchange import Refused

__all__ = ["NOT_YET", "ReplyParser", "refusal_of"]


class ReplyParser(_AsyncHiredisParser):
    _reader: Any
    _stream: Any

    def arrived(self) -> Any:
        """The next reply, an error reply as the exception it becomes; `NOT_YET` if it is not all here."""
        return self._reader.gets() if self._connected else NOT_YET

    def quiet(self) -> bool:
        """Connected, and nothing has come in that nobody asked for: redis-py's `can_read`, at once."""
        return self._connected and not (
            self._reader.has_data() or self._stream.at_eof() or self._stream._buffer  # noqa: SLF001
        )


def refusal_of(error: BaseException) -> Refused | None:
    """The error reply behind an exception of redis-py; None if the exception is no reply."""
    prefix = getattr(error, "status_code", None)
    if prefix is not None:
        return Refused(f"{prefix} {_text(error)}")
    if isinstance(error, ResponseError):
        return Refused(_text(error))
    return None


def _text(error: BaseException) -> str:
    return str(error.args[0]) if error.args else type(error).__name__
