"""Nodes, and groups of them, that several kinds of topology have."""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.deployment import TopologySpec
from harness.model.directives import Lines
from harness.model.inventory import PROXY_STATS_PORT, NodePlan
from harness.model.words import NodePurpose, NodeRole


def primary(topology: TopologySpec, number: int = 1, *, cluster: bool = False) -> NodePlan:
    """`redis-N`, which leads shard N."""
    return NodePlan(
        name=f"redis-{number}",
        role=NodeRole.PRIMARY,
        shard=number,
        cluster=cluster,
        directives=merged(topology.redis, topology.primary),
    )


def replica(topology: TopologySpec, number: int, of: NodePlan) -> NodePlan:
    return NodePlan(
        name=f"redis-{number}",
        role=NodeRole.REPLICA,
        shard=of.shard,
        replica_of=of.name,
        cluster=of.cluster,
        directives=merged(topology.redis, topology.replica),
    )


def guarded(topology: TopologySpec) -> tuple[NodePlan, ...]:
    """A primary, its replicas, and the sentinels that guard them."""
    first = primary(topology)
    return (
        first,
        *(replica(topology, number, first) for number in range(2, topology.replicas + 2)),
        *(
            NodePlan(name=f"sentinel-{number}", role=NodeRole.SENTINEL, directives=dict(topology.sentinel))
            for number in range(1, topology.sentinels + 1)
        ),
    )


def proxies(topology: TopologySpec) -> tuple[NodePlan, ...]:
    """What clients connect to instead of nodes."""
    count = 0 if topology.proxy is None else topology.proxy.count
    return tuple(
        NodePlan(name=f"proxy-{number}", role=NodeRole.PROXY, stats_port=PROXY_STATS_PORT)
        for number in range(1, count + 1)
    )


def cache(topology: TopologySpec, *, shard: int) -> NodePlan:
    """An instance of its own for the cache."""
    return NodePlan(
        name="cache-1",
        role=NodeRole.PRIMARY,
        purpose=NodePurpose.CACHE,
        shard=shard,
        cache_database=0,
        directives=merged(topology.redis, topology.cache),
    )


def merged(weaker: Mapping[str, Lines], stronger: Mapping[str, Lines]) -> dict[str, Lines]:
    return {**weaker, **stronger}
