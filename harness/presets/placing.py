"""Which nodes share a host, and so its fate: as written, or spread over zones as one would.

Over zones: the primary of shard 1 is in zone a, that of shard 2 in zone b, and so on; each replica is in the
zone after its primary's, or after that of the replica before it; sentinels are spread from zone a on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
        return _spread(nodes, ZONES[: topology.zones])
    if not topology.hosts:
        return tuple(nodes)
    host_of = {node: host for host, here in topology.hosts.items() for node in here}
    return tuple(replace(node, host=host_of.get(node.name, "")) for node in nodes)


def over(nodes: Sequence[NodePlan], hosts: Sequence[str]) -> Mapping[str, str]:
    """Node -> which of these hosts it is on. One that names none of them goes with those of the same name;
    nodes without a name are spread."""
    strange = dict.fromkeys(node.host for node in nodes if node.host and node.host not in hosts)
    in_place = {name: hosts[number % len(hosts)] for number, name in enumerate(strange)}
    spread = {node.name: node.host for node in _spread(nodes, hosts)}
    return {
        node.name: in_place.get(node.host, node.host) if node.host else spread[node.name] for node in nodes
    }


def _spread(nodes: Sequence[NodePlan], zones: Sequence[str]) -> tuple[NodePlan, ...]:
    before: Counter[tuple[NodeRole, int]] = Counter()
    found = []
    for node in nodes:
        further = before[node.role, node.shard]
        before[node.role, node.shard] += 1
        first = {NodeRole.SENTINEL: 0, NodeRole.REPLICA: node.shard}.get(node.role, node.shard - 1)
        found.append(replace(node, host=zones[(first + further) % len(zones)]))
    return tuple(found)
