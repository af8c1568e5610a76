"""Proof that a healed link carries packets again: what the nodes on its two ends say themselves.

The harness is never cut off, so its own connections prove nothing about a link between nodes. Asked
are those who talk all the time: sentinels (their last PING), cluster nodes (their last PONG), and a
primary about what its replicas acknowledged.

Not a wait for recovery: TCP may sit out many seconds of back-off after a long cut, so after
`_PATIENCE_S` the words say that nobody has been heard yet, and the observers take over.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from harness.clock import WaitExpired, wait_until
from harness.faults import own_nodes, targets
from harness.model.seams import FaultScene
from harness.redis_wire import cluster, info, sentinel
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import ErrorReply, NoAnswer

_PATIENCE_S = 3.0
"""Sentinels and cluster nodes ping each second and reconnect at once: longer means TCP back-off."""


def heard_again(scene: FaultScene, node: str, since_s: float) -> str:
    """Who of the others has heard `node` since `since_s` (Unix time). For people."""
    if down := _out_of_action(scene, node):
        return down
    guards = [name.name for name in scene.plan.sentinels() if scene.topology.state(name.name).running]
    if scene.plan.inventory.clustered:
        others = [n.name for n in targets.session_nodes(scene.plan) if n.name != node]
        peers = [name for name in others if scene.topology.state(name).running]
        return _first_to_hear(scene, peers, lambda peer: _ponged(peer, scene, node, since_s), node, since_s)
    if guards:
        return _first_to_hear(scene, guards, lambda peer: _pinged(peer, scene, node, since_s), node, since_s)
    return caught_up(scene, node, since_s)


def caught_up(scene: FaultScene, primary: str, since_s: float) -> str:
    """Which replica has acknowledged what `primary` had written when the link was healed."""
    if down := _out_of_action(scene, primary):
        return down
    if len(targets.session_nodes(scene.plan)) == 1:
        return f"{primary} has no replica that could hear from it"
    offset: list[int] = []

    def acknowledged(connection: Connection) -> bool:
        replication = connection.info("replication")
        offset.append(int(replication.get("master_repl_offset", 0)))
        # Only a fresh acknowledgement counts.
        return any(
            replica.offset >= offset[0] and replica.lag_s <= time.time() - since_s
            for replica in info.replicas(replication)
        )

    return _first_to_hear(scene, [primary], acknowledged, "its replicas", since_s)


def _out_of_action(scene: FaultScene, node: str) -> str | None:
    state = scene.topology.state(node)
    if state.running and not state.paused:
        return None
    return f"{node} is {'paused' if state.paused else 'down'}, so no node can reach it"


def _first_to_hear(
    scene: FaultScene, peers: list[str], heard: Callable[[Connection], bool], whom: str, since_s: float
) -> str:
    def by() -> str | None:
        return next((peer for peer in peers if not scene.stopping() and _asked(scene, peer, heard)), None)

    try:
        peer = wait_until(by, within_s=_PATIENCE_S, waiting_for=f"a message from {whom}", every_s=0.1)
    except WaitExpired:
        return f"no message from {whom} arrived at {', '.join(peers) or 'any node'} within {_PATIENCE_S:g} s"
    return f"{peer} had a message from {whom} {time.time() - since_s:.2f} s later"


def _asked(scene: FaultScene, peer: str, heard: Callable[[Connection], bool]) -> bool:
    try:
        with own_nodes.connect(scene, peer, within_s=0.5) as connection:
            return heard(connection)
    except (NoAnswer, ErrorReply):
        return False


def _pinged(connection: Connection, scene: FaultScene, node: str, since_s: float) -> bool:
    """Whether this sentinel's PING to `node` was answered since then."""
    service = scene.topology.service
    known = [
        connection.call("SENTINEL", "MASTER", service),
        *connection.call("SENTINEL", "REPLICAS", service),
        *connection.call("SENTINEL", "SENTINELS", service),
    ]
    return any(
        int(seen.fields["last-ok-ping-reply"]) / 1000 < time.time() - since_s
        for seen in map(sentinel.watched, known)
        if scene.topology.node_at(seen.address.host, seen.address.port) == node
    )


def _ponged(connection: Connection, scene: FaultScene, node: str, since_s: float) -> bool:
    """Whether this cluster node got a PONG from `node` since then (their clocks are this machine's)."""
    for row in cluster.rows(str(connection.call("CLUSTER", "NODES"))):
        if scene.topology.node_at(row.host, row.port) == node:
            return row.pong_ms / 1000 > since_s
    return False
