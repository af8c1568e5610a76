"""The Docker engine: how it is reached, what this kit owns there, how that is removed.

Everything that the kit starts carries the machine, the boot, the pid and the start time of the process that
owns it, and the run. `clean` goes by these: what is left of a dead owner is removed, what a living one has
is never touched, and nothing without the labels is even looked at.

Two traps. An engine may be somewhere else: the harness talks to container addresses and reads host
pids, and a scenario kills and fills, so an engine that is not on this machine is refused unless asked for.
And another machine may command this machine's engine: whether an owner there lives cannot be seen from here.
"""

from __future__ import annotations

import io
import os
import socket
import subprocess
import sys
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import docker
import docker.errors
import requests.exceptions

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, UsageError
from harness.model.hosts import ALLOW_REMOTE
from harness.topology.base import processes
from harness.topology.docker import compose

LABEL = "failover-kit"
RUN_LABEL = f"{LABEL}.run"
NODE_LABEL = f"{LABEL}.node"
PROJECT_LABEL = "com.docker.compose.project"
_MACHINE_LABEL = f"{LABEL}.machine"
_BOOT_LABEL = f"{LABEL}.boot"
_NAMESPACE_LABEL = f"{LABEL}.pid-namespace"
_PID_LABEL = f"{LABEL}.pid"
_STARTED_LABEL = f"{LABEL}.started"

ANSWER_S = 30.0
"""Limit of one call. Starting a container takes 0.3 s, and several seconds on a machine under load."""

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_THREADS = 8
_GOING = ("is already in progress", "has active endpoints", "volume is in use")
_REMOVED_WITHIN_S = 10.0
"""A moment, usually; on a machine under load the engine takes seconds to let go of a network."""
_ENDED_WITHIN_S = 60.0
"""More for containers, which must not go on: with ten processes waiting for each core, 10 s were too few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something in the engine whose owner is dead."""

    kind: str
    """`container`, `network`, or `volume` with a name; other volumes go with their containers. Of a swarm:
    `service`, and `config`, which goes after it."""
    name: str
    identity: str
    run: str

    def __str__(self) -> str:
        return f"run {self.run}: {self.kind} {self.name}"


def connect() -> Any:
    """A client of this machine's engine, which has answered.

    Raises:
        EnvironmentFailure: no engine, one that does not answer, or one on another machine.
    """
    return connect_to(endpoint())


def connect_to(where: str) -> Any:
    """A client of the engine at an address; as `connect`."""
    if not _is_here(where) and os.environ.get(ALLOW_REMOTE) != "1":
        raise EnvironmentFailure(
            f"Docker engine {where}: expected one on this machine, found an address that may lead elsewhere. "
            "Faults kill and fill: unset DOCKER_HOST, or ask for a remote engine with --allow-remote-engine "
            f"or {ALLOW_REMOTE}=1"
        )
    try:
        _knock(where)
        client = docker.DockerClient(
            base_url=where,
            version="auto",
            timeout=int(ANSWER_S),
            max_pool_size=2 * _THREADS,
            use_ssh_client=where.startswith("ssh://"),
        )
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise EnvironmentFailure(
            f"Docker engine {where}: expected an answer, found: {_short(error)}. {_advice(where, error)}"
        ) from error
    return client


def _advice(where: str, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return (
            "It runs, but not for this user. Use the process backend, or as root "
            "'usermod -aG docker USER' and log in again; who is in that group can do all that root can"
        )
    if where.startswith("ssh://"):
        return (
            "Addresses with ssh need the Python package paramiko, which is not among the kit's own, and a "
            "login without a question: 'ssh HOST docker version' must answer"
        )
    if not _is_here(where):
        return "Start it there, and let it listen at that address"
    return "Start it, or on a Debian machine run 'make docker-engine' as root"


def _knock(where: str) -> None:
    """Connect once by ourselves: the client library hides a plain refusal under layers of its own."""
    scheme, _, rest = where.partition("://")
    if scheme == "unix":
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as knock:
            knock.settimeout(ANSWER_S)
            knock.connect(rest)
    elif scheme == "tcp":
        host, _, port = rest.rstrip("/").rpartition(":")
        if not (port.isdecimal() and int(port) < 65536):
            raise OSError("an address without a port; it is tcp://HOST:PORT, usually with port 2375 or 2376")
        socket.create_connection((host.strip("[]"), int(port)), timeout=ANSWER_S).close()


def endpoint() -> str:
    """The engine's address as the command line would choose it: DOCKER_HOST, else the current context."""
    host = os.environ.get("DOCKER_HOST", "").strip()
    if host:
        return host
    command = ["docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return "unix:///var/run/docker.sock"
    return done.stdout.strip() or "unix:///var/run/docker.sock"


def unavailable() -> str | None:
    """Why nodes cannot run in containers here; None: they can."""
    if not sys.platform.startswith("linux"):
        return "the harness talks to container addresses, which only a Linux host can reach"
    missing = compose.missing_plugin()
    if missing is not None:
        return missing
    try:
        client = connect()
        with closing(client), translated("asking the engine what it is"):
            system = str(client.info().get("OperatingSystem", ""))
    except EnvironmentFailure as problem:
        return str(problem)
    if "Docker Desktop" in system:
        return "Docker Desktop keeps containers in a virtual machine, where their addresses cannot be reached"
    return None


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """The engine's exceptions as ours, with what was being done."""
    try:
        yield
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise EnvironmentFailure(f"Docker, {doing}: {_short(error)}") from error


def labels(run: str, owner: processes.ProcessIdentity) -> dict[str, str]:
    """What marks a thing as this process's, started for this run."""
    return {
        RUN_LABEL: run,
        _MACHINE_LABEL: processes.machine(),
        _BOOT_LABEL: processes.boot_id(),
        _NAMESPACE_LABEL: processes.pid_namespace(),
        _PID_LABEL: str(owner.pid),
        _STARTED_LABEL: owner.started,
    }


def owner_alive(found: Mapping[str, str], *, shared: bool | None = None) -> bool:
    """Whether the process that the labels name still runs. One that cannot be judged counts as alive.
    `shared`: other machines may command this engine too; None: if it is elsewhere."""
    if found.get(_BOOT_LABEL) != processes.boot_id():
        # Of an earlier boot, or of another machine: copies of one machine may share an engine elsewhere.
        shared = not _is_here(endpoint()) if shared is None else shared
        return shared or _of_another_machine(found)
    if found.get(_NAMESPACE_LABEL) != processes.pid_namespace():
        return True
    pid = found.get(_PID_LABEL, "")
    if not (pid.isascii() and pid.isdecimal()):
        return False
    return processes.may_live(processes.ProcessIdentity(int(pid), found.get(_STARTED_LABEL, "")))


def _of_another_machine(found: Mapping[str, str]) -> bool:
    """As far as the labels tell: without this one it may be."""
    return found.get(_MACHINE_LABEL) != processes.machine()


def leftovers(client: Any, held: Collection[str], *, shared: bool | None = None) -> tuple[Leftover, ...]:
    """What dead owners left, containers first: a network can go only after them. `held`: projects that
    live on without an owner, on purpose. `shared`: as of `owner_alive`."""
    return tuple(
        Leftover(kind=kind, name=name, identity=one.id, run=marks.get(RUN_LABEL, ""))
        for kind, one, name in _owned(client)
        if not owner_alive(marks := labels_of(one), shared=shared) and marks.get(PROJECT_LABEL) not in held
    )


def runs_of_others(client: Any) -> tuple[str, ...]:
    """Runs whose owner is on another machine, as far as the labels tell. Whether it lives is known there."""
    marks = [labels_of(one) for _, one, _ in _owned(client)]
    return tuple(
        sorted(
            {
                one.get(RUN_LABEL, "")
                for one in marks
                if one.get(_BOOT_LABEL) != processes.boot_id() and _of_another_machine(one)
            }
        )
    )


def _owned(client: Any) -> list[tuple[str, Any, str]]:
    """Kind, thing and name of everything that carries a run."""
    with translated("looking for what killed runs left"):
        found = [("container", one, _name(one)) for one in containers(client, RUN_LABEL)]
        found += [("network", one, one.name) for one in client.networks.list(filters={"label": RUN_LABEL})]
        found += [("volume", one, one.name) for one in client.volumes.list(filters={"label": RUN_LABEL})]
    return found


def remove_leftovers(client: Any, found: Iterable[Leftover]) -> None:
    """Remove these, containers with their volumes.

    Raises:
        EnvironmentFailure: something does not go away; everything else was removed.
    """
    stays = []
    for one in found:
        if one.kind == "container":
            removal = partial(client.api.remove_container, one.identity, v=True, force=True)
        elif one.kind == "network":
            removal = partial(_remove_network, client, one.identity)
        elif one.kind == "service":
            removal = partial(client.api.remove_service, one.identity)
        elif one.kind == "config":
            removal = partial(client.api.remove_config, one.identity)
        else:
            removal = partial(client.api.remove_volume, one.identity)
        with translated(f"removing {one.kind} {one.name}"):
            if not _within_limit(partial(_gone, removal)):
                stays.append(f"{one.kind} {one.name}")
    if stays:
        raise EnvironmentFailure(
            f"Docker: {', '.join(stays)} did not go away within {_REMOVED_WITHIN_S:g} s: an engine that lost "
            "count of what uses a network lets go of it when it is restarted"
        )


def remove(client: Any, label: str) -> None:
    """Remove every container (with its volumes), network and volume of the kit that carries `label`,
    `name=value`.

    Repeats until nothing is left: a Compose command that was interrupted may still be creating, and a
    network outlives its last container by a moment. An engine may lose count of a network's endpoints
    (seen once in some hundred runs, 20.10) and then keeps it until it is restarted: an empty network
    spoils no run, so it is left for `clean`.

    Raises:
        EnvironmentFailure: a container does not go away.
    """
    found: list[Any] = []

    def swept() -> bool:
        found[:] = containers(client, label)
        in_parallel(lambda one: _gone(partial(one.remove, v=True, force=True)), found)
        networks = client.networks.list(filters={"label": label})
        in_parallel(lambda one: _gone(partial(_remove_network, client, one.id)), networks)
        volumes = client.volumes.list(filters={"label": [label, RUN_LABEL]})
        in_parallel(lambda one: _gone(one.remove), volumes)
        return not found and not networks and not volumes

    with translated(f"removing what carries {label}"):
        _within_limit(swept)
        if found:
            _within_limit(lambda: swept() or not found, within_s=_ENDED_WITHIN_S)
    if found:
        raise EnvironmentFailure(
            f"Docker: containers with the label {label} did not go away within "
            f"{_REMOVED_WITHIN_S + _ENDED_WITHIN_S:g} s"
        )


def _remove_network(client: Any, identity: str) -> None:
    """Containers of somebody else that joined it leave it first, also those that are stopped by now: they run
    on, or can be started again."""
    for one in client.containers.list(all=True, sparse=True, filters={"network": identity}):
        with suppress(docker.errors.APIError):
            client.api.disconnect_container_from_network(one.id, identity, force=True)
    client.api.remove_network(identity)


def _within_limit(done: Callable[[], bool], *, within_s: float | None = None) -> bool:
    try:
        return wait_until(
            done, within_s=_REMOVED_WITHIN_S if within_s is None else within_s, waiting_for="Docker"
        )
    except WaitExpired:
        return False


def running(client: Any, name: str, *, option: str) -> Any:
    """A container of somebody else, by the name or id that an option gave.

    Raises:
        UsageError: there is none, or it does not run.
    """
    with translated(f"looking for {name}"):
        try:
            found = client.containers.get(name)
        except docker.errors.NotFound as problem:
            raise UsageError(
                f"{option} {name}: expected a running container, found none of that name; `docker ps` lists "
                "them"
            ) from problem
    if not found.attrs["State"]["Running"]:
        raise UsageError(f"{option} {name}: expected a running container, found it stopped")
    return found


def read_file(container: Any, path: str) -> bytes | None:
    """A file of a container, running or not; None: it is not there."""
    with translated(f"reading {path} of {container.name}"):
        try:
            stream, _ = container.get_archive(path)
        except docker.errors.NotFound:
            return None
        packed = io.BytesIO(b"".join(stream))
    with tarfile.open(fileobj=packed) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read() if member else None


def put_file(container: Any, directory: str, name: str, content: bytes = b"") -> None:
    """Make a file in a container, running or not. Everybody in there may write it: who a node runs as is its
    image's business, and a server refuses a configuration that it cannot write again."""
    packed, member = io.BytesIO(), tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o666
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(member, io.BytesIO(content))
    with translated(f"writing {directory}/{name} of {container.name}"):
        container.put_archive(directory, packed.getvalue())


def in_parallel(act: Callable[[Thing], Result], things: Iterable[Thing]) -> list[Result]:
    """Do one thing to several at once; the first failure is raised after all have ended."""
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        return list(threads.map(act, things))


def containers(client: Any, label: str) -> list[Any]:
    """All containers that carry `label`, a name or `name=value`, running or not."""
    # `sparse`: a container that goes away between listing and inspecting it is no error.
    found: list[Any] = client.containers.list(all=True, sparse=True, filters={"label": label})
    return found


def labels_of(one: Any) -> dict[str, str]:
    return dict(one.attrs.get("Labels") or {})


def _is_here(where: str) -> bool:
    return where.startswith("unix://")


def _gone(removal: Callable[[], object]) -> bool:
    """Whether it is gone. False: it is going, or (a network) the last of its containers is."""
    try:
        removal()
    except docker.errors.NotFound:
        return True
    except docker.errors.APIError as error:
        if not any(words in str(error) for words in _GOING):
            raise
        return False
    return True


def _short(error: BaseException) -> str:
    """The engine's own sentence, without the layers of the client library around it."""
    own = getattr(error, "explanation", None) or getattr(error, "strerror", None)
    return str(own or error).strip()


def _name(container: Any) -> str:
    names = container.attrs.get("Names") or [container.id]
    return str(names[0]).removeprefix("/")
