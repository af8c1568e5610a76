"""Web servers are started before there is traffic, and a busy host is no reason to fail."""

from __future__ import annotations

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from harness.errors import EnvironmentFailure
from harness.sessions.fleet import started
from tests.fake_clock import in_fake_time


def test_start_that_times_out_is_tried_again() -> None:
    """The first question to a node may take longer than the client's time-out."""
    tries: list[int] = []

    async def start() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise RedisTimeoutError("Timeout reading from 127.0.0.1:1")

    in_fake_time(started("web-1", start))
    assert len(tries) == 3


def test_start_that_never_succeeds_is_the_environment_s_failure() -> None:
    """It names the web server and what its client said, and is no crash of the kit."""

    async def start() -> None:
        raise RedisTimeoutError("Timeout reading from 127.0.0.1:1")

    with pytest.raises(EnvironmentFailure, match=r"web-1: expected its client .* found Timeout reading"):
        in_fake_time(started("web-1", start, within_s=0.0))
