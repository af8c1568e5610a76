"""`recreate`: a container is removed and made again from the project, as an upgrade or a lost host does it.

Named volumes and mounted files stay; everything else that the container had is gone: its anonymous volumes,
what it wrote elsewhere, often the address that others know it by. Sentinels forget what they had learnt, a
cluster's node its identity.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.crash import ONLY_A_PROJECT
from harness.faults.last_answer import watched
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, OwnContainers
from harness.model.words import Trait


class Recreate:
    declaration = Declaration(
        name="recreate",
        help="Remove containers of a Compose project and make them again; named volumes stay.",
        targets=(*targets.DOWN, targets.NOT_YET_RESTARTED, *targets.RUNNING),
        least_for_s=None,
        traits=(Trait.STARTS_PROCESS, Trait.ENDS_UNWARNED, Trait.CAUSES_FAILOVER),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.own_containers:
            return ONLY_A_PROJECT
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        topology = scene.topology
        assert isinstance(topology, OwnContainers), "asked in `fits`"
        running = [node for node in nodes if topology.state(node).running]
        before = {node: own_nodes.check(scene, node) for node in running}
        scene.last_look(running, "before being made again")
        with watched(scene, running) as departure:
            for node in nodes:
                topology.remove(node)
            at_us, error_us = departure.when(running) if running else (scene.observed.now_us(), 1)
        for node in nodes:
            topology.make_again(node)
        proofs = [self._proof(node, before.get(node, "was down"), scene) for node in nodes]
        return Effect(targets=nodes, proof="; ".join(proofs), at_us=at_us, error_us=error_us)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None

    def _proof(self, node: str, before: str, scene: FaultScene) -> str:
        after = own_nodes.check(scene, node)
        if after == before:
            raise NoEffect(f"{after} still answers: its container was not made again")
        return f"a new container answers: {after} ({before})"
