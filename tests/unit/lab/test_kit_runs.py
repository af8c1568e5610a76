"""Measurements start the kit's own `run` in one way."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.errors import ExitStatus
from lab.kit_runs import kit_run


def test_status_is_that_of_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    """What it says is its user's to read."""
    assert kit_run(["no-such-scenario"]) == ExitStatus.USAGE
    assert "no-such-scenario" in capfd.readouterr().err


def test_command_is_interrupted_when_its_time_is_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would run on beside the next one. What a shell starts in the background ignores Ctrl-C, and
    so would the command."""
    command = tmp_path / "takes-long"
    command.write_text("#!/bin/sh\nexec sleep 60\n")
    command.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(command))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        assert kit_run(["single/01"], within_s=0.05) == -signal.SIGINT
    finally:
        signal.signal(signal.SIGINT, before)


def test_command_is_waited_for_whatever_ctrl_c_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It heals and takes down its nodes meanwhile, and has heard of a second Ctrl-C itself."""
    command = tmp_path / "takes-long"
    command.write_text(f"#!/bin/sh\nsleep 0.3\necho down > {tmp_path}/said\n")
    command.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(command))
    waiting, heard = subprocess.Popen.wait, [0]

    def interrupted(running: subprocess.Popen[bytes], timeout: float | None = None) -> int:
        heard[0] += 1
        if heard[0] <= 2:
            raise KeyboardInterrupt
        return waiting(running, timeout)

    monkeypatch.setattr(subprocess.Popen, "wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kit_run(["single/01"])
    assert (tmp_path / "said").read_text() == "down\n"
