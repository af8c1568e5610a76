"""`pause`: a node freezes with its connections open (a stalled disk, a frozen virtual machine).

Clients hang until their own time-out: a different test from `kill`. Healing resumes it, after `for:`
or at the end of the run, or earlier by `resume: paused`.

Trap: bytes sent to a paused server are executed when it resumes, even if their sender has long gone.
"""

from __future__ import annotations

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Address, Effect, FaultScene, LastLook, Machine
from harness.model.words import Trait
from harness.redis_wire import haproxy
from harness.redis_wire.protocol import NoAnswer

_SILENCE_S = 0.15
"""A healthy node on this machine answers PING in well under a millisecond."""
_LEAST_S = 0.2
"""Proving the silence takes most of it."""
_ANSWERS_AGAIN_S = 10.0

AFTER_RESUMING = LastLook(moment="after being resumed; paused, it could not answer", after_healing=True)


class Pause:
    declaration = Declaration(
        name="pause",
        help="Freeze nodes or sentinels without closing their connections; healed by resuming them.",
        targets=(*targets.RUNNING, *targets.PROXIES),
        least_for_s=_LEAST_S,
        traits=(Trait.FREEZES_PROCESS, Trait.LASTS, Trait.CAUSES_FAILOVER),
    )
    last_look = AFTER_RESUMING

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        known = [own_nodes.check(scene, node) for node in nodes]
        if frozen := [node for node in nodes if scene.topology.state(node).paused]:
            raise NoEffect(f"{', '.join(frozen)} paused already")
        try:
            return self._freeze(nodes, known, scene)
        except BaseException:
            resume(nodes, scene)
            raise

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return resume(effect.targets, scene)

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return any(scene.topology.state(node).paused for node in effect.targets)

    def _freeze(self, nodes: tuple[str, ...], known: list[str], scene: FaultScene) -> Effect:
        with noted(scene) as moment:
            for node in nodes:
                scene.topology.pause(node)
        if awake := [node for node in nodes if answers(node, scene)]:
            raise NoEffect(f"{', '.join(awake)} still answering after being paused")
        return moment.effect(
            nodes,
            f"frozen: {', '.join(known)}; no answer within {_SILENCE_S} s",
        )


def answers(node: str, scene: FaultScene, within_s: float = _SILENCE_S) -> bool:
    """Whether the node answers at all now."""
    if not own_nodes.speaks(scene, node):
        return _says_something(node, scene, within_s)
    try:
        own_nodes.connect(scene, node, within_s=within_s).close()
    except NoAnswer:
        return False
    return True


def _says_something(node: str, scene: FaultScene, within_s: float) -> bool:
    """A proxy of itself; of what else a project runs, only whether it is frozen is known."""
    port = scene.plan.node(node).stats_port
    if port is None:
        return not scene.topology.state(node).paused
    at = Address(scene.topology.address(node).host, port)
    try:
        haproxy.servers(at, scene.topology.observer(), within_s=within_s)
    except NoAnswer:
        return False
    return True


def resume(nodes: tuple[str, ...], scene: FaultScene) -> str:
    """Resume those that are paused, and wait until they answer. Idempotent; the dead stay dead."""
    for node in nodes:
        if scene.topology.state(node).paused:
            scene.topology.resume(node)
    up = targets.running(nodes, scene)
    for node in up:
        wait_until(
            lambda node=node: answers(node, scene, within_s=1.0),  # type: ignore[misc] # bound per turn
            within_s=_ANSWERS_AGAIN_S,
            waiting_for=f"{node} to answer after being resumed",
        )
    return (
        f"answering: {', '.join(up) or 'none'}; down meanwhile: {', '.join(set(nodes) - set(up)) or 'none'}"
    )
