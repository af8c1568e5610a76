"""A slow link at a node on another host: a process of the kit in a container there, in the node's network.

`python -m harness.topology.machines.far_line REQUEST` runs in it. It is a line of `slow_links` as on this
machine, which says `up`, then the count for each line that it reads, and ends with its input: when the
controller's end of it is gone, so is the device, and packets take their usual way. Where the way to the host
is gone instead, the network's keeper takes the device down (`waiting`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from harness.model.links import Quality
from harness.topology.base.namespaces import Namespace
from harness.topology.base.netlink import Packets
from harness.topology.base.slow_links import Line, started
from harness.topology.docker import kit_image

UP_WITHIN_S = 60.0
"""A container is started for it."""
CAPABILITIES = ("NET_ADMIN", "SYS_ADMIN")
"""Devices and routing rules; and a thread enters the namespace, as on this machine."""


class Request(msgspec.Struct, kw_only=True):
    place: str
    packets: list[Packets]
    quality: Quality
    by: int
    own: str
    """The node's address."""


class FarLine(Line):
    """Its near end."""

    def __init__(
        self,
        place: str,
        packets: Sequence[Packets],
        quality: Quality,
        by: int,
        *,
        beside: Callable[[Sequence[str]], list[str]],
        **more: Any,
    ) -> None:
        """`beside`: the command here that runs words of the kit's image in the node's network. `more`: as of
        `Line`."""
        super().__init__(place, packets, quality, by, **more)
        self._beside = beside

    def start(self) -> None:
        request = Request(
            place=self.place,
            packets=list(self._packets),
            quality=self.quality,
            by=self._number,
            own=self._own(),
        )
        words = self._beside(kit_image.command(__name__, msgspec.json.encode(request).decode()))
        self._await(started(words), UP_WITHIN_S)


def main(arguments: Sequence[str]) -> int:
    asked = msgspec.json.decode(arguments[0], type=Request)
    line = Line(
        asked.place,
        asked.packets,
        asked.quality,
        asked.by,
        enter=Namespace.current,
        own=lambda: asked.own,
    )
    line.start()
    print("up", flush=True)
    for _ in sys.stdin:
        print(*line.counted(), flush=True)
    line.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
