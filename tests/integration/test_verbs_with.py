"""`with`: somebody's own command beside real nodes, through the real command, with faults and signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.topology.docker import backend as docker
from tests.builders_kit import Kit, Traces, one_line, processes_of
from tests.builders_user import ordinary_user

pytestmark = pytest.mark.process

WRITES_TO_THE_END = """
import os, sys, time
from redis.exceptions import RedisError
from redis.sentinel import Sentinel
hosts = [tuple(one.split(":")) for one in os.environ["REDIS_SENTINELS"].split(",")]
known = {"password": os.environ["REDIS_SENTINEL_PASSWORD"]}
store = Sentinel(hosts, sentinel_kwargs=known, socket_timeout=0.5).master_for(
    os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"], socket_timeout=0.5
)
errors, end = 0, time.monotonic() + float(sys.argv[1])
while time.monotonic() < end:
    try:
        store.set("k", "v")
    except RedisError:
        errors += 1
    time.sleep(0.02)
primary = store.connection_pool.get_master_address()[0]
print("errors", errors, "moved", primary != os.environ["REDIS_HOST"])
"""


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def beside(kit: Kit, *words: str) -> subprocess.CompletedProcess[str]:
    return kit.run("with", *words)


def test_command_follows_a_failover_beside_it(kit: Kit) -> None:
    """It learns of the sentinels, meets the fault, and ends with its own status; the steps are told."""
    script = kit.write("writes.py", WRITES_TO_THE_END)
    fault = "after: 1s, kill: primary"
    ran = beside(kit, "sentinel", "--backend", "process", "--fault", fault, "--", sys.executable, script, "9")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("errors ")
    assert ran.stdout.endswith("moved True\n")
    assert not ran.stdout.startswith("errors 0 "), "the command met the outage"
    assert "fault 1 effect: redis-1: process gone" in ran.stderr
    assert "failover 1 of shard 1, from fault 1: agreed +" in ran.stderr
    assert not list(processes_of(kit.runs))


@pytest.mark.parametrize(
    ("fault", "met"), [("isolate: primary", True), ("isolate: primary, with: app, for: 5s", False)]
)
def test_partition_reaches_the_command(kit: Kit, fault: str, met: bool) -> None:
    """Cut off from the isolated primary, unless it is on its side: then it goes on there."""
    if os.getuid() != 0:
        pytest.skip("needs root: networks of the nodes' own that the command is in, too")
    script = kit.write("writes.py", WRITES_TO_THE_END)
    words = ["sentinel", "--backend", "process", "--fault", f"after: 1s, {fault}"]
    ran = beside(kit, *words, "--", sys.executable, script, "6")
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("errors 0 ") is not met, ran.stdout + ran.stderr


def test_status_is_the_commands_and_3_says_that_a_fault_had_no_effect(kit: Kit) -> None:
    """The command's own comes first; a test that passes before its fault came has tested nothing."""
    words = ["single", "--backend", "process", "--fault", "after: 1h, kill: primary", "--"]
    passed = beside(kit, *words, "true")
    assert passed.returncode == 3, passed.stderr
    assert "fault 1 (kill: primary) had no effect: " in passed.stderr
    assert beside(kit, *words, "sh", "-c", "exit 7").returncode == 7


def test_words_and_variables_are_filled(kit: Kit) -> None:
    """Placeholders in the command, names of the user's own; standard output is the command's alone."""
    echo = ["sh", "-c", 'echo "$STORE" {REDIS_PORT}']
    ran = beside(kit, "single", "--backend", "process", "--env", "STORE=<{REDIS_HOST}>", "--", *echo)
    assert ran.returncode == 0, ran.stderr
    host, port = ran.stdout.split()
    assert host.startswith("<")
    assert port == "6379" or host == "<127.0.0.1>"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["sentinal", "--", "true"], "a topology by its name: single, sentinel, cluster, split, shared"),
        (["single", "--", "no-such-program"], "expected a program after '--'"),
        (["single", "--env", "=", "--", "true"], "--env: expected NAME=TEXT"),
        (
            ["single", "--fault", "kill: primary", "--", "true"],
            "--fault:1: faults.0: expected either 'after'",
        ),
        (["single", "--fault", "after: 1s, kil: primary", "--", "true"], "did you mean 'kill'?"),
        (["single", "--fault", "when: {acked: read}, kill: primary", "--", "true"], "sends nothing itself"),
        (
            ["single", "--", "true", "{REDIS_SENTINELS}"],
            "{REDIS_SENTINELS}: expected a name that this topology has",
        ),
    ],
)
def test_mistake_is_one_line(kit: Kit, words: list[str], said: str) -> None:
    """Exit status 2, what was expected, and no node left."""
    ran = beside(kit, *words)
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert said in ran.stderr
    assert one_line(ran.stderr)
    assert not list(processes_of(kit.runs))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_command_leaves_nothing(kit: Kit, number: signal.Signals) -> None:
    """The signal ends the command, and its end the nodes."""
    words = ["with", "sentinel", "--backend", "process", "--", "sh", "-c", "echo begun; exec sleep 60"]
    with subprocess.Popen(
        [sys.executable, "-m", "failover_kit", *words],
        cwd=kit.folder,
        env=kit.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        traces = wait_until(
            lambda: found if (found := Traces.of(kit.runs)).processes else None,
            within_s=20,
            waiting_for="the nodes",
        )
        process.send_signal(number)
        assert process.wait(60) == 128 + number
    traces.vanish()


def test_without_root_the_command_reaches_the_nodes() -> None:
    """On the machine's own loopback address; a fault of the network is refused, and says so."""
    with ordinary_user() as user:
        said = user.kit("with", "single", "--backend", "process", "--", "sh", "-c", "echo {REDIS_HOST}")
        assert (said.returncode, said.stdout) == (0, "127.0.0.1\n"), said.stderr
        cut = ["--fault", "after: 1s, isolate: primary"]
        refused = user.kit("with", "sentinel", "--backend", "process", *cut, "--", "true")
        assert refused.returncode == 2, refused.stderr
        assert "loopback" in refused.stderr


@pytest.mark.docker
@pytest.mark.parametrize(
    ("fault", "met"), [("isolate: primary, for: 4s", True), ("isolate: primary, with: app, for: 4s", False)]
)
def test_partition_reaches_the_command_beside_containers(kit: Kit, fault: str, met: bool) -> None:
    """As beside processes: the command has an address of its own on the nodes' network."""
    if os.getuid() != 0:
        pytest.skip("needs root: an address on the network's bridge")
    if reason := docker.unavailable():
        pytest.skip(reason)
    script = kit.write("writes.py", WRITES_TO_THE_END)
    words = ["sentinel", "--backend", "docker", "--fault", f"after: 1s, {fault}"]
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    ran = kit.run("with", *words, "--", sys.executable, script, "4", DOCKER_HOST=engine)
    assert ran.returncode == 0, ran.stderr
    assert "app cut from the rest" in ran.stderr if not met else "with nobody cut from the rest" in ran.stderr
    assert ran.stdout.startswith("errors 0 ") is not met, ran.stdout + ran.stderr
