"""A topology, its observed state and web servers that live in this process, for tests without Redis.

`FakeNode` is a real socket that speaks just enough RESP to be asked who it is, what it holds and to
be told to do things; faults talk to it exactly as they talk to Redis. `FakeTopology` kills, pauses
and cuts such nodes and keeps a log of what it was asked to do; its `broken` set makes acts fail to
take effect. Nothing here knows how a fault works.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.clock import RunClock
from harness.model.deployment import TopologySpec
from harness.model.inventory import NodePlan
from harness.model.links import LinkPort, LinkRule, Way
from harness.model.plan import Plan
from harness.model.records import Event, Record
from harness.model.scenario import FaultStep
from harness.model.seams import Address, FaultScene, NodeState, NodeView, Secrets, Source
from harness.model.words import BackendKind, NodePurpose, NodeRole, TopologyKind
from harness.redis_wire.protocol import reply_reader
from lab.plans import plan_of, scenario_of
from lab.records import fault_step

SECRETS = Secrets(redis="fake-redis-secret", sentinel="fake-sentinel-secret")
SERVICE = "sessions"


class FakeNode:
    """One server socket on loopback with a little state behind it."""

    def __init__(self, plan: NodePlan, topology: FakeTopology) -> None:
        self.plan = plan
        self.topology = topology
        self.generation = 0
        self.role = plan.role
        self.primary = plan.replica_of
        self.pid = os.getpid()
        self.version = "7.0.15"
        self.exit_code: int | None = None
        self.running = True
        self.paused = False
        self.keys: dict[int, int] = {0: 10}
        self.disk: dict[int, int] = {}
        self.used_bytes = 500_000
        self.limit_bytes = 1_000_000
        self.policy = "allkeys-lru"
        self.evicted = 0
        self.epoch = 1
        self.offset = 1000
        self.replica_offsets: dict[str, int] = {}
        self.loaded_from_disk = 0
        self.serves_others_while_flushing = False
        """A flush without ASYNC ends when others have written, as in Redis 8."""
        self.deaf_to: set[str] = set()
        """Commands that are answered with OK and not carried out."""
        self.refuses: dict[str, str] = {}
        """Command -> error."""
        self.heard_ms_ago = 0
        self.settings: dict[str, str] = {}
        self.clients = ["7", "8"]
        """Ids of connections of others."""
        self.waiting_bytes = 0
        """Replies that the others' and our connections do not read."""
        self.waits: tuple[str, ...] = ()
        """Commands without an answer until `go_on`; all, where a name is `*`."""
        self.maxclients = 10_000
        self.snapshots = 0
        self.ahead_s = 0.0
        """Of its clock."""
        self.obstructed = False
        self.full = False
        self.sync_waits = False
        """Its volume."""
        self.slot_keys: dict[int, list[str]] = {}
        self.slots: set[int] = set()
        """A cluster's slots that it owns, and those on the move; empty until a test fills them."""
        self.moving: dict[int, str] = {}
        self.asked = 0
        self.follows: tuple[str, str] | None = None
        self._flowing = threading.Event()
        self._flowing.set()
        self.received: list[tuple[str, ...]] = []
        self._awake = threading.Event()
        self._awake.set()
        self._connections: list[socket.socket] = []
        self.port = 0
        self.listen()

    @property
    def run_id(self) -> str:
        return f"{self.plan.name}-run-{self.generation}".ljust(40, "0")

    def listen(self) -> None:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def close(self) -> None:
        self._awake.set()
        self._flowing.set()
        # shutdown wakes the thread that sits in accept; close alone does not.
        for one in (self._server, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._connections.clear()

    def pause(self) -> None:
        self.paused = True
        self._awake.clear()

    def resume(self) -> None:
        self.paused = False
        self._awake.set()

    def hold_back(self, *commands: str) -> None:
        self.waits = commands
        self._flowing.clear()

    def go_on(self) -> None:
        self.waits = ()
        self._flowing.set()

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            self._connections = [one for one in self._connections if one.fileno() >= 0]
            if len(self._connections) >= self.maxclients:
                connection.sendall(b"-ERR max number of clients reached\r\n")
                connection.close()
                continue
            self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        reader = reply_reader()
        database = 0
        try:
            while received := connection.recv(65536):
                reader.feed(received)
                replies = []
                while (command := reader.gets()) is not False:
                    self._awake.wait()
                    name = command[0].upper()
                    if name == "SELECT":
                        database = int(command[1])
                    replies.append(self._answer(name, [str(word) for word in command[1:]], database))
                connection.sendall(b"".join(replies))
        except OSError:
            return
        finally:
            connection.close()

    def _answer(self, name: str, words: list[str], database: int) -> bytes:
        self.received.append((name, *words))
        if name in self.waits or "*" in self.waits:
            self._flowing.wait()
        if error := self.refuses.get(name):
            return f"-{error}\r\n".encode()
        if name in self.deaf_to:
            return b"+OK\r\n"
        answer = getattr(self, f"_{name.lower()}", None)
        return answer(words, database) if answer else b"+OK\r\n"

    def _auth(self, words: list[str], database: int) -> bytes:
        wanted = SECRETS.sentinel if self.plan.role is NodeRole.SENTINEL else SECRETS.redis
        return b"+OK\r\n" if words == [wanted] else b"-WRONGPASS invalid password\r\n"

    def _info(self, words: list[str], database: int) -> bytes:
        slaves = [
            f"slave{n}:ip=127.0.0.1,port={self.topology.nodes[name].port},state=online,offset={offset},lag=0"
            for n, (name, offset) in enumerate(self.replica_offsets.items())
        ]
        sections = {
            "server": [
                f"run_id:{self.run_id}",
                f"process_id:{self.pid}",
                f"redis_version:{self.version}",
                f"server_time_usec:{round((time.time() + self.ahead_s) * 1e6)}",
            ],
            "keyspace": [f"db{n}:keys={keys},expires=0" for n, keys in self.keys.items() if keys],
            "memory": [
                f"used_memory:{self.used_bytes}",
                f"maxmemory:{self.limit_bytes}",
                f"maxmemory_policy:{self.policy}",
            ],
            "stats": [f"evicted_keys:{self.evicted}"],
            "errorstats": [f"errorstat_ASK:count={self.asked}"] if self.asked else [],
            "persistence": [
                "loading:0",
                "aof_enabled:0",
                f"aof_pending_bio_fsync:{int(self.sync_waits)}",
                "rdb_bgsave_in_progress:0",
                f"rdb_last_bgsave_status:{'err' if self.obstructed or self.full else 'ok'}",
                f"aof_last_write_status:{'err' if self.full else 'ok'}",
                "rdb_changes_since_last_save:5",
                f"rdb_saves:{self.snapshots}",
                f"rdb_last_load_keys_loaded:{self.loaded_from_disk}",
            ],
            "replication": [
                f"role:{'master' if self.role is NodeRole.PRIMARY else 'slave'}",
                f"master_repl_offset:{self.offset}",
                *slaves,
            ],
        }
        return _bulk("\r\n".join(sections[words[0]]) + "\r\n")

    def _dbsize(self, words: list[str], database: int) -> bytes:
        return f":{self.keys.get(database, 0)}\r\n".encode()

    def _flushdb(self, words: list[str], database: int) -> bytes:
        self.keys[database] = self._written_while_flushing(words)
        return b"+OK\r\n"

    def _flushall(self, words: list[str], database: int) -> bytes:
        written = self._written_while_flushing(words)
        self.keys = {database: written} if written else {}
        return b"+OK\r\n"

    def _written_while_flushing(self, words: list[str]) -> int:
        return 10 if self.serves_others_while_flushing and words != ["ASYNC"] else 0

    def _set(self, words: list[str], database: int) -> bytes:
        size = len(words[0]) + len(words[1])
        if self.used_bytes + size > self.limit_bytes > 0:
            if self.policy == "noeviction":
                return b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
            self.evicted += 1
        else:
            self.used_bytes += size
            self.keys[database] = self.keys.get(database, 0) + 1
        return b"+OK\r\n"

    def _role(self, words: list[str], database: int) -> bytes:
        if self.role is NodeRole.PRIMARY:
            return b"*1\r\n" + _bulk("master")
        host, port = self.follows or ("127.0.0.1", "1")
        return b"*3\r\n" + _bulk("slave") + _bulk(host) + _bulk(port)

    def _replicaof(self, words: list[str], database: int) -> bytes:
        alone = words == ["NO", "ONE"]
        self.role = NodeRole.PRIMARY if alone else NodeRole.REPLICA
        self.follows = None if alone else (words[0], words[1])
        return b"+OK\r\n"

    def _failover(self, words: list[str], database: int) -> bytes:
        others = [n for n in self.topology.nodes.values() if n.role is NodeRole.REPLICA]
        self.role, others[0].role = NodeRole.REPLICA, NodeRole.PRIMARY
        return b"+OK\r\n"

    def _config(self, words: list[str], database: int) -> bytes:
        if words[0] == "SET":
            self.settings[words[1]] = words[2]
            return b"+OK\r\n"
        return b"*2\r\n" + _bulk(words[1]) + _bulk(self.settings.get(words[1], ""))

    def _client(self, words: list[str], database: int) -> bytes:
        match words[0]:
            case "ID":
                return b":3\r\n"
            case "LIST":
                waiting = f"omem={self.waiting_bytes}"
                return _bulk("".join(f"id={one} {waiting} cmd=get\n" for one in ("3", *self.clients)))
            case "KILL":
                self.clients = []
                return b":2\r\n"
            case "PAUSE":
                self.hold_back("*" if words[2] == "ALL" else "PUBLISH")
                if words[2] == "ALL":
                    threading.Timer(int(words[1]) / 1000, self.go_on).start()
            case "UNPAUSE":
                self.go_on()
        return b"+OK\r\n"

    def _echo(self, words: list[str], database: int) -> bytes:
        self.waiting_bytes += len(words[0])
        return b""

    def _bgsave(self, words: list[str], database: int) -> bytes:
        self.snapshots += 1
        return b"+Background saving started\r\n"

    def _eval(self, words: list[str], database: int) -> bytes:
        self.hold_back("PING")
        self._flowing.wait()
        return b":1\r\n"

    def _script(self, words: list[str], database: int) -> bytes:
        self.go_on()
        return b"+OK\r\n"

    def _ping(self, words: list[str], database: int) -> bytes:
        return b"-MISCONF no snapshot\r\n" if self.obstructed or self.full else b"+PONG\r\n"

    def _monitor(self, words: list[str], database: int) -> bytes:
        return b"+OK\r\n+1 [0 127.0.0.1:1] ping\r\n"

    def _sentinel(self, words: list[str], database: int) -> bytes:
        primary = next(n for n in self.topology.nodes.values() if n.role is NodeRole.PRIMARY)
        match words[0].upper():
            case "FAILOVER":
                promoted = next(n for n in self.topology.nodes.values() if n.role is NodeRole.REPLICA)
                primary.role, promoted.role = NodeRole.REPLICA, NodeRole.PRIMARY
                self.epoch += 1
                return b"+OK\r\n"
            case "MASTER":
                return self._known(primary)
            case "RESET":
                self.topology.known_replicas = 0
                return b":1\r\n"
            case kind:
                wanted = NodeRole.SENTINEL if kind == "SENTINELS" else NodeRole.REPLICA
                others = [n for n in self.topology.nodes.values() if n.role is wanted]
                return b"*%d\r\n" % len(others) + b"".join(self._known(node) for node in others)

    def _known(self, node: FakeNode) -> bytes:
        flat = ["ip", "127.0.0.1", "port", str(node.port), "config-epoch", str(self.epoch)]
        flat += ["last-ok-ping-reply", str(self.heard_ms_ago)]
        flat += ["num-slaves", str(self.topology.known_replicas), "num-other-sentinels", "2"]
        return b"*%d\r\n" % len(flat) + b"".join(map(_bulk, flat))

    def _cluster(self, words: list[str], database: int) -> bytes:
        match words[0].upper():
            case "FAILOVER":
                mine = [n for n in self.topology.nodes.values() if n.plan.shard == self.plan.shard]
                for node in mine:
                    node.role = NodeRole.PRIMARY if node is self else NodeRole.REPLICA
                self.epoch += 1
                return b"+OK\r\n"
            case "INFO":
                return _bulk(f"cluster_state:ok\r\ncluster_my_epoch:{self.epoch}\r\n")
            case "COUNTKEYSINSLOT":
                return b":%d\r\n" % len(self.slot_keys.get(int(words[1]), []))
            case "GETKEYSINSLOT":
                keys = self.slot_keys.get(int(words[1]), [])[: int(words[2])]
                return b"*%d\r\n" % len(keys) + b"".join(map(_bulk, keys))
            case "SETSLOT":
                return self._set_slot(int(words[1]), *words[2:])
            case _:
                lines = [
                    f"{node._identity(self)} 127.0.0.1:{node.port}@1,host {node._flags(self)} - 0 99999999999999 "
                    f"1 connected {node._slots_said(self)}".rstrip()
                    for node in self.topology.nodes.values()
                ]
                return _bulk("\n".join(lines))

    def _identity(self, asked: FakeNode) -> str:
        return self.plan.name if asked.slots else "id"

    def _flags(self, asked: FakeNode) -> str:
        return "myself,master" if self is asked and asked.slots else "master"

    def _slots_said(self, asked: FakeNode) -> str:
        moving = [f"[{slot}{mark}id]" for slot, mark in self.moving.items()] if self is asked else []
        return " ".join([*map(str, sorted(self.slots)), *moving])

    def _set_slot(self, slot: int, state: str, other: str) -> bytes:
        if state == "NODE":
            self.moving.pop(slot, None)
            for name, node in self.topology.nodes.items():
                (node.slots.add if name == other else node.slots.discard)(slot)
        else:
            self.moving[slot] = "-<-" if state == "IMPORTING" else "->-"
        return b"+OK\r\n"

    def _migrate(self, words: list[str], database: int) -> bytes:
        target = next(node for node in self.topology.nodes.values() if str(node.port) == words[1])
        for key in words[words.index("KEYS") + 1 :]:
            slot = next(slot for slot, keys in self.slot_keys.items() if key in keys)
            self.slot_keys[slot].remove(key)
            target.slot_keys.setdefault(slot, []).append(key)
        return b"+OK\r\n"


def _bulk(text: str) -> bytes:
    raw = text.encode()
    return b"$%d\r\n%b\r\n" % (len(raw), raw)


class FakeTopology:
    """Satisfies `harness.model.seams.Topology`."""

    backend = BackendKind.PROCESS
    engine = "Fake 1.0"
    secrets = SECRETS
    directory = Path("runs/fake")
    loopback = True
    service = SERVICE

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.did: list[str] = []
        """What it was asked to do, in order: `kill redis-1`, `cut redis-1 | redis-2 redis-3`."""
        self.broken: set[str] = set()
        """Acts that are accepted and have no effect: `kill`, `stop`, `pause`, `start`."""
        self.known_replicas = 2
        """By sentinels."""
        self.cuts: set[int] = set()
        """The faults whose cuts are in force."""
        self.failing: dict[str, Exception] = {}
        """Acts that raise."""
        self.files: dict[str, list[Path]] = {}
        self.no_power_loss = ""
        self.unsynced: dict[Path, int] = {}
        """File -> where what is not on the disk begins."""
        self.nodes = {node.name: FakeNode(node, self) for node in plan.nodes}

    def close(self) -> None:
        for node in self.nodes.values():
            node.close()

    def address(self, node: str) -> Address:
        return Address("127.0.0.1", self.nodes[node].port)

    def node_at(self, host: str, port: int) -> str | None:
        return next((name for name, node in self.nodes.items() if node.port == port), None)

    def source(self, web_server: str) -> Source:
        return Source()

    def observer(self) -> Source:
        return Source(host="127.0.0.1")

    def state(self, node: str) -> NodeState:
        one = self.nodes[node]
        return NodeState(
            running=one.running,
            paused=one.paused,
            pid=os.getpid() if one.running else None,
            exit_code=one.exit_code,
        )

    def kill(self, node: str) -> None:
        if self._does("kill", node):
            self._down(node, -9)

    def stop(self, node: str) -> None:
        if self._does("stop", node):
            self.nodes[node].disk = dict(self.nodes[node].keys)
            self._down(node, 0)

    def pause(self, node: str) -> None:
        if self._does("pause", node):
            self.nodes[node].pause()

    def resume(self, node: str) -> None:
        if self._does("resume", node):
            self.nodes[node].resume()

    def start(self, node: str, *, empty: bool = False) -> None:
        effective = self._does("start", f"{node} empty" if empty else node)
        one = self.nodes[node]
        one.listen()
        one.running, one.exit_code = True, None
        one.keys = {} if empty else dict(one.disk)
        if effective:
            one.generation += 1

    def change(self, node: str, *, lines: Sequence[str] = (), engine: str | None = None) -> None:
        self._does("change", f"{node} {'; '.join((*lines, *filter(None, (engine,))))}")
        self.nodes[node].version = "9.1.0" if engine else self.nodes[node].version

    def move(self, node: str, *, abandoned: bool) -> Address:
        self._does("move", f"{node} {'to an abandoned address' if abandoned else ''}".rstrip())
        return Address("127.0.0.9", self.nodes[node].port)

    def set_clock(self, node: str, ahead_s: float) -> None:
        if self._does("set clock", node):
            self.nodes[node].ahead_s = ahead_s

    def data_files(self, node: str) -> Sequence[Path]:
        return self.files.get(node, [])

    def why_no_power_loss(self, node: str) -> str:
        return self.no_power_loss

    def cut_power(self, node: str) -> None:
        self._does("cut power", node)

    def first_unsynced(self, file: Path) -> int | None:
        return self.unsynced.get(file)

    def refuse_writes(self, node: str) -> None:
        self.nodes[node].full = self._does("refuse writes", node)

    def allow_writes(self, node: str) -> None:
        self._does("allow writes", node)
        self.nodes[node].full = False

    def obstruct(self, node: str) -> None:
        self.nodes[node].obstructed = self._does("obstruct", node)

    def clear(self, node: str) -> None:
        self._does("clear", node)
        self.nodes[node].obstructed = False

    def apply(self, rule: LinkRule, *, by: int) -> str:
        only = "".join(f" {one}" for one in (rule.way, rule.port) if one not in {Way.BOTH, LinkPort.ALL})
        act = "cut" if rule.quality is None else "refuse" if rule.quality.rejects else "slow"
        self._does(act, f"{' '.join(rule.left)} | {' '.join(rule.right)}{only}")
        self.cuts.add(by)
        return "packets dropped"

    def mend(self, *, by: int) -> None:
        self._does("mend", f"fault {by}")
        self.cuts.discard(by)

    def logs(self, node: str, lines: int = 40) -> str:
        return ""

    def collect(self, into: Path) -> None:
        pass

    def _does(self, act: str, what: str) -> bool:
        self.did.append(f"{act} {what}")
        if act in self.failing:
            raise self.failing[act]
        return act not in self.broken

    def _down(self, node: str, exit_code: int) -> None:
        one = self.nodes[node]
        one.close()
        one.running, one.exit_code = False, exit_code
        one.resume()


class FakeState:
    """Satisfies `ObservedState`; sees the fake nodes as they are, unless told otherwise."""

    def __init__(self, topology: FakeTopology) -> None:
        self.topology = topology
        self.clock = RunClock()
        self.events: list[tuple[str, int]] = []
        self.acks: list[tuple[str, int]] = []
        self.no_primary = False
        self.leader: str | None = None
        self.offsets: dict[str, int] = {}

    def now_us(self) -> int:
        # Never zero: the run's clock is well past its zero when the baseline begins.
        return self.clock.now_us() + 1_000_000

    def views(self) -> Mapping[str, NodeView]:
        data = {
            name: node for name, node in self.topology.nodes.items() if node.role is not NodeRole.SENTINEL
        }
        return {
            name: NodeView(
                name=name,
                role=node.role,
                shard=node.plan.shard,
                offset=self.offsets.get(name, node.offset),
                replica_offsets=dict(node.replica_offsets),
                reachable=node.running and not node.paused,
                run_id=node.run_id,
            )
            for name, node in data.items()
        }

    def primary_of(self, shard: int) -> str | None:
        if self.no_primary:
            return None
        views = [v for v in self.views().values() if v.shard == shard and v.role == NodeRole.PRIMARY]
        return views[0].name if views else None

    def acked_since(self, behaviour: str, since_us: int) -> int:
        return sum(1 for name, t_us in self.acks if name == behaviour and t_us >= since_us)

    def last_acked_us(self, behaviour: str) -> int | None:
        return max((t_us for name, t_us in self.acks if name == behaviour), default=None)

    def first_event_us(self, name: str, since_us: int) -> int | None:
        return min((t_us for seen, t_us in self.events if seen == name and t_us >= since_us), default=None)

    def elected(self) -> str | None:
        return self.leader


@dataclass
class FakeWebServers:
    """Satisfies `WebServers`."""

    did: list[str] = field(default_factory=list)

    def kill_web_server(self, name: str) -> str:
        self.did.append(f"kill {name}")
        return f"{name}: 3 connections aborted"

    def start_web_server(self, name: str) -> None:
        self.did.append(f"start {name}")

    def pause_web_server(self, name: str) -> str:
        self.did.append(f"pause {name}")
        return f"{name} is frozen"

    def resume_web_server(self, name: str) -> None:
        self.did.append(f"resume {name}")


@dataclass
class FakeWorld:
    """A scene and everything behind it, for a test to look at."""

    scene: FaultScene
    topology: FakeTopology
    observed: FakeState
    web_servers: FakeWebServers
    records: list[Record]
    sides: dict[int, Mapping[str, str]]
    """As each fault told them last."""

    def events(self, name: str | None = None) -> list[Event]:
        return [r for r in self.records if isinstance(r, Event) and name in {None, r.name}]


def fake_world(plan: Plan, random: Callable[[], float] = lambda: 0.5) -> FakeWorld:
    """Close `world.topology` when done."""
    topology = FakeTopology(plan)
    observed = FakeState(topology)
    web_servers = FakeWebServers()
    records: list[Record] = []
    sides: dict[int, Mapping[str, str]] = {}
    scene = FaultScene(
        plan=plan,
        topology=topology,
        observed=observed,
        web_servers=web_servers,
        record=records.append,
        resolved={},
        random=random,
        set_sides=sides.__setitem__,
    )
    return FakeWorld(scene, topology, observed, web_servers, records, sides)


def step(kind: str, target: str = "primary", *, number: int = 1, **changes: Any) -> FaultStep:
    """A fault step; `start`, `for_s` and `options` by keyword."""
    return fault_step(kind, target, number=number, **changes)


def make_plan(
    kind: TopologyKind = TopologyKind.SENTINEL,
    *faults: FaultStep,
    duration_s: float | None = None,
    settle_within_s: float = 1.0,
    **spec: Any,
) -> Plan:
    """A plan of that topology's default shape; `spec` goes to the TopologySpec."""
    topology = TopologySpec(kind=kind, **spec)
    scenario = scenario_of(topology, faults=faults, duration_s=duration_s, settle_within_s=settle_within_s)
    return plan_of(scenario, _nodes(topology))


def _nodes(spec: TopologySpec) -> list[NodePlan]:
    full = {"maxmemory": "1000000"}
    match spec.kind:
        case TopologyKind.CLUSTER:
            primaries = [_primary(n, n) for n in range(1, spec.shards + 1)]
            count = spec.shards * spec.replicas_per_shard
            return primaries + [
                _replica(spec.shards + n, (n - 1) % spec.shards + 1, f"redis-{(n - 1) % spec.shards + 1}")
                for n in range(1, count + 1)
            ]
        case TopologyKind.SENTINEL:
            replicas = [_replica(n, 1, "redis-1") for n in range(2, spec.replicas + 2)]
            return [_primary(1, 1), *replicas, *_sentinels(spec.sentinels)]
        case TopologyKind.SPLIT:
            cache = NodePlan(
                name="cache-1", role=NodeRole.PRIMARY, purpose=NodePurpose.CACHE, shard=2, directives=full
            )
            return [_primary(1, 1), cache]
        case TopologyKind.SHARED:
            return [replace(_primary(1, 1), directives=full)]
        case _:
            return [_primary(1, 1)]


def _primary(number: int, shard: int) -> NodePlan:
    return NodePlan(name=f"redis-{number}", role=NodeRole.PRIMARY, shard=shard)


def _replica(number: int, shard: int, of: str) -> NodePlan:
    return NodePlan(name=f"redis-{number}", role=NodeRole.REPLICA, shard=shard, replica_of=of)


def _sentinels(count: int) -> list[NodePlan]:
    return [NodePlan(name=f"sentinel-{n}", role=NodeRole.SENTINEL) for n in range(1, count + 1)]
