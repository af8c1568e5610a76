"""Reads a run's history back, closed or not: checks what it is made of, and sorts it by kind.

A closed one has its operations in columns, which stay columns; a run that was killed left only lines.
Traps: whoever dies by SIGKILL leaves an unterminated last line, which is dropped and reported; anything
else that cannot be decoded is an error. What is missing is said in `History.incomplete`, never passed over.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar, cast

import msgspec

from harness.errors import UsageError
from harness.history.columns import read_tables
from harness.history.files import (
    COMPRESSED,
    FORMAT,
    LINES_SEALED_SINCE,
    PLAIN,
    PLAN,
    SEALED_SINCE,
    TABLES,
    digest_of,
    digest_of_plan,
    new_digest,
    unpacked_at_most,
    without_collections,
)
from harness.model.history import History
from harness.model.packed_audit import IN_ORDER, PackedAudit, shared
from harness.model.plan import Plan
from harness.model.records import (
    AuditEntry,
    AuditSummary,
    Bracket,
    ClockPair,
    ClockReading,
    Closing,
    Connection,
    Event,
    ForensicEntry,
    ForensicReading,
    NodeSample,
    ObjectEntry,
    Opening,
    Operation,
    PhaseChange,
    Record,
    Seal,
    Unanswered,
)
from harness.model.scenario import Declaration
from harness.model.table import OperationTable
from harness.presets import completed
from harness.safe_files import is_file, read_file

T = TypeVar("T")
R = TypeVar("R")

_PART_BYTES = 1 << 19
LONG_BYTES = 8 << 20
"""The audit of a history with more text than that stays packed."""
_SHOWN = 80
_SEAL = b'{"type":"seal"'
_GZIP = 16
"""Added to the window's bits it tells zlib to expect, and check, gzip's head and checksum."""
_MOST_BYTES = 4 << 30
_MOST_PLAN_BYTES = 64 << 20
_NOTHING_KNOWN: Mapping[str, Declaration] = MappingProxyType({})


def read(
    directory: Path, *, in_memory: bool = True, faults: Mapping[str, Declaration] = _NOTHING_KNOWN
) -> History:
    """The history and the plan in a run's folder; `History.incomplete` says when it just breaks off.

    `in_memory` False: columns of operations are read when they are asked for, and not kept. `faults`:
    what a plan recorded before faults had traits leaves unsaid.

    Raises:
        UsageError: a file is missing, of another format, or damaged (with the line's number).
    """
    try:
        return _read(directory, faults, in_memory=in_memory)
    except (RecursionError, MemoryError, OverflowError) as problem:
        raise UsageError(f"{directory}: no history of the kit's: {type(problem).__name__}") from problem


def _read(directory: Path, faults: Mapping[str, Declaration], *, in_memory: bool) -> History:
    plan = _with_traits(completed(_read_plan(directory / PLAN)), faults)
    path, whole, broke_off = _read_text(directory)
    text, seal = _without_seal(path, whole)
    del whole
    _lines_unchanged(path, text, seal)
    with ThreadPoolExecutor(1) as beside:  # columns are read while lines are decoded
        tables = beside.submit(_verified_tables, directory, seal, in_memory=in_memory)
        past = _read_lines(path, plan, text, broke_off)
        del text  # before the columns, which take its place
        _belongs_together(directory, past.opening, seal)
    return _with_operations(path, past, tables, seal)


def _without_seal(path: Path, text: bytes) -> tuple[memoryview, Seal | None]:
    """The lines of a closed history, and the checksums that its last line holds; None: it has none."""
    begins, whole = text.rfind(b"\n", 0, -1) + 1, memoryview(text)
    if path.name != COMPRESSED or not text[begins:].startswith(_SEAL):
        return whole, None
    try:
        return whole[:begins], msgspec.json.decode(text[begins:], type=Seal)
    except msgspec.MsgspecError as problem:
        raise UsageError(f"{path}: its last line, the seal: {problem}") from problem


def _lines_unchanged(path: Path, text: memoryview, seal: Seal | None) -> None:
    """Whether no line of a closed history was changed, added or taken away. gzip's own checksum is made
    anew by whoever packs it again.

    Raises:
        UsageError: one was.
    """
    wanted = seal.files.get(PLAIN) if seal else None
    digest = new_digest()
    digest.update(text)
    if wanted is not None and wanted != digest.hexdigest():
        raise UsageError(f"{path}: damaged: the checksum of its lines is not that which the run left")


def _verified_tables(directory: Path, seal: Seal | None, *, in_memory: bool) -> OperationTable:
    """The columns, once it is clear that they are what the run left.

    Raises:
        UsageError: one is not.
        OSError, ValueError: a file is missing, or cannot be read.
    """
    for name in TABLES:
        if seal is not None and digest_of(directory / name) != seal.files.get(name):
            raise UsageError(f"{directory / name}: damaged: its checksum is not that which the run left")
    return read_tables(directory, in_memory=in_memory)


def _belongs_together(directory: Path, opening: Opening, seal: Seal | None) -> None:
    """Whether this plan is the one that was run.

    Raises:
        UsageError: it is damaged, or another run's.
    """
    wanted = {opening.plan_digest or None, seal.files.get(PLAN) if seal else None} - {None}
    if wanted and wanted != {digest_of_plan(directory)}:
        raise UsageError(
            f"{directory / PLAN}: damaged, or the plan of another run: its checksum is not that which the "
            "run noted"
        )


def _read_lines(path: Path, plan: Plan, text: memoryview, broke_off: str) -> History:
    decoded = _decoded(path, text)
    opening = decoded.records[0][1] if decoded.records else None
    if not isinstance(opening, Opening):
        raise UsageError(f"{path}: line 1 should be the opening of a history, found {_first_line(text)!r}")
    if not 1 <= opening.format <= FORMAT:
        raise UsageError(
            f"{path}: line 1: format {FORMAT} expected, found {opening.format}: use the kit's "
            "version that recorded it"
        )
    return _assembled(path, plan, decoded, broke_off)


_KEYS_ONCE = ((b'"hold_s":', b'"for_s":'),)
"""What keys of a plan were called in earlier runs, and are called now. In a text JSON escapes the quotes."""


def _read_plan(path: Path) -> Plan:
    try:
        content = read_file(path, most_bytes=_MOST_PLAN_BYTES)
        for once, now in _KEYS_ONCE:
            content = content.replace(once, now)
        return msgspec.json.decode(content, type=Plan)
    except OSError as problem:
        raise UsageError(
            f"{path}: {problem.strerror}: a run's folder holds its plan beside its history"
        ) from problem
    except (msgspec.MsgspecError, ValueError) as problem:
        raise UsageError(f"{path}: not a plan of this version of the kit: {problem}") from problem


def _with_traits(plan: Plan, faults: Mapping[str, Declaration]) -> Plan:
    steps = tuple(
        step if step.traits or step.kind not in faults else replace(step, traits=faults[step.kind].traits)
        for step in plan.scenario.faults
    )
    return replace(plan, scenario=replace(plan.scenario, faults=steps))


def _read_text(directory: Path) -> tuple[Path, bytes, str]:
    """Path, whole lines, and why the text breaks off (empty: it does not)."""
    compressed, plain = directory / COMPRESSED, directory / PLAIN
    path = compressed if is_file(compressed) else plain
    try:
        text = _unpacked(read_file(path)) if path is compressed else read_file(path, most_bytes=_MOST_BYTES)
    except FileNotFoundError as problem:
        raise UsageError(f"{directory}: no history here: expected {COMPRESSED} or {PLAIN}") from problem
    except OSError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    except (zlib.error, ValueError) as problem:
        raise UsageError(f"{path}: damaged, cannot be read: {problem}") from problem
    if not text or text.endswith(b"\n"):
        return path, text, ""
    whole = text[: text.rfind(b"\n") + 1]
    return (
        path,
        whole,
        "its last line is cut off: the harness was killed while it wrote it, or the disk was full",
    )


def _unpacked(packed: bytes) -> bytes:
    """The content of a gzip file, up to what one of that size may sensibly hold.

    Raises:
        ValueError, zlib.error: it is cut off, damaged, or holds more.
    """
    most = min(unpacked_at_most(len(packed)), _MOST_BYTES)
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | _GZIP)
    content = unpacker.decompress(packed, most)
    if unpacker.unconsumed_tail:
        raise ValueError(f"it unpacks to more than {most >> 20} MiB, which no run leaves")
    if not unpacker.eof:
        raise ValueError("it is cut off")
    if unpacker.unused_data:
        raise ValueError("something follows its end")
    return content


@dataclass(slots=True)
class _Decoded:
    records: list[tuple[int, Record]] = field(default_factory=list)
    """Each with its line's number."""
    audit: PackedAudit | None = None
    """The entries of a long one; those of others are among the records."""


def _decoded(path: Path, text: memoryview) -> _Decoded:
    decoder = msgspec.json.Decoder(Record)
    found = _Decoded(audit=PackedAudit() if len(text) > LONG_BYTES else None)
    number = 1
    with without_collections():
        for part in _parts(text):
            try:
                records = decoder.decode_lines(part)
            except (msgspec.MsgspecError, ValueError) as problem:
                raise _no_record(path, bytes(part), number) from problem
            _take(found, records, number, part)
            number += len(records)
        if found.audit is not None:
            found.audit.end()  # it has a part of the text until then
    return found


def _take(found: _Decoded, records: list[Record], first: int, part: memoryview) -> None:
    if found.audit is None:
        found.records += enumerate(shared(records), first)
        return
    kinds = {*map(type, records)}
    if kinds == {AuditEntry}:
        found.audit.add(cast("list[AuditEntry]", records), part)
        return
    if AuditEntry in kinds:
        found.audit.add([one for one in records if isinstance(one, AuditEntry)])
    found.records += [pair for pair in enumerate(records, first) if not isinstance(pair[1], AuditEntry)]


def _no_record(path: Path, part: bytes, first: int) -> UsageError:
    """Which of these lines is none."""
    decoder = msgspec.json.Decoder(Record)
    for number, line in enumerate(part.split(b"\n")[:-1], first):
        try:
            decoder.decode(line)
        except (msgspec.MsgspecError, ValueError) as problem:
            return UsageError(f"{path}: line {number}: {problem}, found {_clipped(line)!r}")
    return UsageError(f"{path}: not lines of JSON")


def _parts(text: memoryview) -> Iterator[memoryview]:
    """Whole lines, about half a megabyte at a time."""
    whole, begin = cast("bytes", text.obj), 0
    while begin < len(text):
        end = whole.find(b"\n", begin + _PART_BYTES, len(text)) + 1 or len(text)
        yield text[begin:end]
        begin = end


def _first_line(text: memoryview) -> str:
    return _clipped(bytes(text[:_SHOWN]).partition(b"\n")[0])


def _clipped(line: bytes) -> str:
    return line[:_SHOWN].decode(errors="replace")


def _assembled(path: Path, plan: Plan, decoded: _Decoded, broke_off: str) -> History:
    """The lines as a history; the first of them is its opening."""
    kinds: dict[type, list[tuple[int, Record]]] = {}
    for number, rec in decoded.records:
        kinds.setdefault(type(rec), []).append((number, rec))
    for once in (Opening, Closing, AuditSummary):
        if len(found := kinds.get(once, [])) > 1:
            raise UsageError(f"{path}: line {found[1][0]}: a second {_tag(once)}; a history has one")
    closings = _of(kinds, Closing)
    if closings and not isinstance(decoded.records[-1][1], Closing):
        raise UsageError(f"{path}: line {kinds[Closing][0][0] + 1}: something follows the closing line")
    connections = {connection.id: connection for connection in _of(kinds, Connection)}
    return History(
        plan=plan,
        opening=_of(kinds, Opening)[0],
        operations=tuple(sorted(_of(kinds, Operation), key=attrgetter("id"))),
        connections=tuple(connections[n] for n in sorted(connections)),
        unanswered=tuple(sorted(_of(kinds, Unanswered), key=attrgetter("connection"))),
        samples=tuple(sorted(_of(kinds, NodeSample), key=attrgetter("done_us"))),
        events=tuple(sorted(_of(kinds, Event), key=attrgetter("t_us"))),
        clocks=tuple(sorted(_of(kinds, ClockPair), key=attrgetter("t_us"))),
        clock_readings=tuple(sorted(_of(kinds, ClockReading), key=attrgetter("done_us"))),
        phases=tuple(sorted(_of(kinds, PhaseChange), key=attrgetter("t_us"))),
        brackets=tuple(sorted(_of(kinds, Bracket), key=attrgetter("t_us"))),
        audit=_in_order(_of(kinds, AuditEntry) if decoded.audit is None else decoded.audit),
        objects=tuple(sorted(_of(kinds, ObjectEntry), key=attrgetter("pass_n", "sent_us"))),
        audit_summary=next(iter(_of(kinds, AuditSummary)), None),
        readings=tuple(sorted(_of(kinds, ForensicReading), key=attrgetter("done_us"))),
        forensics=tuple(sorted(_of(kinds, ForensicEntry), key=attrgetter("reading", "sent_us"))),
        closing=closings[0] if closings else None,
        incomplete=broke_off or ("" if closings else "it has no closing line: the harness was killed"),
    )


def _in_order(audit: Sequence[AuditEntry]) -> Sequence[AuditEntry]:
    """By pass and time, as the kit writes it: what is packed stays packed then."""
    if isinstance(audit, PackedAudit) and audit.ordered:
        return audit
    return tuple(sorted(audit, key=IN_ORDER))


def _with_operations(path: Path, past: History, tables: Future[OperationTable], seal: Seal | None) -> History:
    """The operations of a closed history from their columns, and a word about those that are missing."""
    found = len(past.operations)
    closed = path.name == COMPRESSED
    if closed:
        past = replace(past, unchecked=_unchecked(path, past.opening.format, seal))
    if not closed and past.opening.format >= SEALED_SINCE and past.complete:
        past = replace(past, incomplete="it was never closed: the harness was killed, or the disk was full")
    if closed and past.opening.format > 1 and not found:
        try:
            table = tables.result()
        except (OSError, ValueError) as problem:
            raise UsageError(
                f"{path.parent}: {', '.join(TABLES)}: cannot be read: {_of_system(problem)}"
            ) from problem
        past, found = replace(past, operations=table), len(table)
    counted = past.closing.operations if past.closing else 0
    if found < counted and past.complete:
        return replace(past, incomplete=f"it has {found} of {counted} operations")
    return past


def _unchecked(path: Path, written_as: int, seal: Seal | None) -> str:
    """What of a closed history has no checksum, as it was recorded before there was one.

    Raises:
        UsageError: it is new enough to have it.
    """
    if seal is None and written_as >= SEALED_SINCE:
        raise UsageError(f"{path}: damaged: it lacks its last line, which has the checksums")
    if seal is not None and PLAIN not in seal.files and written_as >= LINES_SEALED_SINCE:
        raise UsageError(f"{path}: damaged: its last line lacks the checksum of the others")
    if written_as >= LINES_SEALED_SINCE:
        return ""
    what = "its lines have no checksum" if seal else "it has no checksums"
    return f"{what}: it was recorded by an older version of the kit (format {written_as})"


def _of_system(problem: Exception) -> str:
    return getattr(problem, "strerror", None) or str(problem)


def _of(kinds: dict[type, list[tuple[int, Record]]], kind: type[T]) -> list[T]:
    return [rec for _, rec in kinds.get(kind, []) if isinstance(rec, kind)]


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)
