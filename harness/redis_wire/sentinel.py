"""What sentinels answer (SENTINEL MASTER, REPLICAS, SENTINELS) and what they announce (PSUBSCRIBE *)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.model.seams import Address
from harness.model.words import NodeRole
from harness.redis_wire import words
from harness.redis_wire.protocol import Command, as_map

SWITCHED = "+switch-master"

_ROLES = {words.PRIMARY, words.REPLICA, words.SENTINEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedNode:
    """A node as one sentinel knows it: the primary that it guards, a replica, another sentinel."""

    address: Address
    role: NodeRole | None
    flags: frozenset[str]
    """Without the role: `s_down`, `o_down`, `disconnected`, …; empty: nothing is wrong."""
    fields: Mapping[str, str]
    """All that it said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """`+sdown`, `master sessions 10.0.0.2 6379`."""

    channel: str
    text: str
    about: Address | None
    """The node that it is about; of `+switch-master` the new primary. None: about none."""


def watched(reply: Sequence[str]) -> WatchedNode:
    """The reply of SENTINEL MASTER, or one entry of the others."""
    said = as_map(reply)
    flags = frozenset(said.get("flags", "").split(",")) - {""}
    return WatchedNode(
        address=Address(said["ip"], int(said["port"])),
        role=next((words.role(flag) for flag in flags & _ROLES), None),
        flags=flags - _ROLES,
        fields=said,
    )


def message(channel: str, text: str) -> Message:
    """`<role> <name> <ip> <port> [@ <service> <ip> <port>]`, and for +switch-master
    `<service> <old ip> <old port> <new ip> <new port>`."""
    said = text.split(" ")
    about = None
    if channel == SWITCHED and len(said) == 5:
        about = _address(said[3], said[4])
    elif len(said) >= 4 and said[0] in {words.PRIMARY, words.REPLICA}:
        about = _address(said[2], said[3])
    return Message(channel=channel, text=text, about=about)


def introduction(*, sentinel: Address, identity: str, service: str, primary: Address) -> Command:
    """Tells a sentinel of another one, in the words by which they announce themselves."""
    said = (sentinel.host, sentinel.port, identity, 0, service, primary.host, primary.port, 0)
    return ("PUBLISH", "__sentinel__:hello", ",".join(map(str, said)))


def _address(host: str, port: str) -> Address | None:
    return Address(host, int(port)) if port.isdigit() else None
