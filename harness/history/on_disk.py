"""A Parquet file that looks like a table and reads a column when it is asked for, without keeping it.

Judging a long run needs a third of the columns, most of them once, and never all at the same time. Has
of a table only what the screen and `OperationTable.take` use. Trap: the file must stay where it is; what
turns out to be damaged only now is a `UsageError` like everything else that is wrong with a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from harness.errors import UsageError

KEPT = frozenset({"row", "id"})
"""Asked for again and again."""
ReadColumn = Callable[[Path, str], pa.ChunkedArray]


class ColumnsOnDisk:
    def __init__(self, path: Path, columns: Sequence[str], read: ReadColumn) -> None:
        """
        Raises:
            OSError, ValueError: there is no such file, or it is damaged (pyarrow's errors derive from these).
        """
        self._path = path
        self._read = read
        self.column_names = list(columns)
        self.num_rows: int = pq.read_metadata(path).num_rows
        self._kept: dict[str, pa.ChunkedArray] = {}
        self._taken = self._keeps_all = False

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name in self._kept:
            return self._kept[name]
        try:
            column = self._read(self._path, name)
        except (OSError, ValueError) as problem:
            raise UsageError(f"{self._path}: column {name} cannot be read: {problem}") from problem
        if name in KEPT or self._keeps_all:
            self._kept[name] = column
        return column

    def chunks(self, name: str) -> Iterator[pa.Array]:
        """The column's row groups one after the other, each with a dictionary of its own."""
        if name in self._kept:
            yield from self._kept[name].iterchunks()
            return
        try:
            file = pq.ParquetFile(self._path, memory_map=False, read_dictionary=[name])
            for group in range(file.num_row_groups):
                yield from file.read_row_group(group, columns=[name], use_threads=False)[name].iterchunks()
        except (OSError, ValueError) as problem:
            raise UsageError(f"{self._path}: column {name} cannot be read: {problem}") from problem

    def take(self, rows: npt.NDArray[np.int64]) -> pa.Table:
        """These rows of all columns, as a table in memory. Whoever takes twice will take again: from then
        on everything is kept."""
        places = pa.array(rows)
        self._keeps_all, self._taken = self._taken, True
        return pa.table({name: _without_the_rest(self[name].take(places)) for name in self.column_names})


def _without_the_rest(column: pa.ChunkedArray) -> pa.Array:
    """With a dictionary of its own, so that the large one can go."""
    packed = column.combine_chunks()
    if pa.types.is_dictionary(packed.type):
        return packed.dictionary_decode().dictionary_encode()
    return packed
