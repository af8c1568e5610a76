"""Links of the process backend that carry packets badly: a process in the node's namespace for each fault.

Routing rules send the packets of a fault's flows into that process' device, see `slow_line`. Where the
process is gone the device is gone, and packets take their usual way: a killed harness leaves no slow link.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.kit_files import command
from harness.model.links import Quality
from harness.topology.base.netlink import Packets
from harness.topology.process import slow_line
from harness.topology.process.namespaces import Namespace

_SAYS_WITHIN_S = 10.0
_CARRIES_WITHIN_S = 3.0
_ENDS_WITHIN_S = 5.0
_FIRST_TABLE = 100


@dataclass(frozen=True, slots=True)
class Diverted:
    """Packets that a node's namespace sends into the line."""

    packets: Packets
    arriving: bool


def why_not() -> str:
    """Why links cannot be made slow here, where they can be cut; empty: they can."""
    return "" if os.access(slow_line.TUN, os.R_OK | os.W_OK) else f"{slow_line.TUN} cannot be opened here"


class SlowLinks:
    """The lines of one run, by fault."""

    def __init__(self, namespaces: Mapping[str, Namespace], hosts: Mapping[str, str]) -> None:
        self._namespaces = namespaces
        self._hosts = hosts
        self._lines: dict[int, list[_Line]] = {}

    def add(self, wanted: Mapping[str, Sequence[Diverted]], quality: Quality, *, by: int) -> None:
        """A line in each of these namespaces."""
        for place, diverted in wanted.items():
            line = _Line(place, self._namespaces[place], diverted, by)
            self._lines.setdefault(by, []).append(line)
            line.start(self._hosts[place], quality)

    def proof(self, *, by: int) -> str:
        """Once every line has carried something.

        Raises:
            NoEffect: one has not.
        """
        lines = self._lines[by]
        try:
            wait_until(
                lambda: all(line.counted()[0] for line in lines),
                within_s=_CARRIES_WITHIN_S,
                waiting_for="every slow link to carry a packet",
                describe=lambda: [line.place for line in lines if not line.counted()[0]],
            )
        except WaitExpired as error:
            raise NoEffect(f"slow: {error}") from error
        return "packets carried by a process of the kit: " + ", ".join(
            f"{line.place} {line.counted()[0]:.0f}" for line in lines
        )

    def lift(self, *, by: int) -> None:
        """End the lines of a fault. Idempotent."""
        for line in self._lines.pop(by, []):
            line.end()

    def close(self) -> None:
        for by in list(self._lines):
            self.lift(by=by)


class _Line:
    def __init__(self, place: str, namespace: Namespace, diverted: Sequence[Diverted], by: int) -> None:
        self.place = place
        self._namespace = namespace
        self._diverted = diverted
        self._number = by
        self._table = _FIRST_TABLE + by
        self._child: subprocess.Popen[str] | None = None
        self._in_force: list[Diverted] = []

    def start(self, own: str, quality: Quality) -> None:
        name = f"slow{self._number}"
        said = msgspec.json.encode(quality).decode()
        words = command(slow_line.__name__, name, own, said, str(self._number))
        self._child = self._namespace.run(lambda: _started(words))
        if self._says() != "up":
            assert self._child.stderr is not None
            self._child.kill()
            raise EnvironmentFailure(f"slow link at {self.place}: {self._child.stderr.read().strip()[-300:]}")
        index = self._namespace.run(lambda: socket.if_nametoindex(name))
        netlink = self._namespace.netlink
        netlink.set_up(index)
        netlink.route_all(index, self._table)
        try:
            netlink.let_pass(slow_line.MARK)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
        for one in self._diverted:
            netlink.divert(one.packets, table=self._table, arriving=one.arriving)
            self._in_force.append(one)

    def counted(self) -> tuple[float, float, float]:
        """Packets seen, lost, and how many milliseconds late the latest was."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        seen, lost, latest = map(float, self._says().split())
        return seen, lost, latest

    def end(self) -> None:
        for one in self._in_force:
            with contextlib.suppress(OSError):
                self._namespace.netlink.undivert(one.packets, table=self._table, arriving=one.arriving)
        child = self._child
        if child is None:
            return
        assert child.stdin is not None
        child.stdin.close()
        try:
            child.wait(_ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(_ENDS_WITHIN_S)
        for stream in (child.stdout, child.stderr):
            if stream:
                stream.close()

    def _says(self) -> str:
        assert self._child is not None
        assert self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], _SAYS_WITHIN_S)
        return self._child.stdout.readline().strip() if ready else ""


def _started(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
