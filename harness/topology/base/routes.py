"""Which networks this machine's routing table leads to: a run takes none of them for its own."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

PREFIX_LENGTH = 24
"""Of a run's own subnet."""
ROUTES = Path("/proc/net/route")


def occupied(routes: str) -> tuple[IPv4Network, ...]:
    """The networks that a machine's routing table (text of /proc/net/route) leads to."""
    fields = (line.split() for line in routes.splitlines()[1:])
    pairs = ((_little_endian(field[1]), _little_endian(field[7])) for field in fields if len(field) > 7)
    networks = (IPv4Network(f"{destination}/{mask}") for destination, mask in pairs)
    return tuple(network for network in networks if network.prefixlen > 0)


def _little_endian(field: str) -> IPv4Address:
    return IPv4Address(int.from_bytes(bytes.fromhex(field), "little"))
