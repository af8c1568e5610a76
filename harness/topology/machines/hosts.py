"""The hosts of a run: a name for each, the engine there, and a client of it.

`FAILOVER_KIT_HOSTS='a=ssh://ops@a,b=context:b,c=tcp://10.0.0.3:2376'` names them for every scenario; `hosts`
in a deployment comes first. The engines must be one swarm already: the kit makes and leaves none.

The trap: a scenario kills and fills, so an engine that may be on another machine is refused unless it is
asked for.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import docker.errors
import requests.exceptions

from harness.errors import EnvironmentFailure, HostVanished
from harness.model.hosts import NAMED, read
from harness.topology.docker import daemon
from harness.topology.docker.daemon import in_parallel, translated

CONTEXT = "context:"

MOST = 8
"""The first addresses of a network belong to the swarm, one for each host; nodes have those after them."""


def named() -> dict[str, str]:
    """Host -> its engine, as the environment says. Empty: it says nothing.

    Raises:
        UsageError: it cannot be read.
    """
    return read(os.environ.get(NAMED, ""), NAMED)


def endpoint_of(engine: str) -> str:
    """The address behind an engine's name: a context is looked up as the command line does.

    Raises:
        EnvironmentFailure: there is no such context.
    """
    if not engine.startswith(CONTEXT):
        return engine
    name = engine.removeprefix(CONTEXT)
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}", name]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"{engine}: expected the Docker command line, found: {error}") from error
    if done.returncode or not done.stdout.strip():
        raise EnvironmentFailure(f"{engine}: expected a Docker context, found: {done.stderr.strip()}")
    return done.stdout.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    name: str
    where: str
    """The address of its engine."""
    client: Any

    @contextmanager
    def asked(self, doing: str) -> Iterator[None]:
        """An engine's exceptions as ours, with the host where they come from. It has answered before, so one
        that cannot be reached is gone."""
        try:
            with translated(f"host {self.name} ({self.where}), {doing}"):
                yield
        except EnvironmentFailure as problem:
            # A refusal is an answer, though the client library counts it among failed requests.
            cause = problem.__cause__
            silent = isinstance(cause, requests.exceptions.RequestException)
            if silent and not isinstance(cause, docker.errors.DockerException):
                raise HostVanished(f"{problem}: it answered before") from problem
            raise


def command_line(host: Host) -> list[str]:
    """Docker's, for the engine of a host."""
    return ["env", "--unset=DOCKER_CONTEXT", "docker", "--host", host.where]


@contextmanager
def connected(engines: Mapping[str, str]) -> Iterator[dict[str, Host]]:
    """A client of each engine, which has answered.

    Raises:
        EnvironmentFailure: one does not answer, or may be elsewhere and nobody has allowed that.
    """
    with ExitStack() as opened:
        yield {name: _connected(name, engine, opened) for name, engine in engines.items()}


def reachable(engines: Mapping[str, str]) -> tuple[ExitStack, dict[str, Host], list[str]]:
    """Those that answer, and why the others do not. Close the first."""
    opened, found, problems = ExitStack(), dict[str, Host](), []
    for name, engine in engines.items():
        try:
            found[name] = _connected(name, engine, opened)
        except EnvironmentFailure as problem:
            problems.append(str(problem))
    return opened, found, problems


def _connected(name: str, engine: str, opened: ExitStack) -> Host:
    where = endpoint_of(engine)
    try:
        client = daemon.connect_to(where)
    except EnvironmentFailure as problem:
        raise EnvironmentFailure(f"host {name}: {problem}") from problem
    opened.callback(client.close)
    return Host(name=name, where=where, client=client)


def node_of(host: Host) -> str:
    """What the swarm calls it."""
    with host.asked("asking which node of the swarm it is"):
        return str((host.client.info().get("Swarm") or {}).get("NodeID", ""))


def manager(hosts: Mapping[str, Host]) -> Host:
    """The host whose engine can make a network for all of them.

    Raises:
        EnvironmentFailure: an engine is in no swarm, or in another one, or none of them is a manager.
    """
    if len(hosts) > MOST:
        raise EnvironmentFailure(f"hosts: expected {MOST} at most, found {len(hosts)}")

    def swarm(host: Host) -> Mapping[str, Any]:
        with host.asked("asking what it is"):
            found: Mapping[str, Any] = host.client.info().get("Swarm") or {}
        return found

    said = dict(zip(hosts, in_parallel(swarm, hosts.values()), strict=True))
    for name, one in said.items():
        if (state := one.get("LocalNodeState")) != "active":
            raise EnvironmentFailure(
                f"host {name}: expected its engine in a swarm, found {state!r}: 'docker swarm init' on one "
                "host, 'docker swarm join' on the others"
            )
    leading = next((name for name, one in said.items() if one.get("ControlAvailable")), None)
    if leading is None:
        raise EnvironmentFailure(
            f"hosts {', '.join(hosts)}: expected a manager of the swarm among them, found workers only"
        )
    with hosts[leading].asked("listing the swarm"):
        members = {one.id for one in hosts[leading].client.nodes.list()}
    strangers = [name for name, one in said.items() if one.get("NodeID") not in members]
    if strangers:
        raise EnvironmentFailure(
            f"host {', '.join(strangers)}: its engine is in another swarm than {leading}"
        )
    return hosts[leading]
