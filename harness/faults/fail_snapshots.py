"""`fail snapshots`: a node cannot write its snapshot, as on a full or broken volume.

With save points and `stop-writes-on-bgsave-error` (both by default in Redis' own file) it then refuses
writes with MISCONF, and PING as well: sentinels take such a node for dead and replace it, although all its
data is there.

Effect: the node says that its last snapshot failed. The kit puts a folder in the place of the file, since a
volume that is really full would hurt others too. Trap: without a save point nothing follows from a failed
snapshot.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import on_each_node, own_nodes, targets
from harness.faults.save_snapshot import snapshots_at_rest
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, Spoilable
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import ErrorReply, NoAnswer

_LEAST_S = 0.2
_HARMLESS = "it has no save point, or stop-writes-on-bgsave-error no"


class FailSnapshots:
    declaration = Declaration(
        name="fail snapshots",
        help="A node cannot write its snapshot, as on a full volume: it refuses writes (MISCONF).",
        targets=targets.DATA_NODES,
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS, Trait.CAUSES_FAILOVER),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.own_containers:
            return "the kit does not know where a Compose project keeps its snapshots"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        topology = scene.topology
        assert isinstance(topology, Spoilable), "asked in `fits`"
        do, undo = topology.obstruct, topology.clear
        return on_each_node.keep(step, scene, do=do, undo=undo, proof=_failed)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        return on_each_node.mend(step, effect, scene, proof=_mended)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return on_each_node.in_force(effect, scene)


def _failed(node: str, scene: FaultScene) -> str:
    with own_nodes.connect(scene, node) as connection:
        if saved(connection, scene) == "ok":
            raise NoEffect(f"{node} wrote its snapshot all the same")
        said = pinged(connection)
        harmless = f", so nothing follows from it: {_HARMLESS}" if said == "PONG" else ""
        return f"{node} could not write its snapshot; it answers PING with {said}{harmless}"


def _mended(node: str, scene: FaultScene) -> str:
    try:
        with own_nodes.connect(scene, node) as connection:
            return f"last snapshot of {node}: {saved(connection, scene)}, PING: {pinged(connection)}"
    except NoAnswer:
        return f"{node} does not answer"


def saved(connection: Connection, scene: FaultScene) -> str:
    """Have it write a snapshot, and say what became of it: `ok` or `err`."""
    snapshots_at_rest(connection, scene)
    connection.call("BGSAVE")
    return snapshots_at_rest(connection, scene)["rdb_last_bgsave_status"]


def pinged(connection: Connection) -> str:
    """What a node answers to PING: PONG, or why not."""
    try:
        return str(connection.call("PING"))
    except ErrorReply as refused:
        return refused.code
