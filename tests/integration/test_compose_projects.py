"""Compose projects in published shapes: each started as it is, with the failure that it is known for.

A few run always; all of them with COMPOSE_PROJECTS=all (`make compose-projects`). What they are is said at the
head of each file in compose_projects/.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from harness.topology.docker import backend as docker
from harness.topology.docker import daemon
from harness.topology.docker.image import DEBIAN_IMAGES, PROXY_IMAGE, choose_image

REASON = docker.unavailable()
PROJECTS = Path(__file__).parent / "compose_projects"
IMAGE = DEBIAN_IMAGES["redis-8.0"].tag
IMAGES = {"redis:7-alpine": IMAGE, "haproxy:2.8-alpine": PROXY_IMAGE.tag}
"""What the projects name -> what this machine can build."""
ALL = os.environ.get("COMPOSE_PROJECTS") == "all"
ALWAYS = {"hostnames"}

pytestmark = [pytest.mark.docker, pytest.mark.skipif(REASON is not None, reason=f"no Docker: {REASON}")]


def kit(*words: str, out: Path) -> subprocess.CompletedProcess[str]:
    """`failover-kit run` on a project; the images that it names are replaced."""
    command = [sys.executable, "-m", "failover_kit", "run", *words, "--out", str(out), "--seed", "1"]
    file = Path(words[words.index("--compose") + 1]).read_text(encoding="utf-8")
    command += [
        word for named, own in IMAGES.items() if named in file for word in ("--image", f"{named}={own}")
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)


def ours() -> list[str]:
    """What of the kit's is in the engine, by name."""
    with closing(daemon.connect()) as client:
        found = daemon.containers(client, daemon.RUN_LABEL)
        named = [str(one.attrs.get("Names")) for one in found]
        marked = {"label": daemon.RUN_LABEL}
        named += [one.name for one in client.networks.list(filters=marked)]
        return named + [one.name for one in client.volumes.list(filters=marked)]


def left_by(run: subprocess.CompletedProcess[str]) -> list[str]:
    """Nothing of a run that is over may be left; other runs may be under way on this machine."""
    folder = run.stdout.rpartition("results: ")[2].partition("/index.html")[0]
    return [name for name in ours() if folder and folder.rpartition("-")[2] in name]


@pytest.fixture(scope="module", autouse=True)
def image() -> str:
    return choose_image("redis-8.0").name


def projects() -> Iterator[Any]:
    for path in sorted(PROJECTS.glob("*/scenario.yaml")):
        name = path.parent.name
        wanted = ALL or name in ALWAYS
        yield pytest.param(
            path.parent, id=name, marks=() if wanted else pytest.mark.skip("make compose-projects")
        )


@pytest.mark.parametrize("folder", list(projects()))
def test_a_project_shows_what_it_is_known_for(folder: Path, tmp_path: Path) -> None:
    """Its scenario says what; nothing is left afterwards, and its files are as they were."""
    before = _digests(folder)
    done = kit("--compose", str(folder / "docker-compose.yml"), str(folder / "scenario.yaml"), out=tmp_path)
    assert done.returncode in {0, 3}, (
        done.stdout + done.stderr
    )  # 3: this machine was too busy to measure times
    (summary,) = tmp_path.glob("*-selected-*/summary.json")
    assert json.loads(summary.read_text())["backend"] == "compose"
    assert _digests(folder) == before
    assert left_by(done) == []


def _digests(folder: Path) -> dict[str, tuple[str, int, int]]:
    """Content, owner and rights of every file."""
    return {
        str(path): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_uid, path.stat().st_mode)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_sentinels_that_cannot_resolve_a_name_are_told_by_their_log(tmp_path: Path) -> None:
    """`up -d` ends with 0; the kit ends with 1, and says which line of which log explains it."""
    file = PROJECTS / "hostnames_unresolved" / "docker-compose.yml"
    done = kit("--compose", str(file), "sentinel/01", out=tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "the project does not come up: sentinel-1 ended with exit code 1" in done.stderr
    assert "resolve" in done.stderr
    assert not [name for name in ours() if "survey" in name and "hostnames" in name]


def test_an_image_that_cannot_be_had_starts_nothing(tmp_path: Path) -> None:
    """The service, the image, why, and what to do."""
    file = tmp_path / "docker-compose.yml"
    file.write_text("services:\n  redis: {image: 'localhost:1/nobody/redis:7'}\n")
    done = kit("--compose", str(file), "sentinel/01", out=tmp_path / "runs")
    assert done.returncode == 2, done.stdout + done.stderr
    assert "service redis: expected to have or to pull image localhost:1/nobody/redis:7" in done.stderr
    assert "--image localhost:1/nobody/redis:7=IMAGE" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not ALL, reason="make compose-projects")
def test_a_node_that_is_not_redis_after_all_is_said_with_what_there_is(tmp_path: Path) -> None:
    """Whatever it is called."""
    file = tmp_path / "docker-compose.yml"
    file.write_text('services:\n  redis: {image: "redis:7-alpine", command: sleep 300}\n')
    done = kit("--compose", str(file), "sentinel/01", out=tmp_path / "runs")
    assert done.returncode == 2, done.stdout + done.stderr
    assert (
        "expected a Redis or Valkey node in the project, found none among its containers: redis"
        in done.stderr
    )


THEIRS = """\
name: {name}
services:
  redis:
    image: redis:7-alpine
    container_name: {name}-redis
    command: redis-server /etc/redis/redis.conf
    ports: ["127.0.0.1:{port}:6379"]
    volumes:
      - ./conf:/etc/redis
      - ./conf/users.txt:/users.txt
      - data:/data
      - kept:/kept
    networks: [outside]
  writer:
    image: redis:7-alpine
    entrypoint: [sh, -c, "echo changed > /etc/redis/users.txt; touch /kept/mine; sleep infinity"]
    volumes: [./conf:/etc/redis, kept:/kept]
    networks: [outside]
networks:
  outside: {{name: {name}-net, external: true}}
volumes:
  data: {{name: {name}-data}}
  kept: {{name: {name}-kept, external: true}}
"""


def docker_says(*words: str) -> str:
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout


def test_nothing_of_theirs_is_removed_or_rewritten(tmp_path: Path) -> None:
    """A volume with a name, an external network and volume, a conf that is mounted from the checkout, while the
    original runs: all of it is afterwards what it was before."""
    name = f"theirs-{secrets.token_hex(4)}"
    checkout = tmp_path / "checkout"
    (checkout / "conf").mkdir(parents=True)
    (checkout / "conf" / "redis.conf").write_text("appendonly yes\nsave 60 1\n")
    (checkout / "conf" / "users.txt").write_text("as it was\n")
    file = checkout / "docker-compose.yml"
    file.write_text(
        THEIRS.format(name=name, port=20000 + secrets.randbelow(9000)).replace("redis:7-alpine", IMAGE)
    )
    docker_says("network", "create", f"{name}-net")
    docker_says("volume", "create", f"{name}-kept")
    try:
        compose = ("compose", "-f", str(file))
        docker_says(*compose, "up", "-d", "redis")
        docker_says("exec", f"{name}-redis", "redis-cli", "set", "theirs", "kept")
        before = (_digests(checkout), _engine(name))
        scenario = tmp_path / "s.yaml"
        scenario.write_text(
            "scenario: 1\nname: restart\ndeployment: {topology: {kind: single}}\n"
            "workload: {rate: 20/s, users: 5, mix: {read: 1}}\nfaults:\n  - {after: 1s, restart: primary}\n"
        )
        command = [sys.executable, "-m", "failover_kit", "run", "--compose", str(file), str(scenario)]
        done = subprocess.run(
            [*command, "--out", str(tmp_path / "runs")],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert "fault 1 effect" in done.stdout, done.stdout + done.stderr
        assert (_digests(checkout), _engine(name)) == before
        assert docker_says("exec", f"{name}-redis", "redis-cli", "get", "theirs") == "kept\n"
        assert left_by(done) == []
    finally:
        docker_says(*compose, "down", "-v")
        docker_says("network", "rm", f"{name}-net")
        docker_says("volume", "rm", f"{name}-kept")


def _engine(name: str) -> list[str]:
    """Their containers, networks and volumes, by id, with when they were started and what is in the volume."""
    rows = [
        docker_says(
            "ps",
            "-a",
            "--no-trunc",
            "--filter",
            f"name={name}",
            "--format",
            "{{.ID}} {{.Names}} {{.CreatedAt}}",
        ),
        docker_says(
            "network", "ls", "--no-trunc", "--filter", f"name={name}", "--format", "{{.ID}} {{.Name}}"
        ),
        docker_says("volume", "ls", "--filter", f"name={name}", "--format", "{{.Name}}"),
        docker_says("run", "--rm", "--entrypoint", "ls", "-v", f"{name}-kept:/kept", IMAGE, "-lA", "/kept"),
    ]
    return [line for text in rows for line in text.splitlines()]
