"""Reads a run's history back, closed or not: checks what it is made of, and sorts it by kind.

A closed one has its operations in columns, which stay columns; a run that was killed left only lines.
Traps: whoever dies by SIGKILL leaves an unterminated last line, which is dropped and reported; anything
else that cannot be decoded is an error. What is missing is said in `History.incomplete`, never passed over.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import TypeVar

import msgspec

from harness.errors import UsageError
from harness.history.columns import read_tables
from harness.history.files import COMPRESSED, FORMAT, PLAIN, TABLES, without_collections
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
from harness.model.scenario import Declaration
from harness.model.table import OperationTable

T = TypeVar("T")

_PART_BYTES = 1 << 19
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
    plan = _with_traits(_read_plan(directory / "plan.json"), faults)
    path, text, broke_off = _read_text(directory)
    with ThreadPoolExecutor(1) as beside:  # columns are read while lines are decoded
        tables = beside.submit(read_tables, directory, in_memory=in_memory)
        past = _read_lines(path, plan, text, broke_off)
    return _with_operations(path, past, tables)


def _read_lines(path: Path, plan: Plan, text: bytes, broke_off: str) -> History:
    records = _decoded(path, text)
    if not records or not isinstance(records[0], Opening):
        raise UsageError(f"{path}: line 1 should be the opening of a history, found {_first_line(text)!r}")
    opening = records[0]
    if opening.format not in {1, FORMAT}:
        raise UsageError(
            f"{path}: line 1: format {FORMAT} expected, found {opening.format}: use the kit's "
            "version that recorded it"
        )
    return _assembled(path, plan, records, broke_off)


def _read_plan(path: Path) -> Plan:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Plan)
    except OSError as problem:
        raise UsageError(
            f"{path}: {problem.strerror}: a run's folder holds its plan beside its history"
        ) from problem
    except msgspec.MsgspecError as problem:
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
    path = compressed if compressed.exists() else plain
    try:
        text = gzip.decompress(path.read_bytes()) if path is compressed else path.read_bytes()
    except FileNotFoundError as problem:
        raise UsageError(f"{directory}: no history here: expected {COMPRESSED} or {PLAIN}") from problem
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
    records: list[Record] = []
    with without_collections():
        try:
            for part in _parts(text):
                records += _shared(decoder.decode_lines(part))
        except msgspec.MsgspecError:
            records.clear()
    if records or not text:
        return records
    for number, line in enumerate(text.split(b"\n")[:-1], start=1):
        try:
            decoder.decode(line)
        except msgspec.MsgspecError as problem:
            raise UsageError(f"{path}: line {number}: {problem}, found {_clipped(line)!r}") from problem
    raise UsageError(f"{path}: not lines of JSON")


def _parts(text: bytes) -> Iterator[memoryview]:
    """Whole lines, about half a megabyte at a time."""
    whole, begin = memoryview(text), 0
    while begin < len(text):
        end = text.find(b"\n", begin + _PART_BYTES) + 1 or len(text)
        yield whole[begin:end]
        begin = end


def _shared(records: list[Record]) -> list[Record]:
    """What the nodes say of a session is mostly the same: kept once, as a long audit takes a hundred
    megabytes otherwise. Only for reading."""
    before: AuditEntry | None = None
    for entry in records:
        if isinstance(entry, AuditEntry):
            entry.node, entry.run_id, entry.role = (
                intern(entry.node),
                intern(entry.run_id),
                intern(entry.role),
            )
            if before is not None and before.session == entry.session:
                entry.session = before.session
            if before is not None and before.saw == entry.saw and before.witnesses == entry.witnesses:
                entry.saw, entry.witnesses = before.saw, before.witnesses
            before = entry
    return records


def _first_line(text: bytes) -> str:
    return _clipped(text.partition(b"\n")[0])


def _clipped(line: bytes) -> str:
    return line[:80].decode(errors="replace")


def _assembled(path: Path, plan: Plan, records: list[Record], broke_off: str) -> History:
    """The lines as a history; `records[0]` is its opening."""
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
        opening=_of(kinds, Opening)[0],
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


def _with_operations(path: Path, past: History, tables: Future[OperationTable]) -> History:
    """The operations of a closed history from their columns, and a word about those that are missing."""
    found = len(past.operations)
    if path.name == COMPRESSED and past.opening.format == FORMAT and not found:
        try:
            table = tables.result()
        except (OSError, ValueError) as problem:
            raise UsageError(f"{path.parent}: {', '.join(TABLES)}: cannot be read: {problem}") from problem
        past, found = replace(past, operations=table), len(table)
    counted = past.closing.operations if past.closing else 0
    if found < counted and past.complete:
        return replace(past, incomplete=f"it has {found} of {counted} operations")
    return past


def _of(kinds: dict[type, list[tuple[int, Record]]], kind: type[T]) -> list[T]:
    return [rec for _, rec in kinds.get(kind, []) if isinstance(rec, kind)]


def _tag(kind: type[msgspec.Struct]) -> str:
    return str(kind.__struct_config__.tag)
