"""A process in a node's network namespace that carries packets late, loses some, carries few, or refuses all.

`python -m harness.topology.base.slow_line DEVICE OWN-ADDRESS QUALITY` makes a TUN device, says `up`, and
carries what routing rules of the network send into it: packets for the node itself are handed in again
through the device, packets for others leave through a raw socket whose mark takes them past those rules. A
line on standard input asks for the count; its end is the end of the process, and with it of the device: then
packets take their usual way.

No `netem`: many kernels come without it. The traps: the kernel hands a packet of an established connection to
its socket before it is routed (`ip_early_demux`), and drops one that is to be forwarded after that; and a
device that claims to finish checksums gets packets without them.
"""

from __future__ import annotations

import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time
from ipaddress import IPv4Address
from pathlib import Path

import msgspec

from harness.model.links import Quality
from harness.topology.base.refused_packets import refusal

MARK = 0x534C
"""Of packets that have been carried."""
TUN = Path("/dev/net/tun")
MOST_WAITING = 20_000
"""Packets; those beyond are lost, as in any queue."""

_SET_DEVICE, _SET_OFFLOADS = 0x400454CA, 0x400454D0
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_SYSCTLS = {"ip_forward": "1", "ip_early_demux": "0"}
_OF_EVERY_DEVICE = "conf/*/rp_filter"
"""Packets leave by another way than they come."""
_SETTINGS = Path("/proc/sys/net/ipv4")
_LONGEST_PACKET = 65536
_LOOK_S = 0.05


class Carrier:
    """When each packet is due, and which are lost."""

    def __init__(self, quality: Quality, seed: int) -> None:
        self._quality = quality
        self._random = random.Random(seed)
        self._free_at_s = 0.0
        self._waiting: list[tuple[float, int, bytes]] = []
        self.seen = self.lost = 0
        self.latest_s = 0.0

    def take(self, packet: bytes, now_s: float) -> None:
        self.seen += 1
        quality = self._quality
        if self._random.random() < quality.loss or len(self._waiting) >= MOST_WAITING:
            self.lost += 1
            return
        if quality.rejects:
            answer = refusal(packet)
            if answer is None:
                self.lost += 1
                return
            packet = answer
        due_s = now_s + quality.delay_s + self._random.uniform(-1, 1) * quality.jitter_s
        if quality.bytes_per_s:
            self._free_at_s = max(now_s, self._free_at_s) + len(packet) / quality.bytes_per_s
            due_s += self._free_at_s - now_s
        heapq.heappush(self._waiting, (max(due_s, now_s), self.seen, packet))

    def due(self, now_s: float) -> bytes | None:
        """The next packet whose time has come."""
        if not self._waiting or self._waiting[0][0] > now_s:
            return None
        due_s, _, packet = heapq.heappop(self._waiting)
        self.latest_s = max(self.latest_s, now_s - due_s)
        return packet

    def wait_s(self, now_s: float) -> float:
        """Until the next is due."""
        return min(_LOOK_S, max(0.0, self._waiting[0][0] - now_s)) if self._waiting else _LOOK_S

    def told(self) -> str:
        return f"{self.seen} {self.lost} {self.latest_s * 1000:.1f}"


def main(arguments: list[str]) -> int:
    name, own, quality, seed = arguments
    carrier = Carrier(msgspec.json.decode(quality, type=Quality), int(seed))
    device = _device(name)
    onwards = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    onwards.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, MARK)
    print("up", flush=True)
    _carry(carrier, device, onwards, IPv4Address(own).packed)
    return 0


def _device(name: str) -> int:
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, _SET_DEVICE, struct.pack("16sH", name.encode(), _TUN_WITHOUT_HEADER))
    fcntl.ioctl(device, _SET_OFFLOADS, 0)
    for setting, value in _SYSCTLS.items():
        (_SETTINGS / setting).write_text(value, encoding="ascii")
    for of_device in _SETTINGS.glob(_OF_EVERY_DEVICE):
        of_device.write_text("0", encoding="ascii")
    return device


def _carry(carrier: Carrier, device: int, onwards: socket.socket, own: bytes) -> None:
    while True:
        now_s = time.monotonic()
        while (packet := carrier.due(now_s)) is not None:
            _send(packet, device, onwards, own)
        ready, _, _ = select.select([device, 0], [], [], carrier.wait_s(now_s))
        if 0 in ready:
            if not os.read(0, 1024):
                return
            print(carrier.told(), flush=True)
        if device in ready:
            _take_all(carrier, device)


def _take_all(carrier: Carrier, device: int) -> None:
    try:
        while True:
            packet = os.read(device, _LONGEST_PACKET)
            if packet[0] >> 4 == 4:  # a device that comes up sends greetings of its own
                carrier.take(packet, time.monotonic())
    except BlockingIOError:
        return


def _send(packet: bytes, device: int, onwards: socket.socket, own: bytes) -> None:
    destination = packet[16:20]
    try:
        if destination == own:
            os.write(device, packet)
        else:
            onwards.sendto(packet, (str(IPv4Address(destination)), 0))
    except OSError:  # lost, as on any way
        return


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
