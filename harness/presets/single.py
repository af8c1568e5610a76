"""One primary, and nobody who could take its place."""

from __future__ import annotations

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return (parts.primary(topology),)
