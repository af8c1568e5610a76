"""The one writer of a run's history: takes records from any thread, appends them as lines of JSON.

Operations and everything else go the same way; `closing` sorts them apart when the run is over, because
encoding a line costs a third of filling columns, and what a killed harness leaves is plain to see.

A record becomes a line at once, in the thread that hands it in: what it is made of is still in that
processor's cache, which costs half of what another thread pays, and Python's lock would be held just as
long there. Only the disk is waited for in a thread of its own.

Trap: msgspec 0.22 loses 48 bytes at each `encode_lines` of a tuple; of a list, none.

Trap: no fsync. A killed process loses nothing that was handed to the kernel, and a machine that loses
power is not what is tested here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import msgspec

from harness.clock import Clock
from harness.errors import EnvironmentFailure
from harness.history.closing import close_files
from harness.history.files import COMPRESSED, PLAIN
from harness.history.merging import Part
from harness.model.plan import Plan
from harness.model.records import Closing, Record
from harness.model.seams import Secrets

FLUSH_EVERY_S = 0.05
FLUSH_AT_LINES = 1024
"""About a megabyte, which 20,000 operations a second make within `FLUSH_EVERY_S`."""

_REDACTED = b"[redacted]"
_CLOSE_WITHIN_S = 10.0


class Recorder:
    """The one writer of a run's history. `record` may be called from any thread.

    A disk that is full or not writable does not disturb the run: writing stops, `failure` is set
    from then on, and everything that came after is counted in its message.
    """

    def __init__(self, directory: Path, clock: Clock, *, secrets: Secrets) -> None:
        """Create `history.jsonl` in the run's folder.

        Raises:
            EnvironmentFailure: it cannot be created.
        """
        self._path = directory / PLAIN
        self._clock = clock
        self._secrets = _as_written(secrets)
        self._encode_lines = msgspec.json.Encoder().encode_lines
        self._pending: list[bytes] = []
        self._parts: list[Part] = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._closing = False
        self._failure: str | None = None
        self._unwritten = 0
        try:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as problem:
            raise EnvironmentFailure(_unwritable(self._path, problem, clock)) from problem
        self._writer = threading.Thread(target=self._write_on, name="history", daemon=True)
        self._writer.start()

    @property
    def failure(self) -> EnvironmentFailure | None:
        """Why the history is not whole; None: everything written so far is."""
        if self._failure is None:
            return None
        missing = f"; {self._unwritten} records are missing" if self._unwritten else ""
        return EnvironmentFailure(self._failure + missing)

    def record(self, rec: Record) -> None:
        """Take a record; it is on its way to the disk within 50 ms. Never waits for it, never raises."""
        try:
            self._pending.append(self._encode_lines([rec]))
        except (TypeError, ValueError, OverflowError) as problem:
            self._fail(f"{self._path}: a record of the kit cannot be written: {problem}", 1)
        if len(self._pending) == FLUSH_AT_LINES:
            self._wake.set()

    def take_in(self, parts: Iterable[Part]) -> None:
        """What load engines elsewhere have recorded of the run. Closing takes their operations."""
        for part in parts:
            try:
                for rec in part.records():
                    self.record(rec)
            except (OSError, ValueError, EOFError) as problem:
                self._fail(f"{part.folder}: what a load worker recorded cannot be read: {problem}")
            self._parts.append(part)

    def close(self, closing: Closing) -> None:
        """Write everything that is left, `closing` as the last line, and give the files their closed form.

        Idempotent. Does not raise, so that it fits a `finally`: ask `failure` afterwards. When
        that form cannot be made, the lines stay.
        """
        if self._closing:
            return
        self._closing = True
        self._wake.set()
        self._writer.join(_CLOSE_WITHIN_S)
        if self._writer.is_alive():
            self._fail(f"{self._path}: the disk did not take the history within {_CLOSE_WITHIN_S:g} s")
            return
        self._flush()
        self._write(self._encode_lines([closing]))  # not by way of `_pending`: nothing may follow it
        os.close(self._file)
        if self._failure is None:
            self._close_files()

    def _close_files(self) -> None:
        try:
            close_files(self._path.parent, self._parts)
            for part in self._parts:
                part.remove()
        except OSError as problem:
            self._fail(_unwritable(self._path.with_name(COMPRESSED), problem, self._clock))
        except ValueError as problem:
            self._fail(f"{self._path}: an operation does not fit its columns, so the lines stay: {problem}")

    def _write_on(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_EVERY_S)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        # The list object stays the same, so that another thread can never append to one that was
        # already taken; cutting off the front is atomic.
        taken = self._pending[:]
        del self._pending[: len(taken)]
        self._write(b"".join(taken))

    def _write(self, lines: bytes) -> None:
        if self._failure is not None:
            self._fail(self._failure, lines.count(b"\n"))
            return
        for secret in self._secrets:
            lines = lines.replace(secret, _REDACTED)
        left = memoryview(lines)
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as problem:
            self._fail(_unwritable(self._path, problem, self._clock), bytes(left).count(b"\n"))

    def _fail(self, message: str, unwritten: int = 0) -> None:
        with self._lock:
            self._failure = self._failure or message
            self._unwritten += unwritten


def write_plan(directory: Path, plan: Plan) -> None:
    """Leave the plan beside the history, as `read` expects it.

    Raises:
        EnvironmentFailure: the folder cannot be written.
    """
    try:
        (directory / "plan.json").write_bytes(msgspec.json.format(msgspec.json.encode(plan)))
    except OSError as problem:
        raise EnvironmentFailure(
            f"{directory / 'plan.json'}: cannot be written: {problem.strerror}"
        ) from problem


def _as_written(secrets: Secrets) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode(secret)[1:-1] for secret in secrets.all if secret)


def _unwritable(path: Path, problem: OSError, clock: Clock) -> str:
    return (
        f"{path}: the history cannot be written ({problem.strerror}), {clock.now_us() / 1e6:.1f} s into the "
        "run: free some space, or choose another folder with --out (make: OUT=)"
    )
