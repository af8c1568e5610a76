"""`lose`: a host is gone with every node on it, as when its power fails.

    - {after: 5s, lose: host of primary, for: 10s}

The nodes are cut off first, and then killed: whoever was connected hears nothing, neither an end nor a
refusal, and waits until its own time-out. After `kill` the kernel of the machine closes its connections.

Healed after `for:`, or at the end of the run: the network first, then every node is started with its data.
"""

from __future__ import annotations

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kill import exits, start_again
from harness.faults.last_answer import watched
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait


class Lose:
    declaration = Declaration(
        name="lose",
        help="Lose a host: every node on it is cut off and killed at once; `for:` brings it back.",
        targets=targets.HOSTS,
        traits=(
            Trait.STOPS_PROCESS,
            Trait.ENDS_UNWARNED,
            Trait.CUTS_LINKS,
            Trait.LASTS,
            Trait.CAUSES_FAILOVER,
        ),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:
        if not machine.network_faults:
            return f"a lost host needs network faults: {machine.why_no_network_faults or 'not possible here'}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        others = [node.name for node in scene.plan.nodes if node.name not in nodes]
        with watched(scene, nodes) as departure:
            try:
                # Clients first: without its replicas a primary would go on acknowledging for a moment.
                proofs = [
                    scene.topology.apply(LinkRule(nodes, peers), by=step.number)
                    for peers in (scene.plan.web_servers, others)
                    if peers
                ]
            except BaseException:
                scene.topology.mend(by=step.number)
                raise
            for node in nodes:
                scene.topology.kill(node)
            at_us, error_us = departure.when(nodes)
        states = {node: scene.topology.state(node) for node in nodes}
        if alive := [node for node, state in states.items() if state.running]:
            raise NoEffect(f"{', '.join(alive)} still running after SIGKILL")
        return Effect(
            targets=nodes,
            proof=f"host lost with {', '.join(known)}: {'; '.join(proofs)}; {exits(states)}",
            at_us=at_us,
            error_us=error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        scene.topology.mend(by=step.number)
        return f"host back; {start_again(effect.targets, scene)}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return not targets.running(effect.targets, scene)
