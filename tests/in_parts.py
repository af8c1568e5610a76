"""A history in memory that is read part by part, as a long one is from the disk."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import pyarrow as pa

from harness.model.history import History
from harness.model.table import OperationTable

UNREAD = pa.table({})


@contextmanager
def in_parts(history: History, of: int = 1) -> Iterator[History]:
    """The same history; whoever goes through it gets so many operations at a time, and no column that it did
    not ask for."""

    def parts(
        table: OperationTable, columns: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[slice, OperationTable]]:
        assert set(columns) <= {"operations", "steps", "attempts"}
        for first in range(0, len(table), of):
            end = min(first + of, len(table))
            part = table.take(np.arange(first, end))
            asked = {"operations": ("id",), **{name: ("row",) for name in columns if name != "operations"}}
            told = {
                name: getattr(part, name).select([*dict.fromkeys((*always, *columns.get(name, ())))])
                for name, always in asked.items()
            }
            yield slice(first, end), OperationTable(**{"steps": UNREAD, "attempts": UNREAD, **told})

    with mock.patch.object(OperationTable, "parts", parts):
        yield replace(history, operations=history.table)
