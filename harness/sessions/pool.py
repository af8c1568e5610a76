"""redis-py's connection pools without their telemetry.

The same connections are handed out, checked and taken back in the same order; what is left out are
the counters that redis-py computes for OpenTelemetry and the locks around them. In one event loop
nothing can come between the lines of a method that does not await.
"""

from __future__ import annotations

from typing import Any

from redis.asyncio import ConnectionPool
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.sentinel import SentinelConnectionPool


class LeanPool(ConnectionPool):
    async def get_connection(self, *_: Any, **__: Any) -> AbstractConnection:
        connection: AbstractConnection = self.get_available_connection()  # type: ignore[no-untyped-call]
        try:
            await self.ensure_connection(connection)
        except BaseException:
            await self.release(connection)
            raise
        return connection

    async def release(self, connection: AbstractConnection) -> None:
        self._in_use_connections.remove(connection)
        try:
            if connection.should_reconnect():  # type: ignore[no-untyped-call]
                await connection.disconnect()
        finally:
            self._available_connections.append(connection)


class LeanSentinelPool(LeanPool, SentinelConnectionPool):
    """LeanPool first: its methods win, Sentinel's addresses stay."""
