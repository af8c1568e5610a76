"""A shell in what keeps a node's network, which carries out one script after the other.

An engine takes a tenth of a second to start a process in a container. A fault that cuts many links would wait
for that again and again, so a run with such a fault has its shells before it begins.
"""

from __future__ import annotations

import os
import secrets
import selectors
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

ANSWERS_WITHIN_S = 20.0
_READ_AT_ONCE = 65_536


class ShellGone(Exception):
    """It did not answer: nobody knows whether the script was carried out."""


class Shell:
    """Starting one does not wait for it. Methods may be called from several threads."""

    def __init__(self, command: Sequence[str]) -> None:
        """`command`: bash in the container, with its standard input and output here."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._lock = threading.Lock()

    def run(self, script: str) -> tuple[int, str]:
        """The exit status of a script, and what it printed, complaints too.

        Raises:
            ShellGone: it has ended, or says nothing.
        """
        mark = secrets.token_hex(8)
        # In a shell of its own, so that its `exit` and its settings end with it.
        text = f"(set -eu\n{script}\n) 2>&1 </dev/null\nprintf '\\n{mark} %d\\n' $?\n"
        with self._lock:
            assert self._process.stdin is not None
            try:
                self._process.stdin.write(text.encode())
                self._process.stdin.flush()
            except OSError as problem:
                raise ShellGone(str(problem)) from problem
            said, _, status = self._until(mark).rpartition(f"\n{mark} ")
            return int(status), said

    def _until(self, mark: str) -> str:
        assert self._process.stdout is not None
        source, said, ends_s = self._process.stdout.fileno(), b"", time.monotonic() + ANSWERS_WITHIN_S
        last = f"\n{mark} ".encode()
        with selectors.DefaultSelector() as ready:
            ready.register(source, selectors.EVENT_READ)
            while not (last in said and said.endswith(b"\n")):
                if not ready.select(ends_s - time.monotonic()):
                    raise ShellGone(f"expected an answer within {ANSWERS_WITHIN_S:g} s, found none")
                more = os.read(source, _READ_AT_ONCE)
                if not more:
                    raise ShellGone("it has ended")
                said += more
        return said.decode(errors="replace")

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
