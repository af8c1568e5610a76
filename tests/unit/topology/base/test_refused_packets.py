"""What a sender is told that is refused."""

from __future__ import annotations

import socket
import struct

import pytest

from harness.topology.base.refused_packets import checksum, refusal

NODE, CLIENT = socket.inet_aton("10.0.0.2"), socket.inet_aton("10.0.0.9")
SYN, RST, ACK, FIN = 0x02, 0x04, 0x10, 0x01


def ip(protocol: int, content: bytes, options: bytes = b"") -> bytes:
    header = 0x40 | (5 + len(options) // 4)
    length = 20 + len(options) + len(content)
    return (
        struct.pack(">BBHHHBBH", header, 0, length, 7, 0, 64, protocol, 0) + CLIENT + NODE + options + content
    )


def segment(flags: int, *, sequence: int = 100, acknowledged: int = 0, data: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", 40000, 6379, sequence, acknowledged, 5 << 4, flags, 512, 0, 0) + data


def tcp(packet: bytes) -> tuple[int, ...]:
    """Ports, numbers, flags of a packet without options, whose checksums are right."""
    assert checksum(packet[:20]) == 0
    ends = packet[12:20] + struct.pack(">BBH", 0, socket.IPPROTO_TCP, len(packet) - 20)
    assert checksum(ends + packet[20:]) == 0
    own, theirs, sequence, acknowledged, _, flags, *_ = struct.unpack_from(">HHIIBBHHH", packet, 20)
    return own, theirs, sequence, acknowledged, flags


@pytest.mark.parametrize(
    ("sent", "numbers"),
    [
        (segment(SYN), (0, 101, RST | ACK)),
        (segment(SYN, sequence=0xFFFFFFFF), (0, 0, RST | ACK)),
        (segment(ACK, acknowledged=77, data=b"PING"), (77, 0, RST)),
        (segment(FIN, data=b"abc"), (0, 104, RST | ACK)),
    ],
)
@pytest.mark.parametrize("options", [b"", b"\x94\x04\0\0"])
def test_a_connection_is_reset(sent: bytes, numbers: tuple[int, ...], options: bytes) -> None:
    """From the other end, with the numbers that make its sender believe it."""
    answer = refusal(ip(socket.IPPROTO_TCP, sent, options))
    assert answer is not None
    assert (answer[12:16], answer[16:20]) == (NODE, CLIENT)
    assert tcp(answer) == (6379, 40000, *numbers)


def test_a_reset_passes() -> None:
    """It is how somebody learns of the refusal; refused itself, it would never arrive."""
    packet = ip(socket.IPPROTO_TCP, segment(RST | ACK))
    assert refusal(packet) == packet


def test_a_datagram_is_answered_with_what_was_refused() -> None:
    """By its header and eight bytes, by which the sender finds its socket."""
    packet = ip(socket.IPPROTO_UDP, struct.pack(">HHHH", 40000, 53, 12, 0) + b"name")
    answer = refusal(packet)
    assert answer is not None
    assert (answer[9], answer[12:16], answer[16:20]) == (socket.IPPROTO_ICMP, NODE, CLIENT)
    assert (answer[20], answer[21], checksum(answer[20:])) == (3, 3, 0)
    assert answer[28:] == packet[:28]


@pytest.mark.parametrize(
    "packet", [ip(socket.IPPROTO_ICMP, b"\x08\0\0\0"), ip(socket.IPPROTO_TCP, segment(SYN)[:13])]
)
def test_what_has_no_answer_is_dropped(packet: bytes) -> None:
    """Nobody waits for one."""
    assert refusal(packet) is None
