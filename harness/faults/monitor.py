"""`monitor`: somebody looks at a busy node with MONITOR, and forgets it.

The node writes every command once more for each of them: less is left for everybody else.

Effect: every MONITOR connection has been sent commands of others.
"""

from __future__ import annotations

import selectors
import threading
from collections.abc import Sequence

from harness.clock import WaitExpired, wait_until
from harness.errors import NoEffect
from harness.faults import own_nodes, targets
from harness.faults.kept import going_on, keeping, let_go
from harness.faults.moment import noted
from harness.model.plan import Plan
from harness.model.scenario import Declaration, FaultStep, Option, OptionType
from harness.model.seams import Effect, FaultScene, Machine
from harness.model.words import Trait
from harness.redis_wire.blocking import Connection

READERS_MOST = 200
_SEES_WITHIN_S = 3.0
_LEAST_S = 0.2
_CHUNK = 1 << 18


class Monitor:
    declaration = Declaration(
        name="monitor",
        help="MONITOR connections that read every command of a node.",
        targets=targets.DATA_NODES,
        options=(Option(name="readers", type=OptionType.COUNT, help="how many of them", default=5),),
        least_for_s=_LEAST_S,
        traits=(Trait.LASTS,),
    )

    def fits(self, step: FaultStep, plan: Plan, machine: Machine) -> str | None:  # noqa: ARG002 - the protocol's
        if not 1 <= int(step.options.get("readers", 5)) <= READERS_MOST:
            return f"readers: expected 1 to {READERS_MOST}, found {step.options['readers']}"
        return targets.fits(step, plan)

    def inject(self, step: FaultStep, scene: FaultScene) -> Effect:
        nodes = targets.resolve(step.target, scene)
        with noted(scene) as moment, keeping(step, scene) as kept:
            readers = [
                kept.enter_context(own_nodes.connect(scene, node))
                for node in nodes
                for _ in range(int(step.options.get("readers", 5)))
            ]
            for reader in readers:
                reader.send("MONITOR")
            reading = _Reading(readers)
            kept.enter_context(going_on(reading.go_on))
            for node in nodes:  # somebody speaks, even if nobody else does
                with own_nodes.connect(scene, node) as other:
                    other.call("PING")
            try:
                wait_until(
                    reading.all_saw, within_s=_SEES_WITHIN_S, waiting_for="every MONITOR to see a command"
                )
            except WaitExpired as expired:
                raise NoEffect(str(expired)) from expired
        return moment.effect(
            nodes, f"{len(readers)} MONITOR connections to {', '.join(nodes)} see the commands of others"
        )

    def heal(self, step: FaultStep, effect: Effect, scene: FaultScene) -> str | None:  # noqa: ARG002 - the protocol's
        let_go(step, scene)
        return "MONITOR connections closed"

    def in_force(self, effect: Effect, scene: FaultScene) -> bool:
        return bool(targets.running(effect.targets, scene))


class _Reading:
    """Reads what MONITOR connections are sent, as fast as it comes, and throws it away."""

    def __init__(self, readers: Sequence[Connection]) -> None:
        self._readers = readers
        self._lines = [0] * len(readers)

    def all_saw(self) -> bool:
        """The first line is the reply to MONITOR."""
        return min(self._lines) > 1

    def go_on(self, over: threading.Event) -> None:
        with selectors.DefaultSelector() as selector:
            for number, reader in enumerate(self._readers):
                selector.register(reader.socket, selectors.EVENT_READ, number)
            while not over.is_set() and selector.get_map():
                for ready, _ in selector.select(timeout=0.05):
                    self._read(ready, selector)

    def _read(self, ready: selectors.SelectorKey, selector: selectors.BaseSelector) -> None:
        try:
            received = ready.fileobj.recv(_CHUNK)  # type: ignore[union-attr] # a socket, as registered
        except OSError:
            received = b""
        if received:
            self._lines[ready.data] += received.count(b"\n")
        else:  # the node is gone
            selector.unregister(ready.fileobj)
