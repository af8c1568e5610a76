"""A clock of a node's own, by libfaketime: preloaded when the node starts, told by a file how far it is off.

Only the time of day is another one; what measures how long something takes stays right, as on a machine whose
clock was set wrong. Trap: libfaketime and the allocator that most packages of Redis are built with (jemalloc)
exclude each other, so each server program is tried.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path

from harness.topology.base.processes import identity

_LIBRARIES = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
    "/usr/local/lib/faketime/libfaketime.so.1",
)
_EXCLUDED = (
    "{} does not start with libfaketime, because of the allocator that it was built with; "
    "--engine valkey-9.1 and redis-6.2 of the Python packages do"
)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where the library has it
READ_EVERY_S = 1
"""How often the library looks into the file."""
_ANSWER_WITHIN_S = 5.0
"""A program that does not get along with the library hangs, or says so."""


@cache
def library() -> Path | None:
    return next((found for one in _LIBRARIES for found in Path("/").glob(one.removeprefix("/"))), None)


def missing() -> str:
    """Why no node here can have a clock of its own; empty: some programs can."""
    return "" if library() else "libfaketime is missing: apt-get install libfaketime"


@cache
def why_not(program: Path) -> str:
    """Why nodes of this program cannot have one; empty: they can."""
    if reason := missing():
        return reason
    try:
        said = subprocess.run(
            [program, "--version"],
            env={**os.environ, **environment(Path(os.devnull))},
            capture_output=True,
            text=True,
            timeout=_ANSWER_WITHIN_S,
            check=False,
        )
    except OSError as problem:
        return f"{program} cannot be started with libfaketime: {problem.strerror}"
    except subprocess.TimeoutExpired:
        return _EXCLUDED.format(program)
    return _EXCLUDED.format(program) if said.returncode or "libfaketime" in said.stderr else ""


def environment(file: Path) -> Mapping[str, str]:
    """What a node is started with whose clock this file sets."""
    return {
        "LD_PRELOAD": str(library() or ""),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": str(READ_EVERY_S),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def forget(pid: int) -> None:
    """Remove what the library leaves in shared memory of a process that was killed, if that is over."""
    if identity(pid) is None:
        for name in ("faketime_shm_{}", "sem.faketime_sem_{}"):
            with suppress(OSError):
                (_SHARED_MEMORY / name.format(pid)).unlink(missing_ok=True)


def set_ahead(file: Path, by_s: float) -> None:
    """Renamed into place, so that a node never reads half of it. Negative: the clock is behind."""
    draft = file.with_suffix(".draft")
    draft.write_text(f"{by_s:+f}\n", encoding="ascii")
    draft.replace(file)
