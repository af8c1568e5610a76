"""Hostile directives by the thousand on real nodes: bystanders are not touched, nothing is run."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure, UsageError
from harness.model.deployment import TopologySpec
from harness.model.directives import Malformed, split
from harness.topology.docker import backend as docker
from harness.topology.docker.image import choose_image
from harness.topology.process import backend as process
from harness.topology.process import server_programs
from tests.builders_topology import docker_plan, process_plan
from tests.hostile import TABLES, Bystanders, hostile
from tests.unit.test_directives import merged, topology_of, with_topology

MANY = 10_000
STARTED_BATCHES = 3
"""Of accepted values most are refused by the server itself; so many batches of them are given to real nodes."""


@dataclass(frozen=True, slots=True)
class Scene:
    around: Bystanders
    marker: Path
    folder: Path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _ask(port: int, *words: str) -> str:
    with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
        packed = b"".join(b"$%d\r\n%s\r\n" % (len(word), word.encode()) for word in words)
        connection.sendall(b"*%d\r\n%s" % (len(words), packed))
        return connection.recv(65536).decode(errors="replace")


def _answers(port: int) -> bool:
    with suppress(OSError):
        return _ask(port, "PING").startswith("+PONG")
    return False


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A Redis and a Sentinel of somebody else, without passwords, and a script that leaves a mark."""
    marker, script = tmp_path / "it-ran", tmp_path / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {marker}\n")
    script.chmod(0o755)
    around = Bystanders(redis=_free_port(), sentinel=_free_port(), script=str(script))
    program = str(server_programs.find().path)
    file = tmp_path / "sentinel.conf"
    file.write_text(
        f"port {around.sentinel}\nbind 127.0.0.1\nsentinel monitor theirs 127.0.0.1 {around.redis} 1\n"
    )
    options = ["--port", str(around.redis), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)]
    started = [
        subprocess.Popen([program, *words], stdout=subprocess.DEVNULL, cwd=tmp_path)
        for words in (options, [str(file), "--sentinel"])
    ]
    try:
        for port in (around.redis, around.sentinel):
            wait_until(lambda port=port: _answers(port), within_s=10, waiting_for="the bystanders")  # type: ignore[misc]
        yield Scene(around, marker, tmp_path)
    finally:
        for one in started:
            one.kill()
            one.wait(10)


def untouched(scene: Scene) -> None:
    info = _ask(scene.around.redis, "INFO", "replication")
    assert "role:master" in info
    assert "connected_slaves:0" in info
    masters = _ask(scene.around.sentinel, "SENTINEL", "MASTERS")
    assert masters.startswith("*1\r\n")
    assert "theirs" in masters
    assert "victim" not in masters
    assert "num-other-sentinels\r\n$1\r\n0" in masters
    assert not scene.marker.exists()


def _batches(scene: Scene) -> tuple[TopologySpec, list[TopologySpec]]:
    """What the server takes (names that are left out, and lines without effect), and what it may refuse."""
    accepted: list[TopologySpec] = []
    left_out: list[TopologySpec] = []
    for one in hostile(3, MANY, scene.around):
        try:
            topology = topology_of(one)
        except (UsageError, Malformed):
            continue
        (accepted if any(getattr(topology, table) for table in TABLES) else left_out).append(topology)
    harmless = replace(left_out[0], left_out=tuple(one for topology in left_out for one in topology.left_out))
    size = len(accepted) // STARTED_BATCHES
    return harmless, [merged(accepted[n * size : (n + 1) * size]) for n in range(STARTED_BATCHES)]


@contextmanager
def _up(ground: str, topology: TopologySpec, folder: Path) -> Iterator[object]:
    if ground == "docker":
        plan = with_topology(docker_plan("sentinel", replicas=1, sentinels=1), topology)
        with docker.up(plan, run="hostile", directory=folder, image=choose_image().name) as nodes:
            yield nodes
    else:
        plan = with_topology(process_plan("sentinel", replicas=1, sentinels=1), topology)
        with process.up(plan, run="hostile", directory=folder, loopback=ground == "loopback") as nodes:
            yield nodes


@pytest.mark.parametrize(
    "ground",
    [
        pytest.param("process", marks=pytest.mark.process),
        pytest.param("loopback", marks=pytest.mark.process),
        pytest.param("docker", marks=pytest.mark.docker),
    ],
)
def test_hostile_directives_touch_nobody(ground: str, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """10,000 names and values: with those that are left out nodes start as ever; with batches of those that
    are passed on they start, or their own server refuses a value. 0 touches, 0 executions either way."""
    for question in (
        "why_no_name",
        "why_no_value",
    ):  # else few are passed on: most have values that no engine takes
        monkeypatch.setattr(f"harness.scenario.directives.{question}", lambda *_: None)
    harmless, batches = _batches(scene)
    shape = {"replicas": 1, "sentinels": 1, "down_after_s": 1.2}
    with _up(ground, replace(harmless, **shape), scene.folder / "left-out"):  # type: ignore[arg-type]
        untouched(scene)
    for number, batch in enumerate(batches):
        with suppress(EnvironmentFailure), _up(ground, replace(batch, **shape), scene.folder / str(number)):  # type: ignore[arg-type]
            pass
        untouched(scene)
    untouched(scene)


@pytest.mark.process
def test_a_line_is_split_as_a_real_server_splits_it(scene: Scene, tmp_path: Path) -> None:
    """redis-cli takes its input apart by the same function of the server: thousands of lines, word by word."""
    client = shutil.which("redis-cli") or shutil.which("valkey-cli")
    if client is None:
        pytest.skip("no redis-cli here")
    wanted: list[list[str]] = []
    lines: list[str] = []
    for one in hostile(4, MANY, scene.around):
        value = one.value if isinstance(one.value, str) else one.value[0]
        line = f"RPUSH k{len(lines)} end {value}"
        try:
            words = split(line)
        except Malformed:
            continue
        if all(word.isprintable() and word.isascii() for word in words) and len(line) < 1000:
            lines.append(line)
            wanted.append(list(words[2:]))
    assert len(lines) > MANY / 5
    done = subprocess.run(
        [client, "-p", str(scene.around.redis)],
        input="\n".join(lines).encode() + b"\n",
        capture_output=True,
        check=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert b"Invalid argument" not in done.stdout
    from redis import Redis

    with Redis(port=scene.around.redis, decode_responses=True) as stored:
        pipeline = stored.pipeline(transaction=False)
        for number in range(len(lines)):
            pipeline.lrange(f"k{number}", 0, -1)
        assert pipeline.execute() == wanted
