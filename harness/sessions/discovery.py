"""How one web server finds the primary: the four modes without a cluster. `cluster` has the fifth.

`fixed-address` dials the address it was configured with, for ever. `resolve-once` asks Sentinel when
it starts and never again. `on-error` is redis-py's own Sentinel pool: it asks before every new
connection, so after an error. `follow-events` listens to +switch-master and drops its pool.

A `Client` sends an exchange once; application retries are `store`'s business. Library retries are
0 unless the client profile says otherwise: a `retry=` on a Sentinel pool makes redis-py redial the
address that it knows instead of asking again.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from redis.asyncio import ConnectionPool, Redis, Sentinel
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import RedisError, ResponseError

from harness.model.deployment import LONGEST_BACKOFF_S, SENTINEL_BACKOFF_S, ClientProfile
from harness.model.seams import Address, Login
from harness.model.words import Discovery
from harness.sessions.connection import (
    ProxiedConnection,
    RecordedConnection,
    RecordedSentinelConnection,
    SourcedConnection,
    Wire,
)
from harness.sessions.exchange import Exchange
from harness.sessions.pool import LeanPool, LeanSentinelPool, RequestPool, RequestSentinelPool
from harness.sessions.subscription import messages
from harness.tasks import end

LISTEN_AGAIN_S = 0.25
"""Pause before a listener dials a lost sentinel again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a web server is configured with."""

    profile: ClientProfile
    login: Login
    """At data nodes."""
    sentinel_login: Login
    service: str
    primary: Address
    """The address of the node that starts as primary (cluster: of shard 1)."""
    replicas: tuple[Address, ...] = ()
    sentinels: tuple[Address, ...] = ()
    seeds: tuple[Address, ...] = ()
    """Cluster: every node."""
    cluster: bool = False
    proxies: tuple[Address, ...] = ()
    """What it connects to instead of nodes, the one it prefers first."""
    pools: bool = True
    """False: it opens a connection for each request."""

    @property
    def asks(self) -> bool:
        """Whether it asks sentinels where the primary is."""
        return bool(self.sentinels) and self.profile.discovery is not Discovery.FIXED_ADDRESS


class Client(Protocol):
    async def start(self) -> None: ...

    async def send(self, exchange: Exchange) -> None:
        """Send the exchange's commands together, once; the connections note what comes back.

        Raises what redis-py raises; error replies to single commands are not raised.
        """
        ...

    async def close(self) -> None: ...


def connection_arguments(around: Surroundings, wire: Wire) -> dict[str, Any]:
    profile = around.profile
    return {
        "wire": wire,
        "username": around.login.user,
        "password": around.login.password or None,
        "socket_timeout": profile.socket_timeout_s,
        "socket_connect_timeout": profile.connect_timeout_s,
        "retry": library_retry(profile),
        "decode_responses": True,
        "encoding_errors": "replace",
        "protocol": 2,
    }


def library_retry(profile: ClientProfile) -> Retry:
    if profile.library_retries == 0:
        return Retry(NoBackoff(), 0)
    return Retry(ExponentialBackoff(cap=1.0, base=profile.retry_backoff_s / 2), profile.library_retries)


def sentinel_retry(profile: ClientProfile) -> Retry:
    """As redis-py's own default of the clients that ask sentinels, with the number of the profile."""
    if profile.sentinel_retries == 0:
        return Retry(NoBackoff(), 0)
    backoff = ExponentialBackoff(cap=LONGEST_BACKOFF_S, base=SENTINEL_BACKOFF_S)
    return Retry(backoff, profile.sentinel_retries)


def client_for(around: Surroundings, wire: Wire) -> Client:
    """The client that the profile's discovery mode asks for; single nodes have only one mode. In a cluster a
    fixed address is that of a client that knows no clusters: MOVED is an error like any other to it."""
    if around.profile.discovery is Discovery.THROUGH_PROXY:
        return ProxiedClient(around, wire)
    if not around.sentinels or around.profile.discovery is Discovery.FIXED_ADDRESS:
        return AddressedClient(around, wire)
    if around.profile.discovery is Discovery.RESOLVE_ONCE:
        return ResolveOnceClient(around, wire)
    if around.profile.discovery is Discovery.FOLLOW_EVENTS:
        return FollowingClient(around, wire)
    return SentinelClient(around, wire)


async def send_with(redis: Redis, exchange: Exchange) -> None:
    """One exchange in one write on one connection of the client's pool.

    The library's own retries live in its client objects, so with retries these do the sending;
    without, they would add nothing that a server could notice, only a third of the client's time.
    """
    commands, pool = exchange.commands, redis.connection_pool
    if isinstance(pool, LeanPool) and pool.connection_kwargs["retry"].get_retries() == 0:
        await pool.converse(commands)
        return
    if len(commands) == 1:
        with contextlib.suppress(ResponseError):  # noted by the connection, judged by `outcome`
            await redis.execute_command(*commands[0])  # type: ignore[no-untyped-call]
        return
    pipeline = redis.pipeline(transaction=False)
    for command in commands:
        pipeline.execute_command(*command)
    await pipeline.execute(raise_on_error=False)


def redis_at(address: Address, around: Surroundings, wire: Wire) -> Redis:
    return with_raw_replies(
        Redis.from_pool(
            pool_of(around)(
                connection_class=RecordedConnection,
                max_connections=around.profile.most_connections,
                host=address.host,
                port=address.port,
                **connection_arguments(around, wire),
            )
        )
    )


def pool_of(around: Surroundings) -> type[LeanPool]:
    return LeanPool if around.pools else RequestPool


def with_raw_replies(redis: Redis) -> Redis:
    """The notes keep replies as they came: converting them once more would only cost time."""
    redis.response_callbacks.clear()
    return redis


def sentinel_client(address: Address, around: Surroundings, wire: Wire) -> Redis:
    """A client of one sentinel, from the web server's own source."""
    timeout_s = around.profile.sentinel_timeout_s
    return Redis.from_pool(
        ConnectionPool(
            connection_class=SourcedConnection,
            wire=wire,
            host=address.host,
            port=address.port,
            password=around.sentinel_login.password or None,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=sentinel_retry(around.profile),
            protocol=2,
        )
    )


def sentinel_for(around: Surroundings, wire: Wire) -> Sentinel:
    sentinel = Sentinel([])  # type: ignore[no-untyped-call]
    sentinel.sentinels = [sentinel_client(address, around, wire) for address in around.sentinels]
    return sentinel


class AddressedClient:
    """`fixed-address`, and what `resolve-once` comes down to once it has its answer."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._around = around
        self._wire = wire
        self._redis: Redis | None = redis_at(around.primary, around, wire)
        self._readers: list[Redis] = []
        self._turn = itertools.count()
        if around.profile.read_from_replicas:
            self._readers = [redis_at(address, around, wire) for address in around.replicas]

    async def start(self) -> None:
        return

    async def send(self, exchange: Exchange) -> None:
        if exchange.reading and self._readers:
            await send_with(self._readers[next(self._turn) % len(self._readers)], exchange)
            return
        assert self._redis is not None
        await send_with(self._redis, exchange)

    async def close(self) -> None:
        for redis in (self._redis, *self._readers):
            if redis is not None:
                await redis.aclose()


class ProxiedClient:
    """`through-proxy`: dials a proxy, and the next one where that does not answer."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        first = around.proxies[0]
        pool = pool_of(around)(
            connection_class=ProxiedConnection,
            max_connections=around.profile.most_connections,
            host=first.host,
            port=first.port,
            proxies=around.proxies,
            **connection_arguments(around, wire),
        )
        self._redis = with_raw_replies(Redis.from_pool(pool))

    async def start(self) -> None:
        return

    async def send(self, exchange: Exchange) -> None:
        await send_with(self._redis, exchange)

    async def close(self) -> None:
        await self._redis.aclose()


class ResolveOnceClient(AddressedClient):
    """Asks Sentinel when it starts. An application that cannot resolve does not start, so a first
    question that failed is asked again; an answer is kept for good."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        super().__init__(around, wire)
        self._redis = None
        self._readers = []
        self._resolving = asyncio.Lock()

    async def start(self) -> None:
        async with self._resolving:
            if self._redis is not None:
                return
            sentinel = sentinel_for(self._around, self._wire)
            try:
                host, port = await sentinel.discover_master(self._around.service)
                if self._around.profile.read_from_replicas:
                    found = await sentinel.discover_replicas(self._around.service)
                    self._readers = [
                        redis_at(Address(str(host), int(port)), self._around, self._wire)
                        for host, port in found
                    ]
            finally:
                await sentinel.aclose()
            self._redis = redis_at(Address(host, int(port)), self._around, self._wire)

    async def send(self, exchange: Exchange) -> None:
        if self._redis is None:
            await self.start()
        await super().send(exchange)


class SentinelClient:
    """`on-error`: redis-py's Sentinel pool, as its documentation shows it."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._sentinel = sentinel_for(around, wire)
        arguments = {
            "connection_pool_class": LeanSentinelPool if around.pools else RequestSentinelPool,
            "connection_class": RecordedSentinelConnection,
            "max_connections": around.profile.most_connections,
            **connection_arguments(around, wire),
        }
        self._redis = with_raw_replies(self._sentinel.master_for(around.service, **arguments))
        self._reader: Redis | None = None
        if around.profile.read_from_replicas:
            self._reader = with_raw_replies(self._sentinel.replica_for(around.service, **arguments))

    async def start(self) -> None:
        return

    async def send(self, exchange: Exchange) -> None:
        if exchange.reading and self._reader is not None:
            await send_with(self._reader, exchange)
        else:
            await send_with(self._redis, exchange)

    async def close(self) -> None:
        await self._redis.aclose()
        if self._reader is not None:
            await self._reader.aclose()
        await self._sentinel.aclose()


class FollowingClient:
    """`follow-events`: one pool to the address that sentinels last announced."""

    def __init__(self, around: Surroundings, wire: Wire) -> None:
        self._around = around
        self._wire = wire
        self._address = around.primary
        self._redis = redis_at(around.primary, around, wire)
        self._left: list[Redis] = []
        """Of earlier addresses: a connection that was being opened when its pool was left is idle there."""
        self._reader = SentinelClient(around, wire) if around.profile.read_from_replicas else None
        self._listeners: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen on every sentinel; returns once one of them has named the primary, or none could."""
        loop = asyncio.get_running_loop()
        pending: set[asyncio.Future[bool]] = set()
        for address in self._around.sentinels:
            named: asyncio.Future[bool] = loop.create_future()
            pending.add(named)
            listener = SentinelListener(address, self._around, self._wire, self._switch)
            self._listeners.append(asyncio.create_task(listener.listen(named)))
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            if any(named.result() for named in done):
                return

    async def _switch(self, address: Address) -> None:
        if address == self._address:
            return
        self._left.append(self._redis)
        pool, self._address = self._redis.connection_pool, address
        self._redis = redis_at(address, self._around, self._wire)
        await pool.update_active_connections_for_reconnect()  # type: ignore[no-untyped-call]
        await pool.disconnect(inuse_connections=False)

    async def send(self, exchange: Exchange) -> None:
        if exchange.reading and self._reader is not None:
            await self._reader.send(exchange)
        else:
            await send_with(self._redis, exchange)

    async def close(self) -> None:
        await end(self._listeners)
        for redis in (*self._left, self._redis):
            await redis.aclose()
        if self._reader is not None:
            await self._reader.close()


class SentinelListener:
    """One subscription to +switch-master. After each (re)connect it also asks, because an event that
    was published while the line was down is gone."""

    def __init__(
        self,
        address: Address,
        around: Surroundings,
        wire: Wire,
        switch: Callable[[Address], Awaitable[None]],
    ) -> None:
        self._address = address
        self._around = around
        self._wire = wire
        self._switch = switch

    async def listen(self, named: asyncio.Future[bool]) -> None:
        while self._wire.alive:
            redis = sentinel_client(self._address, self._around, self._wire)
            try:
                await self._subscribed(redis, named)
            except (RedisError, OSError):
                if not named.done():
                    named.set_result(False)
            finally:
                await redis.aclose()
            await asyncio.sleep(LISTEN_AGAIN_S)

    async def _subscribed(self, redis: Redis, named: asyncio.Future[bool]) -> None:
        async with redis.pubsub() as subscription:
            await subscription.subscribe("+switch-master")
            question = ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._around.service)
            answer = await redis.execute_command(*question)  # type: ignore[no-untyped-call]
            if answer:
                await self._switch(_address(*answer))
            if not named.done():
                named.set_result(True)
            async for message in messages(subscription):
                if message["type"] == "message":
                    await self._announced(message["data"])

    async def _announced(self, data: bytes) -> None:
        service, _, _, host, port = data.decode().split(" ")
        if service == self._around.service:
            await self._switch(Address(host, int(port)))


def _address(host: Any, port: Any) -> Address:
    return Address(host.decode() if isinstance(host, bytes) else str(host), int(port))
