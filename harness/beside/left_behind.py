"""What a command leaves where `with` was killed before it could end it.

The kernel then sends the command SIGTERM (Linux). What ignores that, or was started by the command, is known
by the token of the run's control interface in its environment: a record has the token, for `clean`. The
record goes with `with`, so what a command leaves in the background on purpose is never touched.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from harness.topology.base.processes import (
    ProcessIdentity,
    boot_id,
    end,
    may_live,
    pid_namespace,
    this_process,
    variables,
)
from harness.topology.base.state_files import state_directories, write_first

_FILE = "command-"
_TOKEN = "FAILOVER_CONTROL_TOKEN"
_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG."""


class _Command(msgspec.Struct, kw_only=True):
    owner: ProcessIdentity
    boot: str
    pid_namespace: str
    token: str


@contextmanager
def recorded(token: str) -> Iterator[None]:
    """Within it, a command with this token is found should this process be killed.

    Raises:
        EnvironmentFailure: the record cannot be written.
    """
    known = _Command(owner=this_process(), boot=boot_id(), pid_namespace=pid_namespace(), token=token)
    record = write_first(f"{_FILE}{os.getpid()}-{secrets.token_hex(4)}.json", known)
    try:
        yield
    finally:
        record.unlink(missing_ok=True)


def ends_with_us() -> Callable[[], None] | None:
    """What a child calls before it becomes the command. None: this system has no such thing."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)

    def ask() -> None:
        library.prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)

    return ask


def clean() -> list[str]:
    """End what commands left whose `with` was killed; one line each."""
    done = []
    for path in (path for place in state_directories() for path in place.glob(f"{_FILE}*.json")):
        record = _read(path)
        if record is not None and _in_use(record):
            continue
        found = _started_by(record) if record is not None and record.boot == boot_id() else []
        for process in found:
            end(process)
        path.unlink(missing_ok=True)
        if found:
            pids = ", ".join(str(process.pid) for process in found)
            done.append(f"ended the command of a `with` that was killed: processes {pids}")
    return done


def _in_use(record: _Command) -> bool:
    """Nobody can say it of the processes of another world of process ids."""
    return record.boot == boot_id() and (record.pid_namespace != pid_namespace() or may_live(record.owner))


def _started_by(record: _Command) -> list[ProcessIdentity]:
    return [
        process
        for process, token in variables(_TOKEN)
        if token == record.token and process.pid != os.getpid()
    ]


def _read(path: Path) -> _Command | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Command)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
