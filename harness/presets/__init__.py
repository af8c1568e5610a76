"""Kinds of topology as presets: each makes the inventory of its nodes out of its settings. Pure.

    parts     nodes and groups of them that several kinds have
    placing   which nodes share a host
    single    one primary
    sentinel  a primary, its replicas, and the sentinels that guard them
    cluster   shards of a Redis cluster
    split     a cache instance beside the sessions, which are one node or guarded by sentinels
    shared    sessions and cache on one instance

Sessions live on `redis-1..n`; in a cluster the primaries of shard 1..n come first, then their replicas, so
that `redis-1` is a primary everywhere. A directive's strength: `redis`, then its role, then the node's own.

Only presets, and the readers of files that choose one, know which kinds there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import lru_cache

from harness.model.deployment import Deployment, NodeSettings, TopologySpec
from harness.model.inventory import Inventory, NodePlan
from harness.model.plan import Plan
from harness.model.words import NodePurpose, TopologyKind
from harness.presets import cluster, parts, sentinel, shared, single, split
from harness.presets.placing import placed

Preset = Callable[[TopologySpec], tuple[NodePlan, ...]]

PRESETS: Mapping[TopologyKind, Preset] = {
    TopologyKind.SINGLE: single.nodes,
    TopologyKind.SENTINEL: sentinel.nodes,
    TopologyKind.CLUSTER: cluster.nodes,
    TopologyKind.SPLIT: split.nodes,
    TopologyKind.SHARED: shared.nodes,
}


def inventory_of(deployment: Deployment) -> Inventory:
    """The nodes of a deployment. The one place that chooses who makes an inventory."""
    if deployment.project is not None and deployment.project.nodes:
        return Inventory(deployment.project.nodes, deployment.topology.kind)
    return of_topology(deployment.topology)


def of_topology(topology: TopologySpec) -> Inventory:
    """The nodes of a kind of topology, each with its own settings on top of those of its role."""
    nodes = tuple(_with_own(node, topology.nodes.get(node.name)) for node in PRESETS[topology.kind](topology))
    return Inventory(placed(nodes, topology), topology.kind)


def _with_own(node: NodePlan, own: NodeSettings | None) -> NodePlan:
    if own is None:
        return node
    directives = parts.merged(node.directives, own.directives)
    return replace(node, directives=directives, engine=own.engine or node.engine)


def completed(plan: Plan) -> Plan:
    """A plan of an earlier version of the kit, whose nodes did not say what follows from their topology."""
    return replace(plan, nodes=marked(plan.nodes, plan.scenario.deployment.topology))


@lru_cache
def _default_shape(kind: TopologyKind, cache_database: int) -> Inventory:
    """The counts of a file from elsewhere may be anything."""
    return of_topology(TopologySpec(kind=kind, cache_database=cache_database))


def marked(nodes: Iterable[NodePlan], topology: TopologySpec) -> tuple[NodePlan, ...]:
    """Nodes that say what they are in a topology of this kind, whatever of it they said before."""
    known = _default_shape(topology.kind, topology.cache_database)
    databases = {node.name: node.cache_database for node in known.nodes}
    return tuple(
        replace(
            node,
            cluster=node.cluster
            or (known.clustered and node.holds_data and node.purpose is NodePurpose.SESSIONS),
            cache_database=databases.get(node.name) if node.cache_database is None else node.cache_database,
        )
        for node in nodes
    )
