"""The process of a run waits for its turn once its nodes are ready, and no longer than anybody wants it to run."""

from __future__ import annotations

import threading

import msgspec
import pytest

from harness.model.results import WAITING, Progress
from harness.running.one_process import until_its_turn
from harness.running.recording import Stop


def test_run_waits_for_its_turn_and_says_so(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Whoever has its turn already is not said to wait."""
    its_turn = threading.Event()
    threading.Timer(0.05, its_turn.set).start()
    until_its_turn("one", its_turn, Stop())
    assert its_turn.is_set()
    until_its_turn("one", its_turn, Stop())
    (line,) = capfdbinary.readouterr().out.splitlines()
    assert msgspec.json.decode(line, type=Progress).phase == WAITING


def test_waiting_run_can_be_stopped() -> None:
    """Ctrl-C, or a suite that is gone: its turn never comes."""
    its_turn, stop = threading.Event(), Stop()
    threading.Timer(0.05, stop.set, ["by its user"]).start()
    until_its_turn("one", its_turn, stop)
    assert not its_turn.is_set()
