"""A Redis of the user's own, on the usual port beside it all, is never touched."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from harness.clock import wait_until
from tests.builders_kit import Kit, one_line

pytestmark = pytest.mark.process

PORT = 6379


@pytest.fixture
def theirs(tmp_path: Path) -> Iterator[redis.Redis]:
    """Without a password, as it comes with a distribution: whoever knocks is let in."""
    program = shutil.which("redis-server")
    with socket.socket() as probe:
        if program is None or probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip("needs an installed redis-server, and its usual port free")
    folder = tmp_path / "theirs"
    folder.mkdir()
    server = subprocess.Popen(
        [program, "--port", str(PORT), "--bind", "127.0.0.1", "--dir", str(folder), "--save", ""],
        stdout=subprocess.DEVNULL,
    )
    client = redis.Redis(port=PORT)
    try:
        wait_until(lambda: _answers(client), within_s=10, waiting_for="their own Redis")
        client.set("theirs", "kept")
        yield client
    finally:
        client.close()
        server.send_signal(signal.SIGTERM)
        server.wait(10)


def _answers(client: redis.Redis) -> bool:
    try:
        return bool(client.ping())
    except redis.ConnectionError:
        return False


def seen(client: redis.Redis) -> dict[str, object]:
    """All by which it would show that somebody was there."""
    server, stats = client.info("server"), client.info("stats")
    return {
        "run": server["run_id"],
        "keys": sorted(client.keys()),
        "connections": stats["total_connections_received"],
        "role": client.info("replication")["role"],
        "settings": client.config_get("*"),
    }


def test_their_own_redis_is_left_alone(theirs: redis.Redis, tmp_path: Path) -> None:
    """By `with` and its faults, `up`, `inject`, `heal`, `down --all` and `clean`: no connection, no key, no
    setting. Its port cannot be pinned."""
    kit = Kit(tmp_path)
    before = seen(theirs)
    words = ["with", "single", "--backend", "process", "--fault", "after: 200ms, restart: primary"]
    ran = kit.run(*words, "--", sys.executable, "-c", "import time; time.sleep(2)")
    assert ran.returncode == 0, ran.stderr
    assert kit.run("up", "single", "--backend", "process").returncode == 0
    assert kit.run("inject", "kill: primary").returncode == 0
    assert kit.run("heal").returncode == 0
    pinned = kit.run("with", "single", "--backend", "process", "--pin", f"port={PORT}", "--", "true")
    assert (pinned.returncode, one_line(pinned.stderr)) == (4, True), pinned.stderr
    assert "somebody listens there" in pinned.stderr
    assert kit.run("down", "--all").returncode == 0
    assert kit.run("clean").returncode == 0
    assert seen(theirs) == before
