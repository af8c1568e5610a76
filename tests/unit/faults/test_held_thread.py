"""One thread of a process is held: nothing of it goes on, and whoever kills the process finds it gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.errors import NoEffect
from harness.faults.held_thread import held, thread_named


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        wait_until(lambda: thread_named(process.pid, "sleep"), within_s=10, waiting_for="sleep to begin")
        yield process
        process.kill()


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]


def test_thread_is_held_meanwhile(child: subprocess.Popen[bytes]) -> None:
    """The kernel calls it traced; afterwards it sleeps on."""
    with held(child.pid, "a node"):
        assert _state(child.pid) == "t"
    wait_until(lambda: _state(child.pid) == "S", within_s=10, waiting_for="it to sleep on")


def test_process_that_is_killed_is_gone_though_a_thread_is_held() -> None:
    """The end of that thread is told to whoever holds it first."""
    sleeps = "import threading, time; threading.Thread(target=time.sleep, args=[60]).start()"
    with subprocess.Popen([sys.executable, "-I", "-S", "-c", sleeps]) as process:
        thread = wait_until(lambda: _another(process.pid), within_s=10, waiting_for="a second thread")
        with held(thread, "a node"):
            process.kill()
            assert process.wait(timeout=10) == -9


def _another(pid: int) -> int | None:
    """A thread that is not the process's first one, which would be this test's child."""
    tasks = (int(one.name) for one in Path(f"/proc/{pid}/task").iterdir())
    return next((task for task in tasks if task != pid), None)


def test_thread_that_is_not_there_has_no_effect(child: subprocess.Popen[bytes]) -> None:
    """Neither has one that somebody else holds."""
    assert thread_named(child.pid, "bio_aof") is None
    with ExitStack() as holding:
        holding.enter_context(held(child.pid, "a node"))
        with pytest.raises(NoEffect, match="a thread of a node cannot be held"):
            holding.enter_context(held(child.pid, "a node"))
