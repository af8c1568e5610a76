"""A process that owns a held topology, and does nothing else."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

from harness.topology.base.processes import forget_child, identity

_GONE_WITHIN_S = 10.0
_KEEP = "import signal, sys\nstays = sys.stdin.read(1)\nwhile stays: signal.pause()"


class Keeper:
    """A process that owns a held topology: it does nothing but live, with these descriptors open.

    Until it is told to stay it ends with whoever started it, so that a harness which is killed on the way
    leaves no topology that nobody knows and that has an owner.
    """

    def __init__(self, descriptors: Sequence[int] = ()) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEP],
            pass_fds=tuple(descriptors),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        found = identity(self._child.pid)
        assert found is not None
        self.identity = found

    def stay(self) -> None:
        """Live on after this process. Idempotent."""
        assert self._child.stdin is not None
        if not self._child.stdin.closed:
            self._child.stdin.write(b"!")
            self._child.stdin.close()
            forget_child(self._child)

    def end(self) -> None:
        """One that has been told to stay is ended by its identity, like any other process."""
        assert self._child.stdin is not None
        if not self._child.stdin.closed:
            self._child.stdin.close()
            self._child.wait(_GONE_WITHIN_S)
