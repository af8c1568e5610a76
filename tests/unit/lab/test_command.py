"""A measurement as a command."""

from __future__ import annotations

import pytest

from harness.errors import ExitStatus, UsageError
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


def test_error_of_the_kit_is_its_message_and_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback would be a bug of the measurement's."""

    def wrong() -> int:
        raise UsageError("x.json: expected a summary, found none")

    with pytest.raises(SystemExit) as ended:
        as_command(wrong)
    assert ended.value.code == ExitStatus.USAGE
    assert capsys.readouterr().err == "x.json: expected a summary, found none\n"
