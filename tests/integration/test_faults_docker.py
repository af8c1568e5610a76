"""The faults on containers: the same words, the same meaning, the same proofs as with processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import FaultScene
from harness.model.words import TopologyKind
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from tests.builders_faults import answers, ask, heal, inject, plan_of, reaches, role, scene_on

pytestmark = pytest.mark.docker


@contextmanager
def scene_of(plan: Plan, directory: Path) -> Iterator[FaultScene]:
    try:
        image.choose_image()
    except EnvironmentFailure as missing:
        pytest.skip(str(missing))
    with docker.up(plan, run="test", directory=directory) as topology:
        yield scene_on(topology)


def test_sentinel_topology_in_containers(tmp_path: Path) -> None:
    """Isolate with a web server, promote on the other side, heal; then pause, kill and start again."""
    isolated = {"options": {"with": "web-1"}}
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        topology = scene.topology
        inject(scene, "nothing")
        effect = inject(scene, "cut replication")
        ask(topology, "redis-1", "SET", "a", "1")
        assert ask(topology, "redis-2", "GET", "a") is None
        heal(scene, effect, "cut replication")
        wait_until(lambda: ask(topology, "redis-2", "GET", "a"), within_s=15, waiting_for="the key")

        effect = inject(scene, "isolate", **isolated)  # type: ignore[arg-type]
        assert reaches(topology, "web-1", "redis-1")
        assert not reaches(topology, "web-2", "redis-1")
        assert not reaches(topology, "web-1", "redis-2")
        wait_until(
            lambda: "primary" in {role(scene, "redis-2"), role(scene, "redis-3")},
            within_s=20,
            waiting_for="a promotion on the other side",
        )
        assert "had a message from redis-1" in str(heal(scene, effect, "isolate", **isolated))  # type: ignore[arg-type]
        assert reaches(topology, "web-2", "redis-1")

        effect = inject(scene, "pause", "sentinel")
        assert not answers(topology, "sentinel-1")
        heal(scene, effect, "pause", "sentinel")
        assert answers(topology, "sentinel-1")
        effect = inject(scene, "kill", "sentinel")
        assert not answers(topology, "sentinel-1")
        heal(scene, effect, "kill", "sentinel", for_s=0.1)
        assert answers(topology, "sentinel-1")


def test_planned_failover_in_containers(tmp_path: Path) -> None:
    """SENTINEL FAILOVER is watched to its end."""
    with scene_of(plan_of(TopologyKind.SENTINEL), tmp_path) as scene:
        inject(scene, "planned failover")
        assert "primary" in {role(scene, "redis-2"), role(scene, "redis-3")}


def test_shared_instance_in_a_container(tmp_path: Path) -> None:
    """Fill, flush, restart empty, stop."""
    with scene_of(plan_of(TopologyKind.SHARED, maxmemory="16mb"), tmp_path) as scene:
        inject(scene, "fill cache", "cache", options={"to": 1.5})
        inject(scene, "flush", "cache")
        assert ask(scene.topology, "redis-1", "DBSIZE") == 0
        ask(scene.topology, "redis-1", "SET", "a", "1")
        inject(scene, "restart", options={"data": "empty"})
        assert ask(scene.topology, "redis-1", "GET", "a") is None
        inject(scene, "stop")
        assert not answers(scene.topology, "redis-1")


def test_cluster_in_containers(tmp_path: Path) -> None:
    """CLUSTER FAILOVER moves one shard, and killing another's primary touches nobody else."""
    with scene_of(plan_of(TopologyKind.CLUSTER), tmp_path) as scene:
        inject(scene, "planned failover", "shard 2 primary")
        assert role(scene, "redis-5") == "primary"
        inject(scene, "kill", "shard 3 primary")
        assert not answers(scene.topology, "redis-3")
        assert answers(scene.topology, "redis-1")


def test_commands_in_a_container(tmp_path: Path) -> None:
    """A command needs a connection, and other settings a file that the container reads at its start."""
    with scene_of(plan_of(TopologyKind.SHARED, maxmemory="64mb"), tmp_path) as scene:
        topology = scene.topology
        ask(topology, "redis-1", "SET", "a", "1")
        options = {"directive": "maxclients", "value": "50"}
        effect = inject(scene, "config set", options=options)
        taken = inject(scene, "exhaust connections", number=2)
        heal(scene, taken, "exhaust connections", number=2)
        heal(scene, effect, "config set", options=options)

        paused = inject(scene, "pause clients", for_s=5.0)
        heal(scene, paused, "pause clients", for_s=5.0)
        busy = inject(scene, "occupy", for_s=0.5)
        heal(scene, busy, "occupy", for_s=0.5)
        readers = inject(scene, "slow readers", options={"readers": 2, "bytes": 6_000_000})
        heal(scene, readers, "slow readers")
        filled = inject(scene, "fill", options={"to": 1.2})
        heal(scene, filled, "fill")

        inject(scene, "save snapshot")
        ask(topology, "redis-1", "DEL", "a")
        effect = inject(scene, "restart", options={"redis": "save 60 1"})
        assert "started with save 60 1" in effect.proof
        assert ask(topology, "redis-1", "CONFIG", "GET", "save") == ["save", "60 1"]
        assert ask(topology, "redis-1", "GET", "a") == "1"
