"""Tells a node that is down on purpose from one that is merely silent, by asking the topology.

Asked only for nodes that do not answer, twice a second, in a worker thread: the topology's calls block.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from harness.errors import EnvironmentFailure
from harness.model.seams import NodeState, Topology
from harness.observe.context import ObserverContext, every
from harness.observe.topology_view import TopologyView, ViewCollector

ASK_EVERY_S = 0.5


class ProcessStates:
    """The process states of silent nodes, as last asked."""

    def __init__(self, context: ObserverContext, topology: Topology, collector: ViewCollector) -> None:
        self._context = context
        self._topology = topology
        self._collector = collector
        self._states: dict[str, NodeState] = {}

    async def watch(self) -> None:
        """Keep asking until cancelled."""
        await every(ASK_EVERY_S, self._ask)

    def states(self) -> Mapping[str, NodeState]:
        """Silent node -> its state; nodes that answer are not in it."""
        return dict(self._states)

    def absent(self) -> frozenset[str]:
        """Nodes whose process is not running: killed or stopped, and not started again."""
        return frozenset(name for name, state in self._states.items() if not state.running)

    async def _ask(self) -> None:
        quiet = silent(self._collector.now(self._context.clock.now_us()), self._context)
        found = {}
        for name in quiet:
            try:
                found[name] = await asyncio.to_thread(self._topology.state, name)
            except EnvironmentFailure:
                continue  # not known, so it counts as meant to be there
        self._states = found


def silent(known: TopologyView, context: ObserverContext) -> list[str]:
    """Nodes that did not answer when last asked."""
    quiet = []
    for node in context.plan.data_nodes():
        newest = known.newest(node.name)
        if newest is None or not newest.reachable:
            quiet.append(node.name)
    for node in context.plan.sentinels():
        view = known.sentinels.get(node.name)
        if view is None or view.error or not known.recent(view.done_us):
            quiet.append(node.name)
    return quiet
