"""Seeded weaknesses: what is explored, and an engine whose bug sleeps until a node takes over."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from harness.explore import Found
from harness.model.words import TopologyKind, Verdict
from harness.redis_wire.keys import session_key
from harness.scenario import load_deployment
from lab.selftest.resp import Command, encoded, messages
from lab.weakness.__main__ import Told, row_of
from lab.weakness.engine import EVERY, Sleeping, pair
from lab.weakness.table import WEAKNESSES, Weakness, labelled
from tests.builders_results import result

SID = "ab" * 16
FIRST, LATER = "1" * 40, "2" * 40


def test_every_topology_has_a_weak_setting_and_a_bug() -> None:
    """Each topology must be explored with both."""
    for kind in TopologyKind:
        assert sorted(bool(one.off) for one in WEAKNESSES if one.kind is kind) == [False, True]
    assert len({one.label for one in WEAKNESSES}) == len(WEAKNESSES)


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=lambda one: one.label)
def test_a_weakness_is_a_deployment_that_its_nodes_do_not_follow(weakness: Weakness, tmp_path: Path) -> None:
    """What is switched off is what the deployment says."""
    file = tmp_path / "weak.yaml"
    file.write_text(yaml.safe_dump(weakness.document))
    topology = load_deployment(file).topology
    assert topology.kind is weakness.kind
    assert labelled(weakness.label) is weakness
    assert weakness.off.keys() <= topology.redis.keys()
    assert not weakness.off.items() & topology.redis.items()


class Node:
    """A node that says which commands reached it."""

    def __init__(self, run_id: str, role: str) -> None:
        self._said = f"# Server\r\nrun_id:{run_id}\r\nrole:{role}\r\n"
        self.got: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        left = b""
        while data := await reader.read(65536):
            whole, left = messages(left + data)
            for one in map(Command, whole):
                self.got.append(one.name)
                writer.write(encoded(self._said if one.name == "INFO" else 1))
        writer.transport.abort()


def written() -> Command:
    inner = f'[["HSET", "{session_key(SID)}", "cart", "x"], ["RPUSH", "w", "7"]]'
    return Command.of("EVAL", "script", "2", session_key(SID), "witness", "0", inner)


async def _answers(node: Node, commands: Sequence[Command]) -> list[bytes]:
    client, ours = pair()
    far, near = pair()
    serving = asyncio.create_task(Sleeping({FIRST}).serve(ours, near))
    behind = asyncio.create_task(node.serve(*await asyncio.open_connection(sock=far)))
    reader, writer = await asyncio.open_connection(sock=client)
    found = []
    for command in commands:
        writer.write(command.raw)
        data = b""
        while not messages(data)[0]:
            data += await reader.read(65536)
        found.append(data)
    writer.transport.abort()
    await serving
    await behind
    return found


@pytest.mark.parametrize(
    ("run_id", "role", "dropped"),
    [(FIRST, "master", False), (LATER, "master", True), (LATER, "slave", False)],
)
def test_the_bug_sleeps_until_a_node_takes_over(run_id: str, role: str, dropped: bool) -> None:
    """It drops a write and confirms it; a node that led from the beginning does not."""
    node = Node(run_id, role)
    answers = asyncio.run(_answers(node, [Command.of("INFO"), *[written()] * EVERY]))
    assert len(answers) == EVERY + 1
    assert node.got.count("EVAL") == EVERY - dropped
    assert (answers[-1] == encoded([1, 0, 2])) is dropped


def test_a_row_is_met_by_a_small_schedule_that_broke(tmp_path: Path) -> None:
    """Two faults at most; nothing that broke is none."""
    weakness = WEAKNESSES[0]
    nothing = Found(folder=tmp_path, runs=9, undecided=1)
    told = Told()
    assert row_of(weakness, nothing, told).met is False
    told.tell("explore: draw 3 broke a promise: lost more; now the smallest that does")
    for faults, met in ((1, True), (2, True), (3, False)):
        file = tmp_path / f"{faults}.yaml"
        file.write_text(yaml.safe_dump({"faults": [{"after": "3s", "kill": "primary"}] * faults}))
        found = Found(
            folder=tmp_path, runs=9, undecided=1, broken=result(Verdict.FAIL), file=file, again=(2, 3)
        )
        row = row_of(weakness, found, told)
        assert row.met is met
        assert "9 runs, 1 undecided" in row.note
        assert "again in 2 of 3; after 3s kill primary" in row.note
