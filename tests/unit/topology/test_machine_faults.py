"""What the faults of the machine below a node stand on: clocks of their own, and what is not on the disk yet."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harness.topology.base import unsynced
from harness.topology.docker import volumes
from harness.topology.process import own_clock


@pytest.fixture(autouse=True)
def forgotten() -> None:
    """What was found out about a program or the library in another test."""
    own_clock.library.cache_clear()
    own_clock.why_not.cache_clear()


def test_pages_that_wait_for_the_disk_are_found(tmp_path: Path) -> None:
    """The first of them; what was synced before is no such page, unless something newer is in it."""
    if reason := unsynced.why_not(tmp_path):
        pytest.skip(reason)
    file = tmp_path / "log"
    with file.open("wb") as opened:
        assert unsynced.first_unsynced(file) is None, "an empty file waits for nothing"
        opened.write(b"a" * 20_000)
        opened.flush()
        os.fsync(opened.fileno())
        assert unsynced.first_unsynced(file) is None
        opened.write(b"b" * 9_000)
        opened.flush()
        assert unsynced.first_unsynced(file) == 16_384
        os.fsync(opened.fileno())
        assert unsynced.first_unsynced(file) is None


def test_folder_whose_pages_nobody_knows_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without a disk, and a kernel without the call."""
    monkeypatch.setattr(unsynced, "_waiting", lambda *_: 0)
    assert "does not say what is not on the disk yet" in unsynced.why_not(tmp_path)

    def too_old(*_: object) -> int:
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(unsynced, "_waiting", too_old)
    assert "Function not implemented; Linux 6.5 does" in unsynced.why_not(tmp_path)


@dataclass
class Container:
    attrs: dict[str, Any] = field(default_factory=dict)


def test_files_of_a_container_are_those_of_its_data_volume(tmp_path: Path) -> None:
    """Its append-only files and its snapshot; a folder in the place of one is none."""
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "1.incr.aof").touch()
    (tmp_path / "dump.rdb").mkdir()
    (tmp_path / "node.conf").touch()
    mounts = [
        {"Source": str(tmp_path), "Destination": "/data"},
        {"Source": str(tmp_path / "none"), "Destination": "/etc"},
    ]
    (found,) = volumes.data_files(Container({"Mounts": mounts}), "/data")
    assert found.name == "1.incr.aof"


def test_only_root_sees_files_of_containers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody asks the engine then."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert volumes.why_no_power_loss().startswith("only root")
    assert volumes.why_no_processes().startswith("only root")


def test_clock_of_a_node_is_a_file(tmp_path: Path) -> None:
    """Replaced as a whole; negative where it is behind."""
    file = tmp_path / "clock"
    own_clock.set_ahead(file, 3600)
    assert file.read_text() == "+3600.000000\n"
    own_clock.set_ahead(file, -1.5)
    assert file.read_text() == "-1.500000\n"
    assert list(tmp_path.iterdir()) == [file]
    assert own_clock.environment(file)["FAKETIME_TIMESTAMP_FILE"] == str(file)


def test_program_that_does_not_start_with_the_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """It hangs, complains or ends; where the library is missing, nothing is tried."""
    monkeypatch.setattr(own_clock, "_LIBRARIES", ("/nowhere/libfaketime.so.1",))
    assert "apt-get install libfaketime" in own_clock.why_not(Path("/usr/bin/redis-server"))
    answers: list[Any] = []

    def run(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return subprocess.CompletedProcess([], answer[0], "", answer[1])

    monkeypatch.setattr(own_clock, "library", lambda: Path("/lib/libfaketime.so.1"))
    monkeypatch.setattr(subprocess, "run", run)
    for answer, said in (
        ((0, ""), ""),
        ((1, ""), "does not start with libfaketime"),
        ((0, "libfaketime: Unexpected recursive calls"), "does not start with libfaketime"),
        (subprocess.TimeoutExpired("redis-server", 5), "does not start with libfaketime"),
        (OSError(2, "No such file"), "cannot be started with libfaketime: No such file"),
    ):
        answers.append(answer)
        own_clock.why_not.cache_clear()
        found = own_clock.why_not(Path("/usr/bin/redis-server"))
        assert said in found
        assert bool(said) == bool(found)
