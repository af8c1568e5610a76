"""One server process: what is known of it while somebody else starts it again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.clock import wait_until
from harness.model.seams import NodeState
from harness.topology.base import processes
from harness.topology.base.processes import ProcessIdentity
from harness.topology.process import server


def test_state_asked_while_a_node_starts_again_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer looks between the start of the new process and its identification: the old one is gone."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    node = server.Server(
        "redis-1", command=command, directory=tmp_path, log=tmp_path / "log.txt", namespace=None
    )
    seen: list[NodeState] = []
    identity = processes.identity

    def looked_at_meanwhile(pid: int) -> ProcessIdentity | None:
        monkeypatch.setattr(server, "identity", identity)
        seen.append(node.state())
        return identity(pid)

    node.spawn()
    node.kill()
    monkeypatch.setattr(server, "identity", looked_at_meanwhile)
    node.spawn()
    try:
        assert [(one.running, one.exit_code) for one in seen] == [(False, -9)]
        assert node.state().running
    finally:
        node.kill()


LINGERS = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: None); print('up', flush=True)"


def test_orderly_stop_waits_as_long_as_it_is_told(tmp_path: Path) -> None:
    """A process that ends in its time is gone; one that takes longer is said to be there, not an error."""
    log = tmp_path / "log.txt"
    for over_s, within_s, gone in ((0.2, 5.0, True), (60.0, 0.2, False)):
        log.write_text("")
        command = [sys.executable, "-c", f"{LINGERS}; time.sleep({over_s})"]
        node = server.Server("redis-1", command=command, directory=tmp_path, log=log, namespace=None)
        node.spawn()
        try:
            wait_until(lambda: "up" in log.read_text(), within_s=10, waiting_for="it to be up")
            assert node.stop(within_s) is gone
            assert node.state().running is not gone
        finally:
            node.end()


WRITES = """import errno, os, time
while not os.path.exists('go'): time.sleep(0.01)
try: os.write(os.open('f', os.O_CREAT | os.O_WRONLY), b'x')
except OSError as problem: os._exit(7 if problem.errno == errno.EFBIG else 8)
"""


def test_volume_is_full_for_one_node_and_what_is_started_in_its_place(tmp_path: Path) -> None:
    """It is told so, and not ended by the signal; until there is room again."""
    command, go = [sys.executable, "-I", "-c", WRITES], tmp_path / "go"
    node = server.Server(
        "redis-1", command=command, directory=tmp_path, log=tmp_path / "log.txt", namespace=None
    )

    def ended() -> int | None:
        go.touch()
        wait_until(lambda: not node.state().running, within_s=30, waiting_for="it to write")
        go.unlink()
        return node.state().exit_code

    try:
        node.spawn()
        node.refuse_writes()
        assert ended() == 7
        node.spawn()
        assert ended() == 7
        node.allow_writes()
        node.spawn()
        assert ended() == 0
        assert (tmp_path / "f").read_text() == "x"
    finally:
        node.end()
