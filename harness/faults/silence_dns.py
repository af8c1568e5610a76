"""`silence dns`: names are not answered any more, neither with an address nor with an error.

A server that answers "no such name" at once does no harm to Sentinel; one that says nothing stops it for the
seconds of each question, in which it watches nobody. Only the questions of the targets are dropped, on their
way to the DNS server that Docker gives each container.
"""

from __future__ import annotations

from harness.faults import targets
from harness.faults.crash import ONLY_A_PROJECT
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, OwnContainers


class SilenceDns:
    declaration = Declaration(
        name="silence dns",
        help="Drop every DNS question of containers of a Compose project; `for:` lets them through again.",
        targets=targets.RUNNING,
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.own_containers:
            return ONLY_A_PROJECT
        if not machine.network_faults:
            return f"this fault needs network faults: {machine.why_no_network_faults or 'not possible here'}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        assert isinstance(scene.topology, OwnContainers), "asked in `fits`"
        with noted(scene) as moment:
            proof = scene.topology.silence_names(nodes)
        return moment.effect(nodes, proof)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        assert isinstance(scene.topology, OwnContainers), "asked in `fits`"
        return scene.topology.answer_names(effect.targets)
