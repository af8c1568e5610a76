"""Faults of links and hosts on every backend: who loses whom, and who does not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.model.seams import FaultScene
from harness.model.words import BackendKind, TopologyKind
from harness.presets.placing import placed
from harness.topology.backends import backend_of
from harness.topology.base.readiness import missing
from tests.builders_faults import answers, heal, inject, plan_of, reaches, role, scene_on
from tests.builders_topology import EACH_BACKEND

PROMOTED_WITHIN_S = 20.0
BACK_WITHIN_S = 40.0


@pytest.fixture(params=EACH_BACKEND)
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FaultScene]:
    """Three zones with a data node and a sentinel each."""
    backend = backend_of(BackendKind(request.param))
    if reason := backend.unavailable():
        pytest.skip(f"no {request.param} here: {reason}")
    machine = backend.machine()
    if not machine.network_faults:
        pytest.skip(f"no network faults here: {machine.why_no_network_faults}")
    plan = plan_of(TopologyKind.SENTINEL)
    spec = replace(plan.scenario.deployment.topology, zones=3)
    plan = replace(plan, backend=backend.KIND, nodes=placed(plan.nodes, spec))
    if reason := backend.fits(plan):
        pytest.skip(reason)
    with backend.up(plan, run="test-links", directory=tmp_path) as topology:
        yield scene_on(topology)


def promoted(scene: FaultScene) -> bool:
    return "primary" in {role(scene, "redis-2"), role(scene, "redis-3")}


def test_cut_from_sentinels_deposes_a_primary_that_clients_reach(scene: FaultScene) -> None:
    """They promote another; every web server still gets its answers from the old one."""
    options = {"from": "sentinels"}
    effect = inject(scene, "cut", options=options)
    wait_until(lambda: promoted(scene), within_s=PROMOTED_WITHIN_S, waiting_for="a promotion")
    assert all(reaches(scene.topology, web, "redis-1") for web in scene.plan.web_servers)
    assert role(scene, "redis-1") == "primary"
    assert "had a message from redis-1" in str(heal(scene, effect, "cut", options=options))


def test_a_lost_host_takes_its_nodes_and_comes_back(scene: FaultScene) -> None:
    """The primary and the sentinel beside it are gone; the two sentinels that are left promote a replica."""
    effect = inject(scene, "lose", "host of primary")
    assert effect.targets == ("redis-1", "sentinel-1")
    assert not any(answers(scene.topology, node) for node in effect.targets)
    assert not reaches(scene.topology, "web-1", "redis-1")
    assert reaches(scene.topology, "web-1", "redis-2")
    wait_until(lambda: promoted(scene), within_s=PROMOTED_WITHIN_S, waiting_for="a promotion")
    assert "answers again: redis-1" in str(heal(scene, effect, "lose", "host of primary"))
    assert reaches(scene.topology, "web-1", "redis-1")
    assert answers(scene.topology, "sentinel-1")


def test_an_isolated_zone_is_whole_inside(scene: FaultScene) -> None:
    """Its nodes and its web server reach each other and nobody else."""
    effect = inject(scene, "isolate", "zone b", options={"with": "web-1"})
    assert effect.targets == ("redis-2", "sentinel-2")
    assert reaches(scene.topology, "web-1", "redis-2")
    assert reaches(scene.topology, "web-1", "sentinel-2")
    assert not reaches(scene.topology, "web-1", "redis-1")
    assert not reaches(scene.topology, "web-2", "sentinel-2")
    heal(scene, effect, "isolate", "zone b", options={"with": "web-1"})
    wait_until(
        lambda: not missing(scene.topology),
        within_s=BACK_WITHIN_S,
        waiting_for="everybody to follow again",
        describe=lambda: missing(scene.topology),
    )
