"""When a deposed primary is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

import pytest

from harness.model.records import Event, Record
from harness.model.seams import NodeView
from harness.observe import deposed
from harness.observe.deposed import DeposedWatch
from tests import builders_observe as a
from tests.fake_clock import in_fake_time, the_clock


class ObservedState:
    """Three nodes; redis-1 is the primary that everybody agrees on until somebody says otherwise."""

    def __init__(self) -> None:
        self.owner = "redis-1"
        self.nodes = {f"redis-{n}": self.view(f"redis-{n}") for n in (1, 2, 3)}
        self.set("redis-1", role="primary")

    def view(
        self, name: str, role: str = "replica", *, offset: int = 100, reachable: bool = True
    ) -> NodeView:
        return NodeView(
            name=name,
            role=role,
            shard=1,
            offset=offset,
            replica_offsets={},
            reachable=reachable,
            run_id="r",
        )

    def set(self, name: str, **given: Any) -> None:
        self.nodes[name] = self.view(name, **given)

    def views(self) -> Mapping[str, NodeView]:
        return self.nodes

    def primary_of(self, shard: int) -> str | None:
        assert shard == 1
        return self.owner

    def __getattr__(self, name: str) -> Any:
        raise NotImplementedError(f"a watch that asks for {name}")


class Play:
    """A watch under way; `looks` are the readings that it had taken."""

    def __init__(self) -> None:
        self.observed = ObservedState()
        self.looks: list[tuple[str, ...]] = []
        self.takes_s = 0.0
        self.clock = the_clock()
        self.watch = DeposedWatch(a.plan(), self.observed, self.clock)
        self.records: list[Record] = []
        self.record = self.watch.reacting(self.records.append)

    def last_look(self, nodes: Iterable[str], moment: str) -> None:
        self.looks.append((*nodes, moment))
        self.clock.sleep(self.takes_s)

    def tell(self, name: str, node: str) -> None:
        self.record(Event(source="sentinel-1", name=name, t_us=1, node=node))

    async def until(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.looks) < count:  # noqa: ASYNC110  a thread adds to it
                await asyncio.sleep(0.005)


def play(scene: Callable[[Play], Awaitable[None]], monkeypatch: pytest.MonkeyPatch, **paces: float) -> None:
    for name, value in (
        {"LOOK_EVERY_S": 0.01, "AGAIN_AFTER_S": 0.02, "AGAIN_AFTER_TIMES": 0} | paces
    ).items():
        monkeypatch.setattr(deposed, name, value)

    async def all_of_it() -> None:
        running = Play()
        watching = asyncio.create_task(running.watch.watch(running.last_look))
        await asyncio.sleep(0)
        try:
            await scene(running)
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    in_fake_time(all_of_it())


def test_old_primary_is_read_as_soon_as_another_is_promoted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event is passed on, and only the node that still takes itself for the primary is read."""

    async def scene(running: Play) -> None:
        running.tell("promoted", "redis-2")
        await running.until(1)
        assert running.looks == [("redis-1", "deposed by redis-2")]
        assert len(running.records) == 1

    play(scene, monkeypatch, LOOK_EVERY_S=60)


def test_new_primary_is_not_deposed_by_the_one_that_most_still_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentinels publish a promotion only later; until then both take themselves for the primary."""

    async def scene(running: Play) -> None:
        running.observed.set("redis-2", role="primary")
        running.tell("promoted", "redis-2")
        await asyncio.sleep(0.2)
        assert running.looks == [("redis-1", "deposed by redis-2")]

    play(scene, monkeypatch)


def test_deposed_primary_is_read_again_as_long_as_it_acknowledges_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its offset tells; one that stands still is not read twice, nor is one that cannot answer."""

    async def scene(running: Play) -> None:
        running.observed.owner = "redis-2"
        await running.until(1)
        await asyncio.sleep(0.2)
        assert len(running.looks) == 1
        running.observed.set("redis-1", role="primary", offset=200, reachable=False)
        await asyncio.sleep(0.2)
        assert len(running.looks) == 1
        running.observed.set("redis-1", role="primary", offset=200)
        await running.until(2)

    play(scene, monkeypatch)


def test_slow_readings_are_taken_less_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most a tenth of the time goes into them."""

    async def scene(running: Play) -> None:
        running.takes_s = 0.3
        running.observed.owner = "redis-2"
        await running.until(1)
        for offset in range(200, 490):
            running.observed.set("redis-1", role="primary", offset=offset)
            await asyncio.sleep(0.01)
        assert len(running.looks) == 1, "ten times 0.3 s are not over"
        await asyncio.sleep(0.2)
        assert len(running.looks) == 2

    play(scene, monkeypatch, AGAIN_AFTER_TIMES=10)


def test_demotion_that_several_tell_of_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sentinels and the node itself say the same."""

    async def scene(running: Play) -> None:
        for _ in range(4):
            running.tell("demoted", "redis-1")
            await asyncio.sleep(0.05)
        assert running.looks == [("redis-1", "demoted")]

    play(scene, monkeypatch, LOOK_EVERY_S=60)


def test_nobody_is_read_while_all_agree_or_after_the_load(monkeypatch: pytest.MonkeyPatch) -> None:
    """A primary by right is no business of this watch; the audit must not be disturbed."""

    async def scene(running: Play) -> None:
        await asyncio.sleep(0.1)
        assert running.looks == []
        running.watch.stop()
        running.observed.owner = "redis-2"
        running.tell("promoted", "redis-2")
        await asyncio.sleep(0.1)
        assert running.looks == []

    play(scene, monkeypatch)
