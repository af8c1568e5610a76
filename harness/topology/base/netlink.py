"""The few netlink messages by which Linux makes links, addresses and routing rules.

Knows nothing of Redis. A few messages written by hand instead of a library: one takes 0.1 ms, and a
cut has to take effect on many nodes at practically the same moment. (pyroute2 takes 5 ms and more for
each, and its sockets fail where uvloop is the event loop policy.) `man 7 rtnetlink` has the formats.

The trap: a netlink socket belongs to the network namespace in which it was opened, for good; the
thread that uses it later may be anywhere.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address

_ACK_WITHIN_S = 5.0
_RECEIVE_BYTES = 8192

# linux/netlink.h
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x200, 0x400
_ERROR = 2
_HEADER = struct.Struct("=IHHII")

# linux/rtnetlink.h
_NEW_LINK, _DELETE_LINK, _NEW_ADDRESS, _DELETE_ADDRESS, _NEW_ROUTE = 16, 17, 20, 21, 24
_NEW_RULE, _DELETE_RULE = 32, 33
_ROUTE = struct.Struct("=BBBBBBBBI")
_ROUTE_TO, _ROUTE_LINK, _ROUTE_SOURCE = 1, 4, 7
_MAIN_TABLE, _STATIC, _ON_LINK, _UNICAST = 254, 4, 253, 1

# linux/if_link.h, linux/if_addr.h, linux/veth.h
_LINK = struct.Struct("=BxHiII")
_LINK_NAME, _LINK_MASTER, _LINK_KIND_AND_DATA, _LINK_NAMESPACE = 3, 10, 18, 28
_KIND, _DATA = 1, 2
_VETH_PEER = 1
_UP = 1
_ADDRESS = struct.Struct("=BBBBi")
_ADDRESS_PEER, _ADDRESS_LOCAL = 1, 2

# linux/fib_rules.h
_RULE = struct.Struct("=BBBBBBBBI")
_RULE_TO, _RULE_FROM, _RULE_PRIORITY = 1, 2, 6
_RULE_ARRIVES_BY, _RULE_MARK = 3, 10
_RULE_PROTOCOL, _RULE_SOURCE_PORTS, _RULE_DESTINATION_PORTS = 22, 23, 24
_LOOK_UP, _BLACKHOLE = 1, 6

_LOCAL_TABLE = 255
_LOCAL_TABLE_PRIORITY = 100
_CUT_PRIORITY = 10
_MARK_PRIORITY, _DIVERT_PRIORITY = 15, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Packets:
    """Those of an address, or for it; with a port, or a first and a last one, of TCP alone."""

    source: str | None = None
    destination: str | None = None
    source_port: int | tuple[int, int] | None = None
    destination_port: int | tuple[int, int] | None = None


class Netlink:
    """A netlink socket of the namespace in which it was opened. Errors of the kernel are OSError."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.settimeout(_ACK_WITHIN_S)
        self._sequence = 0

    def close(self) -> None:
        self._socket.close()

    def add_bridge(self, name: str) -> None:
        kind = _attribute(_KIND, b"bridge")
        self._link(0, [_attribute(_LINK_NAME, _text(name)), _attribute(_LINK_KIND_AND_DATA, kind)], new=True)

    def add_pair(self, name: str, peer: str, peer_namespace: int) -> None:
        """A virtual cable: `name` here, `peer` in the namespace of that file descriptor."""
        far_end = _LINK.pack(0, 0, 0, 0, 0) + b"".join(
            [
                _attribute(_LINK_NAME, _text(peer)),
                _attribute(_LINK_NAMESPACE, struct.pack("=I", peer_namespace)),
            ]
        )
        data = _attribute(_DATA, _attribute(_VETH_PEER, far_end))
        kind = _attribute(_KIND, b"veth") + data
        self._link(0, [_attribute(_LINK_NAME, _text(name)), _attribute(_LINK_KIND_AND_DATA, kind)], new=True)

    def set_up(self, index: int) -> None:
        self._link(index, [], new=False)

    def join(self, index: int, bridge: int) -> None:
        """Plug a link into a bridge and switch it on."""
        self._link(index, [_attribute(_LINK_MASTER, struct.pack("=I", bridge))], new=False)

    def delete_link(self, index: int) -> None:
        self._send(_DELETE_LINK, 0, _LINK.pack(0, 0, index, 0, 0))

    def add_address(self, index: int, address: str, prefix_length: int) -> None:
        self._address(_NEW_ADDRESS, index, address, prefix_length)

    def delete_address(self, index: int, address: str, prefix_length: int) -> None:
        self._address(_DELETE_ADDRESS, index, address, prefix_length)

    def _address(self, message: int, index: int, address: str, prefix_length: int) -> None:
        packed = IPv4Address(address).packed
        body = _ADDRESS.pack(socket.AF_INET, prefix_length, 0, 0, index)
        attributes = _attribute(_ADDRESS_LOCAL, packed) + _attribute(_ADDRESS_PEER, packed)
        flags = _CREATE | _EXCLUSIVE if message == _NEW_ADDRESS else 0
        self._send(message, flags, body + attributes)

    def go_from(self, address: str, to: str, index: int) -> None:
        """What nobody binds, and is sent to one host over a link, goes from this address."""
        body = _ROUTE.pack(socket.AF_INET, 32, 0, 0, _MAIN_TABLE, _STATIC, _ON_LINK, _UNICAST, 0)
        body += _attribute(_ROUTE_TO, IPv4Address(to).packed)
        body += _attribute(_ROUTE_LINK, struct.pack("=i", index))
        body += _attribute(_ROUTE_SOURCE, IPv4Address(address).packed)
        self._send(_NEW_ROUTE, _CREATE | _EXCLUSIVE, body)

    def make_room_for_cuts(self) -> None:
        """Let rules come before the table of the namespace's own addresses, which is consulted first
        as it comes: a rule after it would never see a packet that is for us. Once for each namespace."""
        self._rule(_NEW_RULE, _LOOK_UP, _LOCAL_TABLE_PRIORITY, table=_LOCAL_TABLE)
        self._rule(_DELETE_RULE, _LOOK_UP, 0, table=_LOCAL_TABLE)

    def drop(self, packets: Packets) -> None:
        """Silently drop what arrives, or would leave, on established connections too."""
        self._rule(_NEW_RULE, _BLACKHOLE, _CUT_PRIORITY, packets=packets)

    def accept(self, packets: Packets) -> None:
        """Undo that."""
        self._rule(_DELETE_RULE, _BLACKHOLE, _CUT_PRIORITY, packets=packets)

    def divert(self, packets: Packets, *, table: int) -> None:
        """Send them where the routes of another table lead, instead of to their socket or out.

        Those of TCP and of UDP alone. Trap: by a rule about every protocol the kernel would also decide
        whether to answer ARP, and whoever has not talked to this address before would not find it.
        """
        for protocol in _protocols(packets):
            self._rule(_NEW_RULE, _LOOK_UP, _DIVERT_PRIORITY, table=table, packets=packets, protocol=protocol)

    def undivert(self, packets: Packets, *, table: int) -> None:
        for protocol in _protocols(packets):
            self._rule(
                _DELETE_RULE, _LOOK_UP, _DIVERT_PRIORITY, table=table, packets=packets, protocol=protocol
            )

    def let_pass(self, mark: int) -> None:
        """Packets with this mark are not diverted."""
        self._rule(_NEW_RULE, _LOOK_UP, _MARK_PRIORITY, table=_MAIN_TABLE, mark=mark)

    def let_in(self, link: str) -> None:
        """Packets that arrive by this link and are for the namespace itself are not diverted."""
        self._rule(_NEW_RULE, _LOOK_UP, _MARK_PRIORITY, table=_LOCAL_TABLE, arrives_by=link)

    def stop_letting_in(self, link: str) -> None:
        self._rule(_DELETE_RULE, _LOOK_UP, _MARK_PRIORITY, table=_LOCAL_TABLE, arrives_by=link)

    def route_all(self, index: int, table: int) -> None:
        """Every packet that looks into a table leaves through this link."""
        body = _ROUTE.pack(socket.AF_INET, 0, 0, 0, table, _STATIC, _ON_LINK, _UNICAST, 0)
        self._send(_NEW_ROUTE, _CREATE, body + _attribute(_ROUTE_LINK, struct.pack("=I", index)))

    def _link(self, index: int, attributes: Iterable[bytes], *, new: bool) -> None:
        flags = (_CREATE | _EXCLUSIVE, 0, 0) if new else (0, _UP, _UP)
        body = _LINK.pack(socket.AF_UNSPEC, 0, index, flags[1], flags[2])
        self._send(_NEW_LINK, flags[0], body + b"".join(attributes))

    def _rule(
        self,
        message: int,
        action: int,
        priority: int,
        *,
        table: int = 0,
        packets: Packets | None = None,
        protocol: int = 0,
        arrives_by: str = "",
        mark: int = 0,
    ) -> None:
        of = packets or Packets()
        lengths = (32 if of.destination else 0, 32 if of.source else 0)
        body = _RULE.pack(socket.AF_INET, *lengths, 0, table, 0, 0, action, 0)
        body += _attribute(_RULE_PRIORITY, struct.pack("=I", priority))
        if arrives_by:
            body += _attribute(_RULE_ARRIVES_BY, _text(arrives_by))
        if mark:
            body += _attribute(_RULE_MARK, struct.pack("=I", mark))
        if of.source:
            body += _attribute(_RULE_FROM, IPv4Address(of.source).packed)
        if of.destination:
            body += _attribute(_RULE_TO, IPv4Address(of.destination).packed)
        if of.source_port or of.destination_port:
            protocol = socket.IPPROTO_TCP
        if protocol:
            body += _attribute(_RULE_PROTOCOL, struct.pack("=B", protocol))
        ports = ((_RULE_SOURCE_PORTS, of.source_port), (_RULE_DESTINATION_PORTS, of.destination_port))
        for kind, port in ports:
            if port:
                first, last = port if isinstance(port, tuple) else (port, port)
                body += _attribute(kind, struct.pack("=HH", first, last))
        self._send(message, _CREATE | _EXCLUSIVE if message == _NEW_RULE else 0, body)

    def _send(self, message: int, flags: int, body: bytes) -> None:
        self._sequence += 1
        length = _HEADER.size + len(body)
        header = _HEADER.pack(length, message, _REQUEST | _ACKNOWLEDGE | flags, self._sequence, 0)
        self._socket.send(header + body)
        while True:
            reply = self._socket.recv(_RECEIVE_BYTES)
            _, kind, _, sequence, _ = _HEADER.unpack_from(reply)
            if sequence == self._sequence and kind == _ERROR:
                break
        (code,) = struct.unpack_from("=i", reply, _HEADER.size)
        if code:
            raise OSError(-code, os.strerror(-code))


def _protocols(packets: Packets) -> tuple[int, ...]:
    of_one_port = packets.source_port or packets.destination_port
    return (socket.IPPROTO_TCP,) if of_one_port else (socket.IPPROTO_TCP, socket.IPPROTO_UDP)


def _attribute(kind: int, value: bytes) -> bytes:
    padding = b"\0" * (-len(value) % 4)
    return struct.pack("=HH", 4 + len(value), kind) + value + padding


def _text(name: str) -> bytes:
    return name.encode() + b"\0"
