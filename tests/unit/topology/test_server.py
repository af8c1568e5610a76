"""One server process: what is known of it while somebody else starts it again."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from harness.model.seams import NodeState
from harness.topology import ownership, server
from harness.topology.ownership import ProcessIdentity


def test_state_asked_while_a_node_starts_again_does_not_wait_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An observer looks between the start of the new process and its identification: the old one is gone."""
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    node = server.Server(
        "redis-1", command=command, directory=tmp_path, log=tmp_path / "log.txt", namespace=None
    )
    seen: list[NodeState] = []
    identity = ownership.identity

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
