"""What every observer of a run works with: the nodes, how to reach them, where to record what they say."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field

from harness.clock import Clock
from harness.model.credentials import kit_login
from harness.model.plan import Plan
from harness.model.seams import Address, Recorder, Secrets, Source, Topology
from harness.observe.loop_ticks import HEARD_WITHIN_US
from harness.observe.views import Directory
from harness.redis_wire.asynchronous import AsyncConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverContext:
    """Shared by all observers of a run."""

    plan: Plan
    clock: Clock
    record: Recorder
    addresses: Mapping[str, Address]
    """Live: a container that is made anew may have another one."""
    directory: Directory
    source: Source
    secrets: Secrets
    service: str
    shards: Mapping[str, int] = field(default_factory=dict)
    """Live: data node -> the shard that it says it belongs to (`ViewCollector.shards`)."""
    heard_within_us: Callable[[], int] = lambda: HEARD_WITHIN_US
    """How long ago a message that is handed over now may have arrived (`LoopTicks`)."""

    def connection(self, node: str, source: Source | None = None) -> AsyncConnection:
        """A connection to a node, opened when first needed; `source`: from elsewhere than the observer's
        own address."""
        login = kit_login(self.plan, node, self.secrets)
        return AsyncConnection(lambda: self.addresses[node], source or self.source, secret=login)

    def shard(self, node: str) -> int:
        """The node's shard now."""
        return self.shards.get(node, self.plan.node(node).shard)


def context_of(
    topology: Topology, record: Recorder, clock: Clock, shards: Mapping[str, int] | None = None
) -> ObserverContext:
    """What observers of a running topology share.

    `shards`: as in `ObserverContext`.
    """
    plan = topology.plan
    addresses = _Addresses(topology)
    return ObserverContext(
        plan=plan,
        clock=clock,
        record=record,
        addresses=addresses,
        directory=Directory({}, otherwise=topology.node_at),
        source=topology.observer(),
        secrets=topology.secrets,
        service=topology.service,
        shards={} if shards is None else shards,
    )


class _Addresses(Mapping[str, Address]):
    """Where the nodes are now."""

    def __init__(self, topology: Topology) -> None:
        self._names = tuple(node.name for node in topology.plan.nodes)
        self._of = topology.address

    def __getitem__(self, node: str) -> Address:
        return self._of(node)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


async def every(period_s: float, act: Callable[[], Awaitable[object]]) -> None:
    """Run `act` again and again at a steady pace; turns that an `act` took too long for are left out."""
    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        await act()
        due = max(due + period_s, loop.time())
        await asyncio.sleep(due - loop.time())
