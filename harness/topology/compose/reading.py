"""A Compose file of a user, read as Compose itself reads it.

`docker compose config` flattens `extends`, `include`, `env_file`, anchors, variables and relative paths; what
it prints is all that the kit goes by. Services with a profile take part where COMPOSE_PROFILES names it, as
with `docker compose up`.

The trap: Compose puts an empty text in the place of a variable that is not set, and only warns. A password
that is missing would make another project than the user's, so it is refused.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentFailure, UsageError
from harness.topology.compose.adopted import mounted, own_names, subnets, texts
from harness.topology.compose.copies import texts as texts_of_files
from harness.topology.compose.refusals import announced, leads_out, refusals

_READ_WITHIN_S = 30.0
_UNSET = re.compile(r'The \\"(?P<name>[^"\\]+)\\" variable is not set')


def read(file: Path) -> Mapping[str, Any]:
    """The normalised form of a project that the kit can start as a run's own.

    Raises:
        UsageError: Compose cannot read it, or something in it cannot be the run's own; each reason on a line.
        EnvironmentFailure: there is no Compose here.
    """
    if not file.is_file():
        raise UsageError(f"{file}: expected a Compose file, found none")
    project = _normalised(file)
    reasons = [*refusals(project), *_leading_out(project)]
    if reasons:
        raise UsageError("\n".join(f"{file}: {reason}" for reason in reasons))
    return project


def _normalised(file: Path) -> Mapping[str, Any]:
    command = ["docker", "compose", "-f", str(file), "config", "--format", "json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_READ_WITHIN_S, check=False
        )
    except FileNotFoundError as error:
        raise EnvironmentFailure("docker: expected the Docker command line in PATH, found none") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailure(f"{file}: Compose did not read it within {_READ_WITHIN_S:g} s") from error
    if done.returncode != 0:
        said = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise UsageError(f"{file}: expected a file that `docker compose config` accepts, found: {said}")
    if unset := sorted({found["name"] for found in _UNSET.finditer(done.stderr)}):
        raise UsageError(
            f"{file}: expected a value for every variable, found none for {', '.join(unset)}; set them in "
            f"the environment or in {file.parent / '.env'}"
        )
    try:
        project: Mapping[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise EnvironmentFailure(f"{file}: `docker compose config` printed no JSON: {error}") from error
    return project


def _leading_out(project: Mapping[str, Any]) -> list[str]:
    inside = own_names(project)
    found = [
        f"service {name}: follows or watches {host}, which is not part of the project; its data would be "
        "another system's"
        for name, service in project.get("services", {}).items()
        for text in texts(service)
        for host in leads_out(text, inside)
    ]
    found += [
        f"service {name}: {_announces(host)}"
        for name, service in project.get("services", {}).items()
        for text in texts(service)
        for host in announced(text, inside)
        if not _is_in(host, subnets(project))
    ]
    if not project.get("services"):
        return found
    for file, text in texts_of_files(mounted(project)).items():
        if Path(file).suffix in {".conf", ".sh", ".cfg", ""}:
            found += [
                f"{file}: follows or watches {host}, which is not part of the project"
                for host in leads_out(text, inside)
            ]
            found += [
                f"{file}: {_announces(host)}"
                for host in announced(text, inside)
                if not _is_in(host, subnets(project))
            ]
    return list(dict.fromkeys(found))


def _announces(host: str) -> str:
    return (
        f"announces its node as {host}, which is no name or address of the project: clients and sentinels of "
        "the run would be sent to the original; announce the service's name or a static address"
    )


def _is_in(host: str, networks: Mapping[str, IPv4Network]) -> bool:
    try:
        address = IPv4Address(host)
    except ValueError:
        return False
    return any(address in network for network in networks.values())
