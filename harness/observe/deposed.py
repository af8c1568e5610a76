"""Sees who was deposed, and has it read while it still holds what nobody else has.

A deposed primary that clients still reach goes on acknowledging writes, for ten seconds and more under
Sentinel, and throws them away within a moment of being told to follow. So it is read when another node
is promoted, again as long as it acknowledges more, and once more when it is told. `forensic` reads;
here it is only decided when.

Reading costs the machine something while the load goes on: at most a tenth of the time goes into it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator

from harness.clock import Clock
from harness.model.plan import Plan
from harness.model.records import Event, Record
from harness.model.seams import NodeView, ObservedState, Recorder
from harness.model.words import NodeRole
from harness.observe.context import every

LOOK_EVERY_S = 0.25
AGAIN_AFTER_S = 1.0
AGAIN_AFTER_TIMES = 10
"""... as long as the last reading took, if that is more."""
SAME_DEMOTION_S = 2.0

LastLook = Callable[[Iterable[str], str], None]


class DeposedWatch:
    """`last_look` blocks; it is called in threads of its own, one at a time for a node."""

    def __init__(self, plan: Plan, observed: ObservedState, clock: Clock) -> None:
        self._shards = sorted({node.shard for node in plan.data_nodes()})
        self._planned = {node.name: node.shard for node in plan.data_nodes()}
        self._observed = observed
        self._clock = clock
        self._last_look: LastLook = lambda _nodes, _moment: None
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._due_us: dict[str, float] = {}
        self._read_up_to: dict[str, int] = {}
        """Node -> its offset when it was read last."""
        self._promoted: dict[int | None, str] = {}
        """Shard -> who was promoted last: at once, while sentinels publish it seconds later."""
        self._told_until_us: dict[str, float] = {}
        self._over = False

    def reacting(self, record: Recorder) -> Recorder:
        """`record`; whoever an event deposes, or tells to follow, is read at once."""

        def noted(rec: Record) -> None:
            record(rec)
            if isinstance(rec, Event) and rec.node is not None:
                if rec.name == "promoted":
                    self._promoted[self._shard(rec.node)] = rec.node
                    for view in self._others(rec.node):
                        self._read(view, f"deposed by {rec.node}")
                elif rec.name == "demoted":
                    self._demoted(rec.node)

        return noted

    async def watch(self, last_look: LastLook) -> None:
        """Read until cancelled, or until `stop`."""
        self._last_look = last_look

        async def look() -> None:
            for shard in self._shards:
                owner = self._promoted.get(shard) or self._observed.primary_of(shard)
                if owner is not None:
                    for view in self._others(owner):
                        if self._due(view):
                            self._read(view, f"deposed by {owner}")

        try:
            await every(LOOK_EVERY_S, look)
        finally:
            for task in self._reading.values():
                task.cancel()

    def stop(self) -> None:
        """From now on nobody is read: the load is over."""
        self._over = True

    def _demoted(self, node: str) -> None:
        """The first who tells of it counts: every sentinel does, and then the node itself."""
        if self._promoted.get(self._shard(node)) == node:
            del self._promoted[self._shard(node)]
        view, now_us = self._observed.views().get(node), self._clock.now_us()
        if view is not None and now_us >= self._told_until_us.get(node, 0):
            self._told_until_us[node] = now_us + SAME_DEMOTION_S * 1e6
            self._read(view, "demoted")

    def _shard(self, node: str) -> int | None:
        """The node's shard now; as planned for one that never answered."""
        view = self._observed.views().get(node)
        return self._planned.get(node) if view is None else view.shard

    def _others(self, owner: str) -> Iterator[NodeView]:
        """Nodes of the same shard that answer, and still take themselves for its primary."""
        for name, view in self._observed.views().items():
            mine = view.shard == self._shard(owner) and name != owner
            if mine and view.reachable and view.role == NodeRole.PRIMARY:
                yield view

    def _due(self, view: NodeView) -> bool:
        if self._read_up_to.get(view.name) == view.offset:
            return False
        return self._clock.now_us() >= self._due_us.get(view.name, 0)

    def _read(self, view: NodeView, moment: str) -> None:
        if not self._over and view.name not in self._reading:
            self._read_up_to[view.name] = view.offset
            self._reading[view.name] = asyncio.create_task(self._read_now(view.name, moment))

    async def _read_now(self, node: str, moment: str) -> None:
        began_us = self._clock.now_us()
        try:
            await asyncio.to_thread(self._last_look, [node], moment)
        finally:
            now_us = self._clock.now_us()
            self._due_us[node] = now_us + max(AGAIN_AFTER_S * 1e6, AGAIN_AFTER_TIMES * (now_us - began_us))
            del self._reading[node]
