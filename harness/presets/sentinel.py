"""A primary, its replicas, and sentinels that promote one of them when the primary is gone."""

from __future__ import annotations

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return parts.guarded(topology)
