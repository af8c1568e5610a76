"""A fault that is kept on each of its nodes: done and undone for one after the other, and told of each.

Trap: what was done on the first of them is undone as well where the second one refuses.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kept import keeping, let_go
from harness.faults.moment import noted
from harness.model.scenario import FaultStep
from harness.model.seams import Effect, FaultScene

Does = Callable[[str], None]
Says = Callable[[str, FaultScene], str]
"""What was observed of a node."""


def keep(step: FaultStep, scene: FaultScene, *, do: Does, undo: Does, proof: Says) -> Effect:
    nodes = targets.resolve(step.target, scene)
    with noted(scene) as moment, keeping(step, scene) as kept:
        for node in nodes:
            own_nodes.check(scene, node)
            _check_free(step, node, scene)
            kept.callback(partial(undo, node))
            do(node)
        said = [proof(node, scene) for node in nodes]
    return moment.effect(nodes, "; ".join(said))


def _check_free(step: FaultStep, node: str, scene: FaultScene) -> None:
    """
    Raises:
        NoEffect: an earlier fault of this kind is in force there: its end would be the end of both.
    """
    for other in scene.plan.scenario.faults:
        here = node in scene.resolved.get(other.number, ())
        if other.kind == step.kind and other.number != step.number and other.number in scene.kept and here:
            raise NoEffect(f"fault {other.number} ({other.kind}) is in force at {node} already")


def mend(step: FaultStep, effect: Effect, scene: FaultScene, *, proof: Says) -> str:
    let_go(step, scene)
    up = targets.running(effect.targets, scene)
    try:
        return "; ".join(proof(node, scene) for node in up) or "the node is down"
    except Interrupted:  # whoever ends a run does not wait for what follows from the healing
        return f"undone at {', '.join(up)}, and no longer looked at: the run was stopped"


def in_force(effect: Effect, scene: FaultScene) -> bool:
    """For as long as one of them is there to have it."""
    return bool(targets.running(effect.targets, scene))
