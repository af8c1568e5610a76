"""redis-py's connection pools without their telemetry.

The same connections are handed out, checked and taken back in the same order; what is left out are
the counters that redis-py computes for OpenTelemetry and the locks around them. In one event loop
nothing can come between the lines of a method that does not await. Hands out recorded connections only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.sentinel import SentinelConnectionPool
from redis.exceptions import ResponseError

from harness.sessions.connection import RecordedConnection
from harness.sessions.exchange import Command


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
