"""The Docker engine: how it is reached, what this kit owns there, how that is removed.

Everything that the kit starts carries the boot, the pid and the start time of the process that owns
it, and the run. `clean` goes by these: what is left of a dead owner is removed, what a living one has
is never touched, and nothing without the labels is even looked at.

The trap: an engine may be somewhere else. The harness talks to container addresses and reads host
pids, and a scenario kills and fills, so an engine that is not on this machine is refused unless asked for.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import requests.exceptions

from harness.errors import EnvironmentFailure
from harness.topology import compose

ALLOW_REMOTE = "FAILOVER_KIT_ALLOW_REMOTE"

LABEL = "failover-kit"
RUN_LABEL = f"{LABEL}.run"
NODE_LABEL = f"{LABEL}.node"
PROJECT_LABEL = "com.docker.compose.project"

ANSWER_S = 30.0
"""Limit of one call. Starting a container takes 0.3 s, and several seconds on a machine under load."""

Thing = TypeVar("Thing")
Result = TypeVar("Result")

_THREADS = 8
_SWEEPS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process, so that another one with the same pid is told apart."""

    boot: str
    pid: int
    started: str

    @classmethod
    def this_process(cls) -> Owner:
        return cls(boot=_boot_id(), pid=os.getpid(), started=_start_time(os.getpid()) or "")

    def alive(self) -> bool:
        return self.boot == _boot_id() and _start_time(self.pid) == self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """Something in the engine whose owner is dead."""

    kind: str
    """`container` or `network`; volumes go with their containers."""
    name: str
    identity: str
    run: str


def connect() -> Any:
    """A client of this machine's engine, which has answered.

    Raises:
        EnvironmentFailure: no engine, one that does not answer, or one on another machine.
    """
    where = endpoint()
    if not where.startswith("unix://") and os.environ.get(ALLOW_REMOTE) != "1":
        raise EnvironmentFailure(
            f"Docker engine {where}: expected one on this machine, found an address that may lead elsewhere. "
            f"Faults kill and fill: unset DOCKER_HOST, or ask for a remote engine with {ALLOW_REMOTE}=1"
        )
    try:
        client = docker.DockerClient(base_url=where, timeout=int(ANSWER_S), max_pool_size=2 * _THREADS)
        client.ping()
    except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
        raise EnvironmentFailure(
            f"Docker engine {where}: expected an answer, found: {_short(error)}. Start it, or on a Debian "
            "machine run 'make docker-engine' as root"
        ) from error
    return client


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


def labels(run: str, owner: Owner) -> dict[str, str]:
    return {
        RUN_LABEL: run,
        f"{LABEL}.boot": owner.boot,
        f"{LABEL}.pid": str(owner.pid),
        f"{LABEL}.started": owner.started,
    }


def owner_of(found: Mapping[str, str]) -> Owner:
    """The owner that labels name."""
    pid = found.get(f"{LABEL}.pid", "")
    return Owner(
        boot=found.get(f"{LABEL}.boot", ""),
        pid=int(pid) if pid.isdecimal() else 0,
        started=found.get(f"{LABEL}.started", ""),
    )


def leftovers(client: Any) -> tuple[Leftover, ...]:
    """What dead owners left, containers first: a network can go only after them."""
    with translated("looking for what killed runs left"):
        found = [("container", one, _labels_of(one)) for one in _containers(client, RUN_LABEL)]
        found += [
            ("network", one, _labels_of(one)) for one in client.networks.list(filters={"label": RUN_LABEL})
        ]
    return tuple(
        Leftover(kind=kind, name=one.name, identity=one.id, run=owned.get(RUN_LABEL, ""))
        for kind, one, owned in found
        if not owner_of(owned).alive()
    )


def remove_leftovers(client: Any, found: Iterable[Leftover]) -> None:
    """Remove these, containers with their volumes."""
    for one in found:
        with translated(f"removing {one.kind} {one.name}"):
            if one.kind == "container":
                _gone(partial(client.api.remove_container, one.identity, v=True, force=True))
            else:
                _gone(partial(client.api.remove_network, one.identity))


def remove(client: Any, label: str) -> None:
    """Remove every container (with its volumes) and network that carries `label`, `name=value`.

    Repeats until nothing is left: a Compose command that was interrupted may still be creating.

    Raises:
        EnvironmentFailure: something does not go away.
    """
    with translated(f"removing what carries {label}"):
        for _ in range(_SWEEPS):
            containers = _containers(client, label)
            in_parallel(lambda one: _gone(lambda: one.remove(v=True, force=True)), containers)
            networks = client.networks.list(filters={"label": label})
            in_parallel(lambda one: _gone(one.remove), networks)
            if not containers and not networks:
                return
    raise EnvironmentFailure(f"Docker: containers or networks with the label {label} come back after removal")


def in_parallel(act: Callable[[Thing], Result], things: Sequence[Thing]) -> list[Result]:
    """Do one thing to several at once; the first failure is raised after all have ended."""
    with ThreadPoolExecutor(max_workers=_THREADS) as threads:
        return list(threads.map(act, things))


def _containers(client: Any, label: str) -> list[Any]:
    # `sparse`: a container that goes away between listing and inspecting it is no error.
    found: list[Any] = client.containers.list(all=True, sparse=True, filters={"label": label})
    return found


def _labels_of(one: Any) -> dict[str, str]:
    return dict(one.attrs.get("Labels") or {})


def _gone(removal: Callable[[], object]) -> None:
    try:
        removal()
    except docker.errors.NotFound:
        return
    except docker.errors.APIError as error:
        if "is already in progress" not in str(error):
            raise


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def _start_time(pid: int) -> str | None:
    """Ticks after the boot at which a process began; None: there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The name in parentheses may hold anything; fields are counted from the last parenthesis.
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] == "Z" else fields[19]


def _short(error: BaseException) -> str:
    """The engine's own sentence, without the layers of the client library around it."""
    explanation = getattr(error, "explanation", None)
    text = str(explanation or error)
    inner = re.search(r"'(No such file or directory|Connection refused|Permission denied)'", text)
    return inner.group(1) if inner else text.strip()
