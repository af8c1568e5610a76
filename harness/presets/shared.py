"""Sessions and cache on one instance: the arrangement that `split` is compared with."""

from __future__ import annotations

from dataclasses import replace

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return (replace(parts.primary(topology), cache_database=topology.cache_database),)
