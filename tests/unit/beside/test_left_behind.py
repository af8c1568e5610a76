"""What `clean` ends of a command whose `with` was killed, and what it never touches."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil
import pytest

from harness.beside import left_behind
from harness.beside.left_behind import clean, recorded
from harness.topology.base import processes
from harness.topology.base.processes import ProcessIdentity
from harness.topology.base.state_files import STATE, state_directories

GONE = ProcessIdentity(pid=2**22 + 1, started="1")


@dataclass
class Stub:
    pid: int
    token: str

    def environ(self) -> dict[str, str]:
        if not self.token:
            raise psutil.AccessDenied
        return {"FAILOVER_CONTROL_TOKEN": self.token}


@pytest.fixture
def ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of processes that were ended. Three run: of the token `mine`, of another one, of another user."""
    monkeypatch.setenv(STATE, str(tmp_path))
    known = [Stub(11, "mine"), Stub(12, "theirs"), Stub(13, ""), Stub(os.getpid(), "mine")]
    monkeypatch.setattr(psutil, "process_iter", lambda: known)
    monkeypatch.setattr(processes, "identity", lambda pid: ProcessIdentity(pid, "2"))
    found: list[int] = []
    monkeypatch.setattr(left_behind, "end", lambda process: found.append(process.pid))
    return found


def records() -> list[Path]:
    return [path for place in state_directories() for path in place.glob("command-*")]


def killed(**changed: object) -> None:
    """Leave a record as a `with` does that is killed: its owner is gone."""
    with recorded("mine"):
        (path,) = records()
        written = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode(written | {"owner": msgspec.to_builtins(GONE)} | changed))


def test_command_of_a_killed_kit_is_ended(ended: list[int]) -> None:
    """By its token alone; the record goes, too."""
    killed()
    assert clean() == ["ended the command of a `with` that was killed: processes 11"]
    assert ended == [11]
    assert not records()
    assert clean() == []


def test_command_of_a_living_kit_is_left_alone(ended: list[int]) -> None:
    """And what it leaves in the background when it has ended is its user's."""
    with recorded("mine"):
        assert clean() == []
        assert len(records()) == 1
    assert not records()
    assert clean() == []
    assert not ended


@pytest.mark.parametrize(
    ("changed", "stays"), [({"pid_namespace": "pid:[1]"}, True), ({"boot": "an earlier one"}, False)]
)
def test_processes_of_another_world_cannot_be_judged(
    changed: dict[str, object], stays: bool, ended: list[int]
) -> None:
    """In another boot they are gone; of another process id namespace nobody here can say."""
    killed(**changed)
    assert clean() == []
    assert not ended
    assert bool(records()) is stays


def test_record_that_cannot_be_read_goes(ended: list[int]) -> None:
    """It names nobody."""
    killed()
    records()[0].write_text("{", encoding="utf-8")
    assert clean() == []
    assert not ended
    assert not records()


def test_kernel_is_asked_on_linux_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems have no such call."""
    asked: list[tuple[int, int]] = []

    class Library:
        def prctl(self, what: int, number: int) -> None:
            asked.append((what, number))

    monkeypatch.setattr(ctypes, "CDLL", lambda _: Library())
    monkeypatch.setattr(sys, "platform", "linux")
    ask = left_behind.ends_with_us()
    assert ask is not None
    ask()
    assert asked == [(1, signal.SIGTERM)]
    monkeypatch.setattr(sys, "platform", "darwin")
    assert left_behind.ends_with_us() is None
