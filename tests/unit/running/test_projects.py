"""Projects are looked at once, and what was seen takes their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model.deployment import ClientProfile, Deployment, TopologySpec
from harness.model.inventory import NodePlan
from harness.model.words import NodeRole, TopologyKind
from harness.presets import inventory_of
from harness.running.projects import surveyed
from harness.running.selection import Chosen, with_images
from harness.scenario.reading import load_deployment
from lab.plans import scenario_of

COMPOSE = "services: {redis: {image: redis}}\n"
NODES = (
    NodePlan(name="a", role=NodeRole.PRIMARY),
    NodePlan(name="b", role=NodeRole.REPLICA, replica_of="a"),
    NodePlan(name="app", role=NodeRole.OTHER),
)


def deployment(folder: Path, more: str = "") -> Deployment:
    (folder / "docker-compose.yml").write_text(COMPOSE)
    file = folder / "ours.yaml"
    file.write_text(f"deployment: 1\ncompose: ./docker-compose.yml\n{more}")
    return load_deployment(file)


def chosen(*deployments: Deployment) -> list[Chosen]:
    scenario = scenario_of(TopologySpec(kind=TopologyKind.SENTINEL))
    return [Chosen(scenario=replace(scenario, deployment=one), changed=()) for one in deployments]


class Survey:
    """Sees always the same, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, one: Deployment) -> tuple[Deployment, tuple[str, ...]]:
        self.times += 1
        assert one.project is not None
        topology = TopologySpec(kind=TopologyKind.SENTINEL, replicas=1, sentinels=0, down_after_s=3.0)
        return replace(one, project=replace(one.project, nodes=NODES), topology=topology), ("no ports",)


def look(found: Sequence[Chosen], said: list[str], survey: Survey) -> list[Chosen]:
    return surveyed(found, said.append, survey)


def test_a_deployment_file_names_a_project(tmp_path: Path) -> None:
    """Its path is seen from the file's own folder; everything else of a project is there too."""
    more = "name: shop\nimages: {redis: kit}\nsessions: redis\nclient: {socket_timeout: 2s}\n"
    found = deployment(tmp_path, more)
    assert found.project is not None
    assert Path(found.project.file) == tmp_path / "docker-compose.yml"
    assert (found.name, found.project.images, found.project.sessions) == ("shop", {"redis": "kit"}, "redis")
    assert found.client.socket_timeout_s == 2.0
    assert found.file == str(tmp_path / "ours.yaml")


def test_a_compose_file_is_a_deployment(tmp_path: Path) -> None:
    """As `--compose` gives it, named after its folder."""
    deployment(tmp_path)
    found = load_deployment(tmp_path / "docker-compose.yml")
    assert found.project is not None
    assert (found.name, found.project.file) == (tmp_path.name, str(tmp_path / "docker-compose.yml"))


@pytest.mark.parametrize(
    ("more", "said"),
    [("topology: {kind: sentinel}\n", "topology"), ("image: x\n", "image"), ("client: {wait: 1}\n", "wait")],
)
def test_what_a_project_cannot_be_told_is_refused(tmp_path: Path, more: str, said: str) -> None:
    """Its nodes are what they are; misspelt keys are found as everywhere."""
    with pytest.raises(UsageError, match=said):
        deployment(tmp_path, more)


def test_a_project_is_looked_at_once_for_all_scenarios(tmp_path: Path) -> None:
    """Every scenario gets its nodes and its settings, and people are told."""
    one, survey, said = deployment(tmp_path), Survey(), list[str]()
    found = look(chosen(one, one), said, survey)
    assert survey.times == 1
    for each in found:
        assert inventory_of(each.scenario.deployment).nodes == NODES
        assert each.scenario.deployment.topology.down_after_s == 3.0
    text = "\n".join(said)
    assert "no ports" in text
    assert "a (primary), b (replica), app (other)" in text


def test_without_a_project_nothing_is_started() -> None:
    """Topologies of the kit are known beforehand."""
    survey = Survey()
    kits = chosen(
        Deployment(name="x", topology=TopologySpec(kind=TopologyKind.SINGLE), client=ClientProfile())
    )
    assert look(kits, [], survey) == kits
    assert survey.times == 0


def test_projects_and_topologies_of_the_kit_are_not_mixed(tmp_path: Path) -> None:
    """A run has one backend."""
    kits = Deployment(name="x", topology=TopologySpec(kind=TopologyKind.SINGLE), client=ClientProfile())
    with pytest.raises(UsageError, match="found both"):
        look(chosen(deployment(tmp_path), kits), [], Survey())


def test_a_client_that_asks_for_more_than_there_is_is_refused(tmp_path: Path) -> None:
    """Known only once the nodes are."""
    with pytest.raises(UsageError, match="WAIT for 2 of 1 replicas never succeeds"):
        look(chosen(deployment(tmp_path, "client: {wait_replicas: 2}\n")), [], Survey())


def test_images_are_replaced_in_a_project_only(tmp_path: Path) -> None:
    """`--image` adds to what the file says; elsewhere it is a mistake."""
    (one,) = chosen(deployment(tmp_path, "images: {redis: kit}\n"))
    found = with_images(one.scenario, ["app=ours:1", "redis:7@x=y=z"]).deployment.project
    assert found is not None
    assert found.images == {"redis": "kit", "app": "ours:1", "redis:7@x": "y=z"}
    for wrong in ("app", "=x", "app="):
        with pytest.raises(UsageError, match="expected SERVICE=IMAGE"):
            with_images(one.scenario, [wrong])
    kits = scenario_of(TopologySpec(kind=TopologyKind.SINGLE))
    with pytest.raises(UsageError, match="--compose FILE"):
        with_images(kits, ["app=x"])
