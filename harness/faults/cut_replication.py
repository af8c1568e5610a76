"""`cut replication`: a primary keeps its clients and its sentinels, and loses its replicas only.

What is acknowledged from now on lives on the primary alone, which makes "acked, not yet replicated"
as wide as the scenario wants: cut, do something, kill the primary.

Trap: replication links look up for seconds after a cut (`master_link_status`), and after healing TCP
may wait several seconds before it tries again. Offsets tell, links do not.
"""

from __future__ import annotations

import time

from harness.errors import NoEffect
from harness.faults import own_nodes, peers, targets
from harness.faults.applied_link import applied
from harness.faults.healed_link import caught_up
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, LastLook, Machine
from harness.model.words import Trait


class CutReplication:
    declaration = Declaration(
        name="cut replication",
        help="Drop all packets between a primary and its replicas, and no others.",
        targets=targets.PRIMARIES,
        traits=(Trait.CUTS_LINKS, Trait.CUTS_REPLICATION, Trait.LASTS, Trait.NEEDS_REPLICA),
    )
    last_look = LastLook(moment="before healing cut replication")

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.network_faults:
            return f"this fault needs network faults: {machine.why_no_network_faults or 'not possible here'}"
        shard = targets.parse(step.target).shard
        if len(targets.session_nodes(plan, shard)) < 2:
            return targets.fits(step, plan) or f"shard {shard} has no replicas to be cut off"
        return None

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (primary,) = targets.resolve(step.target, scene)
        known = own_nodes.check(scene, primary)
        replicas = peers.resolve(peers.REPLICAS, [primary], scene)
        following = targets.replicas_of(targets.parse(step.target).shard, scene)
        if not following:
            raise NoEffect(f"{primary} has no replicas; last seen: {targets.describe(scene)}")
        link = applied(LinkRule([primary], replicas), scene, by=step.number)
        return Effect(
            targets=(primary,),
            proof=f"{known} cut from {', '.join(replicas)}: {link.proof}",
            at_us=link.at_us,
            error_us=link.error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        primary = effect.targets[0]
        mended_at_s = time.time()
        scene.topology.mend(by=step.number)
        return f"cut lifted; {caught_up(scene, primary, mended_at_s)}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:  # noqa: ARG002 - the protocol's
        return True
