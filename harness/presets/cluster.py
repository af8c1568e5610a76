"""Shards of a Redis cluster, which elect their own new primaries."""

from __future__ import annotations

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    """The primaries first, then a replica of each, then the next."""
    primaries = [parts.primary(topology, shard, cluster=True) for shard in range(1, topology.shards + 1)]
    led = primaries * topology.replicas_per_shard
    return (
        *primaries,
        *(parts.replica(topology, number, of) for number, of in enumerate(led, start=len(primaries) + 1)),
    )
