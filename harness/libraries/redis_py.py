"""redis-py's clients without asyncio, each exchange in a thread, as its documentation sets them up."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from harness.libraries.library import Client, Settings
from harness.libraries.resp import Command

_OF_NO_KEY = frozenset({"WAIT", "SCAN", "KEYS", "PUBLISH"})
KNOWS_PROTOCOLS = 5
"""The first version that can be told one."""
MANY_THREADS = 500
"""Of a web server that limits neither its threads nor its connections."""
_LOST = (redis.ConnectionError, redis.TimeoutError)


def connect(settings: Settings) -> Client:
    return RedisPy(settings)


class RedisPy:
    def __init__(self, settings: Settings) -> None:
        self._threads = ThreadPoolExecutor(settings.max_connections or MANY_THREADS)
        self._settings = settings
        self._client: Any = None

    async def start(self) -> None:
        self._client = without_callbacks(await self._in_thread(_client, self._settings))

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        found: list[object] = await self._in_thread(self._send, commands, key)
        return found

    async def _in_thread(self, function: Any, *of: Any) -> Any:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, copy_context().run, function, *of)

    def _send(self, commands: Sequence[Command], key: str) -> list[object]:
        if len(commands) == 1:
            try:
                return [self._client.execute_command(*commands[0], **self._where(commands[0], key))]
            except redis.ResponseError as refused:
                return [refused]
        pipeline = self._client.pipeline(**({} if self._settings.seeds else {"transaction": False}))
        for command in commands:
            pipeline.execute_command(*command, **self._where(command, key))
        return raised_if_lost(pipeline.execute(raise_on_error=False))

    def _where(self, command: Command, key: str) -> dict[str, Any]:
        return where(self._client, command, key) if self._settings.seeds else {}

    async def close(self) -> None:
        await self._in_thread(self._client.close)


def _client(settings: Settings) -> Any:
    known = arguments(settings, Retry(backoff_of(settings), settings.retries))
    if settings.seeds:
        nodes = [ClusterNode(host, port) for host, port in settings.seeds]
        return RedisCluster(startup_nodes=nodes, require_full_coverage=False, **known)
    if not settings.sentinels:
        host, port = settings.primary
        return redis.Redis(host=host, port=port, **known)
    asked = sentinel_arguments(settings, Retry(sentinel_backoff(settings), settings.sentinel_retries))
    return Sentinel(settings.sentinels, sentinel_kwargs=asked).master_for(settings.service, **known)


def arguments(settings: Settings, retry: Any) -> dict[str, Any]:
    """What every client of the library takes, with asyncio or without."""
    known: dict[str, Any] = {
        "username": settings.user,
        "password": settings.password,
        "socket_timeout": settings.socket_timeout_s,
        "socket_connect_timeout": settings.connect_timeout_s,
        "retry": retry,
        "decode_responses": True,
        "encoding_errors": "replace",
    }
    if int(redis.__version__.partition(".")[0]) >= KNOWS_PROTOCOLS:
        known["protocol"] = 2
    return (
        known if settings.max_connections is None else known | {"max_connections": settings.max_connections}
    )


def sentinel_arguments(settings: Settings, retry: Any) -> dict[str, Any]:
    """Of the clients that ask sentinels."""
    return {
        "socket_timeout": settings.sentinel_timeout_s,
        "socket_connect_timeout": settings.sentinel_timeout_s,
        "retry": retry,
        "password": settings.sentinel_password,
    }


def backoff_of(settings: Settings) -> Any:
    if settings.retries == 0:
        return NoBackoff()
    return ExponentialBackoff(cap=1.0, base=settings.retry_backoff_s / 2)


def sentinel_backoff(settings: Settings) -> Any:
    """As the library's own defaults have it."""
    return ExponentialBackoff(cap=1.0, base=0.01) if settings.sentinel_retries else NoBackoff()


def where(client: Any, command: Command, key: str) -> dict[str, Any]:
    """Of a command that names no key, which a client of a cluster would send anywhere."""
    return {"target_nodes": client.get_node_from_key(key)} if command[0] in _OF_NO_KEY else {}


def raised_if_lost(results: list[object]) -> list[object]:
    """A cluster's pipeline returns a lost connection among its results."""
    for one in results:
        if isinstance(one, _LOST):
            raise one
    return results


def without_callbacks(client: Any) -> Any:
    """Replies as they come; what a client of a cluster needs for itself stays."""
    callbacks = getattr(client, "response_callbacks", {})
    for command in ("HGETALL", "EXPIRE", "PEXPIRE", "SMEMBERS", "SCAN", "SET"):
        callbacks.pop(command, None)
    return client
