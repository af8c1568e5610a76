"""A full volume for one process: no file of it can be written to, by its limit RLIMIT_FSIZE.

What is really full hurts others too; this limit is the process' own, and its children's. A write fails with
EFBIG ("File too large") where a full volume answers ENOSPC; servers treat both alike. Trap: the kernel also
sends SIGXFSZ, which ends a process that does not ignore it, so nodes are started with that signal ignored.
"""

from __future__ import annotations

import resource
import signal
from contextlib import suppress
from pathlib import Path

from harness.errors import NoEffect


def refuse(pid: int, node: str) -> None:
    """Let it write no byte to any file. Sockets and pipes are none.

    Raises:
        NoEffect: the signal would end it, or it is not ours to limit.
    """
    if not _ignores_the_signal(pid):
        raise NoEffect(f"{node}: its process does not ignore SIGXFSZ, and would end instead of being refused")
    _limit(pid, node, 0)


def allow(pid: int, node: str) -> None:
    """Take the limit away; harmless where there is none, or where the process is gone."""
    _limit(pid, node, None)


def _limit(pid: int, node: str, most_bytes: int | None) -> None:
    """`most_bytes` None: as much as it may at all."""
    with suppress(ProcessLookupError):
        try:
            _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard if most_bytes is None else most_bytes, hard))
        except PermissionError as problem:
            raise NoEffect(f"{node}: its limits are not ours to change: {problem}") from problem


def _ignores_the_signal(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) >> (signal.SIGXFSZ - 1) & 1)
