"""A measurement as a command."""

from __future__ import annotations

import pytest

from harness.errors import ExitStatus
from lab.command import as_command


def test_status_is_what_it_returns() -> None:
    with pytest.raises(SystemExit) as ended:
        as_command(lambda: ExitStatus.FAILED)
    assert ended.value.code == ExitStatus.FAILED


def test_ctrl_c_is_said_and_is_no_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    def stopped() -> int:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        as_command(stopped, "stopped: it goes on from there")
    assert ended.value.code == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "\nstopped: it goes on from there\n"
