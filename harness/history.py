"""Writes a run's history as it happens, and reads one back: stage 5.

`Recorder` takes records from any thread and appends them, as JSON lines, to `history.jsonl` in the
run's folder; closing compresses that to `history.jsonl.gz`. `read` takes either. Nothing here judges.

Traps: whoever dies by SIGKILL leaves an unterminated last line, which the reader drops and reports;
anything else that cannot be decoded is an error. Records are encoded a moment after they were handed
in, so whoever records one must be done changing it. No fsync: a killed process loses nothing that
was handed to the kernel, and a machine that loses power is not what is tested here.
"""

from __future__ import annotations

import contextlib
import gc
import gzip
import os
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from operator import attrgetter
from pathlib import Path
from typing import TypeVar

import msgspec

from harness.clock import Clock
from harness.errors import EnvironmentFailure, UsageError
from harness.model.history import History
from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    Bracket,
    ClockPair,
    Closing,
    Connection,
    Event,
    ForensicEntry,
    ForensicReading,
    NodeSample,
    Opening,
    Operation,
    PhaseChange,
    Record,
    Unanswered,
)
from harness.model.seams import Secrets

FORMAT = 1
"""Of the history's lines; `Opening.format`. A reader refuses any other."""

FLUSH_EVERY_S = 0.05
FLUSH_AT_RECORDS = 256

_PLAIN = "history.jsonl"
_COMPRESSED = "history.jsonl.gz"
_COMPRESSION_LEVEL = 4
"""Level 6 takes twice as long for 5 % less (measured on 100,000 operations)."""

_REDACTED = b"[redacted]"
_CLOSE_WITHIN_S = 10.0

T = TypeVar("T")


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
        self._path = directory / _PLAIN
        self._clock = clock
        self._secrets = _as_written(secrets)
        self._encode = msgspec.json.Encoder().encode
        self._pending: list[Record] = []
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
        """Take a record; it is on its way to the disk within 50 ms. Never blocks, never raises."""
        pending = self._pending
        pending.append(rec)
        if len(pending) == FLUSH_AT_RECORDS:
            self._wake.set()

    def close(self, closing: Closing) -> None:
        """Write everything that is left, `closing` as the last line, and compress the file.

        Idempotent. Does not raise, so that it fits a `finally`: ask `failure` afterwards. When
        compressing fails the plain file stays.
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
        self._write([closing])  # not by way of `_pending`: nothing may follow the last line
        os.close(self._file)
        if self._failure is None:
            try:
                _compress(self._path)
            except OSError as problem:
                self._fail(_unwritable(self._path.with_name(_COMPRESSED), problem, self._clock))

    def _write_on(self) -> None:
        while not self._closing:
            self._wake.wait(FLUSH_EVERY_S)
            self._wake.clear()
            self._flush()

    def _flush(self) -> None:
        # The list object stays the same, so that `record` in another thread can never append to one
        # that was already taken; cutting off the front is atomic.
        taken = self._pending[:]
        del self._pending[: len(taken)]
        if taken:
            self._write(taken)

    def _write(self, records: Sequence[Record]) -> None:
        if self._failure is not None:
            self._unwritten += len(records)
            return
        lines = bytearray()
        try:
            for rec in records:
                lines += self._encode(rec)
                lines += b"\n"
        except (TypeError, ValueError, OverflowError) as problem:
            self._unwritten += len(records)
            self._fail(f"{self._path}: a record of the kit cannot be written: {problem}")
            return
        left = memoryview(self._redacted(bytes(lines)))
        try:
            while left:
                left = left[os.write(self._file, left) :]
        except OSError as problem:
            self._unwritten += bytes(left).count(b"\n")
            self._fail(_unwritable(self._path, problem, self._clock))

    def _redacted(self, lines: bytes) -> bytes:
        for secret in self._secrets:
            lines = lines.replace(secret, _REDACTED)
        return lines

    def _fail(self, message: str) -> None:
        self._failure = self._failure or message


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


def read(directory: Path) -> History:
    """The history and the plan in a run's folder; `History.incomplete` says when it just breaks off.

    Raises:
        UsageError: a file is missing, of another format, or damaged (with the line's number).
    """
    plan = _read_plan(directory / "plan.json")
    path, text, broke_off = _read_text(directory)
    records = _decoded(path, text)
    if not records or not isinstance(records[0], Opening):
        raise UsageError(f"{path}: line 1 should be the opening of a history, found {_first_line(text)!r}")
    opening = records[0]
    if opening.format != FORMAT:
        raise UsageError(
            f"{path}: line 1: format {FORMAT} expected, found {opening.format}: use the kit's "
            "version that recorded it"
        )
    return _assembled(path, plan, opening, records, broke_off)


def _as_written(secrets: Secrets) -> tuple[bytes, ...]:
    return tuple(msgspec.json.encode(secret)[1:-1] for secret in (secrets.redis, secrets.sentinel) if secret)


def _unwritable(path: Path, problem: OSError, clock: Clock) -> str:
    return (
        f"{path}: the history cannot be written ({problem.strerror}), {clock.now_us() / 1e6:.1f} s into the "
        "run: free some space, or choose another folder with OUT="
    )


def _compress(path: Path) -> None:
    """Replace `history.jsonl` by its compressed form, never leaving half of one."""
    half = path.with_name(_COMPRESSED + ".part")
    try:
        with path.open("rb") as plain, gzip.open(half, "wb", compresslevel=_COMPRESSION_LEVEL) as compressed:
            shutil.copyfileobj(plain, compressed, 1 << 20)
        half.replace(path.with_name(_COMPRESSED))
    except OSError:
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise
    path.unlink()


def _read_plan(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except OSError as problem:
        raise UsageError(
            f"{path}: {problem.strerror}: a run's folder holds its plan beside its history"
        ) from problem
    except msgspec.MsgspecError as problem:
        raise UsageError(f"{path}: not a plan of this version of the kit: {problem}") from problem


def _read_text(directory: Path) -> tuple[Path, bytes, str]:
    """Path, whole lines, and why the text breaks off (empty: it does not)."""
    compressed, plain = directory / _COMPRESSED, directory / _PLAIN
    path = compressed if compressed.exists() else plain
    try:
        text = gzip.decompress(path.read_bytes()) if path is compressed else path.read_bytes()
    except FileNotFoundError as problem:
        raise UsageError(f"{directory}: no history here: expected {_COMPRESSED} or {_PLAIN}") from problem
    except (EOFError, zlib.error, OSError) as problem:
        raise UsageError(f"{path}: cannot be read: {problem}") from problem
    if not text or text.endswith(b"\n"):
        return path, text, ""
    whole = text[: text.rfind(b"\n") + 1]
    return (
        path,
        whole,
        "its last line is cut off: the harness was killed while it wrote it, or the disk was full",
    )


def _decoded(path: Path, text: bytes) -> list[Record]:
    decoder = msgspec.json.Decoder(Record)
    with _without_collections():
        try:
            return decoder.decode_lines(text)
        except msgspec.MsgspecError:
            pass  # found again below, with the number of its line
    for number, line in enumerate(text.split(b"\n")[:-1], start=1):
        try:
            decoder.decode(line)
        except msgspec.MsgspecError as problem:
            raise UsageError(f"{path}: line {number}: {problem}, found {_clipped(line)!r}") from problem
    raise UsageError(f"{path}: not lines of JSON")


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Decoding makes many objects and no garbage; collecting between would double its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _first_line(text: bytes) -> str:
    return _clipped(text.partition(b"\n")[0])


def _clipped(line: bytes) -> str:
    return line[:80].decode(errors="replace")


def _assembled(path: Path, plan: Plan, opening: Opening, records: list[Record], broke_off: str) -> History:
    kinds: dict[type, list[tuple[int, Record]]] = {}
    for number, rec in enumerate(records, start=1):
        kinds.setdefault(type(rec), []).append((number, rec))
    for once in (Opening, Closing, AuditSummary):
        if len(found := kinds.get(once, [])) > 1:
            raise UsageError(f"{path}: line {found[1][0]}: a second {_tag(once)}; a history has one")
    closings = _of(kinds, Closing)
    if closings and not isinstance(records[-1], Closing):
        raise UsageError(f"{path}: line {kinds[Closing][0][0] + 1}: something follows the closing line")
    connections = {connection.id: connection for connection in _of(kinds, Connection)}
    return History(
        plan=plan,
        opening=opening,
        operations=tuple(sorted(_of(kinds, Operation), key=attrgetter("id"))),
        connections=tuple(connections[n] for n in sorted(connections)),
        unanswered=tuple(sorted(_of(kinds, Unanswered), key=attrgetter("connection"))),
        samples=tuple(sorted(_of(kinds, NodeSample), key=attrgetter("done_us"))),
        events=tuple(sorted(_of(kinds, Event), key=attrgetter("t_us"))),
        clocks=tuple(sorted(_of(kinds, ClockPair), key=attrgetter("t_us"))),
        phases=tuple(sorted(_of(kinds, PhaseChange), key=attrgetter("t_us"))),
        brackets=tuple(sorted(_of(kinds, Bracket), key=attrgetter("t_us"))),
        audit=tuple(sorted(_of(kinds, AuditEntry), key=attrgetter("pass_n", "sent_us"))),
        audit_summary=next(iter(_of(kinds, AuditSummary)), None),
        readings=tuple(sorted(_of(kinds, ForensicReading), key=attrgetter("done_us"))),
        forensics=tuple(sorted(_of(kinds, ForensicEntry), key=attrgetter("reading", "sent_us"))),
        closing=closings[0] if closings else None,
        incomplete=broke_off or ("" if closings else "it has no closing line: the harness was killed"),
    )


def _of(kinds: dict[type, list[tuple[int, Record]]], kind: type[T]) -> list[T]:
    return [rec for _, rec in kinds.get(kind, []) if isinstance(rec, kind)]


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)
