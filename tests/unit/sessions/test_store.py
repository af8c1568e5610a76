"""A web server's store, apart from its exchanges: how it ends."""

from __future__ import annotations

from unittest.mock import AsyncMock, Mock

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from harness.model.deployment import ClientProfile
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
