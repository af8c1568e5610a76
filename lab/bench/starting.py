"""From nothing to a ready topology in containers, against Compose alone with the same nodes.

Both start one primary, two replicas and three sentinels from the same image. Compose alone is done when
every health check of the kit's own file has passed; the kit is done when replicas are attached and
every sentinel knows the others.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from pathlib import Path
from statistics import median

from harness.errors import EnvironmentFailure
from harness.kit_files import kit_file
from harness.model.deployment import TopologySpec
from harness.model.words import BackendKind, TopologyKind
from harness.topology.docker import backend as docker
from harness.topology.docker import daemon, image
from harness.topology.docker.addresses import free_subnet
from lab.bench.nodes import plan_of
from lab.rows import Row, skipped

NAME = "topology to ready in Docker / docker compose up --wait"
AT_MOST = 1.3
COMPOSE_WITHIN_S = 180.0


def rows(folder: Path, *, rounds: int) -> list[Row]:
    if (missing := docker.unavailable()) is not None:
        return [skipped(NAME, missing)]
    try:
        chosen = image.choose_image().name
    except EnvironmentFailure as problem:
        return [skipped(NAME, str(problem))]
    ours, theirs = [], []
    for number in range(rounds):
        theirs.append(_compose(chosen))
        ours.append(_kit(chosen, folder / f"kit-{number}"))
    pairs = ", ".join(f"{one:.1f}/{other:.1f}" for one, other in zip(ours, theirs, strict=True))
    ratios = [one / other for one, other in zip(ours, theirs, strict=True)]
    return [Row(name=NAME, measured=median(ratios), at_most=AT_MOST, note=f"seconds, six nodes: {pairs}")]


def _kit(chosen: str, folder: Path) -> float:
    plan = plan_of(TopologySpec(kind=TopologyKind.SENTINEL), backend=BackendKind.DOCKER)
    folder.mkdir(parents=True)
    began = time.perf_counter()
    with docker.up(plan, run="bench", directory=folder, image=chosen):
        return time.perf_counter() - began


def _compose(chosen: str) -> float:
    project = f"failover-kit-bench-{secrets.token_hex(3)}"
    file = str(kit_file("compose/sentinel.yaml"))
    command = ["docker", "compose", "-p", project, "-f", file]
    environment = {
        **os.environ,
        "DOCKER_HOST": daemon.endpoint(),
        "SUBNET": free_subnet(),
        "REDIS_IMAGE": chosen,
    }

    def run(*words: str) -> None:
        subprocess.run(
            [*command, *words], env=environment, check=True, capture_output=True, timeout=COMPOSE_WITHIN_S
        )

    try:
        began = time.perf_counter()
        run("up", "--wait")
        return time.perf_counter() - began
    finally:
        run("down", "--volumes", "--timeout", "1")
