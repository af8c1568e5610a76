"""The process of a run waits for its turn once its nodes are ready, and no longer than anybody wants it to run."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from harness.model.results import WAITING, Progress
from harness.running import one_run
from harness.running.one_process import let_others_first, until_its_turn
from harness.running.recording import Stop
from tests.builders_observe import plan


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


def test_others_go_first_once_nothing_is_measured_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What other runs measure would be late if a judge took its turns on a CPU."""
    order: list[str] = []

    @contextmanager
    def up(*_: object, **__: object) -> Iterator[None]:
        yield
        order.append("down")

    monkeypatch.setattr(one_run, "up", up)
    monkeypatch.setattr(one_run, "record_on", lambda *_, **__: order.append("recorded"))
    monkeypatch.setattr(one_run, "judge_folder", lambda _: order.append("judged"))
    monkeypatch.setattr(os, "nice", lambda by: order.append(f"nicer by {by}"))
    one_run.run_plan(
        plan(),
        run="1",
        directory=tmp_path,
        image=None,
        tell=lambda _: None,
        stop=Stop(),
        recorded=let_others_first,
    )
    assert order == ["recorded", "down", "nicer by 10", "judged"]
