"""The local addresses that a connection may start from, so that a partition can tell clients apart.

The trap: a port of a range may be in use by another connection, or in TIME_WAIT for a minute. So each
connection begins to look behind the port that the last one of this process took, and passes over those
that are taken.
"""

from __future__ import annotations

import errno
import itertools
from collections.abc import Iterator

from harness.model.seams import Source

LocalEnd = tuple[str, int] | None
"""Host and port to bind; None: the kernel chooses both."""

_turns = itertools.count()


def local_ends(source: Source) -> Iterator[LocalEnd]:
    """What to try, one after the other; the next only if `is_taken` says so."""
    if source.ports is None:
        yield (source.host, 0) if source.host else None
        return
    first, last = source.ports
    for _ in range(first, last + 1):
        yield source.host or "0.0.0.0", first + next(_turns) % (last - first + 1)  # noqa: S104  a client's own end


def is_taken(problem: OSError, end: LocalEnd) -> bool:
    """Whether a connection failed only because its local port is in use."""
    return end is not None and end[1] != 0 and problem.errno in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}


def all_taken(source: Source) -> OSError:
    """What to raise when there was nothing left to try."""
    first, last = source.ports or (0, 0)
    return OSError(errno.EADDRINUSE, f"every local port from {first} to {last} is in use")
