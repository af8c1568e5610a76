"""A primary, its replicas, and sentinels that promote one of them when it is gone; perhaps proxies before."""

from __future__ import annotations

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.presets import parts


def nodes(topology: TopologySpec) -> tuple[NodePlan, ...]:
    return (*parts.guarded(topology), *parts.proxies(topology))
