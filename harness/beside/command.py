"""The command as a process: started with what it learns, signals passed on, its end awaited.

Signals belong to the command. Ctrl-C reaches it from the terminal; where the kit alone got the signal, it
is passed on. SIGTERM is passed on, and a command that stays all the same is killed. Where the kit itself is
killed, the command gets SIGTERM (`left_behind`).

Trap: the kit must not ignore SIGINT while it starts the command, as the command would inherit that. A
handler that does nothing is not inherited.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from types import FrameType, TracebackType
from typing import Self

from harness.beside.left_behind import ends_with_us
from harness.errors import UsageError
from harness.visible import visible

ENDS_WITHIN_S = 10.0
"""What SIGTERM leaves a command; then it is killed."""

_OF_A_SIGNAL = 128
_SHOWN = 80


def check(command: Sequence[str]) -> None:
    """Refuse a command that cannot be started, before a node is.

    Raises:
        UsageError: there is no such program.
    """
    if shutil.which(command[0]) is None:
        raise UsageError(
            f"with: expected a program after '--', found none called {visible(command[0][:_SHOWN])!r} that "
            "can be executed; a shell's own words need: sh -c '…'"
        )


class Command:
    """A context: within it SIGINT and SIGTERM are the command's, and at its end the command is gone."""

    def __init__(self, words: Sequence[str], environment: Mapping[str, str]) -> None:
        self._words = list(words)
        self._environment = dict(environment)
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, object] = {}
        self._killer: threading.Timer | None = None

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is not None and self._process.poll() is None:
            self.terminate()
            self._process.wait()
        if self._killer is not None:
            self._killer.cancel()
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def start(self) -> None:
        """Raises UsageError: it cannot be started after all."""
        try:
            # Between fork and exec the child calls nothing but the kernel, so our threads are no matter.
            self._process = subprocess.Popen(
                self._words,
                env=self._environment,
                preexec_fn=ends_with_us(),  # noqa: PLW1509
            )
        except OSError as problem:
            shown = visible(self._words[0][:_SHOWN])
            raise UsageError(f"with: {shown}: cannot be started: {problem.strerror or problem}") from problem

    def ended(self) -> int:
        """Wait for its end. Its status, as a shell gives it: 128 + n after signal n."""
        assert self._process is not None
        status = self._process.wait()
        return status if status >= 0 else _OF_A_SIGNAL - status

    def terminate(self) -> None:
        """SIGTERM now, SIGKILL after `ENDS_WITHIN_S`."""
        if self._process is None or self._killer is not None:
            return
        self._process.terminate()
        self._killer = threading.Timer(ENDS_WITHIN_S, self._kill)
        self._killer.daemon = True
        self._killer.start()

    def _kill(self) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            print(
                f"with: the command did not end within {ENDS_WITHIN_S:g} s of SIGTERM: killed",
                file=sys.stderr,
            )
            self._process.kill()

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self._process is None:
            raise KeyboardInterrupt
        if number == signal.SIGTERM:
            self.terminate()
        elif not _of_the_terminal():
            self._process.send_signal(number)


def _of_the_terminal() -> bool:
    """Whether Ctrl-C reaches the command by itself: it is in the terminal's foreground, as the kit is."""
    try:
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError, AttributeError):
        return False
