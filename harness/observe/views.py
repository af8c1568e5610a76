"""What nodes and sentinels say of a run, with names in place of addresses.

Pure. Addresses become node names by way of a `Directory`; an address that is no node of this run becomes ""
and is never guessed at. What the replies look like is `harness.redis_wire`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.model.records import NodeSample
from harness.model.words import NodeRole
from harness.redis_wire import cluster, info, sentinel

SECTIONS = ("replication", "stats", "memory", "keyspace", "persistence")
"""The sections of INFO that `node_sample` reads."""
SECTION_OF_CLIENTS = "clients"
"""It reads this one as well, where it was asked."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Node names by address."""

    names: Mapping[tuple[str, int], str]
    otherwise: Callable[[str, int], str | None] = lambda _host, _port: None
    """Who has an address that is not listed: nodes may speak of each other by names."""

    def name(self, host: str, port: int | str) -> str:
        return self.names.get((host, int(port))) or self.otherwise(host, int(port)) or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterNode:
    """One line of CLUSTER NODES: how one node of the cluster looks to another."""

    name: str
    primary: bool
    flags: frozenset[str]
    replica_of: str = ""
    epoch: int = 0
    slots: int = 0
    ranges: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterView:
    """The cluster as one of its nodes sees it."""

    observer: str
    sent_us: int
    done_us: int
    nodes: Mapping[str, ClusterNode] = field(default_factory=dict)
    error: str = ""
    """Why there is no view; empty: there is."""

    def owner(self, slot: int) -> str:
        """Which node it takes for the owner of a slot; "": none that it knows."""
        owners = (node.name for node in self.nodes.values() if _has(node, slot))
        return next(owners, "")

    def slot_of(self, node: str) -> int | None:
        """A slot of the shard that it takes this node to belong to: the node's own, else its primary's. Of
        the longest range, since a few slots of another shard may be there while they are moved about."""
        known = self.nodes.get(node)
        if known is not None and not known.ranges:
            known = self.nodes.get(known.replica_of)
        if known is None or not known.ranges:
            return None
        return max(known.ranges, key=lambda one: one[1] - one[0])[0]


def _has(node: ClusterNode, slot: int) -> bool:
    return any(first <= slot <= last for first, last in node.ranges)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelView:
    """What one sentinel answers about the primary it guards."""

    observer: str
    sent_us: int
    done_us: int
    primary: str = ""
    flags: frozenset[str] = frozenset()
    epoch: int = 0
    run_id: str = ""
    """Of the sentinel itself."""
    error: str = ""


def node_sample(
    said: info.Fields,
    *,
    node: str,
    run_id: str,
    sent_us: int,
    done_us: int,
    directory: Directory,
    epoch: int | None = None,
    shard: int | None = None,
    cluster_ok: bool | None = None,
) -> NodeSample:
    """A sample from the fields of `SECTIONS`."""
    role = info.role(said)
    return NodeSample(
        node=node,
        sent_us=sent_us,
        done_us=done_us,
        run_id=run_id,
        role=str(role or ""),
        replid=said.get("master_replid", ""),
        replid2=said.get("master_replid2", ""),
        second_repl_offset=int(said.get("second_repl_offset", -1)),
        offset=int(said.get("master_repl_offset", 0)),
        replicas=_replicas(said, directory),
        link_up=None if role is NodeRole.PRIMARY else said.get("master_link_status") == "up",
        primary=directory.name(said["master_host"], said["master_port"]) if "master_host" in said else "",
        evicted_keys=int(said.get("evicted_keys", 0)),
        expired_keys=int(said.get("expired_keys", 0)),
        memory_bytes=int(said.get("used_memory", 0)),
        memory_limit_bytes=int(said.get("maxmemory", 0)),
        keys=info.keys(said),
        clients=int(many) if (many := said.get("connected_clients")) is not None else None,
        keys_read=int(read) if (read := said.get("rdb_last_load_keys_loaded")) is not None else None,
        epoch=epoch,
        shard=shard,
        cluster_ok=cluster_ok,
        error="LOADING: it is still reading its data" if said.get("loading", "0") != "0" else None,
    )


def cluster_epoch(text: str) -> int | None:
    """`cluster_current_epoch` of CLUSTER INFO."""
    value = info.fields(text).get("cluster_current_epoch")
    return None if value is None else int(value)


def cluster_ok(text: str) -> bool | None:
    """`cluster_state` of CLUSTER INFO."""
    value = info.fields(text).get("cluster_state")
    return None if value is None else value == "ok"


def cluster_view(
    text: str, *, observer: str, sent_us: int, done_us: int, directory: Directory
) -> ClusterView:
    """CLUSTER NODES as `observer` answered it."""
    rows = list(cluster.rows(text))
    # A node may not know its own address yet, so `myself` is the one who answered.
    names = {row.identity: observer if row.itself else directory.name(row.host, row.port) for row in rows}
    nodes = {}
    for row in rows:
        name = names[row.identity]
        if name and not (name in nodes and "fail" in row.flags):  # a wiped node has a dead former self
            nodes[name] = ClusterNode(
                name=name,
                primary=row.role is NodeRole.PRIMARY,
                flags=row.flags,
                replica_of=names.get(row.primary, ""),
                epoch=row.epoch,
                ranges=row.slots,
                slots=sum(last - first + 1 for first, last in row.slots),
            )
    return ClusterView(observer=observer, sent_us=sent_us, done_us=done_us, nodes=nodes)


def sentinel_view(
    reply: list[str],
    *,
    observer: str,
    run_id: str,
    sent_us: int,
    done_us: int,
    directory: Directory,
) -> SentinelView:
    """The reply to SENTINEL MASTER."""
    seen = sentinel.watched(reply)
    return SentinelView(
        observer=observer,
        sent_us=sent_us,
        done_us=done_us,
        primary=directory.name(seen.address.host, seen.address.port),
        flags=seen.flags,
        epoch=int(seen.fields.get("config-epoch", 0)),
        run_id=run_id,
    )


def _replicas(said: info.Fields, directory: Directory) -> dict[str, int]:
    """Replica -> offset that it has acknowledged; strangers are left out."""
    named = ((directory.name(one.host, one.port), one.offset) for one in info.replicas(said))
    return {name: offset for name, offset in named if name}
