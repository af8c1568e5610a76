"""`pause web server`: a process of a user's own application freezes with its connections open.

Its balancer does not notice: it goes on sending its share of the requests there, and these hang until it is
resumed. Only a guest's web servers are processes; those of the kit's own session client are not.
"""

from __future__ import annotations

from harness.faults import targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class PauseWebServer:
    declaration = Declaration(
        name="pause web server",
        help="Freeze a web server of a guest with its workers and connections; healed by resuming it.",
        targets=("web-N",),
        traits=(Trait.LASTS, Trait.NEEDS_GUEST),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if plan.scenario.deployment.guest is None:
            return "only the web servers of a guest are processes that can be paused"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (web_server,) = targets.resolve(step.target, scene)
        with noted(scene) as moment:
            proof = scene.web_servers.pause_web_server(web_server)
        return moment.effect((web_server,), proof)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:  # noqa: ARG002 - the protocol's
        """Until it is healed: nobody else resumes a web server."""
        return True

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        scene.web_servers.resume_web_server(effect.targets[0])
        return f"{effect.targets[0]} goes on"
