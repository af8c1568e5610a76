"""`hold syncs`: the disk does not answer a sync of a node's append-only file, as one that is overloaded.

With `appendfsync everysec` a node confirms writes meanwhile and keeps them in its memory for up to two
seconds, because a write to the file would wait as well. Who is killed in that time loses what it
confirmed. With a quick disk a kill loses nothing, so no test on one shows it.

Effect: the node says that a sync waits. Only the thread that syncs is held (`held_thread`); the disk of this
machine stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import on_each_node, own_nodes, targets
from harness.faults.held_thread import held, thread_named
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire.protocol import NoAnswer

_SYNCS = "bio_aof"
"""How the names of the thread begin: `bio_aof` since Redis 7.2 and in Valkey, `bio_aof_fsync` before."""
_WAITS_WITHIN_S = 4.0
"""A sync is asked for once a second, if something was written."""
_SYNCED_WITHIN_S = 2.0
_LEAST_S = 0.2


class HoldSyncs:
    declaration = Declaration(
        name="hold syncs",
        help="No sync of a node's append-only file comes to its end, as on a disk that is overloaded.",
        targets=targets.DATA_NODES,
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if reason := machine.why_no_held_threads:
            return f"a thread that is held: {reason}"
        if not any(_syncs_apart(node) for node in plan.data_nodes()):
            return "no node has appendonly yes with appendfsync everysec: no other one syncs beside its work"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        holding: defaultdict[str, ExitStack] = defaultdict(ExitStack)

        def hold(node: str) -> None:
            holding[node].enter_context(held(_thread(node, scene), node))

        def let_go(node: str) -> None:
            holding[node].close()

        return on_each_node.keep(step, scene, do=hold, undo=let_go, proof=_waits)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        return on_each_node.mend(step, effect, scene, proof=_syncs_again)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return on_each_node.in_force(effect, scene)


def _thread(node: str, scene: FaultScene) -> int:
    pid = scene.topology.state(node).pid
    thread = None if pid is None else thread_named(pid, _SYNCS)
    if thread is None:
        raise NoEffect(f"{node}: expected a thread {_SYNCS} of a process on this machine, found none")
    return thread


def _waits(node: str, scene: FaultScene) -> str:
    try:
        _await(node, scene, waiting=True, within_s=_WAITS_WITHIN_S)
    except WaitExpired as expired:
        raise NoEffect(str(expired)) from expired
    return f"a sync of {node} waits for a disk that does not answer"


def _syncs_again(node: str, scene: FaultScene) -> str:
    try:
        _await(node, scene, waiting=False, within_s=_SYNCED_WITHIN_S)
    except WaitExpired:
        return f"a sync of {node} waits longer"
    except NoAnswer:
        return f"{node} does not answer"
    return f"{node} syncs again"


def _await(node: str, scene: FaultScene, *, waiting: bool, within_s: float) -> None:
    """
    Raises:
        WaitExpired: a sync never waited, or always.
        NoAnswer: the node does not answer.
    """
    with own_nodes.connect(scene, node) as connection:
        wait_until(
            lambda: bool(int(connection.info("persistence").get("aof_pending_bio_fsync", 0))) is waiting,
            within_s=within_s,
            waiting_for=f"a sync of {node} {'to wait' if waiting else 'to end'}",
        )


def _syncs_apart(node: NodePlan) -> bool:
    once_a_second = node.setting("appendfsync", "everysec") == "everysec"
    return once_a_second and node.setting("appendonly", "no") == "yes"
