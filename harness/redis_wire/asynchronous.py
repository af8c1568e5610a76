"""A connection for an event loop: opened when first needed, opened again after it failed.

Deliberately no client library: a command is sent once, to the node that was named, and either every reply is
there before the deadline or the connection is closed. Error replies are values, because a node that says
LOADING or MOVED has answered; only silence and a broken connection raise `NoAnswer`.

The trap: a paused node still accepts connections (its kernel does), so every step has the deadline.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

import hiredis

from harness.model.seams import Address, Certificates, Login, Source
from harness.redis_wire.local_ends import all_taken, is_taken, local_ends
from harness.redis_wire.protocol import (
    NOT_RENAMED,
    Command,
    ErrorReply,
    NoAnswer,
    Reply,
    as_login,
    packed,
    reply_reader,
    spelt,
)
from harness.redis_wire.tls import CERTIFIED_NAME, context_of, refusal

_TURN_S = 0.05
"""In so many steps a time limit is used up."""


class AsyncConnection:
    """One connection to one node, or the place for one."""

    def __init__(
        self, address: Address | Callable[[], Address], source: Source, *, secret: str | Login | None
    ) -> None:
        """`address`: asked again for each connection, where it may change. `secret` None: do not
        authenticate."""
        self._address = address if callable(address) else lambda: address
        self._source = source
        self._login = as_login(secret)
        self._renamed = self._login.renamed if self._login else NOT_RENAMED
        self._stream: _Stream | None = None

    @property
    def is_open(self) -> bool:
        """False: the next command goes over a new connection, so another process may answer it."""
        return self._stream is not None and not self._stream.gone.done()

    @property
    def local(self) -> tuple[str, int] | None:
        """Host and port of our end of the connection; None: there is none."""
        return self._stream.local() if self._stream is not None else None

    async def ask(self, *commands: Command, within_s: float) -> list[Reply]:
        """Send the commands as one plain pipeline and return a reply for each.

        Raises:
            NoAnswer: the node cannot be reached, does not take the password, or was silent for `within_s`
                seconds.
        """
        try:
            async with time_limit(within_s):
                stream = await self._opened()
                return await stream.ask(spelt(commands, self._renamed))
        except TimeoutError as silence:
            self.close()
            raise NoAnswer(f"no answer within {within_s:g} s") from silence
        except OSError as problem:
            self.close()
            raise NoAnswer(str(problem) or type(problem).__name__) from problem
        except asyncio.CancelledError:
            self.close()  # replies of this call must not be taken for those of the next
            raise

    async def subscribe(self, hear: Callable[[Reply], None], *commands: Command, within_s: float) -> None:
        """Send the commands and hand every message that ever arrives, from now on, to `hear`.

        Raises:
            NoAnswer: not connected within `within_s` seconds.
        """
        try:
            async with time_limit(within_s):
                stream = await self._opened()
        except OSError as problem:  # a TimeoutError is one
            self.close()
            raise NoAnswer(str(problem) or f"no answer within {within_s:g} s") from problem
        stream.hear = hear
        stream.send(spelt(commands, self._renamed))

    def send(self, *commands: Command) -> None:
        """Send without waiting, on a subscribed connection."""
        if self._stream is not None:
            self._stream.send(spelt(commands, self._renamed))

    async def lost(self) -> str:
        """Return once the connection is gone, with the reason."""
        return "not connected" if self._stream is None else await asyncio.shield(self._stream.gone)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.abort()
            self._stream = None

    async def _opened(self) -> _Stream:
        if self._stream is not None and not self._stream.gone.done():
            return self._stream
        self.close()
        certificates = self._login.certificates if self._login else None
        stream = await _connected(self._address(), self._source, certificates)
        self._stream = stream
        if self._login is not None and self._login.password:
            (reply,) = await stream.ask((self._login.auth(),))
            if isinstance(reply, ErrorReply):
                raise OSError(reply.text)
        return stream


@asynccontextmanager
async def time_limit(within_s: float) -> AsyncIterator[None]:
    """What is awaited inside has so long, as far as a node is to blame: our own lateness is not the node's.

    However long a turn of a late loop takes, no more of the limit is used up than it was meant to take.
    Otherwise a loop that needs a quarter of a second for a turn finds every node silent, and can never
    connect again, as that takes several turns.

    Raises:
        TimeoutError: the limit is used up.
    """
    async with asyncio.timeout(None) as limit:
        turns = _Turns(within_s, limit)
        try:
            yield
        finally:
            turns.cancel()


class _Turns:
    """Uses up a limit in steps, each with a timer of its own."""

    def __init__(self, left_s: float, limit: asyncio.Timeout) -> None:
        self._left_s = left_s
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._timer = self._next()

    def cancel(self) -> None:
        self._timer.cancel()

    def _next(self) -> asyncio.TimerHandle:
        return self._loop.call_later(min(_TURN_S, self._left_s), self._use_up)

    def _use_up(self) -> None:
        self._left_s -= _TURN_S
        if self._left_s > 0:
            self._timer = self._next()
        else:
            self._limit.reschedule(self._loop.time())


class _Stream(asyncio.Protocol):
    """Bytes to replies, in order."""

    def __init__(self) -> None:
        self._reader = reply_reader()
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

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        self._awaited = len(commands)
        self._complete = asyncio.get_running_loop().create_future()
        self.send(commands)
        await self._complete
        return [self._replies.popleft() for _ in commands]

    def send(self, commands: Sequence[Command]) -> None:
        if self.gone.done() or self._transport is None:
            raise ConnectionResetError("the connection is gone")
        self._transport.write(packed(commands))

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


async def _connected(address: Address, source: Source, certificates: Certificates | None) -> _Stream:
    loop = asyncio.get_running_loop()
    secured = context_of(certificates) if certificates else None
    for end in local_ends(source):
        try:
            _, stream = await loop.create_connection(
                _Stream,
                address.host,
                address.port,
                local_addr=end,
                ssl=secured,
                server_hostname=CERTIFIED_NAME if secured else None,
            )
        except ssl.SSLError as problem:
            raise OSError(refusal(problem)) from problem
        except OSError as problem:
            if not is_taken(problem, end):
                raise
            continue
        return stream
    raise all_taken(source)
