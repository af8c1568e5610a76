"""What a control process finds that an earlier one left when it died."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import cast

import pytest

from harness.errors import EnvironmentFailure
from harness.held.resident import undo_what_another_left
from harness.model.seams import HeldTopology, Machine
from harness.model.words import BackendKind
from tests.fakes import FakeTopology, make_plan

MACHINE = Machine(backend=BackendKind.PROCESS, network_faults=True)


class Left(FakeTopology):
    def cutting(self) -> tuple[int, ...]:
        return tuple(self.cuts)


@pytest.fixture
def topology() -> Iterator[Left]:
    left = Left(make_plan())
    yield left
    left.close()


def undone(topology: Left, machine: Machine = MACHINE) -> list[str]:
    return undo_what_another_left(cast("HeldTopology", topology), machine)


def test_nodes_of_a_dead_one_answer_again(topology: Left) -> None:
    """Nobody else knows that they are paused or were killed; `heal` would say that no fault is in effect."""
    topology.pause("redis-1")
    topology.kill("redis-2")
    said = undone(topology)
    assert not topology.state("redis-1").paused
    assert topology.state("redis-2").running
    assert [line.partition(" ")[0] for line in said] == ["redis-1", "redis-2"]
    assert "clear redis-3" in topology.did
    assert undone(topology) == [], "nothing is left"


def test_node_that_does_not_start_hinders_nobody(topology: Left) -> None:
    """The others are mended, and calls are answered."""
    topology.kill("redis-1")
    topology.pause("redis-2")
    topology.failing["start"] = EnvironmentFailure("port in use")
    assert undone(topology)[0] == "redis-1: port in use"
    assert not topology.state("redis-2").paused


def test_files_of_a_project_are_not_touched(topology: Left) -> None:
    """The kit does not know where its snapshots are."""
    undone(topology, replace(MACHINE, own_containers=True))
    assert not [act for act in topology.did if act.startswith("clear")]
