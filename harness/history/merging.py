"""What a load engine elsewhere has recorded of a run, moved from its clock to the run's.

A part is a closed history of its own with what one worker did: operations, connections, redirections. Its
operations have ids of their own range, so one part after the other is in the order of ids.

Every moment becomes the end of an interval that certainly holds it: what begins a span the earliest, what
ends it the latest. So whoever compares spans, as all checks do, calls two operations of different workers
concurrent unless their order is certain.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from harness.costly import np, pa
from harness.history.files import COMPRESSED, TABLES, digest_of
from harness.model.clock_bounds import ClockBounds
from harness.model.records import Connection, Event, Record, Seal

BEGINS = frozenset({"due_us", "sent_us", "opened_us"})
ENDS = frozenset({"done_us", "closed_us"})
"""Fields of operations, steps, attempts and connections."""
MOMENTS = BEGINS | ENDS

_AT_ONCE = 8_192
"""Moments: moving them takes a dozen arrays, which stay in the processor's cache then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one worker has recorded."""

    folder: Path
    bounds: ClockBounds

    def moved(self, table: pa.Table) -> pa.Table:
        """A table of operations, steps or attempts, on the run's clock."""
        for at, name in enumerate(table.column_names):
            if name in MOMENTS:
                table = table.set_column(at, table.schema.field(at), self._column(name, table[name]))
        return table

    def _column(self, name: str, column: pa.ChunkedArray) -> pa.Array:
        packed = column.combine_chunks()
        move = self.bounds.earliest if name in BEGINS else self.bounds.latest
        times = np.array(packed.fill_null(0))
        for at in range(0, len(times), _AT_ONCE):
            few = times[at : at + _AT_ONCE]
            few[:] = move(few)
        return pa.array(times, pa.int64(), mask=packed.is_null().to_numpy(zero_copy_only=False))

    def records(self) -> Iterator[Record]:
        """Its other records: connections, and what its web servers said.

        Raises:
            OSError, ValueError, EOFError: they cannot be read, or its columns are not what the worker left.
        """
        decode = msgspec.json.Decoder(Record | Seal).decode
        sealed = False
        with gzip.open(self.folder / COMPRESSED, "rb") as lines:
            for line in lines:
                record = decode(line)
                if isinstance(record, Connection):
                    yield self.moved_connection(record)
                elif isinstance(record, Event):
                    earliest_us, latest_us = self.span(record.t_us, record.t_us)
                    error_us = record.error_us + latest_us - earliest_us
                    yield structs.replace(record, t_us=latest_us, error_us=error_us)
                elif isinstance(record, Seal):
                    self._check(record)
                    sealed = True
        if not sealed:
            raise ValueError(f"{COMPRESSED} lacks its last line, which has the checksums of the columns")

    def _check(self, seal: Seal) -> None:
        """Most columns are copied unread: what is damaged must show here."""
        for name in TABLES:
            if digest_of(self.folder / name) != seal.files.get(name):
                raise ValueError(f"{name} is damaged: its checksum is not that which the worker left")

    def moved_connection(self, one: Connection) -> Connection:
        opened_us, closed_us = self.span(
            one.opened_us, one.opened_us if one.closed_us is None else one.closed_us
        )
        times: dict[str, Any] = {"opened_us": opened_us}
        if one.closed_us is not None:
            times["closed_us"] = closed_us
        return structs.replace(one, **times)

    def span(self, from_us: int, until_us: int) -> tuple[int, int]:
        earliest, latest = self.bounds.moved(np.array([from_us]), np.array([until_us]))
        return int(earliest[0]), int(latest[0])

    def remove(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
