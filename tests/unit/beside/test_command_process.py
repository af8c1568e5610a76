"""The command as a process: its status, its signals, its end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.beside import command as commands
from harness.beside.command import Command, check
from harness.errors import UsageError

WITHIN_S = 20.0


def ran(*words: str) -> int:
    with Command(words, os.environ) as command:
        command.start()
        return command.ended()


def python(text: str) -> list[str]:
    return [sys.executable, "-c", text]


@pytest.mark.parametrize("status", [0, 1, 3, 77])
def test_status_is_the_commands_own(status: int) -> None:
    """Whatever it is: a test suite's 1 is not the kit's."""
    assert ran(*python(f"raise SystemExit({status})")) == status


def test_status_after_a_signal_is_as_a_shell_gives_it() -> None:
    """128 and the signal's number."""
    assert ran(*python("import os; os.kill(os.getpid(), 9)")) == 128 + signal.SIGKILL


@pytest.mark.parametrize("word", ["no-such-program", "./neither", "/etc", "\x1b[2J"])
def test_program_that_is_not_there_is_refused_before_a_node_starts(word: str) -> None:
    """One line, and nothing that a terminal obeys."""
    with pytest.raises(UsageError, match=r"with: expected a program after '--'") as refused:
        check([word])
    assert "\x1b" not in str(refused.value)


def test_file_that_is_no_program_is_refused_when_it_is_started(tmp_path: Path) -> None:
    """It is there and executable, and the kernel does not know what it is."""
    file = tmp_path / "application"
    file.write_bytes(b"\x00\x01")
    file.chmod(0o755)
    check([str(file)])
    with pytest.raises(UsageError, match="cannot be started: Exec format error"):
        ran(str(file))


def _signalled(number: signal.Signals, words: Sequence[str], ready: Path) -> int:
    """The status of a command whose kit gets a signal once the command has made `ready`."""
    with Command(words, os.environ) as command:
        command.start()

        def send() -> None:
            while not ready.exists():
                pass
            os.kill(os.getpid(), number)

        threading.Thread(target=send, daemon=True).start()
        ended: list[int] = []
        waiter = threading.Thread(target=lambda: ended.append(command.ended()))
        waiter.start()
        while waiter.is_alive():
            waiter.join(0.05)  # signals are handled in the main thread, between its instructions
        return ended[0]


_CATCHES = "import pathlib, signal, sys, time\n{handler}\npathlib.Path({ready!r}).touch()\ntime.sleep(60)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_reaches_a_command_that_the_terminal_does_not(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends as it likes, and the kit is not interrupted."""
    monkeypatch.setattr(commands, "_of_the_terminal", lambda: False)
    handler = f"signal.signal({int(number)}, lambda *_: sys.exit(42))"
    ready = tmp_path / "ready"
    assert _signalled(number, python(_CATCHES.format(handler=handler, ready=str(ready))), ready) == 42


def test_command_that_ignores_sigterm_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the time that it was left, and it is said."""
    monkeypatch.setattr(commands, "ENDS_WITHIN_S", 0.2)
    handler, ready = "signal.signal(15, signal.SIG_IGN)", tmp_path / "ready"
    words = python(_CATCHES.format(handler=handler, ready=str(ready)))
    assert _signalled(signal.SIGTERM, words, ready) == 128 + signal.SIGKILL
    assert capsys.readouterr().err == "with: the command did not end within 0.2 s of SIGTERM: killed\n"


def test_ctrl_c_of_the_terminal_is_not_doubled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The terminal has sent it to the command already; a second one would mean "at once" to pytest."""
    monkeypatch.setattr(commands, "_of_the_terminal", lambda: True)
    ready = tmp_path / "ready"
    text = f"import pathlib, time\npathlib.Path({str(ready)!r}).touch()\ntime.sleep(0.5)"
    assert _signalled(signal.SIGINT, python(text), ready) == 0


def test_command_does_not_inherit_an_ignored_sigint() -> None:
    """Else Ctrl-C would never end it."""
    text = "import signal; raise SystemExit(signal.getsignal(2) is signal.SIG_IGN)"
    assert ran(*python(text)) == 0


def test_command_is_gone_when_the_kit_fails_beside_it() -> None:
    """Whatever fails, nothing of it runs on; signals are what they were."""
    before = signal.getsignal(signal.SIGINT)
    command = Command(["sleep", "60"], os.environ)

    def fail() -> None:
        with command:
            command.start()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert command.ended() == 128 + signal.SIGTERM
    assert signal.getsignal(signal.SIGINT) is before
