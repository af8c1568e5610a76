"""Start an adopted project as Compose would, and wait until it is what it means to be.

`up -d` says that containers were started, nothing more: sentinels that end at once leave it at 0. So the kit
waits by itself: containers run that should, those that only do a piece of work have ended with 0, nodes
answer, replicas are attached, sentinels know each other, the cluster covers its slots.

What never comes up is said with the line of a log that explains it (`DoesNotComeUp`): the machine is not at
fault, the project is.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from pathlib import Path
from random import SystemRandom
from typing import Any

import yaml

from harness.clock import RunClock, WaitExpired, wait_until
from harness.errors import DoesNotComeUp, EnvironmentFailure, UsageError
from harness.model.deployment import Project
from harness.model.words import Discovery
from harness.topology.base.routes import ROUTES, occupied
from harness.topology.compose import adopted, copies, discovery, passwords, reading
from harness.topology.compose.adopted import Change
from harness.topology.compose.decisive import decisive
from harness.topology.compose.found import Found, Member, inventory, missing, unsettled
from harness.topology.docker import compose, daemon
from harness.topology.docker.daemon import translated
from harness.topology.docker.image import had

READY_WITHIN_S = 60.0
"""15 s are usual: `repl-diskless-sync-delay` is 5 s, and a sentinel looks for replicas every 10 s."""

STARTS_BY_S = 25.0
"""By then a container that starts a server later than at once has done so."""

PROXY_SETTLES_S = 10.0
"""Checks come every 1-3 s, and several must succeed."""

UP_WITHIN_S = 240.0
"""`up -d` waits for health checks and for containers that others depend on."""

_GIVES_UP_AFTER_RESTARTS = 3
_LOOKS_EVERY_S = 0.3
_OTHERS_FOLLOW_S = 1.0
"""What ends one of three sentinels ends the others in a moment."""
_TRIED = 8
_POOLS = (IPv4Network("10.64.0.0/10"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
_TAKEN = re.compile(r"overlap|conflicts with|Pool overlaps", re.IGNORECASE)
_LOG_LINES = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be started, and for whom."""

    project: Project
    name: str
    """The run's own project name."""
    labels: Mapping[str, str]
    directory: Path


def start(client: Any, request: Request) -> Found:
    """Start the project, and return it as it runs once it is ready. Whatever happens, the caller removes it.

    Raises:
        UsageError: the project cannot be the run's own, or an image cannot be had.
        DoesNotComeUp: it starts and does not become ready.
    """
    file = Path(request.project.file)
    project = reading.read(file)
    check_sessions(request.project, project)
    known = passwords.candidates(
        project["services"].values(), copies.texts(adopted.mounted(project)).values()
    )
    images = images_of(file, project, request.project.images)
    said = _brought_up(client, request, project, images)
    return replace(_await_ready(client, request, known, said), passwords=known)


def check_sessions(own: Project, project: Mapping[str, Any]) -> None:
    services = project["services"]
    if own.sessions and own.sessions not in services and own.sessions.rpartition("-")[0] not in services:
        raise UsageError(
            f"{own.file}: sessions: expected a service of the project ({', '.join(sorted(services))}), found "
            f"{own.sessions!r}"
        )


def wants_a_proxy(project: Project) -> bool:
    """Clients go through a proxy where there is one."""
    return project.discovery in {None, Discovery.THROUGH_PROXY}


def images_of(file: Path, project: Mapping[str, Any], images: Mapping[str, str]) -> dict[str, str]:
    """An image for every service, each of them on this machine.

    Raises:
        UsageError: one cannot be had; says for which service, and what to do.
    """
    services = project["services"]
    named = {str(one.get("image") or "") for one in services.values()}
    if strangers := sorted(images.keys() - services.keys() - named):
        raise UsageError(
            f"{file}: --image {strangers[0]}={images[strangers[0]]}: expected a service of the project "
            f"({', '.join(sorted(services))}) or an image that it names ({', '.join(sorted(named - {''}))})"
        )
    found = {
        name: adopted.image_of(project, name, images) or f"{project.get('name', '')}-{name}"
        for name in services
    }
    problems = []
    for image in dict.fromkeys(found.values()):
        of = [name for name, one in found.items() if one == image]
        built = all(services[name].get("build") for name in of)
        if (why := had(image, pull=not built)) is not None:
            problems.append(_without_image(file, of, image, services[of[0]], why))
    if problems:
        raise UsageError("\n".join(problems))
    return found


def _without_image(file: Path, of: Sequence[str], image: str, service: Mapping[str, Any], why: str) -> str:
    where = f"{file}: {'service' if len(of) == 1 else 'services'} {', '.join(of)}"
    if service.get("build") and not service.get("image"):
        return (
            f"{where}: expected the image {image}, found none: the kit builds no images of a project; run "
            f"`docker compose build {of[0]}` first, or name another image: --image {of[0]}=IMAGE"
        )
    return (
        f"{where}: expected to have or to pull image {image}, found: {why}. Pull it yourself, or name "
        f"another image: --image {service.get('image') or of[0]}=IMAGE; `failover-kit image` builds one with "
        "Redis from Debian packages"
    )


def _brought_up(client: Any, request: Request, project: Mapping[str, Any], images: Mapping[str, str]) -> str:
    """What `up` complained of; empty: of nothing."""
    environment = {**os.environ, "DOCKER_HOST": daemon.endpoint()}
    wanted = adopted.subnets(project)
    taken = occupied(ROUTES.read_text(encoding="ascii"))
    moved = {name: network for name, network in wanted.items() if _is_taken(network, taken)}
    for attempt in range(1, _TRIED + 1):
        change = _change(request, project, images, {name: _elsewhere(one) for name, one in moved.items()})
        file = _write(request.directory, adopted.adopt(project, change))
        try:
            compose.compose(
                file, "up", "--detach", "--no-build", project=request.name, environment=environment,
                within_s=UP_WITHIN_S,
            )  # fmt: skip
        except EnvironmentFailure as problem:
            if not _TAKEN.search(str(problem)):
                return str(problem)
            if attempt == _TRIED:
                raise
            daemon.remove(client, f"{daemon.PROJECT_LABEL}={request.name}")
            moved = wanted  # another run, or the user's own project, came first
        else:
            break
    return ""


def _change(
    request: Request, project: Mapping[str, Any], images: Mapping[str, str], moved: Mapping[str, IPv4Network]
) -> Change:
    def with_new_addresses(text: str) -> str:
        return adopted.with_moved_addresses(text, project, moved)

    copied = copies.copy_all(
        adopted.mounted(project), request.directory / "mounts", with_new_addresses if moved else None
    )
    return Change(name=request.name, labels=request.labels, copies=copied, images=images, moved=moved)


def _is_taken(network: IPv4Network, taken: Sequence[IPv4Network]) -> bool:
    return any(network.overlaps(other) for other in taken)


def _elsewhere(network: IPv4Network) -> IPv4Network:
    """A free subnet of the same size, chosen at random."""
    taken = occupied(ROUTES.read_text(encoding="ascii"))
    random = SystemRandom()
    for pool in _POOLS:
        if network.prefixlen < pool.prefixlen:
            continue
        for _ in range(100):
            start_at = int(pool.network_address) + random.randrange(
                pool.num_addresses // network.num_addresses
            ) * (network.num_addresses)
            candidate = IPv4Network((start_at, network.prefixlen))
            if not _is_taken(candidate, taken):
                return candidate
    raise EnvironmentFailure(
        f"subnet {network}: expected another of this size that no route of this machine leads to, found none"
    )


def _write(directory: Path, content: Mapping[str, Any]) -> Path:
    path = directory / "compose.yaml"
    try:
        directory.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # it holds what the user's file and environment hold, passwords too
        path.chmod(0o600)
        path.write_text(yaml.dump(dict(content), sort_keys=False, width=110), encoding="utf-8")
    except OSError as error:
        raise EnvironmentFailure(
            f"{path}: expected to write the Compose file there, found: {error}"
        ) from error
    return path


def _await_ready(client: Any, request: Request, known: Sequence[str], said: str) -> Found:
    last: list[str] = []
    ready: list[Found] = []
    settled_by_s: list[float] = []
    clock = RunClock()

    def is_ready() -> bool:
        there = discovery.members(client, request.name)
        _raise_if_hopeless(client, request, there, said)
        heard = discovery.spoken(client, there, known)
        last[:] = discovery.silent(client, there, heard)
        if last:
            return False
        try:
            found = inventory(
                there, heard, sessions=request.project.sessions, proxied=wants_a_proxy(request.project)
            )
        except UsageError as problem:
            last[:] = [str(problem)]
            if not any(one.role.holds_data for one in heard) and clock.now_us() / 1e6 > STARTS_BY_S:
                raise UsageError(f"{request.project.file}: {problem}") from problem
            return False
        last[:] = [*_unfinished(there), *missing(found)]
        ready[:] = [found]
        return not last and is_settled(found)

    def is_settled(found: Found) -> bool:
        """A proxy that leads nowhere to the end may be there for something else."""
        if not wants_a_proxy(request.project) or not (waits := unsettled(found)):
            return True
        settled_by_s.append(clock.now_us() / 1e6 + PROXY_SETTLES_S)
        last[:] = waits
        return clock.now_us() / 1e6 >= settled_by_s[0]

    try:
        wait_until(is_ready, within_s=READY_WITHIN_S, waiting_for="the project", every_s=_LOOKS_EVERY_S)
    except WaitExpired as error:
        there = discovery.members(client, request.name)
        raise DoesNotComeUp(
            f"{request.project.file}: the project does not come up: after {READY_WITHIN_S:g} s still "
            f"{'; '.join(last)}.{_explained(client, there, last)}"
        ) from error
    return ready[0]


def _raise_if_hopeless(client: Any, request: Request, there: Sequence[Member], said: str) -> None:
    """Nothing that ended with an error, or that ends again and again, comes up by waiting."""
    if not any(map(_is_hopeless, there)):
        if said:
            raise DoesNotComeUp(
                f"{request.project.file}: the project does not come up: {said.splitlines()[-1]}"
            )
        return
    RunClock().sleep(_OTHERS_FOLLOW_S)
    hopeless = [one for one in discovery.members(client, request.name) if _is_hopeless(one)]
    what = "; ".join(
        f"{one.name} ended with exit code {one.exit_code}"
        + (f" ({one.restarts} times)" if one.restarts else "")
        for one in hopeless
    )
    why = _explained(client, hopeless, [])
    raise DoesNotComeUp(f"{request.project.file}: the project does not come up: {what}.{why}")


def _is_hopeless(one: Member) -> bool:
    """It ended with an error and nothing starts it again, or it was started again in vain."""
    if one.running:
        return False
    return one.restarts >= _GIVES_UP_AFTER_RESTARTS if one.restarts else bool(one.exit_code)


def _unfinished(there: Sequence[Member]) -> list[str]:
    waits = [
        f"{one.name} is {one.health}" for one in there if one.running and one.health not in {"", "healthy"}
    ]
    return waits + [
        f"{one.name} is about to be restarted" for one in there if not one.running and one.restarts
    ]


def _explained(client: Any, members: Sequence[Member], about: Sequence[str]) -> str:
    """The telling line of the first container whose log has one; first those that are spoken of."""
    text = " ".join(about)
    ordered = sorted(members, key=lambda one: (one.running and one.name not in text, one.name))
    for member in ordered:
        if line := decisive(log_of(client, member.container, _LOG_LINES)):
            return f" Its log says ({member.name}): {line}"
    return ""


def log_of(client: Any, container: str, lines: int) -> str:
    """The end of a container's log."""
    with translated("reading a log"):
        raw: bytes = client.containers.get(container).logs(tail=lines)
    return raw.decode("utf-8", errors="replace")


Sleep = Callable[[float], None]
