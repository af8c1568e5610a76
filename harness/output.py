"""Standard output and error as the verbs use them: whoever reads them decides nothing about a run.

`failover-kit judge RUN | head -1` closes the pipe after a line, a cron job may start with standard output
closed, a log may be on a disk that is full. The verb goes on and its status is what it found.

Trap: with standard output closed, the next file that is opened becomes descriptor 1, and whatever prints
there writes into it. So `prepare` comes before anything else opens a file.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from harness.model.redaction import without_url_passwords
from harness.visible import visible

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


CRASH = "failover-kit-crash-"
"""Begins the name of a file with a traceback, in the folder for temporary files."""


class _Unheeded(io.RawIOBase):
    """A descriptor that takes everything, also when nobody reads it any more."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number
        self.lost = ""
        """Why what came last was not written; empty: it was."""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return os.isatty(self._number)

    def write(self, content: ReadableBuffer, /) -> int:
        size = memoryview(content).nbytes
        if self.lost:
            return size
        try:
            return os.write(self._number, content)
        except OSError as problem:
            self.lost = problem.strerror or str(problem)
            return size


def prepare() -> None:
    """Make both streams such that writing to them never fails; odd terminals get `?`, no crash."""
    for number in (0, 1, 2):
        _occupy(number)
    sys.stdout = _unheeded(sys.stdout, 1)
    sys.stderr = _unheeded(sys.stderr, 2)


def unread() -> bool:
    """Whether nobody takes what is printed any more, so that there is no point in going on printing."""
    return bool(_raw(sys.stdout) and _raw(sys.stdout).lost)  # type: ignore[union-attr]


def finish() -> None:
    """Write what is held back, and say once where a report could not go. A reader that left knows."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    raw = _raw(sys.stdout)
    if raw is not None and raw.lost not in {"", os.strerror(errno.EPIPE)}:
        complain(f"standard output cannot be written: {raw.lost}; the exit status is still correct")


def say(text: str) -> None:
    """Print text that may quote files of others."""
    print(visible(text))


def complain(text: str) -> None:
    """One message on standard error."""
    print(f"failover-kit: {visible(without_url_passwords(text))}", file=sys.stderr)


def note(text: str) -> None:
    """Something that a person should know before a run, on standard error."""
    print(visible(text), file=sys.stderr)


def report_crash(problem: BaseException) -> None:
    """One line for a person, and the traceback in a file."""
    complain(told_of_crash(problem))


def told_of_crash(problem: BaseException) -> str:
    """What to say of a bug of the kit. The traceback goes into a file, as it is for whoever mends the kit."""
    what = f"{type(problem).__name__}: {problem}".splitlines()[0][:200]
    told = "".join(traceback.format_exception(problem))
    file = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix=CRASH, suffix=".log", delete=False, errors="backslashreplace"
        ) as file:
            file.write(told)
        where = f"the traceback is in {file.name}"
    except OSError as full:
        if file is not None:  # made, and then the disk was full
            Path(file.name).unlink(missing_ok=True)
        frame = traceback.extract_tb(problem.__traceback__)[-1]
        where = f"at {frame.filename}:{frame.lineno}; no file for the traceback: {full.strerror or full}"
    return f"the kit itself failed; this is a bug in the kit: {what} ({where})"


def crash_files() -> list[Path]:
    """Tracebacks that this user's commands left."""
    found = sorted(Path(tempfile.gettempdir()).glob(f"{CRASH}*.log"))
    return [
        one for one in found if stat.S_ISREG((about := one.lstat()).st_mode) and about.st_uid == os.geteuid()
    ]


def _occupy(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def _unheeded(stream: TextIO | None, number: int) -> TextIO:
    if stream is None:
        return io.TextIOWrapper(io.BufferedWriter(_Unheeded(number)), encoding="utf-8", errors="replace")
    if not isinstance(stream, io.TextIOWrapper) or isinstance(_raw(stream), _Unheeded):
        return stream
    stream.reconfigure(errors="replace")
    try:
        number = stream.fileno()
    except OSError:
        return stream  # in memory: a test's
    return io.TextIOWrapper(
        io.BufferedWriter(_Unheeded(number)),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.line_buffering or stream.write_through,  # the latter: PYTHONUNBUFFERED
    )


def _raw(stream: TextIO) -> _Unheeded | None:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw if isinstance(raw, _Unheeded) else None
