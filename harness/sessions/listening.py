"""The line on which a web server hears what others publish (`SUBSCRIBE`), taken up again when it is gone.

One subscription to the primary, set up when a behaviour first needs it.

Trap: what is published while the line is down is gone. `Hearing.times` changes with every loss, so that
whoever caches can tell.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import cycle

from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from harness.model.seams import Address
from harness.sessions.connection import SourcedConnection, Wire
from harness.sessions.discovery import Surroundings, sentinel_for
from harness.sessions.hearing import CHANNEL, Hearing
from harness.sessions.subscription import messages
from harness.tasks import end

AGAIN_S = 0.5
"""Pause before it dials again; what is published in it is not heard."""


class Listener:
    def __init__(self, around: Surroundings, wire: Wire, hearing: Hearing) -> None:
        self._around = around
        self._wire = wire
        self._hearing = hearing
        self._task: asyncio.Task[None] | None = None
        nodes = around.proxies or around.seeds or (around.primary,)
        self._nodes: Iterator[Address] = cycle(nodes)
        hearing.listen = self.begin

    async def begin(self) -> None:
        """Set the line up, once; returns when it is there or could not be had at the first try."""
        if self._task is not None:
            return
        tried: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._listen(tried))
        await tried

    async def close(self) -> None:
        if self._task is not None:
            await end([self._task])

    async def _listen(self, tried: asyncio.Future[None]) -> None:
        while self._wire.alive:
            try:
                await self._subscribed(tried)
            except (RedisError, OSError):
                pass
            finally:
                if self._hearing.connected:
                    self._hearing.line(connected=False)
                if not tried.done():
                    tried.set_result(None)
            await asyncio.sleep(AGAIN_S)

    async def _subscribed(self, tried: asyncio.Future[None]) -> None:
        redis = self._client(await self._primary())
        try:
            async with redis.pubsub() as line:
                await line.subscribe(CHANNEL)
                async for message in messages(line):
                    if message["type"] == "subscribe":
                        self._hearing.line(connected=True)
                        if not tried.done():
                            tried.set_result(None)
                    elif message["type"] == "message":
                        session, _, says = str(message["data"]).partition(" ")
                        self._hearing.heard(session, says)
        finally:
            await redis.aclose()

    async def _primary(self) -> Address:
        """Asked for each time: the line has to be where others publish."""
        if not self._around.sentinels or self._around.proxies:
            return next(self._nodes)
        sentinel = sentinel_for(self._around, self._wire)
        try:
            host, port = await sentinel.discover_master(self._around.service)
        finally:
            await sentinel.aclose()
        return Address(str(host), int(port))

    def _client(self, address: Address) -> Redis:
        around = self._around
        return Redis.from_pool(
            ConnectionPool(
                connection_class=SourcedConnection,
                wire=self._wire,
                host=address.host,
                port=address.port,
                username=around.login.user,
                password=around.login.password or None,
                socket_timeout=around.profile.socket_timeout_s,
                socket_connect_timeout=around.profile.connect_timeout_s,
                retry=Retry(NoBackoff(), 0),
                decode_responses=True,
                encoding_errors="replace",
                protocol=2,
            )
        )
