"""Keeps every core busy: one process per core, at normal priority, counting as fast as it can.

A burner ends when its standard input does, so none survives its owner, however that one ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

BURN = """
import os, sys, threading
threading.Thread(target=lambda: (sys.stdin.buffer.read(), os._exit(0)), daemon=True).start()
while True:
    pass
"""
ENDS_WITHIN_S = 5.0


@contextlib.contextmanager
def every_core_busy(count: int | None = None) -> Iterator[tuple[int, ...]]:
    """One burner per core, or `count`; gives their pids."""
    count = count or len(os.sched_getaffinity(0))
    burners: list[subprocess.Popen[bytes]] = []
    try:
        burners.extend(_burner() for _ in range(count))
        yield tuple(burner.pid for burner in burners)
    finally:
        for burner in burners:
            burner.kill()
        for burner in burners:
            burner.wait(ENDS_WITHIN_S)
            if burner.stdin is not None:
                burner.stdin.close()


def _burner() -> subprocess.Popen[bytes]:
    # A session of its own: Ctrl-C is for the run, which wants to wind down under the same pressure.
    return subprocess.Popen([sys.executable, "-c", BURN], stdin=subprocess.PIPE, start_new_session=True)
