"""Addresses on a machine that allows no networks of its own: one host, a port for each node.

Every fault but those of the network can be done here. A cut is refused, since on one shared address
nothing tells the two sides apart.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping

from harness.errors import EnvironmentFailure, NoEffect
from harness.model.links import BUS_ABOVE, LinkRule
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Address, Source
from harness.topology.base.cuts import Recorded
from harness.topology.process.run_record import RESERVATION

HOST = "127.0.0.1"

FIRST_PORT = 20_000
"""A cluster node listens on its port + 10,000 too; both lie below the ports that systems hand out."""

PORTS = 65_536
BLOCK = 40
BLOCKS = 50


class Loopback:
    """The ports of one run."""

    loopback = True
    addresses: Mapping[str, Address]
    web_addresses: Mapping[str, Address]

    def __init__(
        self,
        plan: Plan,
        *,
        first_port: int,
        pinned: Mapping[str, int] | None = None,
        reservation: socket.socket | None = None,
    ) -> None:
        """`pinned`: node -> its port, of those that take none of the block."""
        self._reservation = reservation
        self.first_port = first_port
        self.pinned = dict(pinned or {})
        self.addresses: Mapping[str, Address] = {
            node.name: Address(HOST, self.pinned.get(node.name, first_port + number))
            for number, node in enumerate(plan.nodes)
        }
        self.web_addresses: Mapping[str, Address] = {
            name: Address(HOST, first_port + len(plan.nodes) + number)
            for number, name in enumerate(plan.guests)
        }

    @classmethod
    def build(cls, plan: Plan, pins: Pins = FREE) -> Loopback:
        """Take a block of ports that no other run has and in which nobody else listens, and those pinned.

        Raises:
            EnvironmentFailure: there is none, one that is pinned is taken, or the plan has more nodes than a
                block has ports.
        """
        pinned = pins.ports(plan.nodes)
        _check_pinned(plan, pinned)
        wanted = len(plan.nodes) + len(plan.guests)
        if wanted >= BLOCK:
            what = "nodes and web servers" if plan.guests else "nodes"
            raise EnvironmentFailure(f"expected fewer than {BLOCK} {what}, found {wanted}; use fewer")
        for first_port in range(FIRST_PORT, FIRST_PORT + BLOCK * BLOCKS, BLOCK):
            # Whoever holds the last port of a block has the block; the system frees it with the process.
            if any(first_port <= port < first_port + BLOCK for port in pinned.values()):
                continue
            reservation = _bound(first_port + BLOCK - 1)
            if reservation is None:
                continue
            ports = range(first_port, first_port + wanted)
            if all(_is_free(port) and _is_free(port + 10_000) for port in ports):
                return cls(plan, first_port=first_port, pinned=pinned, reservation=reservation)
            reservation.close()
        last = FIRST_PORT + BLOCK * BLOCKS - 1
        raise EnvironmentFailure(f"expected {wanted} free ports in {FIRST_PORT}-{last}, found none")

    def source(self, web_server: str) -> Source:  # noqa: ARG002 - all web servers share the one address
        return Source()

    def observer(self) -> Source:
        return Source()

    def inside(self, node: str) -> None:
        """A node's namespace: none."""

    def cuts(self) -> Recorded:
        return {}

    def descriptors(self) -> dict[str, int]:
        return {RESERVATION: self._reservation.fileno()} if self._reservation else {}

    def apply(self, rule: LinkRule, *, by: int) -> str:  # noqa: ARG002 - as `Network` has it
        raise NoEffect(
            f"cut {', '.join(rule.left)} from {', '.join(rule.right)}: expected a network of the run's own, "
            "found plain loopback; run as root on Linux, or where user namespaces are allowed"
        )

    def mend(self, *, by: int) -> None:
        """Nothing can have been cut."""

    def close(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        if self._reservation:
            self._reservation.close()


def _check_pinned(plan: Plan, pinned: Mapping[str, int]) -> None:
    """Whoever listens there is somebody else, and is left alone."""
    used = list(pinned.items())
    used += [(name, port + BUS_ABOVE) for name, port in used if plan.node(name).cluster]
    for name, port in used:
        if not 0 < port < PORTS:
            raise EnvironmentFailure(f"--pin: {name}: expected a port below {PORTS}, found {port}")
    for name, port in used:
        if _is_taken(port):
            raise EnvironmentFailure(
                f"--pin: {name}: expected port {port} of {HOST} free, found that somebody listens there; "
                "end that program, or pin another port"
            )


def _is_taken(port: int) -> bool:
    """As a server finds it: connections that ended lately are no obstacle."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)
        except OSError:
            return True
    return False


def _bound(port: int) -> socket.socket | None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.bind((HOST, port))
    except OSError:
        listener.close()
        return None
    return listener


def _is_free(port: int) -> bool:
    listener = _bound(port)
    if listener is None:
        return False
    listener.close()
    return True
