"""A user's Compose project, changed as data so that a run may start it beside the original. Pure.

What the project is stays: commands, health checks, restart policies, host names, static addresses, order of
start. What would be shared goes: names of containers, networks and volumes, published ports, directories of
the host. Whatever is called by an old name is still found by it, as an alias of the network.

    normalised form (`docker compose config`) -> refusals -> adopt -> what Compose starts

The traps: Compose escapes `$` as `$$` in its normalised form, and reads it again, so texts are passed on as
they are. A volume with a fixed name is removed by `down -v` whoever it belongs to, so no name is kept.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from harness.topology.compose.refusals import DROPPED, KEPT

Service = dict[str, Any]

_STOPS_BY_ITSELF = {"", "no"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a run needs to know to make a project its own."""

    name: str
    """The run's own project name."""
    labels: Mapping[str, str]
    """Of the kit: owner and run."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """A host path that a service mounts -> the copy of it in the run's folder."""
    images: Mapping[str, str] = field(default_factory=dict)
    """A service, or an image as the project names it -> the image that takes its place."""
    moved: Mapping[str, IPv4Network] = field(default_factory=dict)
    """A network of the project -> the subnet that it gets instead of its own."""


def mounted(project: Mapping[str, Any]) -> tuple[str, ...]:
    """Every path of the host that the project mounts, each once."""
    binds = (
        str(mount["source"])
        for service in project["services"].values()
        for mount in service.get("volumes") or ()
        if mount.get("type") == "bind"
    )
    kept = (
        str(one["file"])
        for kind in ("secrets", "configs")
        for one in (project.get(kind) or {}).values()
        if one and one.get("file")
    )
    devices = (
        str(volume["driver_opts"]["device"])
        for volume in (project.get("volumes") or {}).values()
        if volume and is_host_directory(volume)
    )
    return tuple(dict.fromkeys([*binds, *kept, *devices]))


def is_host_directory(volume: Mapping[str, Any]) -> bool:
    """Whether a named volume is a directory of the host under another name."""
    return bool((volume.get("driver_opts") or {}).get("device"))


def image_of(project: Mapping[str, Any], service: str, images: Mapping[str, str]) -> str:
    """The image that a service runs; empty: none is known, it would have to be built."""
    own = project["services"][service]
    named = str(own.get("image") or "")
    return images.get(service) or images.get(named) or named


def subnets(project: Mapping[str, Any]) -> dict[str, IPv4Network]:
    """The networks of the project that ask for a subnet of their own choice."""
    found = {}
    for name, network in (project.get("networks") or {}).items():
        for config in ((network or {}).get("ipam") or {}).get("config") or ():
            if config.get("subnet"):
                found[name] = IPv4Network(config["subnet"], strict=False)
    return found


def adopt(project: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The project as Compose shall start it. `project` is what `refusals` has nothing against."""
    moves = _moves(project, change.moved)
    adopted: dict[str, Any] = {
        "name": change.name,
        "services": {
            name: _service(project, name, service, change) for name, service in project["services"].items()
        },
        "networks": {
            name: _network(name, network or {}, change)
            for name, network in (project.get("networks") or {}).items()
        },
    }
    if volumes := project.get("volumes"):
        adopted["volumes"] = {name: {"labels": dict(change.labels)} for name in volumes}
    for kind in ("secrets", "configs"):
        if kept := project.get(kind):
            adopted[kind] = {name: _kept_text(one or {}, change) for name, one in kept.items()}
    return _with_addresses(adopted, moves) if moves else adopted


def with_moved_addresses(text: str, project: Mapping[str, Any], moved: Mapping[str, IPv4Network]) -> str:
    """A configuration file in which the project's own addresses are those that it has in this run."""
    moves = _moves(project, moved)
    return _rewritten(text, moves) if moves else text


def own_names(project: Mapping[str, Any]) -> frozenset[str]:
    """Every name and address under which a service of the project is reached from within, in lower case."""
    names = {"localhost", "127.0.0.1", "::1"}
    for name, service in project["services"].items():
        names |= {name, *_old_names(project, name, service)}
        for attached in (service.get("networks") or {}).values():
            given = attached or {}
            names |= {*(given.get("aliases") or ()), str(given.get("ipv4_address") or name)}
        names |= {str(link).rpartition(":")[2] for link in service.get("links") or ()}
    return frozenset(one.lower() for one in names)


def changes(project: Mapping[str, Any], change: Change) -> tuple[str, ...]:
    """What is different in the run, for people: one sentence for each kind of change."""
    services = project["services"]
    said = []
    if ports := sorted(name for name, one in services.items() if one.get("ports")):
        said.append(f"ports are not published: {', '.join(ports)}")
    if mounted(project):
        said.append("files and directories of this machine are copied; the containers get the copies")
    if names := sorted(one["container_name"] for one in services.values() if one.get("container_name")):
        said.append(f"container names are names on the run's network instead: {', '.join(names)}")
    outside = [name for name, one in (project.get("networks") or {}).items() if (one or {}).get("external")]
    if outside:
        said.append(f"external networks are replaced by the run's own: {', '.join(outside)}")
    kept = [name for name, one in (project.get("volumes") or {}).items() if one and _is_shared(one)]
    if kept:
        said.append(f"volumes are new and empty or copies: {', '.join(kept)}")
    said += [f"network {name} has subnet {network} in this run" for name, network in change.moved.items()]
    return (*said, *_replaced(project, change))


def _replaced(project: Mapping[str, Any], change: Change) -> list[str]:
    """Which images take the place of which, with the services that run them."""
    of: dict[tuple[str, str], list[str]] = {}
    for name, service in project["services"].items():
        own, image = str(service.get("image") or ""), image_of(project, name, change.images)
        if image != own:
            of.setdefault((own, image), []).append(name)
    return [
        f"image {image} instead of {own or 'one that is built'}: {', '.join(names)}"
        for (own, image), names in of.items()
    ]


def restarts(service: Mapping[str, Any]) -> bool:
    """Whether Docker starts the service again when its process dies."""
    policy = str(service.get("restart") or "").partition(":")[0]
    condition = ((service.get("deploy") or {}).get("restart_policy") or {}).get("condition")
    return policy not in _STOPS_BY_ITSELF or condition in {"any", "on-failure"}


def _is_shared(volume: Mapping[str, Any]) -> bool:
    return bool(volume.get("external") or is_host_directory(volume))


def _service(project: Mapping[str, Any], name: str, service: Mapping[str, Any], change: Change) -> Service:
    kept = {key: deepcopy(value) for key, value in service.items() if key in KEPT and key not in DROPPED}
    kept["image"] = image_of(project, name, change.images)
    kept["pull_policy"] = "never"
    kept["labels"] = dict(change.labels)
    # What another driver takes cannot be read back, and may go to somebody else's collector.
    kept["logging"] = {"driver": "json-file"}
    if networks := service.get("networks"):
        names = _old_names(project, name, service)
        kept["networks"] = {to: _attached(attached or {}, names) for to, attached in networks.items()}
    if mounts := service.get("volumes"):
        kept["volumes"] = [_mount(project, mount, change) for mount in mounts]
    for kind in ("secrets", "configs"):
        if service.get(kind):
            kept[kind] = deepcopy(service[kind])
    return kept


def _old_names(project: Mapping[str, Any], name: str, service: Mapping[str, Any]) -> list[str]:
    """How the service's first container is called in the user's own project."""
    own = project.get("name", "")
    names = [service.get("container_name"), service.get("hostname"), f"{own}-{name}-1", f"{own}_{name}_1"]
    return [str(one) for one in dict.fromkeys(names) if one and one != name]


def _attached(attached: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    aliases = list(dict.fromkeys([*(attached.get("aliases") or ()), *names]))
    return {**deepcopy(dict(attached)), "aliases": aliases}


def _mount(project: Mapping[str, Any], mount: Mapping[str, Any], change: Change) -> dict[str, Any]:
    kept = deepcopy(dict(mount))
    if mount.get("type") == "bind":
        return {
            "type": "bind",
            "source": change.copies[str(mount["source"])],
            "target": mount["target"],
            "read_only": bool(mount.get("read_only")),
        }
    volume = (project.get("volumes") or {}).get(str(mount.get("source") or "")) or {}
    if is_host_directory(volume):
        source = change.copies[str(volume["driver_opts"]["device"])]
        return {
            "type": "bind",
            "source": source,
            "target": mount["target"],
            "read_only": bool(mount.get("read_only")),
        }
    return kept


def _kept_text(one: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """A secret or a config: its file is the copy, its name the run's own."""
    if one.get("file"):
        return {"file": change.copies[str(one["file"])]}
    return {key: value for key, value in one.items() if key in {"environment", "content"}}


def _network(name: str, network: Mapping[str, Any], change: Change) -> dict[str, Any]:
    kept: dict[str, Any] = {"labels": dict(change.labels)}
    if network.get("internal"):
        kept["internal"] = True
    if network.get("attachable"):
        kept["attachable"] = True
    if name in change.moved:
        kept["ipam"] = {"config": [{"subnet": str(change.moved[name])}]}
    elif (network.get("ipam") or {}).get("config"):
        kept["ipam"] = {"config": deepcopy(network["ipam"]["config"])}
    return kept


def _moves(project: Mapping[str, Any], moved: Mapping[str, IPv4Network]) -> list[tuple[IPv4Network, int]]:
    """Each subnet that moves, and how far its addresses are shifted."""
    before = subnets(project)
    return [
        (before[name], int(to.network_address) - int(before[name].network_address))
        for name, to in moved.items()
        if name in before
    ]


def _with_addresses(value: Any, moves: Sequence[tuple[IPv4Network, int]]) -> Any:
    """The same data; every address within a subnet that moves is shifted with it, wherever it is written."""
    if isinstance(value, dict):
        return {key: _with_addresses(one, moves) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_addresses(one, moves) for one in value]
    return _rewritten(value, moves) if isinstance(value, str) else value


_ADDRESS = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])")


def _rewritten(text: str, moves: Sequence[tuple[IPv4Network, int]]) -> str:
    return _ADDRESS.sub(_shifted(moves), text)


def _shifted(moves: Sequence[tuple[IPv4Network, int]]) -> Callable[[re.Match[str]], str]:
    def shifted(found: re.Match[str]) -> str:
        try:
            address = IPv4Address(found[0])
        except ValueError:
            return found[0]
        return next((str(address + by) for network, by in moves if address in network), found[0])

    return shifted


def texts(service: Mapping[str, Any]) -> Iterator[str]:
    """What a service says about itself: command, entrypoint, environment, health check."""
    for key in ("entrypoint", "command"):
        value = service.get(key)
        if value:
            yield " ".join(map(str, value)) if isinstance(value, list) else str(value)
    environment = service.get("environment") or {}
    yield from (f"{name}={value}" for name, value in environment.items() if value is not None)
    yield " ".join(map(str, (service.get("healthcheck") or {}).get("test") or ()))
