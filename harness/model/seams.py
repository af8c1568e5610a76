"""The protocols by which stages meet. Parts meet only in `plan` and `run`; nobody imports a sibling."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from harness.model.deployment import Deployment
from harness.model.inventory import NodePlan
from harness.model.links import LinkRule
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.records import Record
from harness.model.scenario import Declaration, FaultStep
from harness.model.words import BackendKind, NodeRole

Recorder = Callable[[Record], None]


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a client's sockets come from, so that a partition can tell web servers apart.

    Either its own local address, or a range of local ports on the shared one. Both None: anywhere.
    """

    host: str | None = None
    ports: tuple[int, int] | None = None
    """First and last local port, inclusive."""


SHORTEST_REDACTED = 12
"""Letters. The kit's own have 32."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Of one run in which somebody speaks TLS, as text."""

    authority: str
    node: str
    node_key: str
    client: str
    client_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """Random for every run, or those of a user's own project (empty: nodes ask for none); redacted wherever
    they would be written."""

    redis: str
    sentinel: str
    own: Mapping[str, str] = field(default_factory=dict)
    """Token in the plan -> the password of this run in its place: see `harness.model.credentials`."""
    certificates: Certificates | None = None
    """None: nobody speaks TLS."""

    @property
    def all(self) -> tuple[str, ...]:
        """Those that are redacted. A short one may be a part of any word and number: without `redis` left
        in it, a history would have no name of a node."""
        known = (self.redis, self.sentinel, *self.own.values())
        return tuple(one for one in known if len(one) >= SHORTEST_REDACTED)

    def of(self, role: NodeRole) -> str:
        """The kit's own password at a node."""
        return self.sentinel if role is NodeRole.SENTINEL else self.redis


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """How somebody logs in at a node, and what it calls its commands."""

    password: str
    """Empty: none is needed."""
    user: str | None = None
    """None: the default user, who is not named."""
    renamed: Mapping[str, str] = field(default_factory=dict)
    """Command, in capitals -> the name by which this node knows it."""
    certificates: Certificates | None = None
    """None: it speaks plain TCP there."""

    def auth(self) -> tuple[str, ...]:
        """The words of AUTH."""
        return ("AUTH", *((self.user,) if self.user else ()), self.password)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    running: bool
    paused: bool = False
    pid: int | None = None
    """Host pid of the redis-server process where the backend can see it."""
    exit_code: int | None = None


class Nodes(Protocol):
    """What can be done to the nodes of a topology, by name. Every method blocks (call from a worker thread),
    has a deadline inside, returns once the effect is proved, and raises `EnvironmentFailure` when the
    machine, not the topology, is at fault. A restart is `kill` or `stop`, then `start`."""

    def state(self, node: str) -> NodeState: ...

    def kill(self, node: str) -> None:
        """SIGKILL; returns once the process is proved gone."""
        ...

    def stop(self, node: str) -> None:
        """SIGTERM, as an orderly shutdown; returns once the process is gone, or when it has taken longer
        than its settings allow (`NodePlan.orderly_stop_s`)."""
        ...

    def pause(self, node: str) -> None:
        """Freeze without closing connections; returns once every thread is proved stopped."""
        ...

    def resume(self, node: str) -> None: ...

    def start(self, node: str, *, empty: bool = False) -> None:
        """Start a stopped node with its own address and data directory (`empty`: wiped first), and
        return once it answers PING or LOADING."""
        ...

    def logs(self, node: str, lines: int = 40) -> str: ...

    def collect(self, into: Path) -> None:
        """Write every node's log and effective configuration, secrets redacted, into a folder."""
        ...


class Links(Protocol):
    """What can be done to the links between nodes, and between them and web servers; as of `Nodes`."""

    def apply(self, rule: LinkRule, *, by: int) -> str:
        """Put a rule into force. Returns the proof: what was observed. Rules add up; `by` is the number of
        the fault whose rule it is.

        Raises:
            NoEffect: no packet was seen to be treated so, or nobody of the rule has such a link.
        """
        ...

    def mend(self, *, by: int) -> None:
        """Lift the rules of one fault, but for flows that another one cuts too; idempotent."""
        ...


class Topology(Nodes, Links, Protocol):
    """Running nodes, where they are, and how they are talked to.

    The observer is the harness' own vantage point: no cut ever applies to it.
    """

    @property
    def plan(self) -> Plan: ...
    @property
    def backend(self) -> BackendKind: ...
    @property
    def engine(self) -> str:
        """`Redis 8.0.2`, as the nodes report it."""
        ...

    @property
    def secrets(self) -> Secrets: ...
    @property
    def directory(self) -> Path:
        """The folder of its files."""
        ...

    @property
    def loopback(self) -> bool:
        """True: no network of its own, so network faults are impossible."""
        ...

    @property
    def service(self) -> str:
        """The name under which sentinels know the primary."""
        ...

    def address(self, node: str) -> Address: ...
    def node_at(self, host: str, port: int) -> str | None: ...
    def source(self, web_server: str) -> Source: ...
    def observer(self) -> Source: ...


@runtime_checkable
class Joinable(Protocol):
    """The optional power of a topology that containers of somebody else can join."""

    @property
    def network(self) -> str:
        """The name of the nodes' network, as an engine knows it."""
        ...

    @property
    def free_address(self) -> str:
        """An address there that a partition treats as that of the command; empty: there is no command."""
        ...


@runtime_checkable
class WorkersElsewhere(Protocol):
    """The optional power of a topology whose hosts can send the load. Workers have numbers from 1 on."""

    def worker_command(self, number: int, module: str, environment: Mapping[str, str]) -> Sequence[str]:
        """What runs a module of the kit at the place of a worker, with its standard input and output.
        `environment`: variables that it has there."""
        ...

    def worker_folder(self, number: int) -> str:
        """Where its part of the history is to be, on its host."""
        ...

    def take_part(self, number: int, into: Path) -> None:
        """Move the part of a worker that has closed it to this machine. Blocks.

        Raises:
            HostVanished: its host is gone.
            EnvironmentFailure: there is none.
        """
        ...


class WebProcess(Protocol):
    """One web server of a user's own application. Every method that acts blocks, and returns once its effect
    is proved."""

    @property
    def address(self) -> Address:
        """Where it is to listen."""
        ...

    @property
    def folder(self) -> Path | None:
        """For files of the application; all web servers of a run share it. None: they have none."""
        ...

    @property
    def running(self) -> bool: ...

    @property
    def exit_status(self) -> int | None:
        """None: it runs, or was never started."""
        ...

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        """Start it; it may still fail on its own."""
        ...

    def kill(self) -> None:
        """SIGKILL it and its workers; returns once all of them are gone."""
        ...

    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def end(self) -> None:
        """Kill it if it runs."""
        ...

    def last_lines(self, lines: int) -> str:
        """The end of what it printed."""
        ...


@runtime_checkable
class Hosting(Protocol):
    """The optional power of a topology that can run web servers of a user's own application, each at an
    address of its own."""

    def web_process(self, web_server: str) -> WebProcess:
        """The place for one; always the same for a name."""
        ...


class HeldTopology(Topology, Protocol):
    """One that may outlive the harness which started it."""

    def cutting(self) -> tuple[int, ...]:
        """The faults whose rules for links are in force, by number."""
        ...

    def hold(self) -> Path:
        """Let it live on after this process; returns the record by which `Backend.attach` finds it."""
        ...

    def let_go(self) -> None:
        """Close what this process has of it, and leave it as it is."""
        ...

    def close(self) -> None:
        """Take it down; returns once nothing is left. Results stay."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Supply:
    """What a backend makes nodes of, for the engines that were asked for."""

    images: Mapping[str | None, str] = field(default_factory=dict)
    """Engine -> its image; None: where no engine is named. Empty where nodes need no image."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Engines that cannot be had here, and why."""
    said: str = ""
    """What was chosen and why, for people; empty: there was nothing to choose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What `doctor` prints of a backend."""

    usable: bool
    lines: tuple[str, ...]


class Backend(Protocol):
    """One way to run nodes. A module of its own folder is one; `harness.topology.backends` lists them."""

    KIND: BackendKind

    def unavailable(self) -> str | None:
        """Why it cannot work on this machine; None: it can. Starts nothing."""
        ...

    def machine(self, *, beside_command: bool = False) -> Machine:
        """What this machine can do with it. `beside_command`: where a command of the user's must reach
        the nodes."""
        ...

    def fits(self, plan: Plan) -> str | None:
        """Why it cannot run these nodes; None: it can."""
        ...

    def supply(self, engines: Sequence[str | None], *, get: bool = True) -> Supply:
        """What nodes of these engines are made of (None: whichever comes first here). `get`: have it here
        afterwards.

        Raises:
            EnvironmentFailure: none of them can be had.
        """
        ...

    def survey(self) -> Survey: ...

    def up(
        self,
        plan: Plan,
        *,
        run: str,
        directory: Path,
        image: str | None = None,
        loopback: bool = False,
        to_hold: bool = False,
        join: str | None = None,
        pins: Pins = FREE,
    ) -> AbstractContextManager[HeldTopology]:
        """A ready topology; taken down at the end, whatever happens, unless it is held by then.

        `run` names it in labels and records, `directory` is the run's folder, `image` what its nodes are
        made of (None: the backend chooses). `loopback`: nodes share the machine's own address, where the
        backend can do that. `to_hold`: it will be held. `join`: something of the user's that runs already and
        gets an address on the nodes' network, which rules treat as that of the command. `pins`: what of the
        nodes is fixed.

        Raises:
            UsageError: there is nothing of the name that `join` says, or it cannot join; something is pinned
                that this backend cannot fix.
            EnvironmentFailure: a node cannot be started, or the topology does not become ready in time.
        """
        ...

    def attach(self, record: Path) -> HeldTopology:
        """Find a held topology again, by what `hold` returned.

        Raises:
            EnvironmentFailure: it is not held (any more).
        """
        ...

    def held(self) -> Sequence[Path]:
        """The records of topologies that are held on purpose and still run."""
        ...

    def leftovers(self) -> Sequence[object]:
        """What dead harnesses left here; each says in words what it is."""
        ...

    def clean(self) -> Sequence[str]:
        """Remove it; returns what was done, one line each. What a living process owns, or what is held, is
        never touched, and no result."""
        ...

    def inside(self) -> list[str]:
        """The words before a command that start it where nodes can be made; often none."""
        ...

    def enter(self) -> None:
        """Where nodes cannot be made in this process as it is, become this very command anew where they can;
        else nothing."""
        ...

    def beside(self, record: Path, command: Sequence[str]) -> list[str] | None:
        """The command by which another one is started where a held topology can be looked at; None: here is
        right."""
        ...

    def way_in(self, record: Path) -> str:
        """What a person types before a command that is to reach a held topology's nodes; empty: nothing."""
        ...


class ProjectBackend(Backend, Protocol):
    """One whose nodes are known only once they have run."""

    def looked_at(self, deployment: Deployment) -> tuple[Deployment, tuple[str, ...]]:
        """The deployment with its nodes, and what is different in its runs, for people. Starts them, and
        takes them down."""
        ...


@runtime_checkable
class OwnContainers(Protocol):
    """The optional power of a topology whose containers are a user's own."""

    def named(self, node: str) -> Address:
        """Where an application of the project would look for it: by name, if it has one."""
        ...

    def state(self, node: str) -> NodeState: ...

    def restarts(self, node: str) -> bool:
        """Whether its restart policy starts it again when its process dies."""
        ...

    def crash(self, node: str) -> None:
        """SIGKILL its process from this machine; returns once that process is gone."""
        ...

    def remove(self, node: str) -> None:
        """Remove its container, and everything in it that no volume with a name holds."""
        ...

    def make_again(self, node: str) -> None:
        """Make the container anew; returns once its node answers."""
        ...

    def silence_names(self, nodes: Sequence[str]) -> str:
        """Drop every question for a name that these containers ask. Returns the proof."""
        ...

    def answer_names(self, nodes: Sequence[str]) -> str:
        """Let them through again; idempotent. Returns the proof."""
        ...


@runtime_checkable
class Spoilable(Protocol):
    """The optional power of a topology that can keep a node from writing its snapshots."""

    def obstruct(self, node: str) -> None:
        """Put something in the place of its snapshot that no file can take: a folder with a file in it. The
        snapshot that is there is kept, as a full volume keeps it, and a process that is started meanwhile
        reads it."""
        ...

    def clear(self, node: str) -> None:
        """Take it away again, also of a node that is down, and put the snapshot back; idempotent."""
        ...


@runtime_checkable
class Fillable(Protocol):
    """The optional power of a topology that can refuse what a node writes to files, as a full volume does."""

    def refuse_writes(self, node: str) -> None:
        """To the process that runs, and to those that are started in its place; reading goes on.

        Raises:
            NoEffect: this process would end at once, which no full volume makes it do.
        """
        ...

    def allow_writes(self, node: str) -> None:
        """Also to a node that is down; idempotent."""
        ...


@runtime_checkable
class Changeable(Protocol):
    """The optional power of a topology whose nodes can be started as something else than they were."""

    def change(self, node: str, *, lines: Sequence[str] = (), engine: str | None = None) -> None:
        """What its next process is started with, and each after it: more lines at the end of its
        configuration, another engine. Where `Machine.programs` is not set, the engine stays as it is.

        Raises:
            EnvironmentFailure: there is no such engine here.
        """
        ...


@runtime_checkable
class Movable(Protocol):
    """The optional power of a topology whose nodes can come back under another address."""

    def move(self, node: str, *, abandoned: bool) -> Address:
        """Of a node that is down: what it has from its next start on. `abandoned`: one that another node
        has given up; otherwise one that nobody had.

        Raises:
            NoEffect: it has to keep the address that it has.
        """
        ...


@runtime_checkable
class Powered(Protocol):
    """The optional power of a topology whose nodes' files are this machine's own: it is known what of them is
    on the disk."""

    def data_files(self, node: str) -> Sequence[Path]:
        """What it reads when it starts: its append-only files, and its snapshot."""
        ...

    def why_no_power_loss(self, node: str) -> str:
        """Why nobody can say what of its files is on the disk; empty: it can be said."""
        ...

    def cut_power(self, node: str) -> None:
        """Let its process do nothing more, unknown to the engine that runs it: what an engine writes down
        about a change brings the node's files to the disk as well. Whoever calls this kills the node next."""
        ...

    def first_unsynced(self, file: Path) -> int | None:
        """Where the first page begins that is not on the disk; None: all of it is."""
        ...


@runtime_checkable
class OwnClocks(Protocol):
    """The optional power of a topology whose nodes were started with clocks of their own."""

    def set_clock(self, node: str, ahead_s: float) -> None:
        """By how much its time of day is later than this machine's; its next process has the same."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeView:
    """The newest of what observers know about one data node; for faults and conditions."""

    name: str
    role: str
    shard: int
    offset: int
    replica_offsets: Mapping[str, int]
    reachable: bool
    run_id: str


class ObservedState(Protocol):
    """What is known now; readable from any thread."""

    def now_us(self) -> int: ...
    def views(self) -> Mapping[str, NodeView]: ...
    def primary_of(self, shard: int) -> str | None:
        """The node that the majority (sentinels, or the cluster's nodes) calls primary."""
        ...

    def acked_since(self, behaviour: str, since_us: int) -> int: ...
    def last_acked_us(self, behaviour: str) -> int | None: ...
    def first_event_us(self, name: str, since_us: int) -> int | None: ...
    def elected(self) -> str | None:
        """The sentinel that leads the failover that began last; None: none was announced."""
        ...


class WebServers(Protocol):
    """What a fault may do to the application itself."""

    def kill_web_server(self, name: str) -> str:
        """Abort its connections and take it out of service; returns the proof."""
        ...

    def start_web_server(self, name: str) -> None: ...
    def pause_web_server(self, name: str) -> str:
        """Freeze it with its connections open; returns the proof."""
        ...

    def resume_web_server(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class NodeCommand:
    """What takes a fault back at one node."""

    node: str
    words: tuple[str, ...]


NoteUndo = Callable[[FaultStep, Sequence[NodeCommand]], None]
"""What takes a fault back; called again for a fault, it adds to what is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultScene:
    """What a fault may use."""

    plan: Plan
    topology: Topology
    observed: ObservedState
    web_servers: WebServers
    record: Recorder
    resolved: Mapping[int, tuple[str, ...]]
    """Fault number -> nodes or web servers that it acted on; how `killed`, `paused`, ... resolve."""
    random: Callable[[], float]
    """The plan's seeded generator, [0, 1)."""
    set_sides: Callable[[int, Mapping[str, str]], None] = lambda *_: None
    """(fault number, web server -> client side): tell the load engine on which side of that fault's
    partition each one is; empty: that partition is over."""
    last_look: Callable[[Sequence[str], str], None] = lambda _nodes, _moment: None
    """(nodes, why now): have recorded what nodes hold that are about to lose it. Takes about 50 ms, two
    seconds at most; call it before healing, not before something that is timed."""
    learn: Callable[[FaultStep], None] = lambda _: None
    """Tell the observers of a fault that the plan does not have, before it acts."""
    note_undo: NoteUndo = lambda _fault, _commands: None
    """Have written down, before a fault acts, by which commands it is taken back: this process may be killed
    at any moment, and nodes that are held live on. What lies in links and processes itself is seen there."""
    forget_undo: Callable[[int], None] = lambda _: None
    """A fault is over: nothing of it is to be taken back any more."""
    stopping: Callable[[], bool] = lambda: False
    """True once the run is to end: a fault that takes long gives up by raising `Interrupted`."""
    kept: MutableMapping[int, ExitStack] = field(default_factory=dict)
    """Fault number -> what it keeps open until it is healed: see `harness.faults.kept`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """Proof that a fault took effect: what was observed, not what was asked for."""

    targets: tuple[str, ...]
    proof: str
    at_us: int
    """The earliest moment at which the effect is proved."""
    error_us: int = 0
    """It began within [at - error, at]."""


class Fault(Protocol):
    """One thing done to nodes or links. One small module each, listed in `faults/__init__.py`."""

    declaration: Declaration

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        """Why it cannot be done to this plan on this machine; None: it can. Pure."""
        ...

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        """Resolve the target, act, wait for the proof. Raises `NoEffect` if none shows in time; that a node
        does not answer, or refuses, is no effect either."""
        ...

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        """Undo; idempotent; returns what proves it, or None where there is nothing to heal."""
        ...


@runtime_checkable
class Lasting(Protocol):
    """The optional power of a fault that stands until it is healed."""

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        """Whether it is still in force."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LastLook:
    """When to have recorded what a fault's targets hold that they are about to lose."""

    moment: str
    """In words, for a session's story."""
    after_healing: bool = False
    """For targets that cannot be asked before; they may have lost some of it by then."""


@runtime_checkable
class Forgetful(Protocol):
    """The optional power of a fault whose targets forget what they alone hold once they are healed:
    they follow whoever was promoted meanwhile."""

    last_look: LastLook


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What this machine can do, as `doctor` found it; asked at planning."""

    backend: BackendKind
    network_faults: bool
    why_no_network_faults: str = ""
    why_no_slow_links: str = ""
    """Why links can be cut here, and not be made slow; empty: they can."""
    own_containers: bool = False
    """Nodes are containers as a user's own project makes them (`OwnContainers`)."""
    programs: bool = False
    """Nodes are programs of this machine, so that one can come back as another engine."""
    why_no_own_clocks: str = ""
    """Why no node can have a clock of its own here; empty: nodes can, of some engines."""
    why_no_power_loss: str = ""
    """Why nobody can say here what of a node's files is on the disk; empty: it can be said."""
    why_no_full_volume: str = ""
    """Why no node can be refused what it writes to files; empty: nodes can."""
    why_no_held_threads: str = ""
    """Why no thread of a node can be held; empty: one can."""
    hosts: bool = False
    """It is several hosts, which can send the load as well."""
    cpus: int = 1

    def on_loopback(self, why: str) -> Machine:
        """The same, for nodes that share its own address."""
        return replace(self, network_faults=False, why_no_network_faults=why, why_no_slow_links=why)


def shard_primary(plan: Plan, shard: int) -> NodePlan:
    """The node that starts as primary of a shard."""
    return next(n for n in plan.nodes if n.shard == shard and n.role == "primary")
