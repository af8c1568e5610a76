"""`reattach`: an operator types REPLICAOF, behind the back of whoever is in charge.

`to: nobody` makes a primary by hand, `to: primary` a replica, and `reattach: primary, to: replica` takes the
primary away without a successor: everybody gets READONLY. Sentinel puts right what it did not do itself, but
late: it waits for twice the time between two INFOs (20 s) and down-after.

Effect: the node says the role, and whom it follows.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.inventory import Inventory
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Needed, Option, OptionType, OptionValue
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import NodeRole, Trait
from harness.redis_wire import words

_NOBODY = "nobody"


def _needs(target: str, options: Mapping[str, OptionValue], inventory: Inventory) -> Needed | None:  # noqa: ARG001 - the declaration's
    """Replicas follow the primary from the start; the old primary is one that does not yet."""
    follows = options.get("to") == "primary" and targets.parse(target).what in targets.REPLICAS
    return Needed(Trait.UNASKED) if follows else None


class Reattach:
    declaration = Declaration(
        name="reattach",
        help="REPLICAOF by hand: a node follows another one, or nobody.",
        targets=(*targets.PRIMARIES, *targets.REPLICAS, "the old primary"),
        options=(
            Option(
                name="to",
                type=OptionType.WORD,
                help="whom it follows: the primary, a replica, or nobody, which makes it a primary",
                words=(_NOBODY, "primary", "replica"),
                example="replica",
            ),
        ),
        least_for_s=None,
        traits=(Trait.CAUSES_FAILOVER, Trait.NEEDS_REPLICA, Trait.UNASKED),
        needs=_needs,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if plan.inventory.clustered:
            return "REPLICAOF is refused in a cluster"
        target, to = targets.parse(step.target), step.options.get("to")
        if target.what == "primary" and to != "replica":
            return "a node cannot follow itself" if to == "primary" else "a primary follows nobody already"
        if (
            target.what != "primary"
            and to == "replica"
            and len(targets.session_nodes(plan, target.shard)) < 3
        ):
            return f"shard {target.shard} has no second replica that it could follow"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (node,) = targets.resolve(step.target, scene)
        wanted = str(step.options.get("to", _NOBODY))
        followed = "" if wanted == _NOBODY else _other(wanted, node, scene)
        address = scene.topology.address(followed) if followed else None
        order = ("NO", "ONE") if address is None else (address.host, address.port)
        with noted(scene) as moment, own_nodes.connect(scene, node) as connection:
            before, _, after = connection.call_all([("ROLE",), ("REPLICAOF", *order), ("ROLE",)])
        said = _said(after, scene)
        if said == _said(before, scene) or said != (followed or NodeRole.PRIMARY):
            raise NoEffect(f"{node} follows {said} after REPLICAOF {' '.join(map(str, order))}, as before")
        now = f"follows {followed}" if followed else "is a primary"
        return moment.effect(
            (node,),
            f"{node} {now} after REPLICAOF; before it was {_told(before, scene)}",
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None


def _other(wanted: str, node: str, scene: FaultScene) -> str:
    found = targets.resolve("all replicas" if wanted == "replica" else wanted, scene)
    others = [one for one in found if one != node]
    if not others:
        raise NoEffect(f"there is no {wanted} but {node} itself")
    return others[0]


def _said(role: list[str], scene: FaultScene) -> str:
    """Whom a node follows by its own word; a primary follows nobody."""
    if words.role(role[0]) is NodeRole.PRIMARY:
        return NodeRole.PRIMARY
    return scene.topology.node_at(role[1], int(role[2])) or f"{role[1]}:{role[2]}"


def _told(role: list[str], scene: FaultScene) -> str:
    said = _said(role, scene)
    return said if said == NodeRole.PRIMARY else f"a replica of {said}"
