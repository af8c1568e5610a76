"""The Compose file of a run, made out of the kit's own, and the one place that calls Compose.

The files in compose/ are complete: people start them by hand. For a run, the services are multiplied
or trimmed to the plan's nodes, and each gets the configuration text that the other backend would give
it. The result lies in the run's folder as `compose.yaml` and is what really starts.

Passwords and the subnet stay variables in that file, so no secret is written, and another subnet can
be tried when one turns out to be taken. The passwords of a run are not given to Compose either: what a
container gets as its environment, `docker inspect` shows. The topology puts each node's configuration in its
place before the first start. The traps: a `$` in a directive of a scenario would be taken for
such a variable, so `quoted` writes it in another way; and what a user's environment says to Compose
(COMPOSE_PROJECT_NAME) would put these nodes in the place of that project's containers.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from harness.errors import EnvironmentFailure
from harness.model.inventory import NodePlan
from harness.model.plan import Plan
from harness.model.seams import Address, Secrets
from harness.model.words import NodePurpose, NodeRole
from harness.topology.base.configuration import ONE_FOR_ALL, kit_file, render, sentinel_id
from harness.topology.base.processes import owner_mark

DATA_DIRECTORY = "/data"
CONFIGURATION_FILE = f"{DATA_DIRECTORY}/node.conf"

COMMAND_S = 120.0
"""Creating six containers takes about a second; a machine under load has been seen to need thirty."""

_HEADER = """\
# What this run started, made from compose/{kind}.yaml. The subnet came from the environment; each node got
# the same configuration with the run's own passwords, and was started and formed by the harness.
"""

_SUBNET = "${SUBNET:-10.99.0}"
_SECRETS = Secrets(redis="${REDIS_PASSWORD:-by-hand}", sentinel="${SENTINEL_PASSWORD:-by-hand}")


def variable(token: str) -> str:
    """The variable that holds the password in the place of a token."""
    return token.upper().replace("-", "_")


def effective(
    plan: Plan,
    *,
    project: str,
    image: str,
    images: Mapping[str, str] = MappingProxyType({}),
    proxy_image: str = "",
    labels: Mapping[str, str],
    secrets: Secrets,
) -> dict[str, Any]:
    """The Compose file for a plan's nodes, as data. `images`: of engines that single nodes name. `secrets`
    are not in it; sentinels' ids follow from them, and the rest of the harness knows sentinels by these."""
    template = yaml.safe_load(template_file(plan).read_text(encoding="utf-8"))
    addresses = addresses_in(_SUBNET, plan)
    named = replace(
        _SECRETS,
        own={token: f"${{{variable(token)}:-by-hand}}" for token in secrets.own},
        certificates=secrets.certificates,
    )
    services = {}
    for node in plan.nodes:
        text = render(node, plan, addresses=addresses, secrets=named, directory=DATA_DIRECTORY)
        for name in (node.name, ONE_FOR_ALL):
            text = text.replace(sentinel_id(name, named), sentinel_id(name, secrets))
        services[node.name] = _service(
            _template(node, template["services"]),
            image=proxy_image if node.role is NodeRole.PROXY else images.get(node.engine or "", image),
            address=addresses[node.name].host,
            configuration=text,
            labels={**labels, "failover-kit.node": node.name},
        )
    network = {
        "internal": True,
        "ipam": {"config": [{"subnet": f"{_SUBNET}.0/24"}]},
        "labels": dict(labels),
    }
    return {"name": project, "services": services, "networks": {"nodes": network}}


_PROXY_START = """\
cd /data
if [ ! -e node.conf ]; then printf '%s\\n' "$$CONFIGURATION" >node.conf; fi
exec haproxy -db -f /data/node.conf
"""


def _template(node: NodePlan, services: Mapping[str, Any]) -> Mapping[str, Any]:
    """The kit's files know no proxies: these start beside them."""
    if node.role is NodeRole.PROXY:
        return {
            "entrypoint": ["sh", "-euc"],
            "command": [_PROXY_START],
            "logging": {"driver": "json-file"},
        }
    template: Mapping[str, Any] = services["sentinel-1" if node.role is NodeRole.SENTINEL else "redis-1"]
    return template


def template_file(plan: Plan) -> Path:
    """The kit's own file for the plan's kind of topology."""
    return kit_file(f"compose/{plan.scenario.deployment.topology.kind}.yaml")


def write(directory: Path, plan: Plan, content: Mapping[str, Any]) -> Path:
    """Write the effective file into the run's folder.

    Raises:
        EnvironmentFailure: the folder cannot be written to.
    """
    path = directory / "compose.yaml"
    header = _HEADER.format(kind=plan.scenario.deployment.topology.kind)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.write_text(header + yaml.dump(dict(content), sort_keys=False, width=110), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(
            f"{path}: expected to write the Compose file there, found: {error}"
        ) from error
    return path


def addresses_in(subnet: str, plan: Plan) -> dict[str, Address]:
    """Every node's fixed address; `subnet` is its first three numbers."""
    counts = {11: 0, 101: 0, 151: 0, 201: 0}
    addresses = {}
    for node in plan.nodes:
        first = _first_host(node)
        addresses[node.name] = Address(f"{subnet}.{first + counts[first]}", node.usual_port)
        counts[first] += 1
    return addresses


def compose(
    file: Path, *words: str, project: str, environment: Mapping[str, str], within_s: float = COMMAND_S
) -> None:
    """Run `docker compose` on a file. `project` is whose containers it makes or replaces, whatever the
    user's own environment says.

    Raises:
        EnvironmentFailure: it failed; the message ends with what it said.
    """
    command = ["docker", "compose", "-f", str(file), "-p", project, "--env-file", os.devnull, *words]
    theirs = {name: value for name, value in environment.items() if not name.startswith("COMPOSE_")}
    try:
        # A session of its own: Ctrl-C is for the harness, which then takes down what was begun.
        done = subprocess.run(
            command,
            # Said this way, an older version that does not know them takes no offence.
            env={**theirs, **owner_mark(), "COMPOSE_PROGRESS": "quiet", "COMPOSE_ANSI": "never"},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=within_s,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise EnvironmentFailure("docker: expected the Docker command line in PATH, found none") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailure(
            f"docker compose {' '.join(words)}: expected to be done within {within_s:g} s, found it running"
        ) from error
    if done.returncode != 0:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-12:])
        raise EnvironmentFailure(
            f"docker compose {' '.join(words)} ({file}) ended with {done.returncode}: {said}"
        )


def missing_plugin() -> str | None:
    """Why Compose cannot be used here; None: it can."""
    try:
        done = subprocess.run(
            ["docker", "compose", "version", "--short"],
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
    except FileNotFoundError:
        return (
            "the Docker command line is not in PATH: install it, on Debian as root with 'make docker-engine'"
        )
    except subprocess.TimeoutExpired:
        return "'docker compose version' gives no answer"
    if done.returncode != 0:
        return (
            "Docker's Compose plug-in (version 2) is missing: install it, on Debian with 'make docker-engine'"
        )
    return None


def _service(
    template: Mapping[str, Any], *, image: str, address: str, configuration: str, labels: Mapping[str, str]
) -> dict[str, Any]:
    """One node. Without the template's kit file, which is part of the text already; without its health
    check, which would run a command in every node once a second while things are measured; without its
    dependencies, since the harness sees by itself what may start; and pulling nothing: `image` has seen
    to it that the image is there."""
    return {
        "image": image,
        "pull_policy": "never",
        "entrypoint": template["entrypoint"],
        "command": template["command"],
        "volumes": [DATA_DIRECTORY],
        "logging": template["logging"],
        "networks": {"nodes": {"ipv4_address": address}},
        "environment": {"CONFIGURATION": configuration},
        "labels": dict(labels),
    }


def _first_host(node: NodePlan) -> int:
    if node.role is NodeRole.SENTINEL:
        return 101
    if node.role is NodeRole.PROXY:
        return 151
    return 201 if node.purpose is NodePurpose.CACHE else 11
