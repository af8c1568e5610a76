"""The Compose files: complete by hand, and the pieces of which a run's own file is made."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.errors import EnvironmentFailure
from harness.model.credentials import new_secrets
from harness.model.deployment import NodeSettings
from harness.model.seams import Secrets
from harness.model.words import TopologyKind
from harness.topology.base.configuration import kit_file, kit_file_name, sentinel_id
from harness.topology.docker import compose
from harness.topology.docker.image import OFFICIAL
from tests.builders_topology import docker_plan

KINDS = list(TopologyKind)
BY_HAND = Secrets(redis="${REDIS_PASSWORD:-by-hand}", sentinel="${SENTINEL_PASSWORD:-by-hand}")


def by_hand(kind: TopologyKind) -> dict[str, Any]:
    return yaml.safe_load(kit_file(f"compose/{kind}.yaml").read_text(encoding="utf-8"))


def rendered(kind: TopologyKind, *, secrets: Secrets = BY_HAND, **settings: Any) -> dict[str, Any]:
    plan = docker_plan(kind, **settings)
    return compose.effective(
        plan, project="failover-kit-x", image="some:image", labels={"failover-kit.run": "x"}, secrets=secrets
    )


def directives(text: str) -> list[str]:
    """What Redis reads of a configuration, with every form of the subnet variable made alike."""
    lines = (re.sub(r"\$\{SUBNET:-[0-9.]+\}", "SUBNET", line).strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_by_hand_are_configured_as_the_harness_does(kind: TopologyKind) -> None:
    """A file in compose/ and the harness give every node the same directives in the same order."""
    plan = docker_plan(kind)
    hand, run = by_hand(kind)["services"], rendered(kind)["services"]
    assert set(hand) - {"form"} == set(run)
    for node in plan.nodes:
        kit = kit_file(kit_file_name(node)).read_text(encoding="utf-8")
        own = hand[node.name]["environment"]["CONFIGURATION"]
        assert directives(kit + "\n" + own) == directives(run[node.name]["environment"]["CONFIGURATION"])


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_by_hand_start_as_the_harness_starts_them(kind: TopologyKind) -> None:
    """Entry point, command and address of a service are those of the file in compose/."""
    hand, run = by_hand(kind)["services"], rendered(kind)["services"]
    for name, service in run.items():
        for key in ("entrypoint", "command", "logging"):
            assert service[key] == hand[name][key]
        addresses = [one[name]["networks"]["nodes"]["ipv4_address"].rpartition(".")[2] for one in (hand, run)]
        assert addresses[0] == addresses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_has_a_fixed_name_or_leads_out(kind: TopologyKind) -> None:
    """Runs side by side need no container names and no published ports; the network has no way out."""
    for file in (by_hand(kind), rendered(kind)):
        assert file["networks"]["nodes"]["internal"] is True
        for service in file["services"].values():
            assert not {"container_name", "ports", "privileged", "network_mode"} & set(service)


@pytest.mark.parametrize("kind", KINDS)
def test_files_by_hand_use_the_pinned_image(kind: TopologyKind) -> None:
    """REDIS_IMAGE, or else the image that the harness would choose."""
    for service in by_hand(kind)["services"].values():
        assert service["image"] == f"${{REDIS_IMAGE:-{OFFICIAL}}}"


@pytest.mark.parametrize(
    ("kind", "settings", "expected"),
    [
        (TopologyKind.SENTINEL, {"replicas": 5, "sentinels": 7}, 13),
        (TopologyKind.SENTINEL, {"replicas": 0, "sentinels": 1}, 2),
        (TopologyKind.CLUSTER, {"shards": 6, "replicas_per_shard": 2}, 18),
        (TopologyKind.CLUSTER, {"replicas_per_shard": 0}, 3),
        (TopologyKind.SPLIT, {"replicas": 0, "sentinels": 0}, 2),
    ],
)
def test_other_shapes_are_made_of_the_same_pieces(
    kind: TopologyKind, settings: dict[str, int], expected: int
) -> None:
    """Services are multiplied or trimmed; every node keeps an address of its own."""
    services = rendered(kind, **settings)["services"]  # type: ignore[arg-type]
    assert len(services) == expected
    assert len({service["networks"]["nodes"]["ipv4_address"] for service in services.values()}) == expected
    sentinels = [service for name, service in services.items() if name.startswith("sentinel")]
    assert all(service["command"][-1] == "--sentinel" for service in sentinels)


def test_node_with_an_engine_of_its_own_has_another_image() -> None:
    """The others have that of the deployment."""
    plan = docker_plan("sentinel", nodes={"redis-2": NodeSettings(engine="valkey-8.1")})
    images = {"valkey-8.1": "of-valkey"}
    made = compose.effective(
        plan, project="p", image="of-all", images=images, labels={}, secrets=new_secrets(plan)
    )
    found = {name: service["image"] for name, service in made["services"].items()}
    assert found.pop("redis-2") == "of-valkey"
    assert set(found.values()) == {"of-all"}


def test_nodes_of_a_run_have_no_health_check() -> None:
    """A health check runs a command in every node each second, while things are measured."""
    assert all(
        "healthcheck" not in service for service in rendered(TopologyKind.SENTINEL)["services"].values()
    )


def test_a_dollar_in_a_directive_is_no_variable() -> None:
    """Compose leaves a directive of a scenario as it was written."""
    plan = docker_plan(TopologyKind.SINGLE, redis={"notify-keyspace-events": "${HOME}"})
    content = compose.effective(plan, project="p", image="i", labels={}, secrets=BY_HAND)
    configuration = content["services"]["redis-1"]["environment"]["CONFIGURATION"]
    assert r'notify-keyspace-events "\x24{HOME}"' in configuration.splitlines()


def test_the_file_of_a_run_holds_no_secret(tmp_path: Path) -> None:
    """Passwords stay variables in what is written into the run's folder."""
    plan = docker_plan(TopologyKind.SENTINEL)
    run = Secrets(redis="11" * 16, sentinel="22" * 16)
    content = rendered(TopologyKind.SENTINEL, secrets=run)
    text = compose.write(tmp_path, plan, content).read_text(encoding="utf-8")
    assert run.redis not in text
    assert run.sentinel not in text
    secrets = re.findall(r"(?:requirepass|masterauth|auth-pass sessions|sentinel-pass) (\S+)", text)
    assert secrets
    assert all(re.match(r"\$\{(REDIS|SENTINEL)_PASSWORD:-by-hand\}", secret) for secret in secrets)


def test_sentinels_have_the_ids_by_which_the_harness_knows_them() -> None:
    """They follow from the run's own secrets, not from the variables in the file."""
    run = Secrets(redis="11" * 16, sentinel="22" * 16)
    services = rendered(TopologyKind.SENTINEL, secrets=run)["services"]
    for name in ("sentinel-1", "sentinel-2", "sentinel-3"):
        lines = services[name]["environment"]["CONFIGURATION"].splitlines()
        assert f"sentinel myid {sentinel_id(name, run)}" in lines


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Where, and why."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(EnvironmentFailure, match=r"compose\.yaml: expected to write"):
        compose.write(tmp_path / "file", docker_plan(TopologyKind.SINGLE), {})


def test_what_compose_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure of the command ends with its own last lines."""
    tool = tmp_path / "docker"
    tool.write_text("#!/bin/sh\necho 'pool overlaps with another' >&2\nexit 17\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFailure, match=r"create .* ended with 17: pool overlaps with another"):
        compose.compose(tmp_path / "compose.yaml", "create", project="p", environment={"PATH": str(tmp_path)})


def test_a_users_project_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says to Compose counts for nothing: else nodes would be made within the project
    that is named there, in the place of its containers, and not be found again."""
    tool, said = tmp_path / "docker", tmp_path / "said"
    tool.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >{said}\nenv >>{said}\n', encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    theirs = {"COMPOSE_PROJECT_NAME": "shop", "COMPOSE_FILE": "x", "COMPOSE_PROFILES": "all", "OTHER": "kept"}
    compose.compose(
        tmp_path / "compose.yaml",
        "create",
        project="ours",
        environment={**theirs, "PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    words = said.read_text(encoding="utf-8")
    assert "-p\nours\n" in words
    assert "--env-file\n/dev/null\n" in words
    assert "OTHER=kept" in words
    assert not any(f"{name}=" in words for name in theirs if name != "OTHER")


@pytest.mark.parametrize(("script", "said"), [(None, "not in PATH"), ("exit 1", "plug-in"), ("exit 0", None)])
def test_a_missing_plugin_is_told_with_its_cure(
    script: str | None, said: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command line, no plug-in, or nothing missing."""
    if script is not None:
        (tmp_path / "docker").write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = compose.missing_plugin()
    assert found is None if said is None else said in (found or "") and "make docker-engine" in (found or "")
