"""A web server's redis-py RedisCluster client.

Atomic groups travel as one EVAL here, not as redis-py's cluster transaction: its asyncio form starts
a thread and an event loop of its own for every queued command and blocks the loop meanwhile (8.1).

Single commands follow redis-py's own path: MOVED and ASK followed, the slot map read again after a
lost connection. Its pipelines do not read the map again when they fail and retries are off, so a
failed exchange makes the next one refresh it first, as a failed single command does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.cluster import LoadBalancingStrategy
from redis.exceptions import (
    ConnectionError as RedisConnectionError,
)
from redis.exceptions import (
    RedisClusterException,
    ResponseError,
)
from redis.exceptions import (
    TimeoutError as RedisTimeoutError,
)

from harness.sessions.connection import RecordedClusterConnection, Wire
from harness.sessions.discovery import Surroundings, connection_arguments
from harness.sessions.exchange import CURRENT, Command, Exchange

SPARE_CONNECTIONS = 8
"""Per node, beyond the profile's limit: for redis-py's own questions about the slot map."""

OF_NO_KEY = frozenset({"WAIT", "SCAN", "KEYS", "PUBLISH"})
"""Sent to the node of the exchange's key: SCAN and KEYS go over the keys of that node alone, PUBLISH reaches
subscribers of every node."""

_BALANCED = LoadBalancingStrategy.ROUND_ROBIN_REPLICAS


class ClusterClient:
    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._wire = wire
        arguments = connection_arguments(around, wire)
        del arguments["wire"]
        self._client = RedisCluster(
            startup_nodes=[ClusterNode(seed.host, seed.port) for seed in around.seeds],
            require_full_coverage=False,
            max_connections=around.profile.most_connections + SPARE_CONNECTIONS,
            load_balancing_strategy=_BALANCED if around.profile.read_from_replicas else None,
            **arguments,
        )
        self._record_connections()
        self._stale = False

    def _record_connections(self) -> None:
        """RedisCluster takes no connection class, so it is put where every node takes its own from."""
        manager = self._client.nodes_manager
        extra: dict[str, Any] = {"connection_class": RecordedClusterConnection, "wire": self._wire}
        manager.connection_kwargs.update(extra)
        for node in manager.startup_nodes.values():
            node.connection_class = RecordedClusterConnection
            node.connection_kwargs["wire"] = self._wire
        for command in ("HGETALL", "EXPIRE", "PEXPIRE", "SMEMBERS", "SCAN"):
            self._client.response_callbacks.pop(command, None)

    async def start(self) -> None:
        await self._client.initialize()

    async def send(self, exchange: Exchange) -> None:
        try:
            await self._refresh()
            await self._send(exchange)
        except BaseException:
            self._stale = True
            raise

    async def _refresh(self) -> None:
        if not self._stale:
            return
        self._stale = False
        began_us = self._wire.now_us()
        try:
            await self._client.nodes_manager.initialize()
        except RedisClusterException:
            recording = CURRENT.get()
            if recording is not None:
                recording.never_left("resolve-failed", began_us, self._wire.now_us())
            raise

    async def _send(self, exchange: Exchange) -> None:
        commands = exchange.commands
        if len(commands) == 1:
            with contextlib.suppress(ResponseError):  # noted by the connection, judged by `outcome`
                await self._client.execute_command(*commands[0], **await self._where(commands[0], exchange))
            return
        pipeline = self._client.pipeline()
        for command in commands:
            pipeline.execute_command(*command, **await self._where(command, exchange))
        for result in await pipeline.execute(raise_on_error=False):
            if isinstance(result, (RedisConnectionError, RedisTimeoutError)):
                raise result

    async def _where(self, command: Command, exchange: Exchange) -> dict[str, Any]:
        """Of a command that names no key, which the library would send anywhere."""
        if command[0] not in OF_NO_KEY:
            return {}
        await self._client.initialize()
        return {"target_nodes": self._client.get_node_from_key(exchange.key)}

    def primary_of_slot(self, slot: int) -> tuple[str, int] | None:
        nodes = self._client.nodes_manager.slots_cache.get(slot)
        return (str(nodes[0].host), int(nodes[0].port)) if nodes else None

    def slots_at(self, host: str, port: int) -> Iterator[int]:
        """The slots that it takes this node to be the primary of."""
        for slot, nodes in self._client.nodes_manager.slots_cache.items():
            if nodes and (str(nodes[0].host), int(nodes[0].port)) == (host, port):
                yield slot

    async def close(self) -> None:
        await self._client.aclose()
