"""The observers' own connections: raw Redis protocol over asyncio, from the vantage point that is never cut.

Deliberately no client library: an observer sends a command once, to the node it names, and either has
every reply before its deadline or closes the connection. Error replies are values, because a node that
says LOADING or MOVED has told something; only silence and a broken connection raise `LinkDown`.

The trap: a paused node still accepts connections (its kernel does), so every step has the deadline.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar, cast

import hiredis

from harness.model.seams import Address, Source

Words = tuple[str | int, ...]
"""One command, `("INFO", "stats")`."""

Reply = Any
"""What hiredis makes of a reply: text, int, None, lists of these, or a `hiredis.ReplyError`."""


T = TypeVar("T")

_TURN_S = 0.05
"""In so many steps a time limit is used up."""


class LinkDown(Exception):
    """No connection, or not every reply in time. What was sent may have been executed."""


class Link:
    """One connection to one node: opened when first needed, opened again after it failed."""

    def __init__(self, address: Address, secret: str, source: Source) -> None:
        self._address = address
        self._secret = secret
        self._source = source
        self._wire: _Wire | None = None

    @property
    def is_open(self) -> bool:
        """False: the next command goes over a new connection, so another process may answer it."""
        return self._wire is not None and not self._wire.gone.done()

    @property
    def local(self) -> tuple[str, int] | None:
        """Host and port of our end of the connection; None: there is none."""
        return self._wire.local() if self._wire is not None else None

    async def ask(self, *commands: Words, within_s: float) -> list[Reply]:
        """Send the commands as one plain pipeline and return a reply for each.

        Raises:
            LinkDown: the node cannot be reached, or was silent for `within_s` seconds.
        """
        try:
            return await in_time(self._answers(commands), within_s)
        except TimeoutError as silence:
            self.close()
            raise LinkDown(f"no answer within {within_s:g} s") from silence
        except OSError as problem:
            self.close()
            raise LinkDown(str(problem) or type(problem).__name__) from problem
        except asyncio.CancelledError:
            self.close()  # replies of this call must not be taken for those of the next
            raise

    async def subscribe(self, hear: Callable[[Reply], None], *commands: Words, within_s: float) -> None:
        """Send the commands and hand every message that ever arrives, from now on, to `hear`."""
        try:
            wire = await in_time(self._opened(), within_s)
        except OSError as problem:  # a TimeoutError is one
            self.close()
            raise LinkDown(str(problem) or f"no answer within {within_s:g} s") from problem
        wire.hear = hear
        wire.send(commands)

    def send(self, *commands: Words) -> None:
        """Send without waiting, on a subscribed connection."""
        if self._wire is not None:
            self._wire.send(commands)

    async def lost(self) -> str:
        """Return once the connection is gone, with the reason."""
        return "not connected" if self._wire is None else await asyncio.shield(self._wire.gone)

    def close(self) -> None:
        if self._wire is not None:
            self._wire.abort()
            self._wire = None

    async def _answers(self, commands: Sequence[Words]) -> list[Reply]:
        wire = await self._opened()
        return await wire.ask(commands)

    async def _opened(self) -> _Wire:
        if self._wire is not None and not self._wire.gone.done():
            return self._wire
        self.close()
        wire = await _connect(self._address, self._source)
        self._wire = wire
        if self._secret:
            (reply,) = await wire.ask((("AUTH", self._secret),))
            if isinstance(reply, hiredis.ReplyError):
                raise OSError(str(reply))
        return wire


async def in_time(work: Coroutine[Any, Any, T], within_s: float) -> T:
    """What `work` returns, if a node lets it do so in time: our own lateness is not the node's. However long
    a turn of a late loop takes, no more of the time limit is used up than it was meant to take. Otherwise a
    loop that needs a quarter of a second for a turn finds every node silent, and can never connect again,
    as that takes several turns.

    Raises:
        TimeoutError: it did not.
    """
    task = asyncio.ensure_future(work)
    try:
        for used in range(math.ceil(within_s / _TURN_S)):
            await asyncio.wait((task,), timeout=min(_TURN_S, within_s - used * _TURN_S))
            if task.done():
                return task.result()
        raise TimeoutError
    finally:
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


class _Wire(asyncio.Protocol):
    """Bytes to replies, in order."""

    def __init__(self) -> None:
        # Values that are no UTF-8 stay visible in the history instead of stopping it.
        self._reader = hiredis.Reader(encoding="utf-8", errors="backslashreplace")
        self._transport: asyncio.Transport | None = None
        self._replies: deque[Reply] = deque()
        self._awaited = 0
        self._complete: asyncio.Future[None] | None = None
        self.gone: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.hear: Callable[[Reply], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (reply := self._reader.gets()) is not False:
                if self.hear is not None:
                    self.hear(reply)
                else:
                    self._replies.append(reply)
        except hiredis.ProtocolError as problem:
            self._end(f"not the Redis protocol: {problem}")
            self.abort()
            return
        if self._complete is not None and not self._complete.done() and len(self._replies) >= self._awaited:
            self._complete.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end(str(exc) if exc else "the node closed the connection")

    async def ask(self, commands: Sequence[Words]) -> list[Reply]:
        self._awaited = len(commands)
        self._complete = asyncio.get_running_loop().create_future()
        self.send(commands)
        await self._complete
        return [self._replies.popleft() for _ in commands]

    def send(self, commands: Sequence[Words]) -> None:
        if self.gone.done() or self._transport is None:
            raise ConnectionResetError("the connection is gone")
        self._transport.write(b"".join(map(_packed, commands)))

    def local(self) -> tuple[str, int] | None:
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return (str(name[0]), int(name[1])) if name else None

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
        self._end("closed")

    def _end(self, why: str) -> None:
        if not self.gone.done():
            self.gone.set_result(why)
        if self._complete is not None and not self._complete.done():
            self._complete.set_exception(ConnectionResetError(why))


def _packed(words: Words) -> bytes:
    return bytes(hiredis.pack_command(words))  # type: ignore[arg-type]  # its stub knows one word only


_turns = itertools.count()


async def _connect(address: Address, source: Source) -> _Wire:
    loop = asyncio.get_running_loop()
    local = source.host or ("0.0.0.0" if source.ports else None)  # noqa: S104  a client's own end
    if source.ports is None:
        bind = None if local is None else (local, 0)
        _, wire = await loop.create_connection(_Wire, address.host, address.port, local_addr=bind)
        return wire
    first, last = source.ports
    for _ in range(first, last + 1):
        port = first + next(_turns) % (last - first + 1)
        try:
            _, wire = await loop.create_connection(
                _Wire, address.host, address.port, local_addr=(local or "", port)
            )
        except OSError as problem:
            if "in use" not in str(problem):
                raise
            continue
        return wire
    raise OSError(f"every local port from {first} to {last} is in use")
