"""Which nodes share a host, and so its fate: as written, or spread over zones as one would.

Over zones: the primary of shard 1 is in zone a, that of shard 2 in zone b, and so on; each replica is in the
zone after its primary's, or after that of the replica before it; sentinels are spread from zone a on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_lowercase

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.model.words import NodeRole

ZONES = tuple(ascii_lowercase)
"""Their names."""


def placed(nodes: Sequence[NodePlan], topology: TopologySpec) -> tuple[NodePlan, ...]:
    """The nodes, each with its host."""
    if topology.zones:
        return _spread(nodes, topology.zones)
    if not topology.hosts:
        return tuple(nodes)
    host_of = {node: host for host, here in topology.hosts.items() for node in here}
    return tuple(replace(node, host=host_of.get(node.name, "")) for node in nodes)


def _spread(nodes: Sequence[NodePlan], zones: int) -> tuple[NodePlan, ...]:
    before: Counter[tuple[NodeRole, int]] = Counter()
    found = []
    for node in nodes:
        further = before[node.role, node.shard]
        before[node.role, node.shard] += 1
        first = {NodeRole.SENTINEL: 0, NodeRole.REPLICA: node.shard}.get(node.role, node.shard - 1)
        found.append(replace(node, host=ZONES[(first + further) % zones]))
    return tuple(found)
