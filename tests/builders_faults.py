"""Live nodes for tests of faults: a state that asks them each time, and ways to look for oneself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.clock import RunClock
from harness.faults import FAULTS
from harness.model.plan import Plan
from harness.model.scenario import FaultStep
from harness.model.seams import Effect, FaultScene, NodeView, Topology
from harness.model.words import NodeRole, TopologyKind
from harness.redis_wire import blocking
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer
from harness.topology.base.control import connect
from tests.fakes import FakeWebServers, make_plan, step


class LiveState:
    """Asks the nodes themselves, each time."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.clock = RunClock()

    def now_us(self) -> int:
        return self.clock.now_us()

    def views(self) -> Mapping[str, NodeView]:
        return {node.name: self._view(node.name, node.shard) for node in self.topology.plan.data_nodes()}

    def _view(self, name: str, shard: int) -> NodeView:
        try:
            with talk(self.topology, name) as node:
                replication, run_id = node.info("replication"), node.info("server")["run_id"]
        except NoAnswer:
            return NodeView(
                name=name, role="", shard=shard, offset=0, replica_offsets={}, reachable=False, run_id=""
            )
        known = [dict(part.split("=") for part in v.split(",")) for k, v in replication.items() if "ip=" in v]
        offsets = {
            str(self.topology.node_at(one["ip"], int(one["port"]))): int(one["offset"]) for one in known
        }
        return NodeView(
            name=name,
            role="primary" if replication["role"] == "master" else "replica",
            shard=shard,
            offset=int(replication["master_repl_offset"]),
            replica_offsets=offsets,
            reachable=True,
            run_id=run_id,
        )

    def primary_of(self, shard: int) -> str | None:
        views = [v for v in self.views().values() if v.shard == shard and v.role == "primary"]
        return views[0].name if len(views) == 1 else None

    def acked_since(self, behaviour: str, since_us: int) -> int:
        return 1

    def last_acked_us(self, behaviour: str) -> int | None:
        return None

    def first_event_us(self, name: str, since_us: int) -> int | None:
        return None

    def elected(self) -> str | None:
        return None


def talk(topology: Topology, node: str, within_s: float = 1.0) -> Connection:
    """Not through `own_nodes`: the tests look for themselves."""
    return connect(topology, node, timeout_s=within_s)


def ask(topology: Topology, node: str, *words: str) -> Any:
    with talk(topology, node) as connection:
        return connection.call(*words)


def scene_on(topology: Topology) -> FaultScene:
    """A scene on running nodes. Web servers are fakes: their sides are told to nobody."""
    return FaultScene(
        plan=topology.plan,
        topology=topology,
        observed=LiveState(topology),
        web_servers=FakeWebServers(),
        record=lambda record: None,
        resolved={},
        random=lambda: 0.0,
        set_sides=lambda fault, sides: None,
    )


def plan_of(kind: TopologyKind, *faults: FaultStep, maxmemory: str = "", policy: str = "noeviction") -> Plan:
    plan = make_plan(kind, *faults, down_after_s=1.0, node_timeout_s=2.0)
    limits = {"maxmemory": maxmemory, "maxmemory-policy": policy} if maxmemory else {}
    return replace(
        plan,
        nodes=tuple(
            node if node.role is NodeRole.SENTINEL else replace(node, directives=limits)
            for node in plan.nodes
        ),
    )


def inject(scene: FaultScene, kind: str, target: str = "primary", **changes: Any) -> Effect:
    effect = FAULTS[kind].inject(step(kind, target, **changes), scene)
    print(f"{kind}: {target} -> {', '.join(effect.targets)} ±{effect.error_us} us: {effect.proof}")
    return effect


def heal(scene: FaultScene, effect: Effect, kind: str, target: str = "primary", **changes: Any) -> str | None:
    proof = FAULTS[kind].heal(step(kind, target, **changes), effect, scene)
    print(f"{kind} healed: {proof}")
    return proof


def answers(topology: Topology, node: str) -> bool:
    try:
        return ask(topology, node, "PING") == "PONG"
    except NoAnswer:
        return False


def role(scene: FaultScene, node: str) -> str:
    return scene.observed.views()[node].role


def reaches(topology: Topology, web_server: str, node: str) -> bool:
    try:
        blocking.connect(
            topology.address(node), topology.source(web_server), who=node, secret=None, within_s=0.4
        ).close()
    except NoAnswer:
        return False
    return True
