"""What a team decides: topology, settings, client. Written in YAML, alone or inside a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from math import ceil

from harness.model.directives import LeftOut, Lines, left_out_of
from harness.model.guest import Guest
from harness.model.inventory import NodePlan
from harness.model.proxy import Front, ProxySpec
from harness.model.words import SERVICE, Discovery, TooFew, TopologyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """What one node has that the others of its role do not."""

    directives: Mapping[str, Lines] = field(default_factory=dict)
    engine: str | None = None
    """By name; None: that of the deployment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologySpec:
    """A named arrangement of Redis nodes and its settings. Times in seconds.

    Directives are those that nodes are given, by name, as text. The order of precedence, weakest first:
    the kit's own files (sentinel/, cluster/), `redis`, then the role's own table, then the node's own.
    """

    kind: TopologyKind
    replicas: int = 2
    """sentinel (and a split's session side, when it runs with Sentinel): replicas of the primary."""
    sentinels: int = 3
    """0 in a split means that its session side is a single node."""
    quorum: int | None = None
    """None: a majority of the sentinels."""
    down_after_s: float = 1.2
    """Above the second in which a sentinel dials an address only once: see docs/decisions.md."""
    failover_timeout_s: float = 6.0
    parallel_syncs: int = 1
    shards: int = 3
    replicas_per_shard: int = 1
    node_timeout_s: float = 2.0
    validity_factor: int = 10
    require_full_coverage: bool = False
    allow_reads_when_down: bool = False
    service: str = SERVICE
    """The name by which sentinels know the primary."""
    one_sentinel_id: bool = False
    """All sentinels have one id, as where somebody copied the file of one of them."""
    given_shard_ids: bool = False
    """Nodes of a cluster begin with a file that names their shard, as where an operator writes it."""
    sentinels_as_written: bool = False
    """The user's own sentinel.conf says how sentinels log in at data nodes, also by saying nothing."""
    tls: bool = False
    """Nodes speak TLS only, with certificates that are made at the start."""
    cache_database: int = 0
    """shared: the logical database of the cache; sessions live in database 0."""
    redis: Mapping[str, Lines] = field(default_factory=dict)
    primary: Mapping[str, Lines] = field(default_factory=dict)
    replica: Mapping[str, Lines] = field(default_factory=dict)
    sentinel: Mapping[str, Lines] = field(default_factory=dict)
    cache: Mapping[str, Lines] = field(default_factory=dict)
    nodes: Mapping[str, NodeSettings] = field(default_factory=dict)
    """By name; stronger than what its role has."""
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Host -> the nodes on it. A node that no host has is on a host of its own."""
    zones: int = 0
    """Spread the nodes over so many hosts, called a, b, c, ...; 0: `hosts` says where they are."""

    proxy: ProxySpec | None = None
    """What stands between clients and nodes; None: nothing."""
    left_out: tuple[LeftOut, ...] = ()
    """Directives that were asked for and that no node is given; see `everything_left_out`."""

    @property
    def everything_left_out(self) -> tuple[LeftOut, ...]:
        """Those, and what a plan of an earlier version of the kit still has among its directives."""
        tables = {name: getattr(self, name) for name in ("redis", "primary", "replica", "sentinel", "cache")}
        tables |= {f"nodes.{name}": one.directives for name, one in self.nodes.items()}
        found = (left_out_of(name, directives) for name, directives in tables.items())
        return (*self.left_out, *chain.from_iterable(found))

    @property
    def clients_speak_tls(self) -> bool:
        """With the first thing that they reach: the proxy or, where there is none, the nodes."""
        front = self.proxy.file.front if self.proxy and self.proxy.file else Front.AS_NODES
        return self.tls if front is Front.AS_NODES else front is Front.TLS

    @property
    def needs_certificates(self) -> bool:
        return self.tls or self.clients_speak_tls

    @property
    def effective_quorum(self) -> int:
        return self.quorum if self.quorum is not None else self.sentinels // 2 + 1


LONGEST_BACKOFF_S = 1.0
"""Limit for the pause before an application's retry, however often it was doubled."""

SENTINEL_BACKOFF_S = 0.01
"""First pause of redis-py between two questions to the same sentinel; doubled up to `LONGEST_BACKOFF_S`."""

_NO_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientProfile:
    """What the application configures. Times in seconds."""

    profile: str = ""
    """The word by which its other settings were chosen; empty: none."""
    library: str = "redis-py-asyncio"
    version: str = ""
    """Of the library, in an environment of its own; empty: the kit's, or the one that is usual."""
    discovery: Discovery = Discovery.ON_ERROR
    user: str = ""
    """The name with which it logs in at data nodes; empty: as the default user."""
    socket_timeout_s: float = 0.5
    connect_timeout_s: float = 0.5
    sentinel_timeout_s: float = 0.3
    library_retries: int = 0
    sentinel_retries: int = 0
    """Of the library's clients that ask sentinels: each sentinel is asked so many times more."""
    application_retries: int = 3
    retry_backoff_s: float = 0.1
    """Pause before each application retry; doubled each time up to `LONGEST_BACKOFF_S`."""
    repeat_writes: bool = True
    """Whether a retry also repeats a write whose reply was lost. It may then be executed twice, the second
    time after a newer write."""
    request_deadline_s: float | None = None
    """The application cancels a call of the library that takes longer; None: it waits."""
    max_connections: int = 50
    """Per web server; a request that finds none free waits for one, as BlockingConnectionPool does."""
    bounded: bool = True
    """False: it opens a connection whenever none is free, whatever `max_connections` says."""
    connect_per_request: float = 0.0
    """Share of the web servers, the last ones, that open a connection for each request; the others pool."""
    read_from_replicas: bool = False
    wait_replicas: int = 0
    """WAIT after the deciding write of each operation, on the same connection; 0: no WAIT."""
    wait_timeout_s: float = 0.1
    too_few: TooFew = TooFew.IGNORE
    """What the application makes of a write that WAIT counted on too few replicas."""

    @property
    def most_connections(self) -> int:
        """How many a web server's pool really opens."""
        return self.max_connections if self.bounded else _NO_LIMIT

    @property
    def named(self) -> str:
        """The library, with its version where that is asked for."""
        return f"{self.library} {self.version}".strip()

    def without_pool(self, web_servers: Sequence[str]) -> tuple[str, ...]:
        """The web servers that open a connection for each request; of any share at least one."""
        count = ceil(round(self.connect_per_request * len(web_servers), 6))
        return tuple(web_servers[len(web_servers) - count :])


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A user's own Compose project, whose nodes take the place of a topology of the kit's."""

    file: str
    """Its Compose file."""
    images: Mapping[str, str] = field(default_factory=dict)
    """A service, or an image that the project names -> the image that takes its place."""
    sessions: str = ""
    """The service whose primary holds the sessions; empty: there is only one that could."""
    discovery: Discovery | None = None
    """How clients find the primary, where the user says so; None: as its nodes and proxies suggest."""
    nodes: tuple[NodePlan, ...] = ()
    """As they were when the project was looked at; empty: it has not been."""
    web_servers: int = 0
    """Containers of the service that is the deployment's guest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    name: str
    file: str = ""
    """The deployment file that it comes from; empty: it is part of the scenario."""
    topology: TopologySpec
    client: ClientProfile
    engine: str | None = None
    """`redis-7.0`, `valkey`: it runs on this one only; None: on whatever the machine has."""
    timing: str = "fast"
    """Timing profile: `fast` (down-after 1.2 s, node-timeout 2 s) or `production` (5 s, 15 s)."""
    guest: Guest | None = None
    """The application that runs in the place of `client`; None: the kit's own session client."""
    project: Project | None = None
    """Where the nodes come from instead; `topology` then says what was seen of their settings."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host -> the engine there, `ssh://ops@a` or `context:a`. Empty: all nodes are on this machine."""
    workers: int = 0
    """Processes that send the load, users divided among them; 0: the controller sends it itself."""
    worker_hosts: tuple[str, ...] = ()
    """The host of each of them. Empty: they run on the controller's machine."""
