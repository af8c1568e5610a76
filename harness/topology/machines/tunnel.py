"""A process that carries packets between this machine and the nodes' network, and says that somebody is here.

`python -m harness.topology.machines.tunnel REQUEST` makes a TUN device with the controller's address on the
nodes' network, says `up`, and carries what is sent into it to the relay's container and back, over the
connection by which the engine is commanded anyway: no port is opened anywhere.

It ends with its owner, or with the relay; then the device is gone, and with it the way to the nodes. It is a
process of its own so that the load never waits for it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.errors import EnvironmentFailure
from harness.kit_files import command
from harness.topology.base.netlink import Netlink
from harness.topology.base.processes import ProcessIdentity, alive, forget_child, identity, owner_mark
from harness.topology.base.slow_line import TUN
from harness.topology.machines.waiting import BEAT_EVERY_S, BEAT_PORT, MTU, RELAY

if TYPE_CHECKING:
    from typing import IO

UP_WITHIN_S = 60.0
"""Two seconds; a machine whose processors are all taken has needed ten."""

_SET_DEVICE, _SET_OFFLOADS, _SET_MTU = 0x400454CA, 0x400454D0, 0x8922
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_LENGTH = struct.Struct(">H")
_PREFIX_LENGTH, _MASK = 24, "255.255.255.0"
_LONGEST = 65_535
_READ_AT_ONCE = 262_144
_LOOK_S = 1.0


class Request(msgspec.Struct, kw_only=True):
    device: str
    own: str
    """The controller's address."""
    spare: str
    """One that the relay may have in its place."""
    engine: str
    """Where the relay is."""
    relay: str
    """Its container."""
    nodes: list[str]
    """Who is to hear that the controller lives."""
    owner: ProcessIdentity


class Frames:
    """Packets out of a stream in which each comes after its length."""

    def __init__(self) -> None:
        self._rest = b""

    def packets(self, data: bytes) -> Iterator[bytes]:
        self._rest += data
        at = 0
        while len(self._rest) - at >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(self._rest, at)
            end = at + _LENGTH.size + size
            if end > len(self._rest):
                break
            yield self._rest[at + _LENGTH.size : end]
            at = end
        self._rest = self._rest[at:]


def framed(packet: bytes) -> bytes:
    return _LENGTH.pack(len(packet)) + packet


def why_not() -> str:
    """Why no process of this user can carry packets here; empty: one can."""
    if os.geteuid():
        return "the way to nodes on other hosts needs root, for a device of this machine's network"
    return (
        "" if os.access(TUN, os.R_OK | os.W_OK) else f"the way to nodes needs {TUN}, which cannot be opened"
    )


def start(request: Request, directory: Path) -> ProcessIdentity:
    """Start one; returns once nodes can be reached. What it complains of is in `directory`.

    Raises:
        EnvironmentFailure: it does not come up.
    """
    words = command(__name__, msgspec.json.encode(request).decode())
    log = directory / "tunnel.log"
    with log.open("wb") as complaints:
        child = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, **owner_mark(request.owner)},
            start_new_session=True,
        )
    assert child.stdout is not None
    try:
        ready, _, _ = select.select([child.stdout], [], [], UP_WITHIN_S)
        if not ready or child.stdout.readline() != b"up\n":
            child.kill()
            child.wait()
            said = log.read_text(encoding="utf-8", errors="replace").strip()[-400:]
            raise EnvironmentFailure(
                f"the way to the nodes' network through {request.engine}: expected it within "
                f"{UP_WITHIN_S:g} s, found: {said or 'no answer'}"
            )
    finally:
        child.stdout.close()
    found = identity(child.pid)
    forget_child(child)
    if found is None:
        raise EnvironmentFailure(f"the way to the nodes' network through {request.engine}: ended at once")
    return found


def main(arguments: list[str]) -> int:
    (text,) = arguments
    request = msgspec.json.decode(text, type=Request)
    device = _device(request)
    relay = ["docker", "--host", request.engine, "exec", "--interactive", request.relay]
    script = ["perl", "-e", RELAY, request.own, request.spare, _MASK, str(MTU)]
    environment = {name: value for name, value in os.environ.items() if name != "DOCKER_CONTEXT"}
    with subprocess.Popen(
        [*relay, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env=environment
    ) as far:
        assert far.stdin is not None
        assert far.stdout is not None
        try:
            _carry(request, device, far.stdin, far.stdout)
        except BrokenPipeError:
            pass
        finally:
            far.kill()
    return 0


def _device(request: Request) -> int:
    device = os.open(TUN, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    name = request.device.encode()
    fcntl.ioctl(device, _SET_DEVICE, struct.pack("16sH", name, _TUN_WITHOUT_HEADER))
    fcntl.ioctl(device, _SET_OFFLOADS, 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SET_MTU, struct.pack("16si20x", name, MTU))
    with contextlib.closing(Netlink()) as netlink:
        index = socket.if_nametoindex(request.device)
        netlink.add_address(index, request.own, _PREFIX_LENGTH)
        netlink.set_up(index)
    return device


def _carry(request: Request, device: int, to: IO[bytes], back: IO[bytes]) -> None:
    """Until the relay or the owner is gone. What comes back is always taken, whatever waits to be sent: both
    ends would wait for each other."""
    frames, arrives, leaves = Frames(), back.fileno(), to.fileno()
    os.set_blocking(leaves, False)
    waiting = bytearray()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as beating:
        beating.bind((request.own, 0))
        beat_at_s = look_at_s = 0.0
        while True:
            now_s = time.monotonic()
            if now_s >= look_at_s:
                look_at_s = now_s + _LOOK_S
                if not alive(request.owner):
                    return
            if now_s >= beat_at_s:
                beat_at_s = now_s + BEAT_EVERY_S
                _beat(beating, request.nodes)
            takes = [arrives] if len(waiting) > _READ_AT_ONCE else [arrives, device]
            ready, able, _ = select.select(takes, [leaves] if waiting else [], [], _LOOK_S)
            if device in ready:
                waiting += _packets_of(device)
            if waiting and (able or device in ready):
                with contextlib.suppress(BlockingIOError):
                    del waiting[: os.write(leaves, waiting)]
            if arrives in ready:
                data = os.read(arrives, _READ_AT_ONCE)
                if not data:
                    return
                for packet in frames.packets(data):
                    _take(packet, device)


def _beat(beating: socket.socket, nodes: Sequence[str]) -> None:
    for node in nodes:
        with contextlib.suppress(OSError):
            beating.sendto(b"here", (node, BEAT_PORT))


def _packets_of(device: int) -> bytes:
    """Those that wait now."""
    found = bytearray()
    with contextlib.suppress(BlockingIOError):
        while len(found) < _READ_AT_ONCE:
            packet = os.read(device, _LONGEST)
            if packet[0] >> 4 == 4:  # a device that comes up sends greetings of its own
                found += framed(packet)
    return bytes(found)


def _take(packet: bytes, device: int) -> None:
    if not packet:
        print("up", flush=True)
        return
    with contextlib.suppress(OSError):  # lost, as on any way
        os.write(device, packet)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
