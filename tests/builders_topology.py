"""Plans for tests of the backends: the default shape of each kind of topology, or another."""

from __future__ import annotations

from typing import Any

from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.plan import Plan
from harness.model.scenario import Scenario, Workload
from harness.model.words import BackendKind, Shows, TopologyKind
from harness.plan.nodes import plan_nodes

_ONE_NODE = {"replicas": 0, "sentinels": 0}
_DEFAULT_SHAPE: dict[TopologyKind, dict[str, Any]] = {
    TopologyKind.SINGLE: _ONE_NODE,
    TopologyKind.SENTINEL: {},
    TopologyKind.CLUSTER: {"sentinels": 0},
    TopologyKind.SPLIT: {},
    TopologyKind.SHARED: _ONE_NODE,
}


def process_plan(kind: TopologyKind | str, *, web_servers: int = 3, **settings: Any) -> Plan:
    return _plan(BackendKind.PROCESS, kind, web_servers, settings)


def docker_plan(kind: TopologyKind | str, *, web_servers: int = 3, **settings: Any) -> Plan:
    return _plan(BackendKind.DOCKER, kind, web_servers, settings)


def _plan(backend: BackendKind, kind: TopologyKind | str, web_servers: int, settings: dict[str, Any]) -> Plan:
    topology = TopologySpec(kind=TopologyKind(kind), **{**_DEFAULT_SHAPE[TopologyKind(kind)], **settings})
    scenario = Scenario(
        file="none.yaml",
        name="none",
        shows=Shows.PROMISE,
        tags=(),
        about="",
        advice="",
        deployment=Deployment(name="none", topology=topology, client=ClientProfile()),
        workload=Workload(web_servers=web_servers),
        faults=(),
    )
    return Plan(
        scenario=scenario,
        seed=1,
        backend=backend,
        nodes=plan_nodes(topology),
        web_servers=tuple(f"web-{number}" for number in range(1, web_servers + 1)),
        actors=1,
        bounds=(),
        longest_client_wait_s=1.0,
        expected_s=1.0,
    )
