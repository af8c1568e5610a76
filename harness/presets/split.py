"""Sessions and cache on separate instances: filling the cache costs no session."""

from __future__ import annotations

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return (*parts.guarded(topology), parts.cache(topology, shard=2))
