"""`crash`: the process of a container dies, and what the project says about that happens.

Docker starts a container again whose process died, if its restart policy says so; one that was killed through
Docker stays down, whatever the policy. So `kill` is a machine that is gone, and `crash` a process that is.
Without persistence a crash is the worse of the two: the primary is back, empty, before anybody misses it.

Effect: the process is gone. Proof: a new one answers in its place, started by nobody here.
"""

from __future__ import annotations

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.last_answer import watched
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine, OwnContainers
from harness.model.words import Trait
from harness.redis_wire.protocol import ErrorReply, NoAnswer

BACK_WITHIN_S = 20.0
"""Docker waits 100 ms before the first restart, and twice as long before each that follows soon."""

ONLY_A_PROJECT = (
    "only the containers of a Compose project can have this done to them; this backend starts its own"
)


class Crash:
    declaration = Declaration(
        name="crash",
        help="SIGKILL the process of a Compose project's container; its restart policy starts it again.",
        targets=targets.RUNNING,
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
        for node in nodes:
            if not topology.restarts(node):
                raise NoEffect(f"{node} has no restart policy, so nothing starts it again; use kill")
        before = {node: own_nodes.check(scene, node) for node in nodes}
        scene.last_look(nodes, "before crashing")
        with watched(scene, nodes) as departure:
            for node in nodes:
                topology.crash(node)
            at_us, error_us = departure.when(nodes)
        back = [self._back(node, before[node], at_us, scene) for node in nodes]
        return Effect(targets=nodes, proof="; ".join(back), at_us=at_us, error_us=error_us)

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        return None

    def _back(self, node: str, before: str, gone_us: int, scene: FaultScene) -> str:
        def answers() -> str | None:
            if not own_nodes.speaks(scene, node):
                state = scene.topology.state(node)
                return f"{node} (process {state.pid})" if state.running and state.pid else None
            try:
                with own_nodes.connect(scene, node) as connection:
                    return str(own_nodes.identify(connection, scene, node))
            except (NoAnswer, ErrorReply):
                return None

        try:
            after = wait_until(answers, within_s=BACK_WITHIN_S, waiting_for=f"{node} to be started again")
        except WaitExpired as expired:
            raise NoEffect(str(expired)) from expired
        if after == before:
            raise NoEffect(f"{after} still answers: its process did not die")
        down_s = (scene.observed.now_us() - gone_us) / 1e6
        return f"process gone: {before}; its restart policy started {after} within {down_s:.2f} s"
