"""A web server's store, apart from what it sends: who has a connection, and how it ends."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from harness.model.deployment import ClientProfile
from harness.sessions.exchange import CURRENT, Exchange, Recording
from harness.sessions.store import Store
from tests.fake_clock import in_fake_time


def _store(failure: BaseException) -> tuple[Store, AsyncMock]:
    close = AsyncMock(side_effect=failure)
    return Store(Mock(close=close), ClientProfile(), Mock()), close


def test_close_outlives_a_connection_that_does_not_close() -> None:
    """On a busy host the library gives up on one: that must not cost the run its result."""
    store, close = _store(RedisTimeoutError("Timed out closing connection after 0.3"))
    in_fake_time(store.close())
    close.assert_awaited_once()


def test_close_hides_no_bug_of_ours() -> None:
    """Only what Redis and the network do is expected."""
    store, _ = _store(KeyError("connection"))
    with pytest.raises(KeyError):
        in_fake_time(store.close())


LIMIT = 3
LASTS_S, WAITS_S = 2.0, 0.5


class Lent:
    """A client that takes its time, and counts who has a connection."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.failing = False

    async def send(self, exchange: Exchange) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            recording = CURRENT.get()
            assert recording is not None
            carried = recording.begin(exchange, exchange.everything, 1, 0, handed_over=True)
            await asyncio.sleep(LASTS_S)
            if self.failing:
                raise RedisTimeoutError("no reply")
            carried.replies.append("OK")
        finally:
            self.now -= 1


async def _exchanged(store: Store) -> Exchange:
    recording = Recording()
    CURRENT.set(recording)
    exchange = Exchange("key", (("GET", "key"),), ())
    await store.exchange(recording, exchange)
    return exchange


def test_every_connection_that_was_lent_comes_back() -> None:
    """From who got an answer or none, was cancelled with one, while it waited, or as it was its turn, and from
    who waited in vain: afterwards as many as before are free, at once, and none more."""

    async def play() -> None:
        client = Lent()
        profile = ClientProfile(max_connections=LIMIT, socket_timeout_s=WAITS_S, application_retries=0)
        store = Store(client, profile, Mock(now_us=lambda: 0))  # type: ignore[arg-type]
        for moment_s in (0.0, WAITS_S / 2, WAITS_S, WAITS_S + 0.1, LASTS_S):
            for failing in (False, True):
                client.failing = failing
                tasks = [asyncio.create_task(_exchanged(store)) for _ in range(3 * LIMIT)]
                await asyncio.sleep(moment_s)
                for task in tasks[::2]:
                    task.cancel()
                late = [asyncio.create_task(_exchanged(store)) for _ in range(2 * LIMIT)]
                await asyncio.sleep(0)
                late[0].cancel()
                await asyncio.gather(*tasks, *late, return_exceptions=True)
                assert (client.now, client.most) == (0, LIMIT)
                client.failing, client.most = False, 0
                found = await asyncio.gather(*(_exchanged(store) for _ in range(LIMIT + 1)))
                assert client.most == LIMIT
                assert [str(one.failure or "") for one in found] == [
                    *[""] * LIMIT, f"no connection was free within {WAITS_S:g} s",
                ]  # fmt: skip

    in_fake_time(play())
