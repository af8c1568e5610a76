"""Connections begun from a web server's ports, so that rules about these have something to drop at once.

`python -m harness.topology.base.first_packets REQUEST` does it where the web server is, if that is elsewhere.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Iterable
from contextlib import ExitStack

import msgspec

from harness.model.seams import Address, Source


class Request(msgspec.Struct, kw_only=True):
    source: Source
    targets: list[Address]


def begun(source: Source, targets: Iterable[Address]) -> ExitStack:
    """Close it at the end."""
    found = ExitStack()
    for target in targets:
        probe = found.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        probe.setblocking(False)
        if _bound(probe, source):
            probe.connect_ex((target.host, target.port))
    return found


def _bound(probe: socket.socket, source: Source) -> bool:
    first, last = source.ports or (0, 0)
    # From the far end: the load engine takes its ports from the near one.
    for port in range(last, first - 1, -1):
        try:
            probe.bind((source.host or "", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return True
    return False


if __name__ == "__main__":
    asked = msgspec.json.decode(sys.argv[1], type=Request)
    begun(asked.source, asked.targets).close()
