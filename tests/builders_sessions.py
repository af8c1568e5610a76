"""Small real topologies on loopback, and plans to run against them, for the tests of the sessions stage."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from harness.clock import Clock, RunClock, wait_until
from harness.model.deployment import ClientProfile, TopologySpec
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.records import Attempt, Connection, Event, Operation, Record
from harness.model.scenario import Workload
from harness.model.seams import Address, Secrets, Source
from harness.model.words import NodeRole, Phase, TopologyKind
from harness.sessions.engine import LoadEngine
from lab.plans import plan_of, scenario_of

PASSWORD = "test-secret"
SERVER = os.environ.get("REDIS_SERVER") or shutil.which("redis-server") or ""
SERVICE = "sessions"
SLOTS_PER_SHARD = 5462
BEFORE_S = 0.7
"""Of load before a fault, and between the promotion and what counts as settled."""
SETTLED_S = 2.0
PATIENCE_S = 30.0
"""For what takes a second or two here and may take far longer on a busy machine."""
MIX = {"log-in": 1.0, "read": 5.0, "touch": 1.0, "change-field": 1.0, "cart": 2.0, "logout": 0.5}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Node:
    """One redis-server process of the test's own."""

    name: str
    port: int
    directory: Path
    arguments: tuple[str, ...] = ()
    server: str = SERVER
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        command = [self.server, *self.arguments, "--port", str(self.port), "--dir", str(self.directory)]
        command += ["--bind", "127.0.0.1", "--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(self.answers, within_s=10, waiting_for=f"{self.name} to answer")

    def answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, f"{self.name} ended at once"
        try:
            with self.client() as client:
                return bool(client.ping())
        except redis.exceptions.RedisError:
            return False

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=PASSWORD, decode_responses=True, socket_timeout=5)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None


@dataclass
class Local:
    """As much of a Topology as the sessions stage asks for."""

    nodes: dict[str, Node] = field(default_factory=dict)
    secrets: Secrets = field(default_factory=lambda: Secrets(redis=PASSWORD, sentinel=PASSWORD))
    service: str = SERVICE
    sources: dict[str, Source] = field(default_factory=dict)

    def address(self, node: str) -> Address:
        return Address("127.0.0.1", self.nodes[node].port)

    def node_at(self, host: str, port: int) -> str | None:
        return next((node.name for node in self.nodes.values() if node.port == port), None)

    def source(self, web_server: str) -> Source:
        return self.sources.get(web_server, Source())


@contextmanager
def single(directory: Path, *arguments: str, server: str = SERVER) -> Iterator[Local]:
    local = Local()
    local.nodes["redis-1"] = Node("redis-1", free_port(), directory / "redis-1", arguments, server)
    try:
        local.nodes["redis-1"].start()
        yield local
    finally:
        stop(local)


@contextmanager
def with_sentinel(directory: Path) -> Iterator[Local]:
    """A primary, a replica and one sentinel."""
    local = Local()
    first, second = (Node(f"redis-{n}", free_port(), directory / f"redis-{n}") for n in (1, 2))
    at_once = ("--repl-diskless-sync-delay", "0")  # whoever is primary waits five seconds else
    first.arguments = at_once
    second.arguments = ("--replicaof", f"127.0.0.1 {first.port}", *at_once)
    guard = Node("sentinel-1", free_port(), directory / "sentinel-1")
    guard.directory.mkdir(parents=True)
    configuration = guard.directory / "sentinel.conf"
    configuration.write_text(
        f"sentinel monitor {SERVICE} 127.0.0.1 {first.port} 1\n"
        f"sentinel auth-pass {SERVICE} {PASSWORD}\n"
        f"sentinel down-after-milliseconds {SERVICE} 700\n"
        f"sentinel failover-timeout {SERVICE} 3000\n"
    )
    guard.arguments = (str(configuration), "--sentinel")
    local.nodes = {node.name: node for node in (first, second, guard)}
    try:
        first.start()
        second.start()
        with second.client() as client:
            wait_until(
                lambda: client.info("replication")["master_link_status"] == "up",
                within_s=10,
                waiting_for="link",
            )
        guard.start()
        with guard.client() as client:
            wait_until(
                lambda: client.execute_command("SENTINEL", "REPLICAS", SERVICE),
                within_s=15,
                waiting_for="replica",
            )
        yield local
    finally:
        stop(local)


@contextmanager
def clustered(directory: Path) -> Iterator[Local]:
    """Three primaries (a majority must outlive one), of which only the first has a replica: redis-4."""
    options: tuple[str, ...] = (
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1500",
        "--repl-diskless-sync-delay",
        "0",
    )
    options += ("--cluster-require-full-coverage", "no")
    local = Local()
    for number in range(1, 5):
        name = f"redis-{number}"
        local.nodes[name] = Node(name, free_cluster_port(), directory / name, options)
    try:
        for node in local.nodes.values():
            node.start()
        _join(list(local.nodes.values()))
        yield local
    finally:
        stop(local)


def free_cluster_port() -> int:
    while (port := free_port()) > 50000:
        pass
    return port


def _join(nodes: list[Node]) -> None:
    clients = [node.client() for node in nodes]
    for node in nodes[1:]:
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
    for number in range(3):
        first, last = number * SLOTS_PER_SHARD, min((number + 1) * SLOTS_PER_SHARD, 16384) - 1
        clients[number].execute_command("CLUSTER", "ADDSLOTS", *range(first, last + 1))
    primary = clients[0].execute_command("CLUSTER", "MYID")

    def seen_by(client: redis.Redis) -> str:
        return str(client.execute_command("CLUSTER", "NODES"))

    wait_until(lambda: primary in seen_by(clients[3]), within_s=10, waiting_for="gossip")
    clients[3].execute_command("CLUSTER", "REPLICATE", primary)

    def formed() -> bool:
        return all(
            client.cluster("info")["cluster_state"] == "ok" and "slave" in seen_by(client)
            for client in clients
        )

    def linked() -> bool:
        return bool(clients[3].info("replication").get("master_link_status") == "up")

    wait_until(formed, within_s=20, waiting_for="the cluster to form")
    wait_until(linked, within_s=20, waiting_for="the replica's link")
    for client in clients:
        client.close()


def stop(local: Local) -> None:
    for node in local.nodes.values():
        node.kill()


def plan_for(
    local: Local,
    *,
    workload: Workload | None = None,
    client: ClientProfile | None = None,
    seed: int = 1,
    actors: int = 40,
) -> Plan:
    names = [name for name in local.nodes if name.startswith("redis")]
    clustered = len(names) == 4
    sentinels = [name for name in local.nodes if name.startswith("sentinel")]
    kind = TopologyKind.CLUSTER if clustered else TopologyKind.SENTINEL if sentinels else TopologyKind.SINGLE
    nodes = []
    for number, name in enumerate(names):
        primary = number < 3 if clustered else number == 0
        nodes.append(
            NodePlan(
                name=name,
                role=NodeRole.PRIMARY if primary else NodeRole.REPLICA,
                shard=number % 3 + 1 if clustered else 1,
            )
        )
    nodes += [NodePlan(name=name, role=NodeRole.SENTINEL) for name in sentinels]
    workload = workload or Workload(web_servers=2, users=20, rate_per_s=100, mix=MIX)
    patient = ClientProfile(application_retries=0, socket_timeout_s=2.0, connect_timeout_s=2.0)
    scenario = scenario_of(TopologySpec(kind=kind), client=client or patient, workload=workload)
    return plan_of(scenario, nodes, seed=seed, actors=actors, longest_client_wait_s=2.0, expected_s=5.0)


class Written:
    """Everything recorded, by kind."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def __call__(self, record: Record) -> None:
        self.records.append(record)

    @property
    def operations(self) -> list[Operation]:
        return [record for record in self.records if isinstance(record, Operation)]

    @property
    def connections(self) -> list[Connection]:
        return [record for record in self.records if isinstance(record, Connection)]

    @property
    def events(self) -> list[Event]:
        return [record for record in self.records if isinstance(record, Event)]

    def redirected(self, to: str) -> list[Event]:
        return [one for one in self.events if one.name == "redirected" and one.node == to]

    def attempts(self) -> list[Attempt]:
        return [attempt for operation in self.operations for attempt in operation.attempts]


def engine_for(local: Any, plan: Plan, written: Written, clock: Clock | None = None) -> LoadEngine:
    return LoadEngine(plan, local, written, clock or RunClock())


@asynccontextmanager
async def driven(engine: LoadEngine) -> AsyncIterator[None]:
    """Under load as long as it takes: what happens meanwhile says when it is over, and not the time."""
    finished = asyncio.Event()
    driving = asyncio.create_task(engine.drive(finished))
    try:
        yield
    finally:
        finished.set()
        await driving
        await engine.close()


async def fail_over(
    engine: LoadEngine, local: Local, written: Written, *, to: str = "redis-2", redirected: int = 0
) -> None:
    """Kill redis-1 under load; settled once that node is promoted and so many web servers have found it."""
    engine.set_phase(Phase.BASELINE)
    async with driven(engine):
        await asyncio.sleep(BEFORE_S)
        engine.set_phase(Phase.FAULT)
        local.nodes["redis-1"].kill()
        await asyncio.to_thread(await_promoted, local, to)
        await settle(engine, written, to, redirected)


async def settle(engine: LoadEngine, written: Written, to: str, redirected: int) -> None:
    """Some more load once so many web servers have found their new primary."""
    wanted = f"{redirected} web servers to find {to}"
    await asyncio.to_thread(
        wait_until,
        lambda: len({one.source for one in written.redirected(to)}) >= redirected,
        within_s=PATIENCE_S,
        waiting_for=wanted,
    )
    await asyncio.sleep(BEFORE_S)  # what met the outage is over
    engine.set_phase(Phase.SETTLED)
    await asyncio.sleep(SETTLED_S)


def await_promoted(local: Local, node: str = "redis-2") -> None:
    with local.nodes[node].client() as client:
        wait_until(
            lambda: client.info("replication")["role"] == "master",
            within_s=PATIENCE_S,
            waiting_for="promotion",
        )


async def drive_for(engine: LoadEngine, seconds: float) -> None:
    finished = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, finished.set)
    await engine.drive(finished)


def until(condition: Any, *, within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
