"""`resume`: wake what an earlier `pause` froze, at a moment of the scenario's choosing.

Beside `pause` with `for:`, this lets the end of a pause hang on an event: `after: promoted + 2s`.
"""

from __future__ import annotations

from harness.clock import WaitExpired
from harness.errors import NoEffect
from harness.faults import targets
from harness.faults.moment import noted
from harness.faults.pause import AFTER_RESUMING, resume
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class Resume:
    declaration = Declaration(
        name="resume",
        help="Wake the nodes that an earlier `pause` froze.",
        targets=("paused",),
        least_for_s=None,
        traits=(Trait.RESUMES_PROCESS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        with noted(scene) as moment:
            try:
                proof = resume(nodes, scene)
            except WaitExpired as expired:
                raise NoEffect(str(expired)) from expired
        scene.last_look(nodes, AFTER_RESUMING.moment)
        return moment.effect(nodes, proof)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None
