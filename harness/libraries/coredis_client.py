"""coredis, as its documentation sets it up: one client, whose requests share connections.

Trap: requests share connections, so MULTI is sent only by the library's own transactions, which let nobody
else's commands in between.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Any

import coredis
from coredis.connection import TCPLocation
from coredis.exceptions import ClusterDownError, ConnectionError, ResponseError  # noqa: A004 - its own
from coredis.retry import CompositeRetryPolicy, ExponentialBackoffRetryPolicy, NoRetryPolicy, RetryPolicy
from coredis.sentinel import Sentinel
from coredis.typing import Key

from harness.libraries.library import Client, Settings
from harness.libraries.resp import Command

LONGEST_BACKOFF_S = 1.0
_OF_NO_KEY = frozenset({"WAIT", "SCAN", "KEYS", "PUBLISH"})
_KEYS_OF_EVAL_AT = 2


def connect(settings: Settings) -> Client:
    return Coredis(settings)


class Coredis:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = AsyncExitStack()
        self._client: Any = None

    async def start(self) -> None:
        self._client = await self._open.enter_async_context(await self._made())

    async def _made(self) -> Any:
        settings, known = self._settings, _arguments(self._settings)
        if settings.seeds:
            nodes = [TCPLocation(host, port) for host, port in settings.seeds]
            return coredis.RedisCluster(startup_nodes=nodes, skip_full_coverage_check=True, **known)
        if not settings.sentinels:
            host, port = settings.primary
            return coredis.Redis(host=host, port=port, **known)
        asked = {
            "stream_timeout": settings.sentinel_timeout_s,
            "connect_timeout": settings.sentinel_timeout_s,
            "password": settings.sentinel_password,
        }
        at = [TCPLocation(host, port) for host, port in settings.sentinels]
        sentinel = Sentinel(at, sentinel_kwargs=asked, **_of_a_pool(known))
        retries = _retries(settings, settings.sentinel_retries)  # it has one for sentinels and nodes alike
        sentinel.sentinels = [
            coredis.Redis(one.host, one.port, retry_policy=retries, **sentinel.sentinel_kwargs) for one in at
        ]
        await self._open.enter_async_context(sentinel)
        return sentinel.primary_for(settings.service)

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        try:
            if len(commands) == 1:
                return [await self._request(self._client, commands[0], key)]
            if commands[0] != ("MULTI",):
                return await self._together(commands, key, transaction=False)
            ends_at = commands.index(("EXEC",))
            inside = await self._together(commands[1:ends_at], key, transaction=True)
            behind = [await self._request(self._client, one, key) for one in commands[ends_at + 1 :]]
        except ResponseError as refused:
            return [refused]
        return ["OK", *["QUEUED"] * len(inside), inside, *behind]

    async def close(self) -> None:
        await self._open.aclose()

    async def _together(self, commands: Sequence[Command], key: str, *, transaction: bool) -> list[object]:
        pipeline = self._client.pipeline(transaction=transaction, raise_on_error=False)
        async with pipeline:
            for command in commands:
                self._request(pipeline, command, key)
        results = list(pipeline.results or ())
        for one in results:
            if isinstance(one, (ConnectionError, TimeoutError)):
                raise one
        return results

    def _request(self, of: Any, command: Command, key: str) -> Any:
        """A command whose reply stays as it comes."""
        request = of.create_request(command[0].encode(), *_with_keys(command), callback=_as_it_is)
        return request.route(key) if self._settings.seeds and command[0] in _OF_NO_KEY else request


def _with_keys(command: Command) -> list[object]:
    """Its arguments, with those marked that say which node of a cluster serves them."""
    name, *arguments = command
    if name in _OF_NO_KEY:
        return list(arguments)
    if name != "EVAL":
        several = len(arguments) if name == "DEL" else 1
        return [Key(one) if at < several else one for at, one in enumerate(arguments)]
    last = _KEYS_OF_EVAL_AT + int(arguments[1])
    return [Key(one) if _KEYS_OF_EVAL_AT <= at < last else one for at, one in enumerate(arguments)]


def _as_it_is(reply: object, **_: object) -> object:
    return reply


def _arguments(settings: Settings) -> dict[str, Any]:
    known = {
        "username": settings.user,
        "password": settings.password,
        "stream_timeout": settings.socket_timeout_s,
        "connect_timeout": settings.connect_timeout_s,
        "pool_timeout": settings.socket_timeout_s,
        "decode_responses": True,
        "retry_policy": _retries(settings, settings.retries),
    }
    return (
        known if settings.max_connections is None else known | {"max_connections": settings.max_connections}
    )


def _of_a_pool(known: dict[str, Any]) -> dict[str, Any]:
    """The pool of a Sentinel client calls one of them differently."""
    return {"timeout" if name == "pool_timeout" else name: value for name, value in known.items()}


def _retries(settings: Settings, retries: int) -> RetryPolicy:
    if not retries:
        return NoRetryPolicy()

    def of(*failures: type[BaseException]) -> RetryPolicy:
        return ExponentialBackoffRetryPolicy(
            failures,
            retries,
            base_delay=settings.retry_backoff_s,
            max_delay=LONGEST_BACKOFF_S,
            jitter=True,
        )

    lost = of(ConnectionError, TimeoutError)
    return CompositeRetryPolicy(of(ClusterDownError), lost) if settings.seeds else lost
