"""What a control process finds that an earlier one left when it died."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast
from unittest.mock import MagicMock

import pytest

from harness.errors import EnvironmentFailure, NoEffect
from harness.held import resident, undo_record
from harness.held.resident import undo_what_another_left
from harness.held.undo_record import Noted
from harness.model.seams import HeldTopology, Machine, NodeCommand
from harness.model.words import BackendKind
from harness.redis_wire.protocol import ErrorReply
from tests.fakes import FakeTopology, make_plan, step

MACHINE = Machine(backend=BackendKind.PROCESS, network_faults=True)


class Left(FakeTopology):
    def cutting(self) -> tuple[int, ...]:
        return tuple(self.cuts)


@pytest.fixture
def topology() -> Iterator[Left]:
    left = Left(make_plan())
    yield left
    left.close()


def undone(topology: Left, machine: Machine = MACHINE, noted: Sequence[Noted] = ()) -> list[str]:
    return undo_what_another_left(cast("HeldTopology", topology), machine, noted)


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
    assert "redis-1: port in use" in undone(topology)
    assert not topology.state("redis-2").paused


def test_files_of_a_project_are_not_touched(topology: Left) -> None:
    """The kit does not know where its snapshots are."""
    undone(topology, replace(MACHINE, own_containers=True))
    assert not [act for act in topology.did if act.startswith("clear")]


def test_commands_of_a_fault_are_taken_back(topology: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    """At nodes that run; one that was down has read its own file, and a node may refuse."""
    asked: list[tuple[object, ...]] = []

    def answered(_: object, *words: object) -> str:
        asked.append(words)
        if words[1] == "SCRIPT":
            raise ErrorReply("NOTBUSY", "redis-3 refused")
        return "OK"

    monkeypatch.setattr(resident, "command", answered)
    topology.kill("redis-2")
    commands = tuple(NodeCommand(f"redis-{n}", ("CONFIG", "SET", "maxmemory", "0")) for n in (1, 2))
    busy = Noted(said="occupy: replica", commands=(NodeCommand("redis-3", ("SCRIPT", "KILL")),))
    said = undone(topology, noted=[Noted(said="config set: all replicas", commands=commands), busy])
    assert asked == [("redis-1", "CONFIG", "SET", "maxmemory", "0"), ("redis-3", "SCRIPT", "KILL")]
    assert said == [
        "`config set: all replicas` of an earlier control process: redis-1: CONFIG SET maxmemory 0: OK",
        "`occupy: replica` of an earlier control process: redis-3: SCRIPT KILL: NOTBUSY",
        "redis-2 was down when an earlier control process ended: it runs again",
    ]


def test_undo_record_says_what_is_in_effect(tmp_path: Path) -> None:
    """The last first, each fault's commands the last first; nothing of a fault that is over."""
    record = tmp_path / "process-1.json"
    written = undo_record.UndoRecord(record)
    assert undo_record.left(record) == []
    for number in (1, 2, 3):
        written.note(step("config set", number=number), ())
        written.note(step("config set", number=number), [NodeCommand("redis-1", (f"{number}", "a"))])
        written.note(step("config set", number=number), [NodeCommand("redis-2", (f"{number}", "b"))])
    written.forget(2)
    written.forget(2)
    left = undo_record.left(record)
    assert [one.said for one in left] == ["config set: primary"] * 2
    assert [command.words for one in left for command in one.commands] == [
        ("3", "b"),
        ("3", "a"),
        ("1", "b"),
        ("1", "a"),
    ]
    undo_record.remove(record)
    assert not list(tmp_path.iterdir())


def test_fault_does_not_act_if_its_undo_record_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk. What was in effect before is still known, and a fault that is over is forgotten."""
    record = tmp_path / "process-1.json"
    written = undo_record.UndoRecord(record)
    commands = [NodeCommand("redis-1", ("CLIENT", "UNPAUSE"))]
    written.note(step("pause clients", number=1), commands)
    written.note(step("pause clients", number=2), commands)
    before = undo_record.left(record)
    with monkeypatch.context() as full:
        full.setattr(
            undo_record, "write_record", MagicMock(side_effect=OSError(errno.ENOSPC, "No space left"))
        )
        with pytest.raises(
            NoEffect, match=r"undo-process-1.*config set is taken back.*No space left; make room"
        ):
            written.note(step("config set", number=3), commands)
        assert undo_record.left(record) == before
        written.forget(2)
        assert undo_record.left(record) == before
        written.forget(1)
    assert not list(tmp_path.iterdir())
    written.note(step("config set", number=4), commands)
    assert [one.said for one in undo_record.left(record)] == ["config set: primary"]
