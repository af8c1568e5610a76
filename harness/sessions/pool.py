"""redis-py's connection pools without their telemetry.

The same connections are handed out, checked and taken back in the same order; what is left out are
the counters that redis-py computes for OpenTelemetry and the locks around them. In one event loop
nothing can come between the lines of a method that does not await. Hands out recorded connections only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ResponseError

from harness.sessions.connection import RecordedConnection
from harness.sessions.exchange import CURRENT, Command, Kept


class LeanPool(ConnectionPool):
    async def get_connection(self, *_: Any, **__: Any) -> RecordedConnection:
        connection: RecordedConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        if connection.quiet():
            return connection
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: RecordedConnection) -> None:  # type: ignore[override]
        self._in_use_connections.remove(connection)
        try:
            if connection.should_reconnect():  # type: ignore[no-untyped-call]
                await connection.disconnect()
        finally:
            self._available_connections.append(connection)

    async def converse(self, commands: Sequence[Command]) -> None:
        """Send commands in one write and read their replies, once: what a redis-py pipeline without
        retries comes down to. Error replies are left to whoever notes them on the connection."""
        connection = await self.get_connection()
        try:
            await connection.send_packed_command(connection.pack_commands(commands))
            for _ in commands:
                try:
                    await connection.read_response()
                except ResponseError:
                    continue
        finally:
            await self.release(connection)


class LeanSentinelPool(LeanPool, SentinelConnectionPool):
    """LeanPool first: its methods win, Sentinel's addresses stay."""


class RequestPool(LeanPool):
    """A connection for each request: opened when the request first needs one, closed when it is over.

    So do applications without a pool of their own (PHP without persistent connections).
    """

    async def get_connection(self, *_: Any, **__: Any) -> RecordedConnection:
        recording = CURRENT.get()
        kept = None if recording is None else recording.kept
        if recording is None or not isinstance(kept, KeptConnection) or kept.pool is not self:
            return await super().get_connection()
        connection, recording.kept = kept.connection, None
        if not connection.quiet():
            await self._ready(connection)
        return connection

    async def release(self, connection: RecordedConnection) -> None:  # type: ignore[override]
        recording = CURRENT.get()
        if recording is None or recording.kept is not None or not connection.is_connected:
            await self.close(connection)
        else:
            recording.kept = KeptConnection(pool=self, connection=connection)

    async def close(self, connection: RecordedConnection) -> None:
        await connection.disconnect(nowait=True)
        await super().release(connection)

    async def _ready(self, connection: RecordedConnection) -> None:
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.close(connection)
            raise


class RequestSentinelPool(RequestPool, SentinelConnectionPool):
    """The same, asking Sentinel for the address of each connection."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptConnection(Kept):
    pool: RequestPool
    connection: RecordedConnection

    async def let_go(self) -> None:
        await self.pool.close(self.connection)
