"""The packet by which a refused sender learns that it is refused: a reset, or "port unreachable". Pure.

As a firewall that rejects answers, and the kernel of a host where nobody listens. The trap: a reset is an
answer itself; if it were refused too, it would never arrive, so it passes.
"""

from __future__ import annotations

import socket
import struct

_IP = struct.Struct(">BBHHHBBH4s4s")
_TCP = struct.Struct(">HHIIBBHHH")
_ICMP = struct.Struct(">BBHI")

_FIN, _SYN, _RST, _ACK = 0x01, 0x02, 0x04, 0x10
_TTL = 64
_UNREACHABLE, _PORT = 3, 3
_QUOTED_BYTES = 8
"""Of what the unreachable packet held, behind its header."""


def refusal(packet: bytes) -> bytes | None:
    """What is sent instead of an IPv4 packet; None: nothing, it is dropped."""
    header = (packet[0] & 0x0F) * 4
    protocol, source, destination = packet[9], packet[12:16], packet[16:20]
    content = packet[header:]
    if protocol == socket.IPPROTO_UDP:
        return _unreachable(packet[: header + _QUOTED_BYTES], source, destination)
    if protocol != socket.IPPROTO_TCP or len(content) < _TCP.size:
        return None
    if content[13] & _RST:
        return packet
    return _reset(content, source, destination)


def _reset(segment: bytes, source: bytes, destination: bytes) -> bytes:
    """As RFC 9293 has it for a segment to a port where nobody listens."""
    own, theirs, sequence, acknowledged, offset, flags, *_ = _TCP.unpack_from(segment)
    if flags & _ACK:
        numbers, answer = (acknowledged, 0), _RST
    else:
        length = len(segment) - (offset >> 4) * 4 + bool(flags & _SYN) + bool(flags & _FIN)
        numbers, answer = (0, (sequence + length) & 0xFFFFFFFF), _RST | _ACK
    head = _TCP.pack(theirs, own, *numbers, (_TCP.size // 4) << 4, answer, 0, 0, 0)
    ends = destination + source + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(head))
    return _ip(socket.IPPROTO_TCP, destination, source, _with_checksum(head, 16, ends))


def _unreachable(quoted: bytes, source: bytes, destination: bytes) -> bytes:
    message = _ICMP.pack(_UNREACHABLE, _PORT, 0, 0) + quoted
    return _ip(socket.IPPROTO_ICMP, destination, source, _with_checksum(message, 2))


def _ip(protocol: int, source: bytes, destination: bytes, content: bytes) -> bytes:
    head = _IP.pack(0x45, 0, _IP.size + len(content), 0, 0, _TTL, protocol, 0, source, destination)
    return _with_checksum(head, 10) + content


def _with_checksum(data: bytes, at: int, before: bytes = b"") -> bytes:
    return data[:at] + struct.pack(">H", checksum(before + data)) + data[at + 2 :]


def checksum(data: bytes) -> int:
    """Of the internet protocols; 0 over data that holds a right one."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f">{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
