"""A Parquet file that looks like a table and reads a column when it is asked for, without keeping it.

Judging a long run needs a third of the columns, most of them once, and never all at the same time. Has
of a table only what the screen and `OperationTable.take` use. Trap: the file must stay where it is; what
turns out to be damaged only now is a `UsageError` like everything else that is wrong with a history.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Lock

from harness.costly import np, pa, pc, pq
from harness.errors import UsageError
from harness.model.table import Rows, compacted

KEPT = frozenset({"row", "id", "does", "result", "effective"})
"""Asked for again and again."""
IN_TURN = tuple(
    (table, name)
    for table, names in (
        ("operations", "outcome done_us web_server client_side behaviour"),
        ("steps", "does"),
        ("operations", "kind phase shard due_us sent_us"),
        ("steps", "effective"),
        ("attempts", "result"),
        ("operations", "session user"),
        ("steps", "session member members sent_us done_us outcome error attempts"),
        ("attempts", "n sent_us"),
        ("steps", "added added_now removed ttl_ms pttl_ms witness"),
    )
    for name in names.split()
)
"""What judging asks for first, in its order: read by another thread before it does. Only a matter of
speed; what is asked for out of turn is read then."""
AT_ONCE = 2
"""Columns that are read and not asked for yet: some megabytes each in a long run."""

READERS = 2

ReadColumn = Callable[[Path, str], pa.ChunkedArray]


class ReadAhead:
    """Columns of the files in a folder, the next ones always being read already."""

    def __init__(self, directory: Path, read: ReadColumn) -> None:
        self._directory = directory
        self._read = read
        self._left = list(IN_TURN)
        self._begun: dict[tuple[str, str], Future[pa.ChunkedArray]] = {}
        self._lock = Lock()
        self._reader = ThreadPoolExecutor(1)
        for _ in range(AT_ONCE):
            self._begin()

    def __call__(self, path: Path, name: str) -> pa.ChunkedArray:
        column = (path.stem, name)
        with self._lock:
            begun = self._begun.pop(column, None)
            if begun is not None:
                self._begin()
            elif column in self._left:
                self._left.remove(column)
        return self._read(path, name) if begun is None else begun.result()

    def _begin(self) -> None:
        if self._left:
            table, name = self._left.pop(0)
            path = self._directory / f"{table}.parquet"
            self._begun[table, name] = self._reader.submit(self._read, path, name)


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
        self._kept: dict[str, pa.ChunkedArray] = {}
        self._last: tuple[Rows, pa.Table] = np.zeros(0, np.int64), None

    def __getitem__(self, name: str) -> pa.ChunkedArray:
        if name in self._kept:
            return self._kept[name]
        with self._readable(f"column {name}"):
            column = self._read(self._path, name)
        if name in KEPT:
            self._kept[name] = column
        return column

    def extremes(self, name: str) -> tuple[int | None, int | None]:
        """The least and the largest number of a column: read, as the file itself may say anything of it."""
        told = [pc.min_max(chunk) for chunk in self.chunks(name)]
        least = [one["min"].as_py() for one in told if one["min"].is_valid]
        most = [one["max"].as_py() for one in told if one["max"].is_valid]
        return min(least, default=None), max(most, default=None)

    def chunks(self, name: str) -> Iterator[pa.Array]:
        """The column's row groups one after the other, each with a dictionary of its own."""
        if name in self._kept:
            yield from self._kept[name].iterchunks()
            return
        with self._readable(f"column {name}"):
            for group in range(self._metadata.num_row_groups):
                yield from self._group(group, [name])[name].iterchunks()

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
        return file.read_row_group(group, columns=columns, use_threads=False)

    @contextmanager
    def _readable(self, what: str) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as problem:
            raise UsageError(f"{self._path}: {what} cannot be read: {problem}") from problem


def _without_the_rest(column: pa.ChunkedArray) -> pa.Array:
    """With a dictionary of its own, so that the large one can go."""
    packed = column.combine_chunks()
    return compacted(packed) if pa.types.is_dictionary(packed.type) else packed
