"""The backend of a user's own project, as far as it needs no engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import EnvironmentFailure, UsageError
from harness.model.deployment import Project
from harness.model.seams import ProjectBackend
from harness.model.words import Discovery, TopologyKind
from harness.scenario.project import CONNECTS_ANEW, of_compose_file
from harness.topology.compose import backend
from harness.topology.compose.found import Found
from tests.builders_topology import docker_plan

OURS: ProjectBackend = backend
"""For the type checker: the module is a backend."""


def test_only_a_project_fits() -> None:
    """Topologies of the kit have backends of their own."""
    plan = docker_plan("single")
    assert OURS.fits(plan) is not None
    own = replace(plan.scenario.deployment, project=Project(file="docker-compose.yml"))
    assert OURS.fits(replace(plan, scenario=replace(plan.scenario, deployment=own))) is None


def test_a_project_is_not_held(tmp_path: Path) -> None:
    """Said before anything starts, with what to do instead."""
    with (
        pytest.raises(EnvironmentFailure, match="docker compose up"),
        OURS.up(docker_plan("single"), run="r", directory=tmp_path, to_hold=True),
    ):
        pass
    with pytest.raises(EnvironmentFailure, match="never held"):
        OURS.attach(tmp_path)
    assert OURS.held() == []


def found(
    kind: TopologyKind = TopologyKind.SENTINEL, *, sentinels: int = 3, fronts: tuple[str, ...] = ()
) -> Found:
    return Found(
        members=(),
        spoken=(),
        kind=kind,
        nodes=(),
        fronts=fronts,
        settings={"sentinels": sentinels, "replicas": 0},
    )


@pytest.mark.parametrize(
    ("seen", "wanted", "expected"),
    [
        (found(), None, Discovery.ON_ERROR),
        (found(), Discovery.FOLLOW_EVENTS, Discovery.FOLLOW_EVENTS),
        (found(sentinels=0), None, Discovery.FIXED_ADDRESS),
        (found(fronts=("lb",)), None, Discovery.THROUGH_PROXY),
        (found(TopologyKind.CLUSTER, sentinels=0), None, Discovery.ON_ERROR),
    ],
)
def test_clients_find_the_primary_as_the_project_lets_them(
    seen: Found, wanted: Discovery | None, expected: Discovery
) -> None:
    """Through its proxy, by its sentinels, else at its address."""
    own = Project(file="docker-compose.yml", discovery=wanted)
    deployment = replace(docker_plan("single").scenario.deployment, project=own)
    known = backend.with_nodes(deployment, own, seen)
    assert known.client.discovery is expected


def test_clients_of_a_cluster_keep_their_connections() -> None:
    """The others' last web servers connect anew for each request."""
    deployment = of_compose_file(Path("docker-compose.yml"))
    assert deployment.project is not None
    shares = {
        kind: backend.with_nodes(deployment, deployment.project, found(kind)).client.connect_per_request
        for kind in (TopologyKind.SENTINEL, TopologyKind.CLUSTER)
    }
    assert shares == {TopologyKind.SENTINEL: CONNECTS_ANEW, TopologyKind.CLUSTER: 0.0}


def test_a_proxy_that_is_asked_for_and_not_there_is_a_mistake() -> None:
    """Not a run that goes another way."""
    own = Project(file="docker-compose.yml", discovery=Discovery.THROUGH_PROXY)
    deployment = replace(docker_plan("single").scenario.deployment, project=own)
    with pytest.raises(UsageError, match="expected a proxy"):
        backend.with_nodes(deployment, own, found())
