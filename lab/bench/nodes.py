"""Real nodes for the bench: plans made here, nodes started by the kit."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

from harness.checks.promises.table import FINDINGS
from harness.faults import FAULTS
from harness.model.deployment import ClientProfile, TopologySpec
from harness.model.plan import Plan
from harness.model.scenario import FaultStep, Workload
from harness.model.seams import Machine
from harness.model.words import BackendKind, Discovery, TopologyKind
from harness.plan import compile as compile_plan
from lab.plans import scenario_of
from lab.records import fault_step

ONE_NODE = TopologySpec(kind=TopologyKind.SINGLE, sentinels=0, redis={"save": ""})
CLIENT = ClientProfile(
    discovery=Discovery.FIXED_ADDRESS,
    socket_timeout_s=5.0,
    connect_timeout_s=5.0,
    application_retries=0,
    max_connections=200,
)


def plan_of(
    topology: TopologySpec,
    *,
    workload: Workload | None = None,
    client: ClientProfile = CLIENT,
    backend: BackendKind = BackendKind.PROCESS,
    fault: FaultStep | None = None,
) -> Plan:
    """A plan whose only fault does nothing, or is another one."""
    scenario = scenario_of(
        topology,
        client=client,
        file="bench.yaml",
        name="bench",
        workload=workload or Workload(mix={"read": 1.0}, options={}),
        faults=(fault or fault_step("nothing", at=1.0),),
    )
    machine = Machine(backend=backend, network_faults=True, cpus=2)
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    return compile_plan(scenario, seed=1, backend=backend, machine=machine, fits=fits, findings=FINDINGS)


def workload(mix: Mapping[str, float], users: int) -> Workload:
    return Workload(web_servers=1, users=users, rate_per_s=1000.0, mix=mix, options={})


def redis_benchmark() -> str | None:
    """Its path; None where it is not installed."""
    return shutil.which("redis-benchmark") or shutil.which("valkey-benchmark")
