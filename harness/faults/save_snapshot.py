"""`save snapshot`: BGSAVE by hand. With a later `restart` the node comes back as it was at this moment.

That is how a snapshot from long ago returns: a backup that was put back, a volume that was cloned, a cron
job that ran once. Users who signed out since are signed in again.

Effect: the node says that a snapshot was written since.
"""

from __future__ import annotations

from harness.clock import WaitExpired, wait_until
from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection

_WITHIN_S = 30.0


class SaveSnapshot:
    declaration = Declaration(
        name="save snapshot",
        help="BGSAVE: write a snapshot now; a later restart comes back with it.",
        targets=targets.DATA_NODES,
        traits=(Trait.SAVES_SNAPSHOT,),
        least_for_s=None,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        with noted(scene) as moment:
            said = [_saved(node, scene) for node in nodes]
        return moment.effect(nodes, "; ".join(said))

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _saved(node: str, scene: FaultScene) -> str:
    with own_nodes.connect(scene, node) as connection:
        snapshots_at_rest(
            connection, scene
        )  # one that a save point or a replica began is of an earlier moment
        saves = int(connection.info("persistence").get("rdb_saves", 0))
        changes = connection.info("persistence")["rdb_changes_since_last_save"]
        keys = connection.call("DBSIZE")
        connection.call("BGSAVE")
        after = snapshots_at_rest(connection, scene)
    if after["rdb_last_bgsave_status"] != "ok" or int(after.get("rdb_saves", saves + 1)) <= saves:
        raise NoEffect(f"{node} did not write a snapshot: {after['rdb_last_bgsave_status']}")
    return f"{node} wrote a snapshot of about {keys} keys, {changes} changes after the one before"


def snapshots_at_rest(connection: Connection, scene: FaultScene) -> dict[str, str]:
    """INFO persistence, once no snapshot is being written.

    Raises:
        NoEffect: it takes too long.
    """

    def over() -> dict[str, str] | None:
        if scene.stopping():
            raise Interrupted("stopped while a snapshot was written")
        said = connection.info("persistence")
        return said if said["rdb_bgsave_in_progress"] == "0" else None

    try:
        return wait_until(over, within_s=_WITHIN_S, waiting_for=f"{connection.who} to write its snapshot")
    except WaitExpired as expired:
        raise NoEffect(str(expired)) from expired
