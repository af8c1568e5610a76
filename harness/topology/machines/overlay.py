"""What a run has in the engines of its hosts: a network over all of them, and containers in it.

Nodes are plain containers and no tasks of the swarm: a swarm starts anew what dies, which would be somebody
else's healing. The network is the run's own, leads nowhere else, and ends with it.

The trap: a network goes only after the last container in it, on whatever host, and the swarm takes a moment
to notice. A worker's engine knows the network by name only as long as it has a container in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import docker.errors
import docker.types

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, HostVanished
from harness.topology.docker import daemon
from harness.topology.docker.daemon import Leftover, in_parallel
from harness.topology.machines.hosts import Host
from harness.topology.machines.waiting import BEAT_PORT, KEEPER, SILENCE_S

KEEPS = f"{daemon.LABEL}.keeps"
"""Of a container that waits: the node or web server whose network it keeps, or `RELAY`, or a load worker's
name."""
RELAY = "relay"

_REMOVED_WITHIN_S = 40.0
"""A swarm takes seconds to notice that the last container has left a network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """Where the containers of one run are."""

    network: str
    image: str
    """Of what waits."""
    labels: Mapping[str, str]
    controller: str
    """Its address on the network."""


def make_network(leading: Host, name: str, subnet: str, labels: Mapping[str, str]) -> None:
    """An empty network over all hosts; `subnet`: its first three numbers."""
    pools = docker.types.IPAMConfig(pool_configs=[docker.types.IPAMPool(subnet=f"{subnet}.0/24")])
    with leading.asked(f"making network {name}"):
        leading.client.networks.create(
            name, driver="overlay", attachable=True, internal=True, ipam=pools, labels=dict(labels)
        )


def keep_network(host: Host, ground: Ground, node: str, address: str) -> str:
    """What keeps a node's network and its rules, running; returns its id."""
    return _waiting(
        host,
        ground,
        node,
        address,
        ["perl", "-e", KEEPER, ground.controller, str(BEAT_PORT), f"{SILENCE_S:g}"],
        cap_add=["NET_ADMIN", "NET_RAW"],
    )


def make_relay(host: Host, ground: Ground) -> str:
    """What carries the controller's packets, running; returns its id. It changes settings of its own network,
    which a container otherwise may only read."""
    return _waiting(
        host,
        ground,
        RELAY,
        ground.controller,
        ["sleep", "infinity"],
        cap_add=["NET_ADMIN"],
        devices=["/dev/net/tun"],
        writable=True,
    )


def make_worker(host: Host, ground: Ground, name: str, address: str, image: str) -> str:
    """A load worker's container, waiting; returns its id. `image`: the kit's."""
    return _waiting(host, replace(ground, image=image), name, address, ["sleep", "infinity"])


def _waiting(
    host: Host,
    ground: Ground,
    keeps: str,
    address: str,
    command: Sequence[str],
    *,
    writable: bool = False,
    **more: Any,
) -> str:
    """`writable`: it may change settings of its kernel's network."""
    name = f"{ground.labels[daemon.PROJECT_LABEL]}-{keeps}-network"
    with host.asked(f"starting what keeps the network of {keeps}"):
        api = host.client.api
        at = api.create_networking_config({ground.network: api.create_endpoint_config(ipv4_address=address)})
        limits = api.create_host_config(network_mode=ground.network, init=True, **more)
        if writable:
            limits["ReadonlyPaths"] = []  # the client library has no word for it
        made = api.create_container(
            ground.image,
            name=name,
            entrypoint=list(command[:1]),
            command=list(command[1:]),
            labels={**ground.labels, KEEPS: keeps},
            networking_config=at,
            host_config=limits,
        )
        api.start(made["Id"])
    return str(made["Id"])


def make_node(
    host: Host, name: str, keeper: str, service: Mapping[str, Any], labels: Mapping[str, str]
) -> None:
    """A node's container, not started, in the network that another one keeps. `service`: as of Compose."""
    # Compose would read a `$` as a variable, so its files write two.
    words = [str(word).replace("$$", "$") for word in service["command"]]
    with host.asked(f"creating {name}"):
        host.client.containers.create(
            service["image"],
            name=f"{labels[daemon.PROJECT_LABEL]}-{name}",
            entrypoint=list(service["entrypoint"]),
            command=words,
            volumes=list(service["volumes"]),
            network_mode=f"container:{keeper}",
            labels={**labels, daemon.NODE_LABEL: name},
            log_config=docker.types.LogConfig(type="json-file"),
        )


def make_web_server(
    host: Host, name: str, keeper: str, service: Mapping[str, Any], labels: Mapping[str, str]
) -> str:
    """A container of an application of somebody's own, not started, in the network that another one keeps;
    returns its id. `service`: image, command (empty: that of the image) and environment. Rules find its host
    as that of a node."""
    with host.asked(f"making {name} of {service['image']}"):
        made = host.client.containers.create(
            service["image"],
            name=f"{labels[daemon.PROJECT_LABEL]}-{name}",
            command=list(service["command"]) or None,
            environment=dict(service["environment"]),
            network_mode=f"container:{keeper}",
            labels={**labels, daemon.NODE_LABEL: name},
            log_config=docker.types.LogConfig(type="json-file"),
        )
    return str(made.id)


def remove(hosts: Iterable[Host], label: str) -> None:
    """Everything of the kit that carries a label, `name=value`: nodes first, then what keeps their networks,
    then the network. A host that does not answer keeps what it has, and everything else is removed.

    Raises:
        HostVanished: a host did not answer.
        EnvironmentFailure: something stays.
    """
    every = list(hosts)
    problems = in_parallel(partial(_emptied, label=label), every)
    # Where one problem is enough, a second wait for the same host would say nothing new.
    there = [host for host, problem in zip(every, problems, strict=True) if problem is None]
    problems += in_parallel(partial(_without_network, label=label), there)
    said = [problem for problem in problems if problem is not None]
    if said:
        gone = any(isinstance(one, HostVanished) for one in said)
        raise (HostVanished if gone else EnvironmentFailure)("; ".join(map(str, said)))


def remove_jobs(host: Host, label: str) -> None:
    """The services and configurations of the kit that carry a label, as far as this host decides that. Their
    containers are another matter: a swarm leaves those that have ended.

    Raises:
        HostVanished: it does not answer.
    """
    with host.asked("removing jobs"):
        if not _leads(host):
            return
        for some in (host.client.services, host.client.configs):
            for one in some.list(filters={"label": label}):
                _tried(one.remove)


def _emptied(host: Host, *, label: str) -> Exception | None:
    """Why containers are left on a host; None: none is."""
    left: list[Any] = []

    def swept() -> bool:
        left[:] = daemon.containers(host.client, label)
        # Nodes use the networks of others, so these go last.
        left.sort(key=lambda one: KEEPS in daemon.labels_of(one))
        for one in left:
            _tried(partial(one.remove, v=True, force=True))
        return not left

    try:
        with host.asked("removing containers of the run"):
            wait_until(swept, within_s=_REMOVED_WITHIN_S, waiting_for="containers to be gone", every_s=0.1)
    except (EnvironmentFailure, WaitExpired) as problem:
        return problem
    return None


def _without_network(host: Host, *, label: str) -> Exception | None:
    """Why the network is left, as far as this host decides that; None: it is gone."""

    def gone() -> bool:
        networks = host.client.networks.list(filters={"label": label})
        for one in networks:
            _tried(one.remove)
        return not networks

    try:
        with host.asked("removing the run's network"):
            if host.client.info()["Swarm"].get("ControlAvailable"):
                wait_until(
                    gone, within_s=_REMOVED_WITHIN_S, waiting_for="the network to be gone", every_s=0.1
                )
    except (EnvironmentFailure, WaitExpired) as problem:
        return problem
    return None


def _tried(removal: Any) -> None:
    """An engine says no for as long as something goes on; it is asked again."""
    try:
        removal()
    except docker.errors.APIError:
        return


def leftovers(host: Host, held: Collection[str]) -> tuple[Leftover, ...]:
    """What dead owners of this machine left on a host. Owners of other machines cannot be judged."""
    with host.asked("looking for what killed runs left"):
        found = daemon.leftovers(host.client, held, shared=True)
        if not _leads(host):
            return tuple(one for one in found if one.kind != "network")
        return (*_jobs(host), *found)


def await_gone(host: Host, networks: Collection[Leftover]) -> None:
    """Return once a host lists none of these any more. It does for a moment after the swarm has removed them.

    Raises:
        EnvironmentFailure: one stays.
    """
    removed = {one.identity for one in networks}

    def gone() -> bool:
        return removed.isdisjoint(one.id for one in host.client.networks.list())

    try:
        with host.asked("looking for networks that were removed"):
            wait_until(
                gone, within_s=_REMOVED_WITHIN_S, waiting_for="removed networks to be gone", every_s=0.1
            )
    except WaitExpired as problem:
        raise EnvironmentFailure(f"host {host.name}: {problem}") from problem


def _jobs(host: Host) -> Iterator[Leftover]:
    """Services and configurations of the swarm whose owner is dead."""
    for kind, some in (("service", host.client.services), ("config", host.client.configs)):
        for one in some.list(filters={"label": daemon.RUN_LABEL}):
            marks = one.attrs["Spec"].get("Labels") or {}
            if not daemon.owner_alive(marks, shared=True):
                run = marks.get(daemon.RUN_LABEL, "")
                yield Leftover(kind=kind, name=one.attrs["Spec"]["Name"], identity=one.id, run=run)


def _leads(host: Host) -> bool:
    return bool(host.client.info()["Swarm"].get("ControlAvailable"))
