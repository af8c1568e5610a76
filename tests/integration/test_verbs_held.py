"""Reproducing by hand: a topology is started, looked at, harmed and taken down, each by a command of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.builders_kit import Kit, Traces, one_line, processes_of

pytestmark = pytest.mark.process

SENTINEL = """\
scenario: 1
name: to be held
deployment: {topology: {kind: sentinel, replicas: 1}}
workload: {rate: 100/s, users: 30, mix: {read: 60}}
"""


@pytest.fixture
def kit(tmp_path: Path) -> Iterator[Kit]:
    kit = Kit(tmp_path)
    yield kit
    if list(processes_of(kit.runs)):
        kit.run("down")


def cli_line(text: str) -> str:
    """The line that was printed for redis-cli."""
    return next(line.split(": ", 1)[1] for line in text.splitlines() if line.startswith("    redis-cli: "))


def node(text: str, name: str) -> list[str]:
    """The words of one node's line: name, condition, role, command."""
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [name])


def test_topology_is_held_harmed_and_taken_down(kit: Kit) -> None:
    """`up` leaves nodes that the others find, also dead ones; `inject` proves; `down` leaves nothing."""
    started = kit.run("up", "--backend", "process", "--scenario", kit.write("held.yaml", SENTINEL))
    assert started.returncode == 0, started.stdout + started.stderr
    traces = Traces.of(kit.runs)
    assert len(traces.processes) == 5
    assert node(started.stdout, "redis-1")[1:3] == ["running", "primary"]
    assert node(started.stdout, "redis-2")[1:3] == ["running", "replica"]
    snippet = re.findall(r"^  ((?:from|known|sentinel|primary) .*)$", started.stdout, re.MULTILINE)
    asked = subprocess.run(
        [sys.executable, "-c", "\n".join([*snippet, "print(primary.ping())"])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout == "True\n", "the lines of Python that were printed do connect"

    killed = kit.run("inject", "kill: replica")
    assert killed.returncode == 0, killed.stderr
    assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z effect: process gone: redis-2", killed.stdout)
    assert node(kit.run("status").stdout, "redis-2")[1] == "down", "and it stays so"
    again = kit.run("inject", "restart: killed")
    assert "redis-2 answers with new run_id" in again.stdout, again.stdout + again.stderr
    assert kit.run("clean").stdout == "nothing to remove\n", "what is held is nobody's leftover"

    forever = kit.run("inject", "isolate: primary")
    assert (forever.returncode, one_line(forever.stderr)) == (2, True), forever.stderr
    assert "for: 10s" in forever.stderr
    (told,) = json.loads(kit.run("status", "--json").stdout)
    assert [one["state"] for one in told["nodes"]] == ["running"] * 5
    shell = f'eval "$({sys.executable} -m harness status --env)"; {cli_line(started.stdout)}'
    asked = subprocess.run(
        ["sh", "-c", shell], env=kit.environment(), cwd=kit.folder, capture_output=True, check=True, text=True
    )
    assert told["environment"]["REDIS_HOST"] in asked.stdout, "the line for redis-cli asks a sentinel"
    down = kit.run("down", "--all")
    assert down.returncode == 0, down.stderr
    assert traces.vanish()
    assert not list(processes_of(kit.runs))
