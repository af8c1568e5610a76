"""The proxy's own view, written down when it changes."""

from __future__ import annotations

from typing import Any

import pytest

from harness.model.inventory import PROXY_STATS_PORT
from harness.model.proxy import ProxySpec
from harness.model.records import Event
from harness.model.seams import Address, Secrets, Source
from harness.observe.context import ObserverContext
from harness.observe.proxies import ProxyWatch
from harness.observe.views import Directory
from harness.redis_wire import haproxy
from harness.redis_wire.haproxy import ServerState
from harness.redis_wire.protocol import NoAnswer
from tests.builders_topology import process_plan
from tests.fake_clock import in_fake_time

PLAN = process_plan("sentinel", proxy=ProxySpec())


class Clock:
    def __init__(self) -> None:
        self.t_us = 0

    def now_us(self) -> int:
        self.t_us += 100_000
        return self.t_us

    def wall_us(self) -> int:
        return self.t_us

    def sleep(self, seconds: float) -> None:
        self.t_us += round(seconds * 1e6)


def seen(monkeypatch: pytest.MonkeyPatch, *answers: str | None) -> list[Event]:
    """`UDD`: redis-1 is UP, the others DOWN; None: no answer."""
    recorded: list[Any] = []
    context = ObserverContext(
        plan=PLAN,
        clock=Clock(),
        record=recorded.append,
        addresses={node.name: Address("198.18.0.9", 6379) for node in PLAN.nodes},
        directory=Directory({}),
        source=Source(),
        secrets=Secrets(redis="", sentinel=""),
        service="sessions",
    )
    left = list(answers)

    async def asked(*_: Any, **__: Any) -> tuple[ServerState, ...]:
        said = left.pop(0)
        if said is None:
            raise NoAnswer("gone")
        return tuple(
            ServerState(
                backend="redis", name=f"redis-{n}", status="UP" if one == "U" else "DOWN", checked=True
            )
            for n, one in enumerate(said, start=1)
        )

    monkeypatch.setattr(haproxy, "servers_soon", asked)
    watch = ProxyWatch(context, "proxy-1", PROXY_STATS_PORT)

    async def look() -> None:
        for _ in answers:
            await watch.look()

    in_fake_time(look())
    return recorded


def test_each_change_is_one_event_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It happened since the look before."""
    events = seen(monkeypatch, "UDD", "UDD", "UUD", "DUD")
    assert [one.detail for one in events] == [
        "redis-1 UP, redis-2 DOWN, redis-3 DOWN",
        "redis-1 UP, redis-2 UP, redis-3 DOWN (2 UP)",
        "redis-1 DOWN, redis-2 UP, redis-3 DOWN",
    ]
    assert [(one.source, one.node, one.name) for one in events[:1]] == [("proxy-1", "proxy-1", "proxy-says")]
    assert [(one.t_us, one.error_us) for one in events[1:]] == [(300_000, 100_000), (400_000, 100_000)]


def test_silence_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy that is gone says nothing, and that is news."""
    assert [one.detail for one in seen(monkeypatch, None, None, "DDD")] == [
        "no answer",
        "redis-1 DOWN, redis-2 DOWN, redis-3 DOWN (0 UP)",
    ]
