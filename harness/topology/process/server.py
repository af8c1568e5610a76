"""One server process of the process backend: start it, signal it, prove what became of it.

Knows nothing of topologies or of what Redis says. A server has a session of its own, so that Ctrl-C in
the terminal reaches only the harness, and no input; what it prints is its log.

The trap: a signal is only a wish. Every method returns once the effect is proved, and looks first that
the process id still belongs to the process that was started.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from harness.clock import RunClock, WaitExpired, wait_until
from harness.errors import EnvironmentFailure
from harness.model.seams import NodeState
from harness.topology.base import full_volume
from harness.topology.base.namespaces import Namespace
from harness.topology.base.processes import ProcessIdentity, alive, forget_child, identity, stopped
from harness.topology.process import own_clock
from harness.topology.process.log_tail import last_lines

NOTHING_MORE: Mapping[str, str] = MappingProxyType({})
_SIGNAL_WITHIN_S = 5.0

_ASK_AGAIN_AFTER_S = 1.0
"""A server that writes its first AOF refuses to shut down, says so in its log and goes on."""

_LOG_TAIL_BYTES = 65536
_EVERY_S = 0.005


class Server:
    """A node's process, or the place for one. `node` is its name in messages."""

    def __init__(
        self,
        node: str,
        *,
        command: Sequence[str],
        directory: Path,
        log: Path,
        namespace: Namespace | None,
        process: ProcessIdentity | None = None,
        environment: Mapping[str, str] = NOTHING_MORE,
    ) -> None:
        """`process`: one that runs already, started by another harness. `environment`: what it gets besides
        the harness' own."""
        self._node = node
        self._command = list(command)
        self._directory = directory
        self._log = log
        self._namespace = namespace
        self._child: subprocess.Popen[bytes] | None = None
        self._process = process
        self._environment = environment
        self._full = False
        """Its volume; whatever is started then can write nothing."""

    def spawn(self) -> ProcessIdentity:
        """Start the program; it may still fail on its own."""
        if self.state().running:
            raise EnvironmentFailure(f"{self._node}: expected it to be stopped, found it running")
        try:
            child = self._namespace.run(self._popen) if self._namespace else self._popen()
        except OSError as error:
            raise EnvironmentFailure(
                f"{self._node}: {self._command[0]} cannot be started: {error}"
            ) from error
        self._forget()
        if self._full:
            full_volume.refuse(child.pid, self._node)
        # Of a child that is over already only the exit status is left; `state` says so.
        process = identity(child.pid) or ProcessIdentity(child.pid, "")
        self._process = process
        self._child = child  # last: `state` may be asked meanwhile, from another thread
        return process

    def become(self, command: Sequence[str]) -> None:
        """What the next start runs."""
        self._command = list(command)

    def state(self) -> NodeState:
        child, process = self._child, self._process  # in this order, see `spawn`
        if process is None or not alive(process):
            # Of a child that is over the exit status is kept until it is fetched, so this returns at once.
            return NodeState(running=False, exit_code=child.wait(_SIGNAL_WITHIN_S) if child else None)
        try:
            paused = stopped(process.pid)
        except OSError:
            return NodeState(running=False)
        return NodeState(running=True, paused=paused, pid=process.pid)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        self._until(lambda: not self.state().running, _SIGNAL_WITHIN_S, "to be gone after SIGKILL")

    def stop(self, within_s: float) -> bool:
        """SIGTERM; whether the process was gone in time. It may wait for replicas, or save first."""
        asked = RunClock()
        self._signal(signal.SIGTERM)
        times = 1

        def over() -> bool:
            nonlocal times
            if self.state().running and asked.now_us() > times * _ASK_AGAIN_AFTER_S * 1e6:
                times += 1
                self._signal(signal.SIGTERM)
            return not self.state().running

        waiting_for = f"{self._node} to end after SIGTERM"
        with contextlib.suppress(WaitExpired):
            wait_until(over, within_s=within_s, waiting_for=waiting_for, every_s=_EVERY_S)
        return not self.state().running

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        self._until(lambda: self.state().paused, _SIGNAL_WITHIN_S, "to have all threads stopped")

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self._until(lambda: not self.state().paused, _SIGNAL_WITHIN_S, "to run again")

    def refuse_writes(self) -> None:
        """Let it, and whatever is started in its place, write nothing to files."""
        if (pid := self.state().pid) is not None:
            full_volume.refuse(pid, self._node)
        self._full = True

    def allow_writes(self) -> None:
        self._full = False
        if (pid := self.state().pid) is not None:
            full_volume.allow(pid, self._node)

    def end(self) -> None:
        """Kill it if it runs."""
        if self.state().running:
            self.kill()
        self._forget()

    def let_go(self) -> None:
        """Leave it to run on after this process."""
        if self._child:
            forget_child(self._child)

    def last_lines(self, lines: int) -> str:
        """The end of its log."""
        try:
            return last_lines(self._log, lines, most_bytes=_LOG_TAIL_BYTES)
        except FileNotFoundError:
            return "(no log)"

    def _forget(self) -> None:
        """Of a process that is over nothing is left in shared memory."""
        if self._process is not None:
            own_clock.forget(self._process.pid)

    def _popen(self) -> subprocess.Popen[bytes]:
        self._log.touch(mode=0o600)
        with self._log.open("ab") as log:
            return subprocess.Popen(
                self._command,
                cwd=self._directory,
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                restore_signals=False,  # so SIGXFSZ stays ignored, as Python has it: see full_volume
                umask=0o077,  # a server rewrites its configuration for everybody to read, passwords too
            )

    def _signal(self, number: signal.Signals) -> None:
        state = self.state()
        if state.pid is None:
            raise EnvironmentFailure(
                f"{self._node}: expected it to run, found it gone; cannot {number.name} it"
            )
        os.kill(state.pid, number)

    def _until(self, holds: Callable[[], bool], within_s: float, what: str) -> None:
        try:
            wait_until(holds, within_s=within_s, waiting_for=f"{self._node} {what}", every_s=_EVERY_S)
        except WaitExpired as error:
            raise EnvironmentFailure(f"{error}\n{self.last_lines(10)}") from error
