"""When a process was gone: narrower than "somewhere between asking and being told".

A container engine takes a third of a second to report a kill that took a millisecond, and t = 0 of every
failover step hangs on it. So the node is asked PING every few milliseconds while it is taken down: it
lived when it was last asked and answered, and it was gone when the kernel closed the connection.

A node that cannot be asked (it is paused) is gone when the topology says so; the error says the rest.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress

from harness.clock import RunClock
from harness.faults import own_nodes
from harness.model.seams import FaultScene
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import NoAnswer

_ASK_EVERY_S = 0.002


class LastAnswers:
    """What the last signs of life of some nodes say about when they went."""

    def __init__(self, scene: FaultScene) -> None:
        self._scene = scene
        self._asked_us = scene.observed.now_us()
        self._lived_us: dict[str, int] = {}
        self._gone_us: dict[str, int] = {}
        self._over = threading.Event()

    def when(self, nodes: Sequence[str]) -> tuple[int, int]:
        """All of `nodes` are down by now: the moment by which they were, and its error, microseconds."""
        now_us = self._scene.observed.now_us()
        at_us = max(min(self._gone_us.get(node, now_us), now_us) for node in nodes)
        lived_us = min(self._lived_us.get(node, self._asked_us) for node in nodes)
        return at_us, max(1, at_us - lived_us)

    def watch(self, node: str, connection: Connection) -> None:
        """Ask until the connection ends. Runs in a thread of its own."""
        clock = RunClock()
        while not self._over.is_set():
            asked_us = self._scene.observed.now_us()
            try:
                connection.call("PING")
            except NoAnswer:
                self._gone_us[node] = self._scene.observed.now_us()
                return
            self._lived_us[node] = asked_us
            clock.sleep(_ASK_EVERY_S)

    def end(self) -> None:
        self._over.set()


@contextmanager
def watched(scene: FaultScene, nodes: Sequence[str]) -> Iterator[LastAnswers]:
    """Watch `nodes` while they are taken down inside the `with`."""
    departure = LastAnswers(scene)
    with ExitStack() as stack:
        for node in nodes:
            if scene.topology.state(node).paused or not own_nodes.speaks(scene, node):
                continue
            with suppress(NoAnswer):
                connection = stack.enter_context(own_nodes.connect(scene, node))
                thread = threading.Thread(target=departure.watch, args=(node, connection), daemon=True)
                thread.start()
                stack.callback(thread.join)
                stack.callback(connection.hang_up)  # wakes the thread, if it still waits for an answer
        stack.callback(departure.end)
        yield departure
