"""Small plans and records for the tests of the history and of the observers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import NodeSample, Opening, Operation, Step
from harness.model.scenario import Workload
from harness.model.words import (
    NodePurpose,
    NodeRole,
    OperationKind,
    Outcome,
    Phase,
    StepKind,
    TopologyKind,
)
from harness.redis_wire.keys import session_key, witness_key
from lab import records
from lab.plans import plan_of, scenario_of
from lab.records import fault_step


@dataclass(frozen=True)
class Account:
    """What audits and last looks ask of a session."""

    id: str
    user: str
    shard: int = 1

    @property
    def key(self) -> str:
        return session_key(self.id)

    @property
    def witness_key(self) -> str:
        return witness_key(self.id)


def sentinel_nodes(replicas: int = 2, sentinels: int = 3) -> tuple[NodePlan, ...]:
    primary = NodePlan(name="redis-1", role=NodeRole.PRIMARY)
    others = (
        NodePlan(name=f"redis-{n + 2}", role=NodeRole.REPLICA, replica_of="redis-1") for n in range(replicas)
    )
    watchers = (NodePlan(name=f"sentinel-{n + 1}", role=NodeRole.SENTINEL) for n in range(sentinels))
    return (primary, *others, *watchers)


def cluster_nodes(shards: int = 3, replicas: int = 1) -> tuple[NodePlan, ...]:
    primaries = [NodePlan(name=f"redis-{n}", role=NodeRole.PRIMARY, shard=n) for n in range(1, shards + 1)]
    others = [
        NodePlan(name=f"redis-{shards * turn + n}", role=NodeRole.REPLICA, shard=n, replica_of=f"redis-{n}")
        for turn in range(1, replicas + 1)
        for n in range(1, shards + 1)
    ]
    return (*primaries, *others)


def split_nodes() -> tuple[NodePlan, ...]:
    return (
        *single_nodes(),
        NodePlan(name="cache-1", role=NodeRole.PRIMARY, purpose=NodePurpose.CACHE, shard=2),
    )


def single_nodes() -> tuple[NodePlan, ...]:
    return (NodePlan(name="redis-1", role=NodeRole.PRIMARY),)


def plan(kind: TopologyKind = TopologyKind.SENTINEL, nodes: tuple[NodePlan, ...] | None = None) -> Plan:
    scenario = scenario_of(
        TopologySpec(kind=kind),
        file="scenarios/x.yaml",
        name="x",
        tags=("core",),
        workload=Workload(mix={"log-in": 1, "cart": 2}, options={"cart": {"items": 3, "big": True}}),
        faults=(fault_step("kill", at=5),),
    )
    return plan_of(
        scenario,
        sentinel_nodes() if nodes is None else nodes,
        seed=7,
        web_servers=("web-1",),
        actors=10,
        longest_client_wait_s=2.0,
        expected_s=30.0,
    )


def opening(**given: Any) -> Opening:
    return records.opening("x", **({"format": 2, "seed": 7, "started_wall_us": 1} | given))


def operation(number: int, **given: Any) -> Operation:
    """A typical cart write: one step, one attempt."""
    session = f"{number % 300:032x}"
    sent_us = 1000 * number
    fields: dict[str, Any] = {
        "id": number,
        "actor": f"a{number % 50}",
        "web_server": f"web-{number % 3 + 1}",
        "behaviour": "cart",
        "kind": OperationKind.WRITE,
        "user": f"u{number % 300}",
        "session": session,
        "key": f"session:{{{session}}}",
        "shard": 1,
        "generation": number % 300,
        "due_us": sent_us,
        "sent_us": sent_us + 50,
        "done_us": sent_us + 400,
        "outcome": Outcome.ACKED,
        "told": "ok",
        "phase": Phase.BASELINE,
        "steps": (
            Step(
                n=1,
                does=StepKind.INCREMENT,
                command="EVAL HINCRBY RPUSH",
                key=f"session:{{{session}}}",
                deciding=True,
                outcome=Outcome.ACKED,
                effective=True,
                added={"cart:12": 1},
                added_now={"cart:12": number},
                witness=str(number),
                attempts=(1,),
                sent_us=sent_us + 50,
                done_us=sent_us + 400,
            ),
        ),
    }
    return Operation(**(fields | given))


def sample(node: str, role: str, t_us: int, **given: Any) -> NodeSample:
    """One answer of a node, asked 1 ms before `t_us`."""
    fields: dict[str, Any] = {
        "sent_us": t_us - 1000,
        "run_id": f"run of {node}",
        "replid": "r1",
        "offset": 100,
    }
    return NodeSample(node=node, role=role, done_us=t_us, **(fields | given))
