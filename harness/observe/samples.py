"""Asks data nodes how they are, twenty times a second, and sentinels ten times: INFO and their views.

Each node has a connection and a pace of its own, so one that hangs delays nobody. A sample is recorded
also when the node did not answer: silence at a known time is evidence. The views of the cluster's nodes
and of the sentinels are not recorded themselves; `events` records what changes in them.

The trap: a process is known by its run_id, which is asked again on every new connection.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.model.records import NodeSample
from harness.observe.context import ObserverContext, every
from harness.observe.topology_view import clustered
from harness.observe.views import (
    SECTION_OF_CLIENTS,
    SECTIONS,
    ClusterView,
    SentinelView,
    cluster_epoch,
    cluster_ok,
    cluster_view,
    node_sample,
    sentinel_view,
)
from harness.redis_wire import info
from harness.redis_wire.protocol import Command, ErrorReply, NoAnswer, Reply

SAMPLE_EVERY_S = 0.05
"""Data nodes: what is known of promotions and offsets is known to this. A sample costs the loop about a
quarter of a millisecond."""
ASK_SENTINEL_EVERY_S = 0.1
"""Sentinels announce what they do; asking only finds what a message was missed of."""
ANSWER_WITHIN_S = 0.5
"""A healthy node answers in a millisecond; on a busy machine a hundred. Longer counts as silent."""

_CLUSTER: tuple[Command, ...] = (("CLUSTER", "INFO"), ("CLUSTER", "NODES"))


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAnswer:
    """One answer of a data node, or its absence."""

    sample: NodeSample
    cluster: ClusterView | None = None
    changes: int = 0
    """Writes to the data set since the last RDB file, as the node counts them."""


class NodeSampler:
    """Samples one data node. `ask` never raises for a node that is silent, gone or out of its mind."""

    def __init__(self, context: ObserverContext, node: str) -> None:
        self._context = context
        self._node = node
        self._connection = context.connection(node)
        self._run_id = ""
        self._asks_cluster = clustered(context.plan)
        guest = context.plan.scenario.deployment.guest
        counted = (SECTION_OF_CLIENTS,) if guest is not None and guest.connections is not None else ()
        self._info: tuple[Command, ...] = tuple(("INFO", section) for section in (*SECTIONS, *counted))

    async def ask(self, within_s: float = ANSWER_WITHIN_S) -> NodeAnswer:
        now_us = self._context.clock.now_us
        first: tuple[Command, ...] = () if self._connection.is_open else (("INFO", "server"),)
        commands = (*first, *self._info, *(_CLUSTER if self._asks_cluster else ()))
        sent_us = now_us()
        try:
            replies = await self._connection.ask(*commands, within_s=within_s)
        except NoAnswer as silence:
            return self._silent(sent_us, str(silence))
        done_us = now_us()
        sections = replies[: len(first) + len(self._info)]
        if refused := next((reply for reply in sections if isinstance(reply, ErrorReply)), None):
            self._connection.close()
            return self._silent(sent_us, str(refused))
        if first:
            self._run_id = info.fields(replies.pop(0)).get("run_id", "")
        return self._seen(replies, sent_us, done_us)

    def close(self) -> None:
        self._connection.close()

    def _seen(self, replies: list[Reply], sent_us: int, done_us: int) -> NodeAnswer:
        said = info.fields("".join(replies[: len(self._info)]))
        cluster = epoch = ok = None
        if self._asks_cluster:
            about, nodes = replies[-2:]  # refused while the node loads its data: no view then
            if isinstance(about, str) and isinstance(nodes, str):
                epoch, ok = cluster_epoch(about), cluster_ok(about)
                cluster = cluster_view(
                    nodes,
                    observer=self._node,
                    sent_us=sent_us,
                    done_us=done_us,
                    directory=self._context.directory,
                )
        sample = node_sample(
            said,
            node=self._node,
            run_id=self._run_id,
            sent_us=sent_us,
            done_us=done_us,
            directory=self._context.directory,
            epoch=epoch,
            shard=self._shard(cluster),
            cluster_ok=ok,
        )
        return NodeAnswer(
            sample=sample, cluster=cluster, changes=int(said.get("rdb_changes_since_last_save", 0))
        )

    def _shard(self, view: ClusterView | None) -> int | None:
        """The shard that the node says it belongs to; None: it does not say, or there is only one."""
        slot = None if view is None else view.slot_of(self._node)
        return None if slot is None else self._context.plan.inventory.shard_of_slot(slot)

    def _silent(self, sent_us: int, why: str) -> NodeAnswer:
        done_us = self._context.clock.now_us()
        sample = NodeSample(node=self._node, sent_us=sent_us, done_us=done_us, reachable=False, error=why)
        view = ClusterView(observer=self._node, sent_us=sent_us, done_us=done_us, error=why)
        return NodeAnswer(sample=sample, cluster=view if self._asks_cluster else None)


class SentinelSampler:
    """Asks one sentinel whom it takes for the primary."""

    def __init__(self, context: ObserverContext, sentinel: str) -> None:
        self._context = context
        self._sentinel = sentinel
        self._connection = context.connection(sentinel)
        self._run_id = ""

    async def ask(self, within_s: float = ANSWER_WITHIN_S) -> SentinelView:
        now_us = self._context.clock.now_us
        first: tuple[Command, ...] = () if self._connection.is_open else (("INFO", "server"),)
        sent_us = now_us()
        try:
            *about, reply = await self._connection.ask(
                *first, ("SENTINEL", "MASTER", self._context.service), within_s=within_s
            )
        except NoAnswer as silence:
            return self._silent(sent_us, str(silence))
        refused = next((r for r in (*about, reply) if isinstance(r, ErrorReply)), None)
        if refused is not None:
            self._connection.close()
            return self._silent(sent_us, str(refused))
        if about:
            self._run_id = info.fields(about[0]).get("run_id", "")
        return sentinel_view(
            reply,
            observer=self._sentinel,
            run_id=self._run_id,
            sent_us=sent_us,
            done_us=now_us(),
            directory=self._context.directory,
        )

    def close(self) -> None:
        self._connection.close()

    def _silent(self, sent_us: int, why: str) -> SentinelView:
        done_us = self._context.clock.now_us()
        return SentinelView(observer=self._sentinel, sent_us=sent_us, done_us=done_us, error=why)


async def sample_node(context: ObserverContext, node: str, notice: Callable[[NodeAnswer], None]) -> None:
    """Sample one data node until cancelled."""
    sampler = NodeSampler(context, node)

    async def once() -> None:
        seen = await sampler.ask()
        context.record(seen.sample)
        notice(seen)

    try:
        await every(SAMPLE_EVERY_S, once)
    finally:
        sampler.close()


async def sample_sentinel(
    context: ObserverContext, sentinel: str, notice: Callable[[SentinelView], None]
) -> None:
    """Ask one sentinel until cancelled."""
    sampler = SentinelSampler(context, sentinel)

    async def once() -> None:
        notice(await sampler.ask())

    try:
        await every(ASK_SENTINEL_EVERY_S, once)
    finally:
        sampler.close()
