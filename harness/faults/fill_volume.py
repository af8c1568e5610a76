"""`fill volume`: the volume of a node is full: it can write no byte more, no log of writes and no snapshot.

With an append-only file it refuses writes with MISCONF, and PING as well: sentinels take such a node for
dead and replace it, although all its data is there. With `appendfsync always` the server ends instead, since
it has promised too much. So does a replica whose file cannot be written, and a node of a cluster that has
to note a change of the cluster.

Effect: the node says that a snapshot failed, or has ended by itself. Only the node's own process is refused
(see `harness.topology.base.full_volume`); the disk of this machine stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import on_each_node, own_nodes, targets
from harness.faults.fail_snapshots import pinged, saved
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Fillable, Machine
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer

_LEAST_S = 0.2
_NOTICED_WITHIN_S = 2.0
"""A node writes its append-only file when it has something to write, and tries again once a second."""
_WELL = "PONG"


class FillVolume:
    declaration = Declaration(
        name="fill volume",
        help="A node can write nothing to its files, as on a full volume: it refuses writes, or ends.",
        targets=targets.DATA_NODES,
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS, Trait.CAUSES_FAILOVER, Trait.FILLS_VOLUME),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if machine.why_no_full_volume:
            return f"a full volume: {machine.why_no_full_volume}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        volumes = _volumes(scene)
        do, undo = volumes.refuse_writes, volumes.allow_writes
        return on_each_node.keep(step, scene, do=do, undo=undo, proof=_refused)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        return on_each_node.mend(step, effect, scene, proof=_writes_again)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return on_each_node.in_force(effect, scene)


def _volumes(scene: FaultScene) -> Fillable:
    topology = scene.topology
    assert isinstance(topology, Fillable), "asked in `fits`"
    return topology


def _refused(node: str, scene: FaultScene) -> str:
    """What it says now that nothing can be written, or that it has ended."""
    try:
        with own_nodes.connect(scene, node) as connection:
            if saved(connection, scene) == "ok":
                raise NoEffect(f"{node} wrote a snapshot all the same")
            answer = _answer(connection, lambda said: said != _WELL)
            log = connection.info("persistence").get("aof_last_write_status", "ok")
            return (
                f"{node} can write nothing to its volume: snapshot err, append-only file {log}; "
                f"it answers PING with {answer}"
            )
    except NoAnswer:
        state = scene.topology.state(node)
        if state.running:
            raise
        return f"{node} could write nothing to its volume, and ended with exit code {state.exit_code}"


def _writes_again(node: str, scene: FaultScene) -> str:
    try:
        with own_nodes.connect(scene, node) as connection:
            snapshot, answer = saved(connection, scene), _answer(connection, lambda said: said == _WELL)
            return f"last snapshot of {node}: {snapshot}, PING: {answer}"
    except NoAnswer:
        return f"{node} does not answer"


def _answer(connection: Connection, wanted: Callable[[str], bool]) -> str:
    """What it answers to PING, once that is as wanted, or at last."""
    said = ""

    def as_wanted() -> bool:
        nonlocal said
        said = pinged(connection)
        return wanted(said)

    with suppress(WaitExpired):
        wait_until(as_wanted, within_s=_NOTICED_WITHIN_S, waiting_for="the answer to PING", every_s=0.05)
    return said
