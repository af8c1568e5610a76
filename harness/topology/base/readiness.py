"""Form a topology out of running nodes, and say when it is ready. Both backends use this.

Ready means: every replication link up, offsets equal, sentinels agree on the primary and know each
other and every replica, all 16384 slots covered as seen from every node, and every replica has received
something since. An answer to PING is not enough, nor is a link: for up to a second after it has attached
a replica is sent nothing (its primary waits for its first report), and whoever reads there reads old
values. Load that starts earlier measures the set-up.

The trap: a sentinel that first looks while a replica is still attaching notes its link as broken and
looks again only 10 s later. So sentinels are started after the replicas are attached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations, count, permutations
from typing import NamedTuple

from harness.clock import WaitExpired, wait_until
from harness.errors import DoesNotComeUp, EnvironmentFailure
from harness.model.credentials import has_own
from harness.model.inventory import SLOTS, NodePlan
from harness.model.plan import Plan
from harness.model.seams import Topology, shard_primary
from harness.model.words import NodeRole
from harness.redis_wire import cluster, info, sentinel
from harness.redis_wire.cluster import ClusterRow
from harness.redis_wire.keys import slot
from harness.redis_wire.logs import refused_login
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.redis_wire.sentinel import WatchedNode
from harness.topology.base import proxies
from harness.topology.base.configuration import sentinel_id
from harness.topology.base.control import Controls, command

READY_WITHIN_S = 30.0
"""Takes 1.5 s (Sentinel) to 2.5 s (cluster) on an idle machine; the rest is for busy ones."""

_EVERY_S = 0.02
_RECEIVED_WITHIN_MS = 200
_LOG_LINES = 8


def answers(topology: Topology, node: str) -> bool:
    """Whether a node answers PING, or says that it is loading its data; a proxy, what it says of itself."""
    if topology.plan.node(node).role is NodeRole.PROXY:
        return proxies.answers(topology, node)
    try:
        return bool(command(topology, node, "PING") == "PONG")
    except ErrorReply as error:
        return error.code in {"LOADING", "MASTERDOWN"}
    except NoAnswer:
        return False


def assemble(topology: Topology, *, within_s: float = READY_WITHIN_S) -> None:
    """Form the topology once its data nodes run, start the sentinels, return when it is ready.

    Sentinels that do not run yet are started through the topology.

    Raises:
        EnvironmentFailure: not ready in time; says what was missing, with the nodes' last log lines.
        DoesNotComeUp: the same, by files of somebody's own.
    """
    plan = topology.plan
    with Controls(topology) as controls:
        if plan.inventory.clustered:
            _form_cluster(controls, topology, within_s)
        else:
            _await(topology, within_s, "the replicas to attach", lambda: _replication(controls, plan))
            _start_all(topology, plan.sentinels())
            _introduce_sentinels(controls, topology)
            _start_all(topology, topology.plan.inventory.proxies)
        _await_all(controls, topology, within_s)


def missing(topology: Topology) -> tuple[str, ...]:
    """What keeps the topology from being ready now, one sentence each; empty: it is ready.

    Judged by the roles with which the topology started, so after a failover something is missing.
    """
    with Controls(topology) as controls:
        try:
            return tuple(_missing(controls, topology))
        except (NoAnswer, ErrorReply) as error:
            return (str(error),)


def _await_all(controls: Controls, topology: Topology, within_s: float) -> None:
    _await(topology, within_s, "the topology to be ready", lambda: _missing(controls, topology))
    _await(topology, within_s, "the replicas to be fed", lambda: _unfed(controls, topology.plan))


def _await(
    topology: Topology, within_s: float, waiting_for: str, missing_now: Callable[[], Iterator[str]]
) -> None:
    last: list[str] = []

    def nothing_missing() -> bool:
        try:
            last[:] = missing_now()
        except (NoAnswer, ErrorReply) as error:
            last[:] = [str(error)]
        return not last

    try:
        wait_until(nothing_missing, within_s=within_s, waiting_for=waiting_for, every_s=_EVERY_S)
    except WaitExpired as error:
        logs = {node.name: topology.logs(node.name, _LOG_LINES) for node in topology.plan.nodes}
        shown = "\n".join(f"--- {name}\n{log}" for name, log in logs.items())
        refused = "".join(
            f"; {name} cannot log in at its primary: {said}"
            for name, log in logs.items()
            if (said := refused_login(log))
        )
        locked_out = _locked_out(topology.plan, last)
        lacking = f"still missing: {'; '.join(last)}{refused}\n{shown}"
        told = f"waited {within_s:g} s for {waiting_for}{locked_out}; {lacking}"
        if _by_own_files(topology.plan, last, refused or locked_out):
            raise DoesNotComeUp(f"the deployment does not come up: {told}") from error
        raise EnvironmentFailure(told) from error


def _by_own_files(plan: Plan, said: Sequence[str], shut_out: str) -> bool:
    """Whether it is certain that no waiting helps: somebody's own passwords or users shut nodes out, or all
    is well but that their own proxy leads nobody to the primary."""
    own = has_own(plan.data_nodes()) or has_own(plan.sentinels())
    return bool(shut_out and own) or bool(said and all(proxies.NO_WAY in one for one in said))


def _locked_out(plan: Plan, said: Iterable[str]) -> str:
    """Where somebody's own files say how sentinels log in, and these take a primary for dead that answers."""
    dead = any("sees the primary as" in one and "disconnected" in one for one in said)
    if not dead or not has_own(plan.data_nodes()):
        return ""
    return (
        "; sentinels do not get in where the kit does: expected `sentinel auth-pass` (and `auth-user`) of "
        "your files to fit the data nodes"
    )


def _missing(controls: Controls, topology: Topology) -> Iterator[str]:
    plan = topology.plan
    yield from _replication(controls, plan)
    if plan.inventory.clustered and not plan.scenario.deployment.topology.given_shard_ids:
        yield from _cluster_views(controls, topology)  # which may never be right where shards have given ids
    for guard in plan.sentinels():
        yield from _sentinel_view(controls, topology, guard)
    for proxy in plan.inventory.proxies:
        yield from proxies.missing(topology, proxy.name)


def _replication(controls: Controls, plan: Plan) -> Iterator[str]:
    for primary in plan.data_nodes():
        if primary.role is NodeRole.PRIMARY:
            replicas = [node for node in plan.data_nodes() if node.replica_of == primary.name]
            yield from _replication_of(controls, primary, replicas)


def _replication_of(controls: Controls, primary: NodePlan, replicas: list[NodePlan]) -> Iterator[str]:
    before = controls.info(primary.name, "replication")
    if info.role(before) is not NodeRole.PRIMARY:
        yield f"{primary.name} is no primary"
        return
    views = {replica.name: controls.info(replica.name, "replication") for replica in replicas}
    after = controls.info(primary.name, "replication")
    if int(after["connected_slaves"]) != len(replicas):
        yield f"{primary.name} has {after['connected_slaves']} of {len(replicas)} replicas"
    # The primary's offset may move while replicas are asked, so theirs must lie between two readings.
    lowest, highest = int(before["master_repl_offset"]), int(after["master_repl_offset"])
    for name, view in views.items():
        if info.role(view) is not NodeRole.REPLICA or view["master_link_status"] != "up":
            yield f"{name} is not attached to {primary.name}"
        elif not lowest <= int(view["slave_repl_offset"]) <= highest:
            yield f"{name} is at offset {view['slave_repl_offset']}, {primary.name} at {highest}"


def _unfed(controls: Controls, plan: Plan) -> Iterator[str]:
    """Writes to each primary, takes it back, and asks how many replicas have it."""
    for primary in plan.data_nodes():
        replicas = sum(node.replica_of == primary.name for node in plan.data_nodes())
        if primary.role is not NodeRole.PRIMARY or not replicas:
            continue
        key = _key_on(plan, primary.shard)
        *_, received = controls.call_all(
            primary.name, [("SET", key, "1"), ("DEL", key), ("WAIT", replicas, _RECEIVED_WITHIN_MS)]
        )
        if int(received) < replicas:
            yield f"{received} of {replicas} replicas of {primary.name} have received what was written to it"


def _key_on(plan: Plan, shard: int) -> str:
    """A key of this shard, for a cluster; any other node takes every key."""
    names = (f"ready:{n}" for n in count())
    if not plan.inventory.clustered:
        return next(names)
    first, last = plan.inventory.slot_range(shard)
    return next(name for name in names if first <= slot(name) <= last)


def _start_all(topology: Topology, nodes: Iterable[NodePlan]) -> None:
    stopped = [node.name for node in nodes if not topology.state(node.name).running]
    if stopped:
        with ThreadPoolExecutor(len(stopped)) as pool:
            list(pool.map(topology.start, stopped))


def _introduce_sentinels(controls: Controls, topology: Topology) -> None:
    """Tell each sentinel of the others, in the words by which they announce themselves.

    They would do so themselves, 2 s later. Known from their configuration they would find the first of
    each other not yet listening, and try again only after a second.
    """
    if topology.plan.scenario.deployment.topology.one_sentinel_id:
        return  # each takes what the others say for its own words
    primary = topology.address(shard_primary(topology.plan, 1).name)
    for name, other in permutations([node.name for node in topology.plan.sentinels()], 2):
        introduction = sentinel.introduction(
            sentinel=topology.address(other),
            identity=sentinel_id(other, topology.secrets),
            service=topology.plan.scenario.deployment.topology.service,
            primary=primary,
        )
        controls.call(name, *introduction)


def _sentinel_view(controls: Controls, topology: Topology, asked: NodePlan) -> Iterator[str]:
    plan = topology.plan
    primary = topology.address(shard_primary(plan, 1).name)
    service = plan.scenario.deployment.topology.service
    guarded, replicas, sentinels = controls.call_all(
        asked.name, [("SENTINEL", what, service) for what in ("MASTER", "REPLICAS", "SENTINELS")]
    )
    view = sentinel.watched(guarded)
    if view.address != primary or view.role is not NodeRole.PRIMARY or view.flags:
        seen = f"{view.address.host}:{view.address.port} {view.fields['flags']}"
        yield f"{asked.name} sees the primary as {seen}"
    expected = {node.name for node in plan.data_nodes() if node.role is NodeRole.REPLICA and node.shard == 1}
    yield from _unlike(asked.name, topology, expected, NodeRole.REPLICA, map(sentinel.watched, replicas))
    if plan.scenario.deployment.topology.one_sentinel_id:
        return
    others = {node.name for node in plan.sentinels()} - {asked.name}
    yield from _unlike(asked.name, topology, others, NodeRole.SENTINEL, map(sentinel.watched, sentinels))


def _unlike(
    asked: str, topology: Topology, expected: set[str], role: NodeRole, seen: Iterable[WatchedNode]
) -> Iterator[str]:
    views = [(topology.node_at(view.address.host, view.address.port), view) for view in seen]
    for name in sorted(expected - {name for name, _ in views}):
        yield f"{asked} does not know {name}"
    for known, view in views:
        name = known or f"{view.address.host}:{view.address.port}"
        if view.role is not role or view.flags:
            yield f"{asked} sees {name} as {view.fields['flags']}"
        elif view.fields.get("master-link-status", "ok") != "ok":
            yield f"{asked} sees {name} with its link to the primary down"


def _form_cluster(controls: Controls, topology: Topology, within_s: float) -> None:
    plan = topology.plan
    nodes = plan.data_nodes()
    for number, node in enumerate(nodes, start=1):
        # Distinct epochs from the start: else nodes would first have to settle collisions.
        controls.call(node.name, "CLUSTER", "SET-CONFIG-EPOCH", number)
        if node.role is NodeRole.PRIMARY:
            first, last = plan.inventory.slot_range(node.shard)
            # ADDSLOTSRANGE came with 7.0.
            controls.call(node.name, "CLUSTER", "ADDSLOTS", *range(first, last + 1))
    # Every pair once: waiting for gossip to introduce nodes to each other takes seconds.
    for left, right in combinations(nodes, 2):
        address = topology.address(right.name)
        controls.call(left.name, "CLUSTER", "MEET", address.host, address.port)
    identities = {node.name: str(controls.call(node.name, "CLUSTER", "MYID")) for node in nodes}
    waiting_for = "the cluster's nodes to know each other"
    _await(topology, within_s, waiting_for, lambda: _strangers(controls, plan, identities))
    for node in nodes:
        if node.replica_of:
            controls.call(node.name, "CLUSTER", "REPLICATE", identities[node.replica_of])


def _strangers(controls: Controls, plan: Plan, identities: dict[str, str]) -> Iterator[str]:
    for node in plan.data_nodes():
        known = set(_rows(controls, node.name))
        for name, identity in identities.items():
            if identity not in known:
                yield f"{node.name} does not know {name}"


def _cluster_views(controls: Controls, topology: Topology) -> Iterator[str]:
    plan = topology.plan
    nodes = plan.data_nodes()
    identities = {node.name: str(controls.call(node.name, "CLUSTER", "MYID")) for node in nodes}
    expected = {identities[node.name]: _expected_row(node, plan, identities) for node in nodes}
    for node in nodes:
        state = info.fields(controls.call(node.name, "CLUSTER", "INFO"))
        if (state["cluster_state"], int(state["cluster_slots_ok"])) != ("ok", SLOTS):
            served = f"{state['cluster_slots_ok']} of {SLOTS} slots"
            yield f"{node.name} says {state['cluster_state']} with {served}"
        rows = _rows(controls, node.name)
        for identity, row in expected.items():
            if rows.get(identity) != row:
                yield f"{node.name} sees {identity[:8]} as {rows.get(identity)}, not {row}"


class _Row(NamedTuple):
    """What matters of a line of CLUSTER NODES."""

    role: str
    replica_of: str
    link: str
    slots: tuple[tuple[int, int], ...] = ()
    trouble: str = ""


def _expected_row(node: NodePlan, plan: Plan, identities: dict[str, str]) -> _Row:
    if node.replica_of:
        return _Row(str(NodeRole.REPLICA), identities[node.replica_of], "connected")
    return _Row(str(NodeRole.PRIMARY), "", "connected", (plan.inventory.slot_range(node.shard),))


def _rows(controls: Controls, node: str) -> dict[str, _Row]:
    """By identity, without those that are still meeting."""
    said = cluster.rows(str(controls.call(node, "CLUSTER", "NODES")))
    return {row.identity: _as_seen(row) for row in said if cluster.MEETING not in row.flags}


def _as_seen(row: ClusterRow) -> _Row:
    return _Row(
        role=str(row.role),
        replica_of=row.primary,
        link="connected" if row.connected else "disconnected",
        slots=row.slots,
        trouble=" ".join(sorted(row.flags)),
    )
