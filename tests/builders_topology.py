"""Plans for tests of the backends: the default shape of each kind of topology, or another."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import EnvironmentFailure
from harness.model.deployment import TopologySpec
from harness.model.plan import Plan
from harness.model.scenario import Workload
from harness.model.seams import Topology
from harness.model.words import BackendKind, TopologyKind
from harness.presets import of_topology
from harness.topology.backends import BACKENDS
from harness.topology.base import readiness
from harness.topology.base.control import Controls
from harness.topology.docker import kit_image
from lab.plans import plan_of, scenario_of

EACH_BACKEND = [
    pytest.param(kind, marks=pytest.mark.process if kind == BackendKind.PROCESS else pytest.mark.docker)
    for kind in BACKENDS
]
"""Parameters of a fixture: every backend, marked by what its nodes are."""

_ONE_NODE = {"replicas": 0, "sentinels": 0}
_DEFAULT_SHAPE: dict[TopologyKind, dict[str, Any]] = {
    TopologyKind.SINGLE: _ONE_NODE,
    TopologyKind.SENTINEL: {},
    TopologyKind.CLUSTER: {"sentinels": 0},
    TopologyKind.SPLIT: {},
    TopologyKind.SHARED: _ONE_NODE,
}


def kit_image_needed() -> None:
    try:
        kit_image.checked()
    except EnvironmentFailure as problem:
        pytest.skip(str(problem))


def process_plan(kind: TopologyKind | str, *, web_servers: int = 3, **settings: Any) -> Plan:
    return _plan(BackendKind.PROCESS, kind, web_servers, settings)


def docker_plan(kind: TopologyKind | str, *, web_servers: int = 3, **settings: Any) -> Plan:
    return _plan(BackendKind.DOCKER, kind, web_servers, settings)


def topology_spec(kind: TopologyKind, **settings: Any) -> TopologySpec:
    return TopologySpec(kind=kind, **{**_DEFAULT_SHAPE[kind], **settings})


def _plan(backend: BackendKind, kind: TopologyKind | str, web_servers: int, settings: dict[str, Any]) -> Plan:
    topology = topology_spec(TopologyKind(kind), **settings)
    scenario = scenario_of(topology, workload=Workload(web_servers=web_servers))
    return plan_of(scenario, of_topology(topology).nodes, backend=backend)


def await_ready(topology: Topology) -> None:
    """Return when nothing is missing any more, as at the start of a topology."""
    with Controls(topology) as controls:
        readiness._await_all(controls, topology, readiness.READY_WITHIN_S)
