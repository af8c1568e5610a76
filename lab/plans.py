"""Scenarios and plans for histories and tests: each names only the fields that it is about.

`scenario_of` and `plan_of` fill in the others. Nothing here is compiled: a plan is what the caller says.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.scenario import Scenario, Workload
from harness.model.words import BackendKind, Shows
from harness.presets import marked


def scenario_of(topology: TopologySpec, *, client: ClientProfile | None = None, **changes: Any) -> Scenario:
    """A promise without tags, texts and faults; `changes` are fields of the scenario."""
    fields: dict[str, Any] = {
        "file": "test.yaml",
        "name": "test",
        "shows": Shows.PROMISE,
        "tags": (),
        "about": "",
        "advice": "",
        "deployment": Deployment(name="test", topology=topology, client=client or ClientProfile()),
        "workload": Workload(),
        "faults": (),
    }
    return Scenario(**(fields | changes))


def plan_of(scenario: Scenario, nodes: Iterable[NodePlan], **changes: Any) -> Plan:
    """For the process backend, with the scenario's web servers; nodes say what they are in its kind of
    topology. `changes` are fields of the plan."""
    fields: dict[str, Any] = {
        "seed": 1,
        "backend": BackendKind.PROCESS,
        "web_servers": tuple(f"web-{n}" for n in range(1, scenario.workload.web_servers + 1)),
        "actors": 1,
        "bounds": (),
        "longest_client_wait_s": 1.0,
        "expected_s": 1.0,
    }
    own = marked(nodes, scenario.deployment.topology)
    return Plan(scenario=scenario, nodes=own, **(fields | changes))
