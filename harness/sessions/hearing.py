"""What a web server keeps of sessions in its own memory, and what it hears of their end.

A cache that is shared by all requests of a process is right only as long as somebody tells it what has
ended. Redis tells subscribers that are connected at that moment, once, and keeps nothing. So the cache is
asked for together with whether somebody listens; `listening` holds the line.

Trap: a reply may be under way while the message comes. What has ended is kept in mind, so that it is not
cached afterwards; and what was asked for before the line was back (`since`) is not cached either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

CHANNEL = "sessions:ended"


class Hearing:
    def __init__(self) -> None:
        self.connected = False
        self.times = 0
        """How often the line was lost or set up. A copy that was asked for at another time is not trusted."""
        self._trusted = 0
        """The `times` for which copies were kept."""
        self.ended: dict[str, str] = {}
        """Session -> what the message said."""
        self.cached: dict[str, str] = {}
        """Session -> its user."""
        self.copies: dict[str, dict[str, str]] = {}
        """Session -> its fields, where an application keeps them for later requests and nobody tells it."""
        self.listen: Callable[[], Awaitable[None]] | None = None
        """Sets up the line, unless it is there. None: nothing to listen to."""

    async def begin(self) -> None:
        """Whoever caches listens."""
        if self.listen is not None:
            await self.listen()

    def heard(self, session: str, says: str) -> None:
        self.ended[session] = says
        self.cached.pop(session, None)

    def line(self, *, connected: bool) -> None:
        """The line is there, or gone: nobody knows what was said meanwhile."""
        self.connected = connected
        self.times += 1

    def stale(self) -> bool:
        """Whether something may have been said that nobody heard."""
        return not self.connected or self._trusted != self.times

    def forget(self) -> None:
        """No cached copy is to be trusted any more."""
        self.cached.clear()
        self._trusted = self.times

    def keep(self, session: str, user: str, *, since: int | None) -> None:
        """`since`: the `times` when the copy was asked for; None: whoever keeps it does not ask."""
        if session not in self.ended and (since is None or (self.connected and since == self.times)):
            self.cached[session] = user
