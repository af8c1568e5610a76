"""A clock of a node's own: what the library leaves of a process that was killed."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from harness.topology.process import own_clock


def test_nothing_stays_in_shared_memory_of_a_process_that_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is removed once the process is gone; what belongs to one that runs stays, and so does everything else."""
    monkeypatch.setattr(own_clock, "_SHARED_MEMORY", tmp_path)
    over = subprocess.Popen(["true"])
    over.wait()
    for pid in (over.pid, os.getpid()):
        (tmp_path / f"faketime_shm_{pid}").touch()
        (tmp_path / f"sem.faketime_sem_{pid}").touch()
    (tmp_path / "somebody_elses").touch()
    own_clock.forget(over.pid)
    own_clock.forget(os.getpid())
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {f"faketime_shm_{os.getpid()}", f"sem.faketime_sem_{os.getpid()}", "somebody_elses"}
