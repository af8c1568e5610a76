"""One thread of a process, held still while the others go on: as a debugger holds it (ptrace).

The kernel lets go of it when whoever holds it is gone, so nothing outlives a kit that was killed. Two
traps. Only the thread that holds it may let it go, so that is a thread of its own. And the end of a held
thread is told to its holder first: until that listened, a process that was killed is not gone.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.errors import NoEffect
from harness.faults.kept import going_on

_SEIZE, _INTERRUPT, _DETACH = 0x4206, 0x4207, 17
_ANY_THREAD = 0x40000000
_LISTEN_EVERY_S = 0.01
_HELD_WITHIN_S = 5.0


def thread_named(pid: int, prefix: str) -> int | None:
    """The thread of a process whose name begins so; None: there is none."""
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with suppress(OSError):
            if (task / "comm").read_text(encoding="utf-8", errors="replace").startswith(prefix):
                return int(task.name)
    return None


@contextmanager
def held(thread: int, of: str) -> Iterator[None]:
    """Hold it meanwhile.

    Raises:
        NoEffect: it is not ours to hold, or it did not stop.
    """
    stopped, refused = threading.Event(), []

    def hold(over: threading.Event) -> None:
        try:
            _ptrace(_SEIZE, thread)
            _ptrace(_INTERRUPT, thread)
            os.waitpid(thread, _ANY_THREAD)
        except OSError as problem:
            refused.append(problem)
            return
        finally:
            stopped.set()
        with suppress(OSError):  # it has ended
            while not over.wait(_LISTEN_EVERY_S):
                os.waitpid(thread, _ANY_THREAD | os.WNOHANG)
            _ptrace(_DETACH, thread)

    with going_on(hold):
        if not stopped.wait(_HELD_WITHIN_S):
            raise NoEffect(f"a thread of {of} did not stop within {_HELD_WITHIN_S:g} s")
        if refused:
            raise NoEffect(f"a thread of {of} cannot be held: {refused[0]}")
        yield


def _ptrace(request: int, thread: int) -> None:
    call = ctypes.CDLL(None, use_errno=True).ptrace
    call.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    call.restype = ctypes.c_long
    if call(request, thread, None, None):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
