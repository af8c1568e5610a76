"""Measurements start the kit's own `run` in one way."""

from __future__ import annotations

import signal
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
