"""What nodes and sentinels say, made typed: INFO, CLUSTER NODES, SENTINEL MASTER and Sentinel's messages.

Pure. Addresses become node names by way of a `Directory`; an address that is no node of this run
becomes "" and is never guessed at. The trap: INFO takes several sections in one command only from 7.0
on, so sections are asked one by one and their texts joined.
"""

from __future__ import annotations

import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from harness.model.plan import SLOTS
from harness.model.records import NodeSample

SECTIONS = ("replication", "stats", "memory", "keyspace", "persistence")
"""The sections of INFO that `node_sample` reads."""

_ROLES = {"master": "primary", "slave": "replica"}


@dataclass(frozen=True, slots=True)
class Directory:
    """Node names by address."""

    names: Mapping[tuple[str, int], str]

    def name(self, host: str, port: int | str) -> str:
        return self.names.get((host, int(port)), "")


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
        """A slot of the shard that it takes this node to belong to: the node's own, else its primary's."""
        known = self.nodes.get(node)
        if known is not None and not known.ranges:
            known = self.nodes.get(known.replica_of)
        return known.ranges[0][0] if known is not None and known.ranges else None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelMessage:
    """A message of Sentinel's, `+sdown master sessions 10.0.0.2 6379`."""

    channel: str
    node: str | None
    detail: str


def slot(key: str) -> int:
    """The cluster's slot of a key: CRC-16 of what stands between the first braces, if anything does."""
    start = key.find("{") + 1
    end = key.find("}", start) if start else -1
    tag = key[start:end] if end > start else key
    return binascii.crc_hqx(tag.encode(), 0) % SLOTS


def info_fields(text: str) -> dict[str, str]:
    """The fields of INFO's reply, section titles left out."""
    return dict(line.split(":", 1) for line in text.split("\r\n") if line and line[0] != "#" and ":" in line)


def node_sample(
    info: Mapping[str, str],
    *,
    node: str,
    run_id: str,
    sent_us: int,
    done_us: int,
    directory: Directory,
    epoch: int | None = None,
    shard: int | None = None,
) -> NodeSample:
    """A sample from the fields of `SECTIONS`."""
    role = _ROLES.get(info.get("role", ""), "")
    return NodeSample(
        node=node,
        sent_us=sent_us,
        done_us=done_us,
        run_id=run_id,
        role=role,
        replid=info.get("master_replid", ""),
        replid2=info.get("master_replid2", ""),
        second_repl_offset=int(info.get("second_repl_offset", -1)),
        offset=int(info.get("master_repl_offset", 0)),
        replicas=_replicas(info, directory),
        link_up=None if role == "primary" else info.get("master_link_status") == "up",
        primary=directory.name(info["master_host"], info["master_port"]) if "master_host" in info else "",
        evicted_keys=int(info.get("evicted_keys", 0)),
        expired_keys=int(info.get("expired_keys", 0)),
        memory_bytes=int(info.get("used_memory", 0)),
        memory_limit_bytes=int(info.get("maxmemory", 0)),
        keys=_keys(info),
        keys_read=int(read) if (read := info.get("rdb_last_load_keys_loaded")) is not None else None,
        epoch=epoch,
        shard=shard,
        error="LOADING: it is still reading its data" if info.get("loading", "0") != "0" else None,
    )


def cluster_epoch(text: str) -> int | None:
    """`cluster_current_epoch` of CLUSTER INFO."""
    value = info_fields(text).get("cluster_current_epoch")
    return None if value is None else int(value)


def cluster_view(
    text: str, *, observer: str, sent_us: int, done_us: int, directory: Directory
) -> ClusterView:
    """CLUSTER NODES as `observer` answered it."""
    rows = [line.split(" ") for line in text.splitlines() if line]
    # A node may not know its own address yet, so `myself` is the one who answered.
    names = {
        row[0]: observer if "myself" in row[2].split(",") else _name_of_endpoint(row[1], directory)
        for row in rows
    }
    nodes = {}
    for identity, _, flags_text, replica_of, _, _, epoch, _, *slots in rows:
        name, flags = names[identity], frozenset(flags_text.split(",")) - {"myself", "noflags"}
        if name and not (name in nodes and "fail" in flags):  # a wiped node has a dead former self
            ranges = tuple(_slot_range(slot) for slot in slots if not slot.startswith("["))
            nodes[name] = ClusterNode(
                name=name,
                primary="master" in flags,
                flags=flags - {"master", "slave"},
                replica_of=names.get(replica_of, ""),
                epoch=int(epoch),
                ranges=ranges,
                slots=sum(last - first + 1 for first, last in ranges),
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
    """The reply to SENTINEL MASTER, a flat list of names and values."""
    said = dict(zip(reply[::2], reply[1::2], strict=False))
    return SentinelView(
        observer=observer,
        sent_us=sent_us,
        done_us=done_us,
        primary=directory.name(said["ip"], said["port"]),
        flags=frozenset(said.get("flags", "").split(",")) - {"master", ""},
        epoch=int(said.get("config-epoch", 0)),
        run_id=run_id,
    )


def sentinel_message(channel: str, text: str, directory: Directory) -> SentinelMessage:
    """Which node a message of Sentinel's is about, where it is about one.

    `<kind> <name> <ip> <port> [@ <service> <ip> <port>]`, and for +switch-master
    `<service> <old ip> <old port> <new ip> <new port>` (the node is the new one).
    """
    words = text.split(" ")
    node = ""
    if channel == "+switch-master" and len(words) == 5:
        node = _endpoint(words[3], words[4], directory)
    elif len(words) >= 4 and words[0] in ("master", "slave"):
        node = _endpoint(words[2], words[3], directory)
    return SentinelMessage(channel=channel, node=node or None, detail=text)


def _endpoint(host: str, port: str, directory: Directory) -> str:
    return directory.name(host, port) if port.isdigit() else ""


def _name_of_endpoint(endpoint: str, directory: Directory) -> str:
    """`10.0.0.2:6379@16379,host-name`; the host may hold colons."""
    host, _, port = endpoint.partition("@")[0].rpartition(":")
    return _endpoint(host, port, directory)


def _slot_range(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    return int(first), int(last or first)


def _replicas(info: Mapping[str, str], directory: Directory) -> dict[str, int]:
    """`slave0:ip=10.0.0.3,port=6379,state=online,offset=42,lag=0`."""
    found = {}
    for n in range(int(info.get("connected_slaves", 0))):
        said = dict(part.split("=", 1) for part in info.get(f"slave{n}", "").split(",") if "=" in part)
        name = directory.name(said.get("ip", ""), said.get("port", 0))
        if name:
            found[name] = int(said.get("offset", 0))
    return found


def _keys(info: Mapping[str, str]) -> int:
    """`db0:keys=12,expires=0,avg_ttl=0`, over all databases."""
    return sum(
        int(value[5:].partition(",")[0])
        for name, value in info.items()
        if name.startswith("db") and value.startswith("keys=")
    )
