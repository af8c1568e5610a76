"""A connection for each request: the same for all of its exchanges, closed when it is over."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.deployment import ClientProfile
from harness.sessions.exchange import CURRENT, Recording
from harness.sessions.pool import RequestPool
from tests.fake_clock import in_fake_time


class FakeConnection:
    def __init__(self, **_: Any) -> None:
        self.is_connected = False
        self.opened = 0
        self.broken = False

    def quiet(self) -> bool:
        return self.is_connected and not self.broken

    def should_reconnect(self) -> bool:
        return False

    async def connect(self) -> None:
        self.is_connected = True
        self.opened += 1

    async def disconnect(self, nowait: bool = False) -> None:
        del nowait
        self.is_connected = False


class Pool(RequestPool):
    async def ensure_connection(self, connection: Any) -> None:
        if not connection.is_connected or connection.broken:
            await connection.disconnect()
            await connection.connect()
            connection.broken = False


def pool() -> Pool:
    return Pool(connection_class=FakeConnection, max_connections=2)  # type: ignore[arg-type]


async def request(of: Pool, exchanges: int) -> list[Any]:
    """The connections of its exchanges."""
    recording = Recording()
    CURRENT.set(recording)
    used = []
    for _ in range(exchanges):
        connection = await of.get_connection()
        used.append(connection)
        await of.release(connection)
    await recording.over()
    return used


def test_exchanges_of_one_request_share_a_connection() -> None:
    """Opened once, closed at the end."""

    async def play() -> None:
        first, second, third = await request(pool(), 3)
        assert first is second is third
        assert first.opened == 1
        assert not first.is_connected

    in_fake_time(play())


def test_next_request_connects_anew() -> None:
    """What is pooled is the place, not the connection."""

    async def play() -> None:
        of = pool()
        (first,) = await request(of, 1)
        (second,) = await request(of, 1)
        assert first.opened + (0 if second is first else second.opened) == 2
        assert not second.is_connected

    in_fake_time(play())


def test_requests_at_the_same_time_have_a_connection_each() -> None:
    """None is handed to another request while its own still lasts."""

    async def play() -> None:
        of = pool()
        recordings = [Recording(), Recording()]
        used = []
        for recording in recordings:
            CURRENT.set(recording)
            connection = await of.get_connection()
            used.append(connection)
            await of.release(connection)
        assert used[0] is not used[1]
        CURRENT.set(recordings[0])
        assert await of.get_connection() is used[0]
        await of.release(used[0])
        for recording in recordings:
            await recording.over()
        assert not any(one.is_connected for one in used)

    in_fake_time(play())


def test_connection_that_broke_meanwhile_is_opened_again() -> None:
    """Within the same request, as a client does that finds its connection gone."""

    async def play() -> None:
        of, recording = pool(), Recording()
        CURRENT.set(recording)
        connection = await of.get_connection()
        await of.release(connection)
        connection.broken = True  # type: ignore[attr-defined]
        assert await of.get_connection() is connection
        assert connection.opened == 2  # type: ignore[attr-defined]

    in_fake_time(play())


def test_without_a_request_nothing_is_kept() -> None:
    """What a client does for itself closes at once."""

    async def play() -> None:
        CURRENT.set(None)
        of = pool()
        connection = await of.get_connection()
        await of.release(connection)
        assert not connection.is_connected

    in_fake_time(play())


@pytest.mark.parametrize(
    ("share", "count"), [(0.0, 0), (0.01, 1), (0.33, 1), (1 / 3, 1), (0.34, 2), (1.0, 3)]
)
def test_share_of_web_servers_without_a_pool(share: float, count: int) -> None:
    """The last ones; of any share at least one."""
    names = ("web-1", "web-2", "web-3")
    assert ClientProfile(connect_per_request=share).without_pool(names) == names[3 - count :]
