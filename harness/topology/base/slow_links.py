"""Links that carry packets badly, or refuse them: a process in a node's namespace for each fault.

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
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.kit_files import command
from harness.model.links import Quality
from harness.topology.base import slow_line
from harness.topology.base.namespaces import Namespace
from harness.topology.base.netlink import Packets

_SAYS_WITHIN_S = 10.0
_CARRIES_WITHIN_S = 3.0
_ENDS_WITHIN_S = 5.0
_FIRST_TABLE = 100


def why_not() -> str:
    """Why links cannot be made slow here, where they can be cut; empty: they can."""
    return "" if os.access(slow_line.TUN, os.R_OK | os.W_OK) else f"{slow_line.TUN} cannot be opened here"


class SlowLinks:
    """The lines of one run, by fault."""

    def __init__(self, line: Callable[[str, Sequence[Packets], Quality, int], Line]) -> None:
        """`line` makes one at a node, for these packets and for the fault of this number."""
        self._line = line
        self._lines: dict[int, list[Line]] = {}

    def add(self, wanted: Mapping[str, Sequence[Packets]], quality: Quality, *, by: int) -> None:
        """A line at each of these nodes, for these packets."""
        for place, packets in wanted.items():
            line = self._line(place, packets, quality, by)
            self._lines.setdefault(by, []).append(line)
            line.start()

    def restore(self, place: str) -> None:
        """Set the lines of a node anew whose namespace is another one than before."""
        for line in [line for lines in self._lines.values() for line in lines if line.place == place]:
            line.end()
            line.start()

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
        what = "refused" if lines[0].quality.rejects else "carried"
        return f"packets {what} by a process of the kit: " + ", ".join(
            f"{line.place} {line.counted()[0]:.0f}" for line in lines
        )

    def lift(self, *, by: int) -> None:
        """End the lines of a fault. Idempotent."""
        for line in self._lines.pop(by, []):
            line.end()

    def close(self) -> None:
        for by in list(self._lines):
            self.lift(by=by)


class Line:
    """One, in a node's namespace."""

    def __init__(
        self,
        place: str,
        packets: Sequence[Packets],
        quality: Quality,
        by: int,
        *,
        enter: Callable[[], Namespace],
        own: Callable[[], str],
    ) -> None:
        """`enter` opens the namespace, which is closed here at the end. `own`: the node's address there."""
        self.place = place
        self.quality = quality
        self._enter = enter
        self._own = own
        self._packets = packets
        self._number = by
        self._name = f"slow{by}"
        self._table = _FIRST_TABLE + by
        self._namespace: Namespace | None = None
        self._child: subprocess.Popen[str] | None = None
        self._undone: list[Callable[[], None]] = []

    def start(self) -> None:
        """
        Raises:
            EnvironmentFailure: it does not come up.
        """
        self._namespace = namespace = self._enter()
        said = msgspec.json.encode(self.quality).decode()
        words = command(slow_line.__name__, self._name, self._own(), said, str(self._number))
        self._await(namespace.run(lambda: started(words)))
        index = namespace.run(lambda: socket.if_nametoindex(self._name))
        netlink = namespace.netlink
        netlink.set_up(index)
        netlink.route_all(index, self._table)
        with _there_already():
            netlink.make_room_for_cuts()
        with _there_already():
            netlink.let_pass(slow_line.MARK)
        netlink.let_in(self._name)
        self._undone.append(lambda: netlink.stop_letting_in(self._name))
        for one in self._packets:
            netlink.divert(one, table=self._table)
            self._undone.append(lambda one=one: netlink.undivert(one, table=self._table))  # type: ignore[misc]

    def counted(self) -> tuple[float, float, float]:
        """Packets seen, lost, and how many milliseconds late the latest was."""
        assert self._child is not None
        assert self._child.stdin is not None
        self._child.stdin.write("\n")
        self._child.stdin.flush()
        seen, lost, latest = map(float, self._says().split())
        return seen, lost, latest

    def end(self) -> None:
        """Packets take their usual way first; what waits in the line is lost then."""
        while self._undone:
            with contextlib.suppress(OSError):
                self._undone.pop()()
        if self._child is not None:
            _ended(self._child)
            self._child = None
        if self._namespace is not None:
            self._namespace.close()
            self._namespace = None

    def _await(self, child: subprocess.Popen[str], within_s: float = _SAYS_WITHIN_S) -> None:
        """Until the process says that it carries."""
        self._child = child
        if self._says(within_s) != "up":
            assert child.stderr is not None
            child.kill()
            raise EnvironmentFailure(f"slow link at {self.place}: {child.stderr.read().strip()[-300:]}")

    def _says(self, within_s: float = _SAYS_WITHIN_S) -> str:
        assert self._child is not None
        assert self._child.stdout is not None
        ready, _, _ = select.select([self._child.stdout], [], [], within_s)
        return self._child.stdout.readline().strip() if ready else ""


@contextlib.contextmanager
def _there_already() -> Iterator[None]:
    """Another line of the same namespace has made it."""
    try:
        yield
    except OSError as error:
        if error.errno != errno.EEXIST:
            raise


def started(words: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _ended(child: subprocess.Popen[str]) -> None:
    assert child.stdin is not None
    with contextlib.suppress(BrokenPipeError):
        child.stdin.close()
    try:
        child.wait(_ENDS_WITHIN_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait(_ENDS_WITHIN_S)
    for stream in (child.stdout, child.stderr):
        if stream:
            stream.close()
