"""How long the nodes' processes waited for a CPU: what this machine took away from them.

A node that is ready to run and gets no CPU answers late, elects late, is promoted late. The kernel counts
that time for each process, so nobody has to guess it from what other processes suffered. A thread of its own
reads it: the load engine's loop is late just when it matters.

Trap: what a process waited within a second may have been one long wait or a hundred short ones, and only a
long one holds up what passes from node to node. So it is read ten times a second, and the most that was
waited between two looks is kept beside the sum.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from harness.errors import EnvironmentFailure
from harness.model.seams import NodeState

LOOK_EVERY_S = 0.1
ASK_EVERY_S = 1.0
"""For the process of a node that has none, or is gone: Docker takes some milliseconds to answer."""
PROCESSES = Path("/proc")


class Waited(NamedTuple):
    together_us: int = 0
    worst_us: int = 0
    """The most that one node waited between two looks."""


class NodeWaits:
    def __init__(
        self, nodes: Sequence[str], state_of: Callable[[str], NodeState], processes: Path = PROCESSES
    ) -> None:
        """`state_of`: the topology's."""
        self._state_of = state_of
        self._processes = processes
        self._pids: dict[str, int | None] = dict.fromkeys(nodes)
        self._waited_ns: dict[str, tuple[int, int]] = {}
        """Node -> its process, and what that had waited in all its life when last looked at."""
        self._guard = threading.Lock()
        self._sum = Waited()
        self._looks = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="node waits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def take(self) -> Waited | None:
        """Since it was last taken; None: no process of a node was ever to be seen."""
        with self._guard:
            found, self._sum = self._sum, Waited()
        return found if self._waited_ns else None

    def look(self) -> None:
        """Once: ask for processes that are not known, read what each has waited."""
        if self._looks % round(ASK_EVERY_S / LOOK_EVERY_S) == 0:
            self._ask()
        self._looks += 1
        waited_us = [self._look_at(node, pid) for node, pid in self._pids.items() if pid is not None]
        with self._guard:
            self._sum = Waited(self._sum.together_us + sum(waited_us), max(self._sum.worst_us, *waited_us, 0))

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()

    def _ask(self) -> None:
        for node, pid in self._pids.items():
            if pid is not None:
                continue
            try:
                self._pids[node] = self._state_of(node).pid
            except EnvironmentFailure:
                continue  # asked again in a second

    def _look_at(self, node: str, pid: int) -> int:
        waited_ns = self._read(pid)
        if waited_ns is None:
            self._pids[node] = None
            return 0
        # What the first one waited before is not of this run. One that was started later is, all its life.
        known_pid, before_ns = self._waited_ns.get(node, (pid, waited_ns))
        self._waited_ns[node] = (pid, waited_ns)
        return max(0, waited_ns - (before_ns if pid == known_pid else 0)) // 1000

    def _read(self, pid: int) -> int | None:
        """Of the thread that serves clients; nanoseconds."""
        try:
            return int((self._processes / str(pid) / "schedstat").read_text().split()[1])
        except (OSError, ValueError, IndexError):
            return None
