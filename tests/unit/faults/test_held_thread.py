"""One thread of a process is held: nothing of it goes on, and whoever kills the process finds it gone."""

from __future__ import annotations

import subprocess
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


def test_process_that_is_killed_is_gone_though_a_thread_is_held(child: subprocess.Popen[bytes]) -> None:
    """Its end is told to whoever holds the thread first."""
    with held(child.pid, "a node"):
        child.kill()
        assert child.wait(timeout=10) == -9


def test_thread_that_is_not_there_has_no_effect(child: subprocess.Popen[bytes]) -> None:
    """Neither has one that somebody else holds."""
    assert thread_named(child.pid, "bio_aof") is None
    with ExitStack() as holding:
        holding.enter_context(held(child.pid, "a node"))
        with pytest.raises(NoEffect, match="a thread of a node cannot be held"):
            holding.enter_context(held(child.pid, "a node"))
