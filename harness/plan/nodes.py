"""Which processes a topology consists of, as they are first started.

Sessions live on `redis-1..n`; in a cluster the primaries of shard 1..n come first, then their
replicas, so that `redis-1` is a primary everywhere. A directive's strength: `redis`, then its role.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.model.deployment import TopologySpec
from harness.model.directives import Lines
from harness.model.fit import session_shards
from harness.model.plan import NodePlan
from harness.model.words import NodePurpose, NodeRole, TopologyKind


def plan_nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return (*_session_nodes(topology), *_sentinels(topology), *_cache(topology))


def _session_nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    if topology.kind is TopologyKind.CLUSTER:
        shards = range(1, topology.shards + 1)
        replicas = [shard for _ in range(topology.replicas_per_shard) for shard in shards]
    else:
        shards = range(1, 2)
        replicas = [1] * topology.replicas
    primaries = [_data_node(topology, shard, shard, None) for shard in shards]
    first = len(primaries) + 1
    return (
        *primaries,
        *(_data_node(topology, n, shard, f"redis-{shard}") for n, shard in enumerate(replicas, first)),
    )


def _data_node(topology: TopologySpec, number: int, shard: int, replica_of: str | None) -> NodePlan:
    role_table = topology.replica if replica_of else topology.primary
    return NodePlan(
        name=f"redis-{number}",
        role=NodeRole.REPLICA if replica_of else NodeRole.PRIMARY,
        shard=shard,
        replica_of=replica_of,
        directives=_merged(topology.redis, role_table),
    )


def _sentinels(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return tuple(
        NodePlan(name=f"sentinel-{n}", role=NodeRole.SENTINEL, directives=dict(topology.sentinel))
        for n in range(1, topology.sentinels + 1)
    )


def _cache(topology: TopologySpec) -> tuple[NodePlan, ...]:
    if topology.kind is not TopologyKind.SPLIT:
        return ()
    return (
        NodePlan(
            name="cache-1",
            role=NodeRole.PRIMARY,
            purpose=NodePurpose.CACHE,
            shard=session_shards(topology) + 1,
            directives=_merged(topology.redis, topology.cache),
        ),
    )


def _merged(weaker: Mapping[str, Lines], stronger: Mapping[str, Lines]) -> dict[str, Lines]:
    return {**weaker, **stronger}
