"""What there is in a project that runs, and the inventory that follows from it. Pure.

A node is what answers like one: the names of services and images decide nothing. Roles are what the nodes say
themselves, who belongs together is what sentinels and the cluster say. Everything else runs along.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from harness.errors import UsageError
from harness.model.inventory import SLOTS, NodePlan
from harness.model.seams import Address
from harness.model.words import NodeRole, TopologyKind
from harness.redis_wire import info, sentinel
from harness.redis_wire.cluster import ClusterRow

PROXIES_OF_TCP = frozenset({"haproxy", "predixy", "nutcracker", "twemproxy"})
"""Those that stand before Redis more often than before anything else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A container of the project."""

    name: str
    """Its service; with a number where the service has several."""
    service: str
    container: str
    """Its id."""
    addresses: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()
    """Everything by which other containers reach it, in lower case."""
    running: bool = True
    exit_code: int | None = None
    restarts: int = 0
    health: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A Redis or Sentinel process that answered, or a proxy that was seen."""

    name: str
    member: str
    pid: int
    role: NodeRole
    address: Address
    secret: str | None = None
    """What it takes; None: it asks for none."""
    engine: str = ""
    run_id: str = ""
    replication: Mapping[str, str] = field(default_factory=dict)
    config_file: str = ""
    """Where it keeps its configuration, inside its container; empty: in no file."""
    identity: str = ""
    """In a cluster."""
    rows: tuple[ClusterRow, ...] = ()
    """The cluster as it sees it."""
    watched: tuple[Mapping[str, str], ...] = ()
    """The services that a sentinel watches."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """Those of a data node that the kit goes by; empty: it does not tell."""
    reached: Mapping[int, frozenset[str]] = field(default_factory=dict)
    """A proxy's port -> the run ids of the nodes that answered there; ports where none did are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A project as it runs."""

    members: tuple[Member, ...]
    spoken: tuple[Spoken, ...]
    kind: TopologyKind
    nodes: tuple[NodePlan, ...]
    service: str = ""
    """The name under which sentinels know the primary."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """What sentinels or cluster say of their own times and counts, as `TopologySpec` has them."""

    passwords: tuple[str, ...] = ()
    """Everything in the project that may be one."""
    fronts: tuple[str, ...] = ()
    """Proxies by which clients reach the primary."""

    def member_of(self, node: str) -> Member:
        spoken = next((one for one in self.spoken if one.name == node), None)
        name = spoken.member if spoken else node
        return next(member for member in self.members if member.name == name)

    def of_service(self, service: str) -> tuple[Member, ...]:
        """The containers of a service that run, in the order of their numbers."""
        own = [one for one in self.members if one.service == service and one.running]
        return tuple(sorted(own, key=lambda one: (len(one.name), one.name)))

    def with_member(self, member: Member) -> Found:
        """The same with a container as it is now."""
        members = tuple(member if one.name == member.name else one for one in self.members)
        return replace(self, members=members)

    def node_at(self, host: str, port: int) -> str | None:
        return node_at(self.members, self.spoken, host, port)


def node_at(members: Iterable[Member], spoken: Iterable[Spoken], host: str, port: int) -> str | None:
    """The node that others know by a name or an address."""
    here = {one.name for one in members if host in one.addresses or host.lower() in one.names}
    return next((one.name for one in spoken if one.member in here and one.address.port == port), None)


def inventory(
    members: Sequence[Member], spoken: Sequence[Spoken], *, sessions: str = "", proxied: bool = True
) -> Found:
    """The nodes of a run. `sessions`: a node of the group that holds the sessions, where several could.
    `proxied`: clients go through a proxy that leads to the primary, where there is one.

    Raises:
        UsageError: nothing in the project is Redis, or nothing says where the sessions are.
    """
    data = [one for one in spoken if one.role.holds_data]
    if not data:
        seen = ", ".join(sorted(one.name for one in members)) or "nothing"
        raise UsageError(
            f"expected a Redis or Valkey node in the project, found none among its containers: {seen}"
        )
    if any(one.rows for one in data):
        return _cluster(members, spoken)
    primary = _primary(members, spoken, data, sessions)
    replicas = [one for one in data if _leader(members, data, one) == primary.name]
    guards = [one for one in spoken if one.role is NodeRole.SENTINEL and _watch(members, data, one, primary)]
    nodes = [
        _planned(primary, NodeRole.PRIMARY),
        *(replace(_planned(one, NodeRole.REPLICA), replica_of=primary.name) for one in replicas),
        *(_planned(one, NodeRole.SENTINEL) for one in guards),
    ]
    watched = [watch for one in guards if (watch := _watch(members, data, one, primary))]
    kind = TopologyKind.SENTINEL if guards or replicas else TopologyKind.SINGLE
    counts = {"replicas": len(replicas), "sentinels": len(guards)}
    fronts = {one.name: one for one in _fronts(spoken, primary)} if proxied else {}
    nodes += [NodePlan(name=one.name, role=NodeRole.PROXY, port=one.address.port) for one in fronts.values()]
    return Found(
        members=tuple(members),
        spoken=tuple(fronts.get(one.name, one) for one in spoken),
        kind=kind,
        nodes=(*_on_hosts(nodes, spoken), *_along(members, spoken, nodes)),
        fronts=tuple(fronts),
        service=watched[0]["name"] if watched else "",
        settings={**counts, **_times(watched)},
    )


def _on_hosts(nodes: Sequence[NodePlan], spoken: Sequence[Spoken]) -> Iterator[NodePlan]:
    """Nodes in one container share its fate: it is their host."""
    member_of = {one.name: one.member for one in spoken}
    several = Counter(member_of[node.name] for node in nodes)
    for node in nodes:
        member = member_of[node.name]
        yield replace(node, host=member) if several[member] > 1 else node


def _fronts(spoken: Sequence[Spoken], primary: Spoken) -> Iterator[Spoken]:
    """Proxies that lead to the primary, each at the port that leads to nobody else, if there is one."""
    for one in spoken:
        ports = [port for port, nodes in one.reached.items() if primary.run_id in nodes]
        if ports:
            port = min(ports, key=lambda port: (len(one.reached[port]), port))
            yield replace(one, address=Address(one.address.host, port))


def _planned(one: Spoken, role: NodeRole) -> NodePlan:
    return NodePlan(name=one.name, role=role, port=one.address.port, directives=dict(one.settings))


def _times(watched: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    if not watched:
        return {}
    one = watched[0]
    return {
        "service": one["name"],
        "quorum": int(one["quorum"]),
        "down_after_s": int(one["down-after-milliseconds"]) / 1000,
        "failover_timeout_s": int(one["failover-timeout"]) / 1000,
        "parallel_syncs": int(one["parallel-syncs"]),
    }


def _leader(members: Sequence[Member], data: Sequence[Spoken], one: Spoken) -> str | None:
    host, port = one.replication.get("master_host", ""), one.replication.get("master_port", "0")
    return node_at(members, data, host, int(port)) if host else None


def _watch(
    members: Sequence[Member], data: Sequence[Spoken], guard: Spoken, primary: Spoken
) -> Mapping[str, str] | None:
    """What a sentinel says of the service that this primary leads; None: it watches none of its."""
    for watch in guard.watched:
        if node_at(members, data, watch["ip"], int(watch["port"])) == primary.name:
            return watch
    return None


def _primary(
    members: Sequence[Member], spoken: Sequence[Spoken], data: Sequence[Spoken], sessions: str
) -> Spoken:
    """Whose sessions are at stake: the primary that sentinels watch, else the one with most replicas."""
    primaries = [one for one in data if one.role is NodeRole.PRIMARY]
    if sessions:
        primaries = [one for one in primaries if sessions in {one.name, one.member}]
    if not primaries:
        names = ", ".join(one.name for one in data)
        raise UsageError(
            f"expected a primary among {names}, found none" + (f" named {sessions}" if sessions else "")
        )

    def weight(one: Spoken) -> tuple[int, int]:
        guards = sum(_watch(members, data, other, one) is not None for other in spoken)
        return guards, sum(_leader(members, data, other) == one.name for other in data)

    heaviest = max(map(weight, primaries))
    likely = [one for one in primaries if weight(one) == heaviest]
    if len(likely) > 1:
        names = ", ".join(one.name for one in likely)
        raise UsageError(
            f"expected one primary that holds the sessions, found {names}; name it in a deployment file: "
            f"'sessions: {likely[0].name}'"
        )
    return likely[0]


def _cluster(members: Sequence[Member], spoken: Sequence[Spoken]) -> Found:
    data = [one for one in spoken if one.rows]
    view = {row.identity: row for row in data[0].rows}
    leaders = sorted(
        (one for one in data if one.role is NodeRole.PRIMARY and _slots(view, one)),
        key=lambda one: _slots(view, one),
    )
    shard = {one.identity: number for number, one in enumerate(leaders, start=1)}
    by_identity = {one.identity: one for one in data}
    nodes = [
        replace(_planned(one, NodeRole.PRIMARY), shard=shard[one.identity], cluster=True) for one in leaders
    ]
    for one in data:
        of = view[one.identity].primary if one.identity in view else ""
        if of in shard:
            nodes.append(
                replace(
                    _planned(one, NodeRole.REPLICA),
                    shard=shard[of],
                    replica_of=by_identity[of].name,
                    cluster=True,
                )
            )
    replicas = [sum(node.replica_of == one.name for node in nodes) for one in leaders]
    return Found(
        members=tuple(members),
        spoken=tuple(spoken),
        kind=TopologyKind.CLUSTER,
        nodes=(*nodes, *_along(members, spoken, nodes)),
        settings={
            "shards": len(leaders),
            "replicas_per_shard": max(replicas, default=0),
            "replicas": 0,
            "sentinels": 0,
            **_cluster_times(leaders),
        },
    )


def _cluster_times(leaders: Sequence[Spoken]) -> dict[str, Any]:
    said = leaders[0].settings if leaders else {}
    found: dict[str, Any] = {}
    if timeout_ms := said.get("cluster-node-timeout"):
        found["node_timeout_s"] = int(timeout_ms) / 1000
    if factor := said.get("cluster-replica-validity-factor"):
        found["validity_factor"] = int(factor)
    if full := said.get("cluster-require-full-coverage"):
        found["require_full_coverage"] = full == "yes"
    return found


def _slots(view: Mapping[str, ClusterRow], one: Spoken) -> tuple[tuple[int, int], ...]:
    return view[one.identity].slots if one.identity in view else ()


def _along(
    members: Sequence[Member], spoken: Sequence[Spoken], nodes: Sequence[NodePlan]
) -> tuple[NodePlan, ...]:
    """What runs beside the nodes: applications, other proxies, nodes that hold no sessions."""
    taken = {node.name for node in nodes}
    of_nodes = {one.member for one in spoken if one.name in taken}
    return tuple(
        NodePlan(name=member.name, role=NodeRole.OTHER)
        for member in members
        if member.running and member.name not in of_nodes and member.name not in taken
    )


def missing(found: Found) -> tuple[str, ...]:
    """What keeps a project from being ready, one sentence each; empty: it is."""
    said = [*_replication(found), *_sentinels(found), *_cluster_views(found), *_proxies(found)]
    return tuple(dict.fromkeys(said))


def _replication(found: Found) -> list[str]:
    data = {one.name: one for one in found.spoken if one.role.holds_data}
    apart = [
        f"{node.name} is not attached to {node.replica_of}"
        for node in found.nodes
        if node.role is NodeRole.REPLICA and data[node.name].replication.get("master_link_status") != "up"
    ]
    strays = [
        f"{one.name} follows {one.replication.get('master_host', '?')}, which is no node of the project"
        for one in data.values()
        if one.role is NodeRole.REPLICA
        and not one.rows
        and not _leader(found.members, tuple(data.values()), one)
    ]
    return apart + strays


def _sentinels(found: Found) -> list[str]:
    said = []
    guards = [one for one in found.spoken if one.role is NodeRole.SENTINEL]
    replicas = sum(node.role is NodeRole.REPLICA for node in found.nodes)
    count = sum(node.role is NodeRole.SENTINEL for node in found.nodes)
    for one in guards:
        if not one.watched:
            said.append(f"{one.name} watches nothing")
        for watch in one.watched:
            known = found.node_at(watch["ip"], int(watch["port"]))
            flags = sorted(sentinel_trouble(watch))
            if known is None:
                said.append(
                    f"{one.name} watches {watch['ip']}:{watch['port']}, which is no node of the project"
                )
            elif flags:
                said.append(f"{one.name} sees {known} as {', '.join(flags)}")
            elif watch["name"] == found.service and int(watch["num-slaves"]) != replicas:
                said.append(f"{one.name} knows {watch['num-slaves']} of {replicas} replicas")
            elif watch["name"] == found.service and int(watch["num-other-sentinels"]) != count - 1:
                said.append(f"{one.name} knows {watch['num-other-sentinels']} of {count - 1} other sentinels")
    return said


def sentinel_trouble(watch: Mapping[str, str]) -> frozenset[str]:
    """What a sentinel has against the primary that it watches."""
    flat = [word for pair in watch.items() for word in pair]
    return sentinel.watched(flat).flags


def _proxies(found: Found) -> list[str]:
    """Whoever writes through a proxy must get the primary, and never a replica."""
    if not found.fronts:  # a cluster that forms has no primary yet
        return []
    primary = next(node.name for node in found.nodes if node.role is NodeRole.PRIMARY)
    by_run = {one.run_id: one for one in found.spoken if one.run_id}
    said = []
    for one in found.spoken:
        if one.name in found.fronts:
            reached = {by_run[run].name for run in one.reached[one.address.port] if run in by_run}
            if others := sorted(reached - {primary}):
                said.append(
                    f"{one.name} sends connections at port {one.address.port} to {', '.join(others)} as well "
                    f"as to {primary}, the primary"
                )
    return said


def unsettled(found: Found) -> tuple[str, ...]:
    """Proxies that may lead to nodes and do not yet, one sentence each: their first checks take seconds."""
    return tuple(
        f"{one.name} leads to no node yet"
        for one in found.spoken
        if one.role is NodeRole.PROXY and one.engine in PROXIES_OF_TCP and not one.reached
    )


def _cluster_views(found: Found) -> list[str]:
    said = []
    data = [one for one in found.spoken if one.rows]
    known = {one.identity for one in data}
    for one in data:
        rows = {row.identity: row for row in one.rows}
        for identity in sorted(known - rows.keys()):
            other = next(other.name for other in data if other.identity == identity)
            said.append(f"{one.name} does not know {other}")
        own = rows.get(one.identity)
        if own is not None and not own.slots and not own.primary:
            said.append(f"{one.name} has no slots and follows nobody")
        trouble = sorted({flag for row in one.rows for flag in row.flags})
        if trouble:
            said.append(f"{one.name} sees nodes as {', '.join(trouble)}")
        covered = sum(last - first + 1 for row in one.rows for first, last in row.slots)
        if covered != SLOTS:
            said.append(f"{one.name} sees {covered} of {SLOTS} slots served")
        if (
            info.role(one.replication) is NodeRole.REPLICA
            and one.replication.get("master_link_status") != "up"
        ):
            said.append(f"{one.name} is not attached to its primary")
    return said
