"""When a node that is being started answered for the first time: earlier than whoever starts it is told.

A container engine reports a start up to a second after the process in it serves its first client, and
what users do meanwhile they do on the new process. So the node is asked every few milliseconds while it
is started: it did not answer when it was asked last but one, and it did when it was asked last.

Any answer counts, a refusal too: a node that is still loading its data says so.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harness.clock import RunClock
from harness.model.credentials import kit_login
from harness.model.seams import FaultScene, Login
from harness.redis_wire import blocking
from harness.redis_wire.protocol import ErrorReply, NoAnswer

_ASK_EVERY_S = 0.005
_ANSWER_WITHIN_S = 0.2
"""A container that does not run yet leaves packets without an answer."""


class FirstAnswer:
    """What the first signs of life of a node say about when it came."""

    def __init__(self, scene: FaultScene, node: str) -> None:
        self._scene = scene
        self._node = node
        self._silent_us = scene.observed.now_us()
        self._answered_us: int | None = None
        self._over = threading.Event()

    def when(self) -> tuple[int, int]:
        """The node answers by now: the moment by which it did, and its error, microseconds."""
        now_us = self._scene.observed.now_us()
        at_us = now_us if self._answered_us is None else self._answered_us
        return at_us, max(1, at_us - self._silent_us)

    def watch(self) -> None:
        """Ask until somebody answers. Runs in a thread of its own."""
        clock = RunClock()
        while not self._over.is_set():
            asked_us = self._scene.observed.now_us()
            if self._answers():
                self._answered_us = self._scene.observed.now_us()
                return
            self._silent_us = asked_us
            clock.sleep(_ASK_EVERY_S)

    def end(self) -> None:
        self._over.set()

    def _answers(self) -> bool:
        topology = self._scene.topology
        own = kit_login(topology.plan, self._node, topology.secrets)
        try:
            connection = blocking.connect(
                topology.address(self._node),
                topology.observer(),
                who=self._node,
                secret=Login(password="", certificates=own.certificates),
                within_s=_ANSWER_WITHIN_S,
            )
        except NoAnswer:
            return False
        try:
            connection.call("PING")
        except ErrorReply:
            return True  # NOAUTH, LOADING
        except NoAnswer:
            return False
        finally:
            connection.close()
        return True


@contextmanager
def awaited(scene: FaultScene, node: str) -> Iterator[FirstAnswer]:
    """Watch a node that is down while it is started inside the `with`."""
    arrival = FirstAnswer(scene, node)
    thread = threading.Thread(target=arrival.watch, daemon=True)
    thread.start()
    try:
        yield arrival
    finally:
        arrival.end()
        thread.join()
