"""`kill web server`: a process of the application dies; its users are sent to the others.

Sessions live in Redis precisely so that this loses nothing. With `for:` the web server is started
again after that time; without, it stays out of service for the rest of the run.
"""

from __future__ import annotations

from harness.faults import targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class KillWebServer:
    declaration = Declaration(
        name="kill web server",
        help="Abort a web server's connections and take it out of service; `for:` starts it again.",
        targets=("web-N",),
        traits=(Trait.NEEDS_OTHER_WEB_SERVER,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if len(plan.web_servers) < 2:
            return "there is only one web server, so no other could serve the users"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        (web_server,) = targets.resolve(step.target, scene)
        with noted(scene) as moment:
            proof = scene.web_servers.kill_web_server(web_server)
        return moment.effect((web_server,), proof)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        if step.for_s is None:
            return None
        scene.web_servers.start_web_server(effect.targets[0])
        return f"{effect.targets[0]} is in service again"
