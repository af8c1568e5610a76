"""Where a run's containers live: a free subnet, and local ports for each web server.

All web servers of a run have the bridge's own address and are told apart by their ports, which lie
below those that the kernel hands out; the observer, whose connections nothing may cut, takes the latter.

A command of somebody's own binds neither address nor port. It gets a second address on the bridge, and routes
to the nodes say that this is where sockets come from that nobody binds; the observer binds the first. A
container of theirs may take the third. Addresses and routes vanish with the bridge.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import closing
from ipaddress import IPv4Network
from pathlib import Path
from random import SystemRandom

from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import Address
from harness.topology.base.netlink import Netlink
from harness.topology.base.routes import PREFIX_LENGTH, ROUTES, occupied

FIRST_WEB_PORT = 10000
PORTS_PER_WEB_SERVER = 2000
"""Every connection and every reconnection takes one, and each is in TIME_WAIT for a minute."""

_FEWEST_PORTS = 200
_FIRST_WEB_HOST = 231
"""Above those of nodes and proxies; a workload has twenty web servers at most."""
_POOLS = (IPv4Network("10.64.0.0/10"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
_BY_HAND = IPv4Network("10.99.0.0/16")
"""The subnets of the files in compose/."""


def free_subnet() -> str:
    """First three numbers of a /24 that no route of this machine leads to, chosen at random.

    Another run may choose the same at the same moment; the engine then refuses one of them.

    Raises:
        EnvironmentFailure: every private range is routed somewhere.
    """
    taken = (*occupied(ROUTES.read_text(encoding="ascii")), _BY_HAND)
    random = SystemRandom()
    for pool in _POOLS:
        for _ in range(100):
            start = int(pool.network_address) + random.randrange(pool.num_addresses // 256) * 256
            candidate = IPv4Network((start, 24))
            if not any(candidate.overlaps(network) for network in taken):
                return str(candidate.network_address).removesuffix(".0")
    raise EnvironmentFailure(
        f"expected a free /24 in {', '.join(map(str, _POOLS))}, found routes to all that were tried; "
        "'ip route' shows them"
    )


def web_ports(count: int) -> list[tuple[int, int]]:
    """A range of local ports for each web server, below those that the kernel gives to anybody else.

    Raises:
        EnvironmentFailure: the kernel's own range leaves too little room.
    """
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    room = int(text.split()[0]) - FIRST_WEB_PORT
    each = min(PORTS_PER_WEB_SERVER, room // max(1, count))
    if each < _FEWEST_PORTS:
        raise EnvironmentFailure(
            "net.ipv4.ip_local_port_range: expected to begin at "
            f"{FIRST_WEB_PORT + _FEWEST_PORTS * count} or later, so that {count} web servers have "
            f"ports of their own, found {text.strip()!r}"
        )
    return [(first, first + each - 1) for first in range(FIRST_WEB_PORT, FIRST_WEB_PORT + each * count, each)]


def web_addresses(subnet: str, plan: Plan) -> dict[str, Address]:
    """Where each web server of a guest in containers listens."""
    guest = plan.scenario.deployment.guest
    if guest is None or guest.container is None:
        return {}
    port = guest.container.port
    return {
        name: Address(f"{subnet}.{_FIRST_WEB_HOST + number}", port) for number, name in enumerate(plan.guests)
    }


def give_own_address(bridge: str, subnet: str, nodes: Iterable[str]) -> bool:
    """Give what nobody binds an address of its own on a bridge; False: not possible here. It takes root,
    and the bridge on this machine."""
    try:
        index = socket.if_nametoindex(bridge)
        with closing(Netlink()) as netlink:
            netlink.add_address(index, of_command(subnet), PREFIX_LENGTH)
            for node in nodes:
                netlink.go_from(of_command(subnet), node, index)
    except OSError:
        return False
    return True


def of_observer(subnet: str) -> str:
    return f"{subnet}.1"


def of_command(subnet: str) -> str:
    return f"{subnet}.2"


def of_container(subnet: str) -> str:
    """Where a container of somebody's own may join the run's network."""
    return f"{subnet}.3"
