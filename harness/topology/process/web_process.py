"""One web server of a user's own application, as a process: started, killed, frozen, looked after.

It has a session of its own and may start workers, so signals go to its whole process group. What it starts
in a further session (`setsid`, a daemon) is known by a variable that only this web server gave it. It gets
the variables that it is given and nothing of where the harness or another Redis is. It carries its owner's
mark in its environment, as its workers do: `clean` ends what a killed harness left.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure
from harness.model.seams import Address
from harness.topology.base.namespaces import Namespace
from harness.topology.base.processes import ProcessIdentity, identity, owner_mark, stopped, variables
from harness.topology.process.log_tail import last_lines

_STARTED_BY = "FAILOVER_KIT_STARTED_BY"
_SIGNAL_WITHIN_S = 5.0
_EVERY_S = 0.005
_LOG_TAIL_BYTES = 16384


class WebProcess:
    """See `harness.model.seams.WebProcess`."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        namespace: Namespace | None,
        log: Path,
        note: Callable[[str, ProcessIdentity], None],
    ) -> None:
        self.address = address
        self._name = name
        self._namespace = namespace
        self._log = log
        self._note = note
        self._mark = secrets.token_hex(8)
        self._child: subprocess.Popen[bytes] | None = None

    def start(self, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        if self.running:
            raise EnvironmentFailure(f"{self._name}: expected it to be stopped, found it running")

        def popen() -> subprocess.Popen[bytes]:
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._log.touch(mode=0o600)
            with self._log.open("ab") as log:
                return subprocess.Popen(
                    list(command),
                    cwd=folder,
                    env={**environment, **owner_mark(), _STARTED_BY: self._mark},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

        try:
            self._child = self._namespace.run(popen) if self._namespace else popen()
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._name}: {command[0]!r} in {folder} cannot be started: {error.strerror or error}"
            ) from error
        if (found := identity(self._child.pid)) is not None:
            self._note(self._name, found)

    @property
    def folder(self) -> Path:
        return self._log.parent

    @property
    def running(self) -> bool:
        return self._child is not None and self._child.poll() is None

    @property
    def exit_status(self) -> int | None:
        return None if self._child is None else self._child.poll()

    def kill(self) -> None:
        self._until(self._all_gone, "be gone after SIGKILL")

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        self._until(lambda: self.running and all(map(_stands_still, self._processes())), "stand still")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self) -> None:
        with suppress(EnvironmentFailure):
            self.kill()

    def last_lines(self, lines: int) -> str:
        try:
            return last_lines(self._log, lines, most_bytes=_LOG_TAIL_BYTES)
        except FileNotFoundError:
            return ""

    def _signal(self, number: signal.Signals) -> list[int]:
        """Returns who was there to get it."""
        if self._child is None:
            return []
        with suppress(ProcessLookupError):
            os.killpg(self._child.pid, number)
        found = self._processes()
        for pid in found:
            if not _in_group(pid, self._child.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)
        return found

    def _all_gone(self) -> bool:
        """Whoever was started while others were killed gets the next signal."""
        return not self._signal(signal.SIGKILL) and not self.running

    def _processes(self) -> list[int]:
        """Those that run: a worker may outlive its parent for a moment. Of one that is over the exit status
        may stay: nobody may be there to fetch it. A process that has overwritten its environment, as those
        do that give themselves a title, is known by its group alone."""
        assert self._child is not None
        group = self._child.pid
        grouped = (pid for pid in psutil.pids() if _in_group(pid, group) and identity(pid) is not None)
        marked = (process.pid for process, mark in variables(_STARTED_BY) if mark == self._mark)
        return list(dict.fromkeys([*grouped, *marked]))

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            wait_until(
                holds, within_s=_SIGNAL_WITHIN_S, waiting_for=f"{self._name} to {what}", every_s=_EVERY_S
            )
        except WaitExpired as error:
            raise EnvironmentFailure(str(error)) from error


def _stands_still(pid: int) -> bool:
    try:
        return stopped(pid)
    except (OSError, psutil.Error):  # gone meanwhile
        return True


def _in_group(pid: int, group: int) -> bool:
    try:
        return os.getpgid(pid) == group
    except OSError:  # gone meanwhile
        return False
