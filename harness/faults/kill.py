"""`kill`: SIGKILL, as a crash or the kernel's out-of-memory killer does it. Nothing is saved first.

With `for:` the node is started again, with its data, after that time; without, it stays down until
`restart: killed` or the end of the run. To start it again at once, use `restart`.
"""

from __future__ import annotations

from collections.abc import Mapping

from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.last_answer import watched
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, NodeState
from harness.model.words import Trait


class Kill:
    declaration = Declaration(
        name="kill",
        help="SIGKILL nodes or sentinels; `for:` starts them again with their data.",
        targets=(*targets.RUNNING, *targets.PROXIES, "paused"),
        traits=(Trait.STOPS_PROCESS, Trait.ENDS_UNWARNED, Trait.CAUSES_FAILOVER),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        with watched(scene, nodes) as departure:
            for node in nodes:
                scene.topology.kill(node)
            at_us, error_us = departure.when(nodes)
        return Effect(
            targets=nodes,
            proof=f"process gone: {', '.join(known)}; {seen_gone(nodes, scene)}",
            at_us=at_us,
            error_us=error_us,
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        if step.for_s is None:
            return None
        return start_again(effect.targets, scene)


def seen_gone(nodes: tuple[str, ...], scene: FaultScene) -> str:
    """Exit codes of nodes that must be down now.

    Raises:
        NoEffect: one of them still runs.
    """
    states = {node: scene.topology.state(node) for node in nodes}
    alive = [node for node, state in states.items() if state.running]
    if alive:
        raise NoEffect(f"{', '.join(alive)} still running after SIGKILL")
    return exits(states)


def exits(states: Mapping[str, NodeState]) -> str:
    """How each process ended; of one that another process started only that it did is known."""
    return ", ".join(
        f"{node} ended" if state.exit_code is None else f"{node} exit code {state.exit_code}"
        for node, state in states.items()
    )


def start_again(nodes: tuple[str, ...], scene: FaultScene) -> str:
    """Start those that are down, with their data; says which process answers now."""
    for node in nodes:
        if not scene.topology.state(node).running:
            scene.topology.start(node)
    return "answers again: " + ", ".join(own_nodes.check(scene, node) for node in nodes)
