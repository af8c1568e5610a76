"""Reproducing by hand: a topology is started, looked at, harmed and taken down, each by a command of its own."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import psutil
import pytest
import redis

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.held.residence import Residence
from harness.topology.base.processes import this_process
from tests.builders_kit import Kit, Traces, processes_of

pytestmark = pytest.mark.process

QUICK_S = 0.5
"""A kill takes effect within 20 ms; a busy machine may take longer."""

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
        kit.run("down", "--all")


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
    assert kit.run("inject", "kill: redis-9").returncode == 2

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


def test_held_nodes_are_broken_by_calls(kit: Kit) -> None:
    """Within milliseconds of the call; faults stay until they are healed, events are awaited."""
    up = kit.run("up", "sentinel", "--backend", "process", "--env")
    assert up.returncode == 0, up.stderr
    lines = (line.removeprefix("export ").split("=", 1) for line in up.stdout.splitlines())
    variables = {name: shlex.split(value)[0] for name, value in lines}
    resident = Residence(
        process=this_process(), url=variables["FAILOVER_CONTROL"], token=variables["FAILOVER_CONTROL_TOKEN"]
    )
    stranger = msgspec.structs.replace(resident, token="wrong")
    with pytest.raises(EnvironmentFailure, match="FAILOVER_CONTROL_TOKEN"):
        stranger.call("GET", "/status")
    with redis.Redis.from_url(variables["REDIS_URL"], socket_timeout=0.3) as primary:
        killed = resident.call("POST", "/inject", "kill: replica")
        assert killed["effect_s"] - killed["asked_s"] < QUICK_S
        paused = resident.call("POST", "/inject", "pause: primary")
        with pytest.raises(redis.RedisError):
            primary.ping()
        assert resident.call("GET", "/wait/promoted?within=30s")["event_s"] > paused["effect_s"]
        states = [one["state"] for one in json.loads(kit.run("status", "--json").stdout)[0]["nodes"]]
        assert sorted(states) == ["down", "paused", *["running"] * 4]
        healed = kit.run("heal")
        assert healed.returncode == 0, healed.stdout + healed.stderr
        assert "healed: pause: answering: redis-1" in healed.stdout
        assert "healed: kill: " in healed.stdout
        assert primary.ping()
    assert kit.run("heal").stdout == "no fault is in effect\n"
    assert "effect: redis-1: frozen" in next(kit.runs.glob("held-*/control.log")).read_text()


def test_resident_that_died_is_started_again(kit: Kit) -> None:
    """By whoever injects next; what it had done to links and nodes is undone, as nobody else could."""
    if os.getuid() != 0:
        pytest.skip("needs root: networks of the nodes' own")
    assert kit.run("up", "sentinel", "--backend", "process").returncode == 0
    for fault in (
        "config set: primary, directive: maxmemory, value: 50mb",
        "config set: primary, directive: maxmemory, value: 60mb",
        "pause clients: primary, commands: writes",
    ):
        assert kit.run("inject", fault).returncode == 0
    assert kit.run("inject", "isolate: replica").returncode == 0
    assert kit.run("inject", "pause: redis-3").returncode == 0
    assert kit.run("inject", "kill: sentinel").returncode == 0
    (first,) = residents(kit)
    first.kill()
    first.wait(10)
    variables = json.loads(kit.run("status", "--json").stdout)[0]["environment"]
    assert "FAILOVER_CONTROL" not in variables
    again = kit.run("inject", "isolate: replica, for: 0.2s")
    assert again.returncode == 0, again.stderr
    assert "healed: cuts lifted" in again.stdout
    log = next(kit.runs.glob("held-*/control.log")).read_text()
    assert "redis-3 was paused by an earlier control process: it goes on" in log
    assert "sentinel-1 was down when an earlier control process ended: it runs again" in log
    undone = [line.partition(" of an earlier control process: ")[2] for line in log.splitlines()]
    assert [one for one in undone if one] == [
        "redis-1: CLIENT UNPAUSE: OK",
        "redis-1: CONFIG SET maxmemory 52428800: OK",
        "redis-1: CONFIG SET maxmemory 0: OK",
    ], "what commands did, in the other order"
    (second,) = residents(kit)
    assert kit.run("down").returncode == 0
    assert not second.is_running() or second.status() == psutil.STATUS_ZOMBIE
    assert not [*kit.folder.glob("state/*/control-*"), *kit.folder.glob("state/*/undo-*")]


def test_leftovers_of_a_killed_up_are_apart_from_what_is_held(kit: Kit) -> None:
    """SIGKILL before its nodes were held: no verb but `clean` knows them, and that leaves the others alone."""
    words = [sys.executable, "-m", "harness", "up", "sentinel", "--backend", "process", "--out", "killed"]
    with subprocess.Popen(
        words,
        cwd=kit.folder,
        env=kit.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    ) as up:
        wait_until(
            lambda: list(processes_of(kit.folder / "killed")), within_s=30, waiting_for="a node to run"
        )
        up.kill()
    lost = Traces.of(kit.folder / "killed")
    assert kit.run("up", "single", "--backend", "process").returncode == 0
    (held,) = json.loads(kit.run("status", "--json").stdout)
    assert held["topology"] == "single"
    assert kit.run("inject", "kill: primary").returncode == 0
    cleaned = kit.run("clean")
    assert "killed/held-" in cleaned.stdout
    assert lost.vanish()
    assert kit.run("heal").returncode == 0, "what is held is as it was"
    assert kit.run("down", "--all").stdout == f"{held['held']} is down\n"


def test_nodes_whose_keeper_was_killed_end_with_clean(kit: Kit) -> None:
    """Nobody holds them any more: their resident ends by itself, and `clean` removes the rest."""
    assert kit.run("up", "single", "--backend", "process").returncode == 0
    (record,) = kit.folder.glob("state/*/process-*.json")
    (resident,) = residents(kit)
    psutil.Process(json.loads(record.read_text())["held"]["keeper"]["pid"]).kill()
    traces = Traces.of(kit.runs)
    assert "no topology is held" in kit.run("status").stdout
    wait_until(lambda: not residents(kit), within_s=20, waiting_for="the resident to end")
    assert not resident.is_running() or resident.status() == psutil.STATUS_ZOMBIE
    assert "held-" in kit.run("clean").stdout
    assert traces.vanish()


def residents(kit: Kit) -> list[psutil.Process]:
    """The processes that watch nodes held from this folder."""
    texts = [path.read_text() for path in kit.folder.glob("state/*/control-*.json")]
    return [psutil.Process(json.loads(text)["process"]["pid"]) for text in texts]
