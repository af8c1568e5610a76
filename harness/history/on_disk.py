"""A Parquet file that looks like a table and reads a column when it is asked for, without keeping it.

Judging a long run needs a third of the columns, and goes through them part by part. Has
of a table only what the screen and `OperationTable.take` use. Trap: the file must stay where it is; what
turns out to be damaged only now is a `UsageError` like everything else that is wrong with a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

from harness.costly import np, pa, pc, pq
from harness.errors import UsageError
from harness.history.files import TABLES
from harness.model.table import ATTEMPT_COLUMNS, OPERATION_COLUMNS, STEP_COLUMNS, Rows, compacted

READERS = 2

_ALWAYS = {
    file: {"row", *(one.name for one in columns if one.always)}
    for file, columns in zip(TABLES, (OPERATION_COLUMNS, STEP_COLUMNS, ATTEMPT_COLUMNS), strict=True)
}
"""The columns of each file in which no row is null."""

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
        self._metadata = pq.read_metadata(path)
        self.num_rows: int = self._metadata.num_rows
        self._last: tuple[Rows, pa.Table] = np.zeros(0, np.int64), None

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        with self._readable(f"column {name}"):
            return self._read(self._path, name)

    def extremes(self, name: str) -> tuple[int | None, int | None]:
        """The least and the largest number of a column: read, as the file itself may say anything of it."""
        told = [pc.min_max(chunk) for chunk in self.chunks(name)]
        least = [one["min"].as_py() for one in told if one["min"].is_valid]
        most = [one["max"].as_py() for one in told if one["max"].is_valid]
        return min(least, default=None), max(most, default=None)

    def chunks(self, name: str) -> Iterator[pa.Array]:
        """The column's row groups one after the other, each with a dictionary of its own."""
        with self._readable(f"column {name}"):
            for group in range(self._metadata.num_row_groups):
                yield from self._group(group, [name])[name].iterchunks()

    def parts(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Row group by row group, the next one always being read already. The kit writes those of the three
        tables together."""
        groups = range(self._metadata.num_row_groups)
        with self._readable("a row group"), ThreadPoolExecutor(1) as reader:
            ahead = [reader.submit(self._group, group, list(columns)) for group in groups[:1]]
            for group in groups:
                part = ahead.pop().result()
                ahead += [
                    reader.submit(self._group, after, list(columns)) for after in groups[group + 1 :][:1]
                ]
                yield part
                del part

    def take(self, rows: Rows) -> pa.Table:
        """These rows of all columns, as a table in memory. The last one is remembered: who looks closely
        at a part of a run comes back for parts of that."""
        held, few = self._last
        if len(held) and np.isin(rows, held).all():
            return few.take(np.searchsorted(held, rows))
        order = np.argsort(rows, kind="stable")
        few = self._rising(rows[order])
        if (order[1:] > order[:-1]).all():
            self._last = rows, few
            return few
        return few.take(np.argsort(order))

    def _rising(self, rows: Rows) -> pa.Table:
        """Group by group: what texts a whole column has, nobody needs for a few of its rows."""
        groups = [self._metadata.row_group(n).num_rows for n in range(self._metadata.num_row_groups)]
        begins = np.cumsum([0, *groups])
        bounds = np.searchsorted(rows, begins).tolist()
        wanted = [
            (group, rows[first:end] - begins[group])
            for group, (first, end) in enumerate(pairwise(bounds))
            if end > first
        ]
        with self._readable("a row group"), ThreadPoolExecutor(READERS) as readers:
            parts = list(readers.map(self._of_group, wanted))
        if not parts:
            return self._metadata.schema.to_arrow_schema().empty_table().select(self.column_names)
        pa.default_memory_pool().release_unused()
        return pa.concat_tables(parts).unify_dictionaries().combine_chunks()

    def _of_group(self, wanted: tuple[int, Rows]) -> pa.Table:
        group, places = wanted
        few = self._group(group, self.column_names).take(pa.array(places))
        return pa.table({name: _without_the_rest(few[name]) for name in self.column_names})

    def _group(self, group: int, columns: list[str]) -> pa.Table:
        file = pq.ParquetFile(self._path, metadata=self._metadata, memory_map=False)
        before = sum(self._metadata.row_group(n).num_rows for n in range(group))
        return whole(file.read_row_group(group, columns=columns, use_threads=False), self._path, before)

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as problem:
            raise UsageError(f"{self._path}: {what} cannot be read: {problem}") from problem


def whole(table: pa.Table, path: Path, before: int = 0) -> pa.Table:
    """The same, which are rows of this file after so many others.

    Raises:
        ValueError: one lacks what every record has.
    """
    for name in table.column_names:
        if name in _ALWAYS[path.name] and table[name].null_count:
            row = before + pc.index(table[name].is_null(), True).as_py()
            raise ValueError(f"column {name}: row {row}, counted from 0, is null, which no run writes")
    return table


def _without_the_rest(column: pa.ChunkedArray) -> pa.Array:
    """With a dictionary of its own, so that the large one can go."""
    packed = column.combine_chunks()
    return compacted(packed) if pa.types.is_dictionary(packed.type) else packed
