"""Keeps a subscription alive: on sentinels for their messages, on data nodes for evictions.

A peer that dies without a word leaves a connection that looks healthy and says nothing, so the
listener pings it and starts again when nothing at all comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from harness.redis_wire import clients
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.protocol import Command, NoAnswer, Reply

CONNECT_WITHIN_S = 0.5
PING_EVERY_S = 2.0
_AGAIN_AFTER_S = 0.1
NOTICED_WITHIN_S = 2 * PING_EVERY_S + _AGAIN_AFTER_S
"""A connection that went silent is noticed, and given up, this much later at most."""


async def listen(
    connection: AsyncConnection,
    hear: Callable[[str, str], None],
    *,
    subscribe: Command,
    before: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Hand every (channel, text) to `hear`, over one connection after the other, until cancelled.

    `before` is awaited ahead of every subscription and may raise `NoAnswer`.
    """
    hearing = _Hearing(hear)
    try:
        while True:
            try:
                if before is not None:
                    await before()
                named = ("CLIENT", "SETNAME", clients.OBSERVER)
                await connection.subscribe(hearing.take, named, subscribe, within_s=CONNECT_WITHIN_S)
                await _until_silent(connection, hearing)
            except NoAnswer:
                pass  # a dead node is no news here: the samples say it
            connection.close()
            await asyncio.sleep(_AGAIN_AFTER_S)
    finally:
        connection.close()


class _Hearing:
    def __init__(self, hear: Callable[[str, str], None]) -> None:
        self._hear = hear
        self.anything = False

    def take(self, reply: Reply) -> None:
        self.anything = True
        if isinstance(reply, list) and reply and reply[0] in ("pmessage", "message"):
            self._hear(reply[-2], reply[-1])


async def _until_silent(connection: AsyncConnection, hearing: _Hearing) -> None:
    lost = asyncio.ensure_future(connection.lost())
    try:
        hearing.anything = True
        while hearing.anything and not lost.done():
            hearing.anything = False
            connection.send(("PING",))
            await asyncio.wait((lost,), timeout=PING_EVERY_S)
    except OSError:
        pass  # the connection went while the ping was sent: `lost` knows
    finally:
        lost.cancel()
