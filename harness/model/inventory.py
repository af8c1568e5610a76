"""Which nodes there are, as they are first started: the truth about a run's nodes.

A preset makes an inventory from a kind of topology; a user's own files, a Compose project or several
machines are other makers. Whoever must know what a run consists of asks the inventory and never which kind of
topology it came from. Who leads, and who belongs to which shard, is observed later and never planned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.directives import Directive, Lines, setting, used
from harness.model.words import NodePurpose, NodeRole

SHUTDOWN_TIMEOUT_S = 10.0
"""Redis' default of `shutdown-timeout`."""
SAVES_WITHIN_S = 10.0

SLOTS = 16384
"""Of every Redis cluster."""

SNAPSHOT_FILE = "dump.rdb"
KEPT_SNAPSHOT_FILE = "kept.rdb"
"""The one before, while nothing can be written in its place."""
"""In a node's folder for data; no deployment can give it another name."""

REDIS_PORT = 6379
SENTINEL_PORT = 26379
PROXY_STATS_PORT = 9999
"""Where a proxy answers questions about itself, beside its clients' port."""

_NUMBER = re.compile(r"-?[0-9]{1,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """One process of a run, as it is first started. Names are stable: a node keeps its name when its role
    changes (`redis-1`, `sentinel-2`, `cache-1`)."""

    name: str
    role: NodeRole
    purpose: NodePurpose = NodePurpose.SESSIONS
    shard: int = 1
    """1-based; sentinels guard shard 1; a cache instance is a shard of its own, numbered last."""
    replica_of: str | None = None
    cluster: bool = False
    """A member of a Redis cluster: it owns slots, and votes on who succeeds a primary."""
    cache_database: int | None = None
    """The logical database of the cache, where this node holds it; None: it holds none."""
    host: str = ""
    """The machine that it shares its fate with; empty: one of its own."""
    engine: str | None = None
    """The engine that this node is to run, by name; None: that of the deployment."""
    port: int | None = None
    """Where it listens on an address of its own; None: its role's usual port."""
    stats_port: int | None = None
    """Where a proxy answers questions about itself; None: nowhere that is known."""
    directives: Mapping[str, Lines] = field(default_factory=dict)
    """What it is told beyond the kit's files, which come before them; merged, by name."""

    @property
    def holds_data(self) -> bool:
        return self.role.holds_data

    @property
    def usual_port(self) -> int:
        """Of a node that has an address of its own."""
        if self.port is not None:
            return self.port
        return SENTINEL_PORT if self.role is NodeRole.SENTINEL else REDIS_PORT

    @property
    def configuration(self) -> tuple[Directive, ...]:
        """Its directives, parsed: those that it is given."""
        return tuple(used(self.directives))

    def setting(self, name: str, otherwise: str) -> str:
        """What its directives say of one; `otherwise`: they say nothing."""
        return setting(self.directives, name, otherwise)

    def number(self, name: str, otherwise: float) -> float:
        """The same of a whole number. No server takes another text for one: then it has what it had
        otherwise."""
        said = self.setting(name, "")
        return int(said) if _NUMBER.fullmatch(said) else otherwise

    @property
    def orderly_stop_s(self) -> float:
        """How long an orderly shutdown may take: from Redis 7.0 on a primary waits for replicas that are
        behind, and then any server saves what it holds."""
        return self.number("shutdown-timeout", SHUTDOWN_TIMEOUT_S) + SAVES_WITHIN_S


@dataclass(frozen=True, slots=True)
class Inventory:
    """The nodes of a run, and what follows from them."""

    nodes: tuple[NodePlan, ...]
    called: str
    """What people call this arrangement, for messages: `sentinel`, `cluster`."""

    def node(self, name: str) -> NodePlan:
        return next(node for node in self.nodes if node.name == name)

    @property
    def data_nodes(self) -> tuple[NodePlan, ...]:
        return tuple(node for node in self.nodes if node.holds_data)

    @property
    def sentinels(self) -> tuple[NodePlan, ...]:
        return tuple(node for node in self.nodes if node.role is NodeRole.SENTINEL)

    @property
    def proxies(self) -> tuple[NodePlan, ...]:
        return tuple(node for node in self.nodes if node.role is NodeRole.PROXY)

    @property
    def engines(self) -> tuple[str, ...]:
        """Those that single nodes name for themselves, each once."""
        return tuple(dict.fromkeys(node.engine for node in self.nodes if node.engine))

    @property
    def clustered(self) -> bool:
        """Sessions lie in a Redis cluster."""
        return any(node.cluster for node in self.nodes)

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that nodes share, in the order in which nodes name them."""
        return tuple(dict.fromkeys(node.host for node in self.nodes if node.host))

    def beside(self, name: str) -> tuple[NodePlan, ...]:
        """The nodes on the same host as this one, itself among them."""
        host = self.node(name).host
        return self.on(host) if host else (self.node(name),)

    def on(self, host: str) -> tuple[NodePlan, ...]:
        """The nodes on a host, those with data first."""
        found = [node for node in self.nodes if node.host == host]
        return tuple(sorted(found, key=lambda node: not node.holds_data))

    @property
    def fails_over(self) -> bool:
        """Somebody promotes a replica when its primary is gone: the cluster itself, or sentinels."""
        return self.clustered or bool(self.sentinels)

    def session_nodes(self, shard: int | None = None) -> tuple[NodePlan, ...]:
        """The data nodes that hold sessions; of one shard, or all."""
        nodes = (node for node in self.data_nodes if node.purpose is NodePurpose.SESSIONS)
        return tuple(node for node in nodes if shard in {None, node.shard})

    @property
    def shards(self) -> int:
        """Of the sessions."""
        return len({node.shard for node in self.session_nodes()})

    @property
    def replicas_of_a_shard(self) -> int:
        """In the shard that has most."""
        of = [node.shard for node in self.session_nodes() if node.role is NodeRole.REPLICA]
        return max(map(of.count, of), default=0)

    @property
    def cache(self) -> NodePlan | None:
        """The node that holds the cache."""
        return next((node for node in self.nodes if node.cache_database is not None), None)

    @property
    def shares_cache(self) -> bool:
        """Sessions and cache lie on one instance, in one or two logical databases."""
        return self.cache is not None and self.cache.purpose is NodePurpose.SESSIONS

    def slot_range(self, shard: int) -> tuple[int, int]:
        """First and last slot of a cluster's shard: these slots are the shard, whoever owns them."""
        return _slot_range(shard, self.shards)

    def shard_of_slot(self, slot: int) -> int:
        shards = self.shards
        return next(n for n in range(1, shards + 1) if slot <= _slot_range(n, shards)[1])


def _slot_range(shard: int, shards: int) -> tuple[int, int]:
    return SLOTS * (shard - 1) // shards, SLOTS * shard // shards - 1
