"""The kit's own `run`, as a measurement starts it: from this checkout, and no longer than the measurement."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import TextIO

from harness.beside.left_behind import ends_with_us
from lab.rows import ROOT


def kit_run(words: Sequence[str], *, within_s: float | None = None, said_to: TextIO | None = None) -> int:
    """`failover-kit run` with these words, and its exit status. After `within_s` it is interrupted.

    Ctrl-C reaches it as well; it is waited for until its faults are healed and its nodes are down. It ends in
    order, too, when this process is killed.
    """
    command = [sys.executable, "-m", "harness", "run", *words]
    with subprocess.Popen(command, cwd=ROOT, stdout=said_to, preexec_fn=ends_with_us()) as running:  # noqa: PLW1509
        try:
            return running.wait(within_s)
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGINT)
            return running.wait()
        except KeyboardInterrupt:
            _wait_in_spite_of_ctrl_c(running)
            raise


def _wait_in_spite_of_ctrl_c(running: subprocess.Popen[bytes]) -> None:
    """It has heard of each Ctrl-C itself: the second one stops it at once."""
    while running.returncode is None:
        with contextlib.suppress(KeyboardInterrupt):
            running.wait()
