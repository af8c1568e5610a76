"""`exhaust connections`: a client that leaks connections takes all that a node accepts (`maxclients`).

Whoever is connected stays connected and sees nothing. Whoever connects now is refused: an application that
starts, a pool that grows, one without a pool, and after a failover everybody.

Effect: a connection is refused with "max number of clients reached". While it lasts each connection that
somebody gives up is taken too.

Trap: the kit is refused as well. Its observers keep the connections that they have.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack, suppress

from harness.clock import RunClock
from harness.errors import Interrupted, NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kept import going_on, keeping, let_go
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire import blocking
from harness.redis_wire.protocol import ErrorReply, NoAnswer

MAXCLIENTS_MOST = 900
"""A process may have 1024 files open by default, and the kit has others."""

_REFUSED = "max number of clients"
_AGAIN_EVERY_S = 0.02
_LEAST_S = 0.2


class ExhaustConnections:
    declaration = Declaration(
        name="exhaust connections",
        help="Open connections until a node refuses more, and take each that becomes free.",
        targets=targets.DATA_NODES,
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        limits = [int(node.number("maxclients", 10000)) for node in plan.data_nodes()]
        if max(limits) > MAXCLIENTS_MOST:
            return (
                f"expected nodes that accept at most {MAXCLIENTS_MOST} connections, found {max(limits)}; "
                "set it, for example redis: {maxclients: 100}"
            )
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        for node in nodes:
            own_nodes.check(scene, node)
        with keeping(step, scene) as kept:
            with noted(scene) as moment:
                hoards = [_Hoard(node, scene) for node in nodes]
                for hoard in hoards:
                    kept.enter_context(hoard.open)
                    hoard.take_all()
            for hoard in hoards:
                kept.enter_context(going_on(hoard.go_on))
        said = (
            f"{hoard.node} accepted {hoard.taken} connections and refused the next: {hoard.refusal}"
            for hoard in hoards
        )
        return moment.effect(nodes, "; ".join(said))

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:
        let_go(step, scene)
        up = targets.running(effect.targets, scene)
        for node in up:
            with own_nodes.connect(scene, node):
                pass
        return f"connections closed; accepting again: {', '.join(up) or 'none'}"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


class _Hoard:
    """Connections to one node that nobody uses."""

    def __init__(self, node: str, scene: FaultScene) -> None:
        self.node = node
        self.open = ExitStack()
        self.taken = 0
        self.refusal = ""
        self._scene = scene

    def take_all(self) -> None:
        while self._takes_one():
            if self._scene.stopping():
                raise Interrupted(f"stopped while connections to {self.node} were opened")
            if self.taken > MAXCLIENTS_MOST:
                raise NoEffect(f"{self.node} accepted {self.taken} connections and refused none")

    def go_on(self, over: threading.Event) -> None:
        """Runs in a thread of its own; a node that dies takes its connections along."""
        clock = RunClock()
        while not over.is_set():
            with suppress(NoAnswer):
                while not over.is_set() and self._takes_one():
                    pass
            clock.sleep(_AGAIN_EVERY_S)

    def _takes_one(self) -> bool:
        topology = self._scene.topology
        connection = blocking.connect(
            topology.address(self.node), topology.observer(), who=self.node, secret=None, within_s=1.0
        )
        try:
            connection.call("PING")
        except ErrorReply as reply:
            if _REFUSED in reply.text:
                self.refusal = reply.text
                connection.close()
                return False
        except NoAnswer:
            connection.close()
            raise
        self.open.enter_context(connection)
        self.taken += 1
        return True
