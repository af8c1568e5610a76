"""redis-py's asyncio clients in another version than the kit's own, as its documentation sets them up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import redis
from redis.asyncio import Redis, Sentinel
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.retry import Retry

from harness.libraries.library import Client, Settings
from harness.libraries.redis_py import (
    arguments,
    backoff_of,
    raised_if_lost,
    sentinel_arguments,
    sentinel_backoff,
    where,
    without_callbacks,
)
from harness.libraries.resp import Command


def connect(settings: Settings) -> Client:
    return RedisPyAsyncio(settings)


class RedisPyAsyncio:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Any = None

    async def start(self) -> None:
        self._client = without_callbacks(_client(self._settings))
        if self._settings.seeds:
            await self._client.initialize()

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        if len(commands) == 1:
            try:
                return [await self._client.execute_command(*commands[0], **self._where(commands[0], key))]
            except redis.ResponseError as refused:
                return [refused]
        pipeline = self._client.pipeline(**({} if self._settings.seeds else {"transaction": False}))
        for command in commands:
            pipeline.execute_command(*command, **self._where(command, key))
        return raised_if_lost(await pipeline.execute(raise_on_error=False))

    def _where(self, command: Command, key: str) -> dict[str, Any]:
        return where(self._client, command, key) if self._settings.seeds else {}

    async def close(self) -> None:
        await getattr(
            self._client, "aclose", self._client.close
        )()  # versions before 5.0.1 have only the other


def _client(settings: Settings) -> Any:
    known = arguments(settings, Retry(backoff_of(settings), settings.retries))
    if settings.seeds:
        nodes = [ClusterNode(host, port) for host, port in settings.seeds]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **known)
    if not settings.sentinels:
        host, port = settings.primary
        return Redis(host=host, port=port, **known)
    asked = sentinel_arguments(settings, Retry(sentinel_backoff(settings), settings.sentinel_retries))
    return Sentinel(settings.sentinels, sentinel_kwargs=asked).master_for(settings.service, **known)
