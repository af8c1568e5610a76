"""Where a web server keeps its sessions: bounded pool, client library, application retries.

`exchange` never raises what Redis or the network did: the notes and the exchange say it. Retries of
the application come on top of the library's, are off the hot path (the first try stands outside
them), and repeat neither what was answered (because a WAIT behind it failed) nor an increment whose answer
was lost, unless the behaviour asks for that mistake. A client that does not `repeat_writes` repeats without
an answer only what changes nothing when it is executed late.
"""

from __future__ import annotations

import asyncio
import contextlib

from redis.exceptions import RedisClusterException, RedisError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential

from harness.model.attempt_results import CONNECT_FAILED, is_error
from harness.model.deployment import LONGEST_BACKOFF_S, ClientProfile
from harness.model.words import StepKind
from harness.redis_wire.refusals import is_elsewhere
from harness.sessions.connection import Wire
from harness.sessions.discovery import Client
from harness.sessions.exchange import Exchange, Recording
from harness.sessions.hearing import Hearing

FAILURES = (RedisError, RedisClusterException, OSError, asyncio.TimeoutError)
"""What a client library raises when Redis or the network fails; anything else is our bug."""


HARMLESS_TWICE = frozenset(
    {
        StepKind.READ,
        StepKind.LOOK,
        StepKind.TOUCH,
        StepKind.DESTROY,
        StepKind.INDEX_READ,
        StepKind.INDEX_REMOVE,
        StepKind.RELEASE,
    }
)
"""Executed again after anything newer, they undo nothing: ids of sessions and of lock holders are never used
twice, and every touch asks for the same time."""


class Unserved(Exception):
    """No connection was free in time, or the server refused for now."""


class Store:
    def __init__(self, client: Client, profile: ClientProfile, wire: Wire) -> None:
        self._client = client
        self._profile = profile
        self._wire = wire
        self._free = asyncio.Semaphore(profile.most_connections)
        self.remembered: dict[str, bool] = {}
        """What behaviours keep in mind between requests, as a cache in the process does."""
        self.now_us = wire.now_us
        self.hearing = Hearing()
        """Sessions that it has cached, and what it hears of their end."""

    async def exchange(
        self, recording: Recording, exchange: Exchange, *, repeat_unanswered: bool = True
    ) -> None:
        """Send, and repeat as the client profile says. The notes of every attempt end up in both.

        `repeat_unanswered` False: only repeat while nothing can have been executed.
        """
        if not self._profile.repeat_writes:
            repeat_unanswered = repeat_unanswered and all(
                p.step.does in HARMLESS_TWICE for p in exchange.parts
            )
        recording.exchange = exchange
        try:
            await self._once(recording, exchange)
        except (Unserved, *FAILURES) as failure:
            exchange.failure = failure
            if self._profile.application_retries:
                await self._repeat(recording, exchange, failure, repeat_unanswered)
        finally:
            recording.exchange = None

    async def _once(self, recording: Recording, exchange: Exchange) -> None:
        noted = len(exchange.carried)
        if self._free.locked():
            await self._wait_for_a_connection(recording)
        else:
            await self._free.acquire()
        try:
            await self._client.send(exchange)
        except FAILURES:
            if len(exchange.carried) == noted:
                now_us = self._wire.now_us()
                recording.never_left("resolve-failed", now_us, now_us)
            raise
        finally:
            self._free.release()
        if exchange.carried[-1].settled(exchange):
            return
        last = exchange.carried[-1]
        answered = is_error(last.attempt.result)
        if answered and last.refused is not None and is_elsewhere(last.refused.code):
            raise Unserved(str(last.replies[-1]))

    async def _wait_for_a_connection(self, recording: Recording) -> None:
        began_us, within_s = self._wire.now_us(), self._profile.socket_timeout_s
        try:
            await asyncio.wait_for(self._free.acquire(), within_s)
        except TimeoutError:
            recording.never_left(CONNECT_FAILED, began_us, self._wire.now_us())
            raise Unserved(f"no connection was free within {within_s:g} s") from None

    async def _repeat(
        self, recording: Recording, exchange: Exchange, failure: BaseException, repeat_unanswered: bool
    ) -> None:
        pending: BaseException | None = failure
        tries = AsyncRetrying(
            stop=stop_after_attempt(self._profile.application_retries + 1),
            wait=wait_exponential(multiplier=self._profile.retry_backoff_s, max=LONGEST_BACKOFF_S),
            retry=retry_if_exception_type((Unserved, *FAILURES)),
            reraise=True,
        )
        try:
            async for attempt in tries:
                with attempt:
                    if pending is not None:
                        first, pending = pending, None
                        raise first
                    if not self._may_repeat(exchange, repeat_unanswered):
                        return
                    await self._once(recording, exchange)
        except (Unserved, *FAILURES) as last:
            exchange.failure = last

    def _may_repeat(self, exchange: Exchange, repeat_unanswered: bool) -> bool:
        if not self._wire.alive or any(carried.settled(exchange) for carried in exchange.carried):
            return False
        return repeat_unanswered or not any(
            carried.attempt.handed_over and not is_error(carried.attempt.result)
            for carried in exchange.carried
        )

    async def start(self) -> None:
        """Raises what the client library raises where it finds no way in."""
        await self._client.start()

    async def close(self) -> None:
        """Close what the client library pools. It gives up on a connection that does not close in time (a
        node that was cut off, a busy host); the web server aborts all that are left."""
        with contextlib.suppress(*FAILURES):
            await self._client.close()
