"""What the kernel says that the nodes' processes waited for a CPU."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure
from harness.model.seams import NodeState
from harness.observe.node_waits import NodeWaits, Waited

LOOKS_A_SECOND = 10
PATIENCE_S = 20.0


class Machine:
    """Two nodes, and what the kernel says of their processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pids: dict[str, int | None] = {"redis-1": 11, "redis-2": 12}
        self.asked: list[str] = []
        self.unknown: set[str] = set()

    def waits(self) -> NodeWaits:
        return NodeWaits(list(self.pids), self.state, self.folder)

    def state(self, node: str) -> NodeState:
        self.asked.append(node)
        if node in self.unknown:
            raise EnvironmentFailure("Docker does not answer")
        return NodeState(running=self.pids[node] is not None, pid=self.pids[node])

    def waited(self, pid: int, ms: int) -> None:
        folder = self.folder / str(pid)
        folder.mkdir(exist_ok=True)
        (folder / "schedstat").write_text(f"987654321 {ms * 1_000_000} 55\n")

    def gone(self, pid: int) -> None:
        (self.folder / str(pid) / "schedstat").unlink()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    made = Machine(tmp_path)
    made.waited(11, 5000)
    made.waited(12, 7000)
    return made


def test_waits_of_all_nodes_add_up_and_the_longest_is_kept(machine: Machine) -> None:
    """What they waited before the first look is not this run's; what was taken is not told again."""
    waits = machine.waits()
    waits.look()
    assert waits.take() == Waited(0, 0)
    machine.waited(11, 5030)
    machine.waited(12, 7090)
    waits.look()
    machine.waited(11, 5040)
    waits.look()
    assert waits.take() == Waited(130_000, 90_000)
    assert waits.take() == Waited(0, 0)


def test_nothing_is_claimed_of_processes_that_nobody_sees(machine: Machine) -> None:
    """In another namespace, on another system, without such a file. Seen once, a node that is gone waits for
    nothing."""
    hidden = machine.waits()
    machine.gone(11)
    machine.pids["redis-2"] = None
    hidden.look()
    assert hidden.take() is None
    machine.waited(11, 1)
    (machine.folder / "11" / "schedstat").write_text("not to be told")
    hidden.look()
    assert hidden.take() is None
    machine.waited(11, 1)
    for _ in range(LOOKS_A_SECOND):
        hidden.look()
    assert hidden.take() == Waited(0, 0)
    machine.gone(11)
    hidden.look()
    assert hidden.take() == Waited(0, 0)


def test_process_of_a_node_that_was_started_again_counts_from_its_beginning(machine: Machine) -> None:
    """It waited while it started. Its node is asked for it once a second, and the others are not."""
    waits = machine.waits()
    waits.look()
    machine.gone(11)
    machine.pids["redis-1"] = None
    for _ in range(2 * LOOKS_A_SECOND):
        waits.look()
    assert machine.asked == ["redis-1", "redis-2", "redis-1", "redis-1"]
    machine.pids["redis-1"] = 13
    machine.waited(13, 40)
    for _ in range(LOOKS_A_SECOND):
        waits.look()
    assert waits.take() == Waited(40_000, 40_000)


def test_node_whose_state_is_not_known_is_asked_again(machine: Machine) -> None:
    """An engine that does not answer for a moment ends nothing."""
    machine.unknown = {"redis-1"}
    waits = machine.waits()
    waits.look()
    machine.unknown = set()
    for _ in range(LOOKS_A_SECOND):
        waits.look()
    assert waits.take() == Waited(0, 0), "what it waited before anybody saw it"
    machine.waited(11, 5070)
    waits.look()
    assert waits.take() == Waited(70_000, 70_000)


def test_real_process_is_looked_at_by_a_thread_of_its_own() -> None:
    """The test's own: the kernel has such a file, and the thread ends when it is told to."""
    asked = threading.Event()

    def state(_node: str) -> NodeState:
        asked.set()
        return NodeState(running=True, pid=os.getpid())

    waits = NodeWaits(["redis-1"], state)
    waits.start()
    assert asked.wait(PATIENCE_S)
    waits.stop()
    for thread in threading.enumerate():
        if thread.name == "node waits":
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    found = waits.take()
    assert found is not None
    assert found.together_us >= found.worst_us >= 0
