"""`stop`: SIGTERM, an orderly shutdown as a deployment or a reboot does it.

Unlike `kill` the server saves its data set (where save points are configured), and from Redis 7 on a
primary first waits for its replicas to catch up, for as long as its `shutdown-timeout` says: nobody can
write meanwhile, an outage like any other. `for:` works as with `kill`.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kill import exits, start_again
from harness.faults.last_answer import watched
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class Stop:
    declaration = Declaration(
        name="stop",
        help="SIGTERM nodes or sentinels (orderly shutdown); `for:` starts them again with their data.",
        targets=targets.RUNNING,
        traits=(Trait.STOPS_PROCESS, Trait.CAUSES_FAILOVER),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        began_us = scene.observed.now_us()
        with watched(scene, nodes) as departure:
            for node in nodes:
                scene.topology.stop(node)
            at_us, error_us = departure.when(nodes)
        states = {node: scene.topology.state(node) for node in nodes}
        if alive := [node for node, state in states.items() if state.running]:
            within_s = max(scene.plan.node(node).orderly_stop_s for node in alive)
            raise NoEffect(
                f"{', '.join(alive)} still running {within_s:g} s after SIGTERM;"
                " how long a node waits for its replicas is set with `shutdown-timeout`"
            )
        took_s = (at_us - began_us) / 1e6
        return Effect(
            targets=nodes,
            proof=f"shut down in {took_s:.2f} s: {', '.join(known)}; {exits(states)}",
            at_us=at_us,
            error_us=error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        if step.for_s is None:
            return None
        return start_again(effect.targets, scene)
