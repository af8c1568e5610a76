"""`with`: somebody's own command beside real nodes, through the real command, with faults and signals."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.cli import main
from harness.clock import wait_until
from harness.running.surroundings import filled
from harness.topology.docker import backend as docker
from harness.topology.docker.image import choose_image
from tests.builders_kit import PATIENCE_S, Kit, Traces, one_line, processes_of
from tests.builders_user import ordinary_user

pytestmark = pytest.mark.process

WRITES_UNTIL = """
import json, os, sys, time
from urllib.request import Request, urlopen
from redis.exceptions import RedisError
from redis.sentinel import Sentinel

def asked(path):
    token = {"Authorization": "Bearer " + os.environ["FAILOVER_CONTROL_TOKEN"]}
    with urlopen(Request(os.environ["FAILOVER_CONTROL"] + path, headers=token), timeout=90) as answer:
        return json.load(answer)

hosts = [tuple(one.split(":")) for one in os.environ["REDIS_SENTINELS"].split(",")]
known = {"password": os.environ["REDIS_SENTINEL_PASSWORD"]}
until, timeout_s = sys.argv[1], float(sys.argv[2])
store = Sentinel(hosts, sentinel_kwargs=known, socket_timeout=timeout_s).master_for(
    os.environ["REDIS_SERVICE"], password=os.environ["REDIS_PASSWORD"], socket_timeout=timeout_s
)
errors, over, end = 0, False, time.monotonic() + 60
while not over and time.monotonic() < end:
    try:
        store.set("k", "v")
        if until == "moved":
            over = store.connection_pool.get_master_address()[0] != os.environ["REDIS_HOST"]
    except RedisError:
        errors += 1
    if until == "healed":
        over = [one["state"] for one in asked("/status")["faults"]] == ["healed"]
    time.sleep(0.02)
if until == "moved":  # the kit looks at its nodes now and then: it is to have seen that, too
    asked("/wait/promoted?within=60s")
print("errors", errors, "over", over)
"""
"""Until it has written to another primary, or until the fault is healed; with so long a time-out."""


APART_TWICE = """
import json, os, subprocess, sys, urllib.request

def call(path, body):
    headers = {"Authorization": "Bearer " + os.environ["FAILOVER_CONTROL_TOKEN"]}
    asked = urllib.request.Request(os.environ["FAILOVER_CONTROL"] + path, json.dumps(body).encode(), headers)
    urllib.request.urlopen(asked, timeout=60).close()

for fault in ("isolate: primary", "isolate: primary, with: app"):
    call("/inject", fault)
    wrote = [subprocess.run(sys.argv[1:], capture_output=True, text=True).stdout for _ in range(3)]
    print(fault, "-> acked:", any(one.count("OK") == 2 for one in wrote), flush=True)
    call("/heal", {})
"""
"""Its words are the command that writes once."""

WRITES_ONCE = """
import os, socket
try:
    with socket.create_connection((os.environ["REDIS_HOST"], int(os.environ["REDIS_PORT"])), 0.5) as node:
        node.sendall(f"AUTH {os.environ['REDIS_PASSWORD']}\\r\\nSET k v\\r\\n".encode())
        with node.makefile() as answers:
            print(answers.readline(), answers.readline())
except OSError as problem:
    print(problem)
"""

APART_NODES = (
    "sentinel",
    "--set",
    "deployment.topology.down_after=60s",
    "--set",
    "deployment.topology.replicas=1",
)
"""A primary that is isolated stays primary."""


@pytest.fixture
def kit(tmp_path: Path) -> Kit:
    return Kit(tmp_path)


def beside(kit: Kit, *words: str) -> subprocess.CompletedProcess[str]:
    return kit.run("with", *words)


def test_command_follows_a_failover_beside_it(kit: Kit) -> None:
    """It learns of the sentinels, meets the fault, and ends with its own status; the steps are told."""
    script = kit.write("writes.py", WRITES_UNTIL)
    fault = "after: 1s, kill: primary"
    writes = [sys.executable, script, "moved", "0.5"]
    ran = beside(kit, "sentinel", "--backend", "process", "--fault", fault, "--", *writes)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("errors ")
    assert ran.stdout.endswith("over True\n")
    assert not ran.stdout.startswith("errors 0 "), "the command met the outage"
    assert "fault 1 effect: redis-1: process gone" in ran.stderr
    assert "failover 1 of shard 1, from fault 1: agreed +" in ran.stderr
    assert not list(processes_of(kit.runs))


def apart(ran: subprocess.CompletedProcess[str]) -> None:
    """Cut off from the isolated primary, unless it is on its side."""
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [
        "isolate: primary -> acked: False",
        "isolate: primary, with: app -> acked: True",
    ], ran.stdout + ran.stderr


def test_partition_reaches_the_command(kit: Kit) -> None:
    """Writes through an isolated primary are acked on its side alone."""
    if os.getuid() != 0:
        pytest.skip("needs root: networks of the nodes' own that the command is in, too")
    script, write = kit.write("twice.py", APART_TWICE), kit.write("write.py", WRITES_ONCE)
    words = [*APART_NODES, "--backend", "process", "--", sys.executable, script]
    apart(beside(kit, *words, sys.executable, write))


@pytest.fixture
def namespace() -> Iterator[str]:
    """The path of a network namespace that runs already; it is left as it was."""
    if os.getuid() != 0 or not shutil.which("nsenter") or not shutil.which("unshare"):
        pytest.skip("needs root, unshare and nsenter")
    with subprocess.Popen(["unshare", "--net", "sleep", "120"]) as theirs:
        path = f"/proc/{theirs.pid}/ns/net"
        wait_until(
            lambda: Path(path).readlink() != Path("/proc/self/ns/net").readlink(),
            within_s=10,
            waiting_for="a namespace of its own",
        )
        try:
            yield path
            inside = ["nsenter", f"--net={path}"]
            links = subprocess.run([*inside, "cat", "/proc/net/dev"], capture_output=True, check=True)
        finally:
            theirs.kill()
    assert b"rfk-" not in links.stdout


def test_partition_reaches_what_joins(kit: Kit, namespace: str) -> None:
    """The command only looks into it."""
    script, write = kit.write("twice.py", APART_TWICE), kit.write("write.py", WRITES_ONCE)
    inside = ["nsenter", f"--net={namespace}"]
    words = [*APART_NODES, "--backend", "process", "--join", namespace, "--", sys.executable, script]
    apart(beside(kit, *words, *inside, sys.executable, write))


def test_partition_reaches_what_joins_held_nodes(kit: Kit, namespace: str) -> None:
    """From `up` to `down`, also by calls to the process that watches them."""
    write = kit.write("write.py", WRITES_ONCE)
    inside = ["nsenter", f"--net={namespace}", sys.executable, write]
    apart(beside_held(kit, ["--backend", "process", "--join", namespace], inside))


def beside_held(
    kit: Kit, options: list[str], words: list[str], **environment: str
) -> subprocess.CompletedProcess[str]:
    """What breaks held nodes twice, and writes by these words meanwhile; placeholders are filled."""
    script = kit.write("twice.py", APART_TWICE)
    up = kit.run("up", *APART_NODES, *options, "--env", **environment)
    try:
        assert up.returncode == 0, up.stderr
        lines = (line.removeprefix("export ").split("=", 1) for line in up.stdout.splitlines())
        variables = {name: shlex.split(value)[0] for name, value in lines}
        return subprocess.run(
            [sys.executable, script, *(filled(word, variables) for word in words)],
            cwd=kit.folder,
            env=kit.environment() | environment | variables,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
    finally:
        assert kit.run("down", "--all", **environment).returncode == 0


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
def test_mistake_is_one_line(
    kit: Kit, words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit status 2, what was expected, and no node left."""
    monkeypatch.chdir(kit.folder)
    environment = kit.environment()
    for name in os.environ.keys() - environment.keys():
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["with", *words]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert one_line(told)
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
    """On the machine's own loopback address, and is told what that costs; in a network of its own if it wants."""
    with ordinary_user() as user:
        said = user.kit("with", "single", "--backend", "process", "--", "sh", "-c", "echo {REDIS_HOST}")
        assert (said.returncode, said.stdout) == (0, "127.0.0.1\n"), said.stderr
        cut = ["--fault", "after: 1s, isolate: primary"]
        refused = user.kit("with", "sentinel", "--backend", "process", *cut, "--", "true")
        assert refused.returncode == 2, refused.stderr
        assert "loopback" in refused.stderr
        assert "--own-network" in refused.stderr
        if user.may_make_networks():
            assert "isolate, cut, slow cannot be injected" in said.stderr
            user.write("twice.py", APART_TWICE)
            user.write("write.py", WRITES_ONCE)
            words = ["with", *APART_NODES, "--backend", "process", "--own-network", "--", str(user.python)]
            apart(user.kit(*words, "twice.py", str(user.python), "write.py"))


STAYS = """
import os, signal, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import sys, time; time.sleep(600)", "child-of-" + sys.argv[1]])
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(600)
"""


def test_killed_kit_leaves_no_command(kit: Kit) -> None:
    """The command gets SIGTERM from the kernel; `clean` ends what the command had started, and the nodes."""
    script, started = kit.write("stays.py", STAYS), kit.folder / "started"
    words = ["single", "--backend", "process", "--", sys.executable, script, str(started)]
    with subprocess.Popen(
        [sys.executable, "-m", "harness", "with", *words],
        cwd=kit.folder,
        env=kit.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as killed:
        wait_until(
            lambda: (started.exists() and started.read_text() != "") or killed.poll() is not None,
            within_s=PATIENCE_S,
            waiting_for="the command to start",
        )
        command = psutil.Process(int(started.read_text()))
        (child,) = command.children()
        killed.kill()
    wait_until(lambda: not running(command), within_s=PATIENCE_S, waiting_for="the command to end")
    assert running(child)
    cleaned = kit.run("clean")
    assert f"ended the command of a `with` that was killed: processes {child.pid}" in cleaned.stdout
    assert not running(child)
    assert not list(processes_of(kit.runs))
    assert not list(kit.folder.glob("state/*/command-*"))


def running(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


PINNED = """
import os, redis
from redis.sentinel import Sentinel
sentinel = Sentinel([("127.0.0.1", port) for port in (PORT + 10, PORT + 11, PORT + 12)])
print(sentinel.discover_master("mymaster"))
print(redis.Redis(port=PORT).set("k", "v"))
print([os.environ[name] for name in ("REDIS_SERVICE", "REDIS_PASSWORD", "REDIS_SENTINEL_PASSWORD")])
"""


def test_configuration_that_cannot_be_told_finds_its_nodes(kit: Kit) -> None:
    """Its own service name, no password, ports that it knows; a port that is taken is an error, and nothing runs."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1] // 20 * 20 - 10_000  # below those that systems hand out
    script = kit.write("pinned.py", PINNED.replace("PORT", str(port)))
    pins = ("service=mymaster", "password=none", "sentinel-password=none", f"port={port}")
    words = ["sentinel", "--backend", "process", *(word for pin in pins for word in ("--pin", pin))]
    ran = beside(kit, *words, "--pin", f"sentinel-port={port + 10}", "--", sys.executable, script)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == [f"('127.0.0.1', {port})", "True", "['mymaster', '', '']"]
    with socket.create_server(("127.0.0.1", port + 1)):
        refused = beside(kit, *words, "--", "true")
    assert refused.returncode == 4, refused.stderr
    assert f"redis-2: expected port {port + 1} of 127.0.0.1 free" in refused.stderr
    assert not list(processes_of(kit.runs))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--join", "nobody-of-that-name"], "--join nobody-of-that-name: expected a running container"),
        (["--join", "/proc/0/ns/net"], "--join /proc/0/ns/net: its network cannot be entered: No such file"),
    ],
)
def test_what_cannot_join_is_one_line(kit: Kit, words: list[str], said: str) -> None:
    """Exit status 2, and no node left."""
    if os.getuid() != 0:
        pytest.skip("needs root: nodes have no network of their own else")
    ran = beside(kit, "single", "--backend", "process", *words, "--", "true")
    assert ran.returncode == 2, ran.stdout + ran.stderr
    assert said in ran.stderr
    assert one_line(ran.stderr)
    assert not list(processes_of(kit.runs))


@pytest.mark.docker
@pytest.mark.parametrize(
    ("fault", "timeout_s", "met"),
    [("isolate: primary, for: 4s", "0.5", True), ("isolate: primary, with: app, for: 4s", "3", False)],
)
def test_partition_reaches_the_command_beside_containers(
    kit: Kit, fault: str, timeout_s: str, met: bool
) -> None:
    """As beside processes: the command has an address of its own on the nodes' network."""
    if os.getuid() != 0:
        pytest.skip("needs root: an address on the network's bridge")
    if reason := docker.unavailable():
        pytest.skip(reason)
    script = kit.write("writes.py", WRITES_UNTIL)
    words = ["sentinel", "--backend", "docker", "--fault", f"after: 1s, {fault}"]
    engine = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    ran = kit.run("with", *words, "--", sys.executable, script, "healed", timeout_s, DOCKER_HOST=engine)
    assert ran.returncode == 0, ran.stderr
    assert "app cut from the rest" in ran.stderr if not met else "with nobody cut from the rest" in ran.stderr
    assert ran.stdout.startswith("errors 0 ") is not met, ran.stdout + ran.stderr
    assert ran.stdout.endswith("over True\n")


@pytest.fixture
def container() -> Iterator[str]:
    """The name of a container that runs already; it is left as it was."""
    if reason := docker.unavailable():
        pytest.skip(reason)
    name = f"failover-kit-test-{secrets.token_hex(4)}"
    given = ["docker", "run", "--detach", "--rm", "--name", name, "--entrypoint", "sleep"]
    subprocess.run([*given, choose_image().name, "300"], check=True, stdout=subprocess.DEVNULL)
    try:
        yield name
        asked = "{{.State.Running}} {{json .NetworkSettings.Networks}}"
        left = subprocess.run(
            ["docker", "inspect", "--format", asked, name], check=True, capture_output=True, text=True
        ).stdout
    finally:
        subprocess.run(["docker", "kill", name], check=True, stdout=subprocess.DEVNULL)
    assert left.startswith("true ")
    assert "failover-kit" not in left


def writes_in(container: str) -> list[str]:
    write = "timeout 2 redis-cli -h {REDIS_HOST} -p {REDIS_PORT} set k v && echo OK"
    return ["docker", "exec", "-e", "REDISCLI_AUTH={REDIS_PASSWORD}", container, "bash", "-c", write]


ENGINE = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")


@pytest.mark.docker
def test_partition_reaches_a_container_that_joins(kit: Kit, container: str) -> None:
    """It runs before and after; between, it has an address of its own on the nodes' network."""
    script = kit.write("twice.py", APART_TWICE)
    words = [*APART_NODES, "--backend", "docker", "--join", container, "--", sys.executable, script]
    apart(kit.run("with", *words, *writes_in(container), DOCKER_HOST=ENGINE))


@pytest.mark.docker
def test_partition_reaches_a_container_that_joins_held_nodes(kit: Kit, container: str) -> None:
    """From `up` to `down`."""
    options = ["--backend", "docker", "--join", container]
    apart(beside_held(kit, options, writes_in(container), DOCKER_HOST=ENGINE))
