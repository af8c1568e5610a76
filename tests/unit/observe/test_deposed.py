"""When a deposed primary is read."""

from __future__ import annotations

import asyncio
import threading

from harness.clock import RunClock
from harness.model.records import Event
from harness.model.seams import NodeView
from harness.observe import deposed
from harness.observe.deposed import DeposedWatch
from tests import builders_observe as a


class ObservedState:
    """Three nodes; redis-1 is the primary that everybody agrees on until somebody says otherwise."""

    def __init__(self):
        self.owner = "redis-1"
        self.nodes = {f"redis-{n}": self.view(f"redis-{n}") for n in (1, 2, 3)}
        self.set("redis-1", role="primary")

    def view(self, name, role="replica", offset=100, reachable=True):
        return NodeView(
            name=name,
            role=role,
            shard=1,
            offset=offset,
            replica_offsets={},
            reachable=reachable,
            run_id="r",
        )

    def set(self, name, **given):
        self.nodes[name] = self.view(name, **given)

    def views(self):
        return self.nodes

    def primary_of(self, shard):
        return self.owner


class Play:
    """A watch under way; `looks` are the readings that it had taken."""

    def __init__(self):
        self.observed = ObservedState()
        self.looks = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.watch = DeposedWatch(a.plan(), self.observed, RunClock())
        self.records = []
        self.record = self.watch.reacting(self.records.append)

    def last_look(self, nodes, moment):
        self.looks.append((*nodes, moment))
        self.go_on.wait(5)

    def tell(self, name, node):
        self.record(Event(source="sentinel-1", name=name, t_us=1, node=node))

    async def until(self, count):
        async with asyncio.timeout(5):
            while len(self.looks) < count:  # noqa: ASYNC110  a thread adds to it
                await asyncio.sleep(0.005)


def play(scene, monkeypatch, **paces):
    for name, value in (
        {"LOOK_EVERY_S": 0.01, "AGAIN_AFTER_S": 0.02, "AGAIN_AFTER_TIMES": 0} | paces
    ).items():
        monkeypatch.setattr(deposed, name, value)

    async def all_of_it():
        running = Play()
        watching = asyncio.create_task(running.watch.watch(running.last_look))
        await asyncio.sleep(0)
        try:
            await scene(running)
        finally:
            running.go_on.set()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    asyncio.run(all_of_it())


def test_old_primary_is_read_as_soon_as_another_is_promoted(monkeypatch):
    """The event is passed on, and only the node that still takes itself for the primary is read."""

    async def scene(running):
        running.tell("promoted", "redis-2")
        await running.until(1)
        assert running.looks == [("redis-1", "deposed by redis-2")]
        assert len(running.records) == 1

    play(scene, monkeypatch, LOOK_EVERY_S=60)


def test_new_primary_is_not_deposed_by_the_one_that_most_still_name(monkeypatch):
    """Sentinels publish a promotion only later; until then both take themselves for the primary."""

    async def scene(running):
        running.observed.set("redis-2", role="primary")
        running.tell("promoted", "redis-2")
        await asyncio.sleep(0.2)
        assert running.looks == [("redis-1", "deposed by redis-2")]

    play(scene, monkeypatch)


def test_deposed_primary_is_read_again_as_long_as_it_acknowledges_more(monkeypatch):
    """Its offset tells; one that stands still is not read twice, nor is one that cannot answer."""

    async def scene(running):
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


def test_slow_readings_are_taken_less_often(monkeypatch):
    """At most a tenth of the time goes into them."""

    async def scene(running):
        running.go_on.clear()
        running.observed.owner = "redis-2"
        await running.until(1)
        await asyncio.sleep(0.3)
        running.go_on.set()
        for offset in range(200, 230):
            running.observed.set("redis-1", role="primary", offset=offset)
            await asyncio.sleep(0.01)
        assert len(running.looks) == 1, "ten times 0.3 s are not over"

    play(scene, monkeypatch, AGAIN_AFTER_TIMES=10)


def test_demotion_that_several_tell_of_is_read_once(monkeypatch):
    """Three sentinels and the node itself say the same."""

    async def scene(running):
        for _ in range(4):
            running.tell("demoted", "redis-1")
            await asyncio.sleep(0.05)
        assert running.looks == [("redis-1", "demoted")]

    play(scene, monkeypatch, LOOK_EVERY_S=60)


def test_nobody_is_read_while_all_agree_or_after_the_load(monkeypatch):
    """A primary by right is no business of this watch; the audit must not be disturbed."""

    async def scene(running):
        await asyncio.sleep(0.1)
        assert running.looks == []
        running.watch.stop()
        running.observed.owner = "redis-2"
        running.tell("promoted", "redis-2")
        await asyncio.sleep(0.1)
        assert running.looks == []

    play(scene, monkeypatch)
