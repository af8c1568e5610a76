"""Three Parquet files of operations: written group by group in flat memory, read back as one table.

Any reader of Parquet opens them (DuckDB, pandas, Polars). `row` in `steps.parquet` and in
`attempts.parquet` is the position of their operation in `operations.parquet`, counted from 0 over the
whole file. Does not know where the operations come from, nor what they mean.

Trap: operations are recorded when they end and kept in the order in which they began. A group is sorted
together with the first of the next, which puts nearly all of them in place; reading sorts the rest.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

from harness.costly import np, pa, pc, pq
from harness.history.files import HALF, TABLES, unpacked_at_most
from harness.history.footers import check_histograms
from harness.history.on_disk import ColumnsOnDisk, whole
from harness.history.pages import unpacked_bytes
from harness.model.table import Holds, OperationTable, arrow_type, rows_of
from harness.safe_files import opened

GROUP_OPERATIONS = 131_072
"""Operations in a row group: what a session repeats is stored once per group, and packing one takes
about 100 MB at most."""
OVERLAP_OPERATIONS = 8_192
"""Held back for the next group, in case one that began earlier is still to come."""

SMALL_BYTES = 1 << 19
"""A run whose files are no larger is read at once: most runs of half a minute are."""
_READERS = 2

_ROWS_ALWAYS = 100_000
"""And one more for each byte of the file: a row of a real run takes twenty or more."""
_COMPRESSION_LEVEL = 3
_PAGE_BYTES = 1 << 26
"""A column of a group is one page: compression sees all of it."""


class ColumnWriter:
    """Collects operations and writes them to three `.part` files; `finish` gives these their names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._held: list[OperationTable] = []
        self._count = 0
        self._written = 0
        self._files: list[pq.ParquetWriter] = []
        empty = OperationTable.of(())
        try:
            for name, table in zip(TABLES, _parts(empty), strict=True):
                self._files.append(new_file(directory / (name + HALF), table.schema))
        except OSError:
            self.abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abandon()

    def add(self, table: OperationTable) -> None:
        """Take operations, in any order.

        Raises:
            OSError: the disk does not take them.
        """
        if len(table):
            self._held.append(table)
            self._count += len(table)
        while self._count >= GROUP_OPERATIONS + OVERLAP_OPERATIONS:
            self._write_group(GROUP_OPERATIONS)

    def finish(self) -> None:
        """Write what is held and put the files in place.

        Raises:
            OSError: the disk does not take them.
        """
        if self._count:
            self._write_group(self._count)
        for file in self._files:
            file.close()
        self._files.clear()
        for name in TABLES:
            (self._directory / (name + HALF)).replace(self._directory / name)

    def abandon(self) -> None:
        """Close and remove what was not finished; nothing, after `finish`."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.close()
        self._files.clear()
        for name in TABLES:
            with contextlib.suppress(OSError):
                (self._directory / (name + HALF)).unlink(missing_ok=True)

    def _write_group(self, size: int) -> None:
        held = OperationTable.joined(self._held).sorted_by_id()
        for file, table in zip(self._files, _parts(held.part(0, size)), strict=True):
            file.write_table(
                _compact(counted_on(table, self._written)), row_group_size=max(1, table.num_rows)
            )
        self._written += size
        self._held = [held.part(size, len(held))]
        self._count -= size


def read_tables(directory: Path, *, in_memory: bool = True) -> OperationTable:
    """All operations, sorted by id. `in_memory` False: each column is read when it is asked for.

    Raises:
        OSError, ValueError: a file is missing or damaged (pyarrow's errors derive from these).
    """
    if all((directory / name).stat().st_size <= SMALL_BYTES for name in TABLES):
        read: Callable[[Path, Sequence[str]], Any] = _whole
    else:
        read = _read if in_memory else _on_disk
    operations, steps, attempts = (
        read(directory / name, table.column_names)
        for name, table in zip(TABLES, _parts(OperationTable.of(())), strict=True)
    )
    return OperationTable(operations=operations, steps=steps, attempts=attempts).sorted_by_id()


@cache
def schema_of(name: str) -> pa.Schema:
    """As the kit writes the file of that name."""
    return dict(zip(TABLES, _parts(OperationTable.of(())), strict=True))[name].schema


def _parts(table: OperationTable) -> tuple[pa.Table, pa.Table, pa.Table]:
    return table.operations, table.steps, table.attempts


def new_file(path: Path | BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """A file of the kit's for columns of that schema."""
    rising = [field.name for field in schema if _rises(field)]
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        compression_level=_COMPRESSION_LEVEL,
        use_dictionary=[_leaf(field) for field in schema if not _rises(field)],
        column_encoding=dict.fromkeys(rising, "DELTA_BINARY_PACKED"),
        data_page_size=_PAGE_BYTES,
        dictionary_pagesize_limit=_PAGE_BYTES,
    )


def _rises(field: pa.Field) -> bool:
    """Times and numbers that are near the one before: their differences are smaller than they are."""
    return field.name in {"id", "row"} or field.name.endswith("_us")


def _leaf(field: pa.Field) -> str:
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def counted_on(table: pa.Table, before: int) -> pa.Table:
    """With `row` counted over the whole file; operations have none."""
    if "row" not in table.column_names:
        return table
    rows = pa.array(rows_of(table) + before)
    return table.set_column(table.schema.get_field_index("row"), "row", rows)


def _compact(table: pa.Table) -> pa.Table:
    """Dictionaries without what no row uses, sorted: what a session showed over time lies side by side
    then, which compresses to a fraction."""
    columns = [
        _sorted(column.combine_chunks()) if column.type == arrow_type(Holds.TEXT) else column
        for column in table.columns
    ]
    return pa.table(columns, schema=table.schema)


def _sorted(column: pa.DictionaryArray) -> pa.DictionaryArray:
    codes = pc.fill_null(column.indices, -1).to_numpy()
    used = np.zeros(len(column.dictionary), dtype=bool)
    used[codes[codes >= 0]] = True
    kept = np.flatnonzero(used)
    texts = column.dictionary.take(pa.array(kept))
    order = pc.sort_indices(texts).to_numpy()
    new = np.empty(len(used) + 1, dtype=np.int32)
    new[kept[order]] = np.arange(len(order))
    indices = pa.array(new[codes], pa.int32(), mask=codes < 0)
    return pa.DictionaryArray.from_arrays(indices, texts.take(pa.array(order)))


def _whole(path: Path, columns: Sequence[str]) -> pa.Table:
    """All columns in one go: to open a small file for each takes longer than to read it."""
    check_complete(path, columns)
    file = pq.ParquetFile(path, memory_map=False)
    table = whole(file.read(columns=list(columns), use_threads=False), path)
    if len(table) != file.metadata.num_rows:
        raise ValueError(f"expected {file.metadata.num_rows} rows, found {len(table)}")
    return table.unify_dictionaries().combine_chunks().select(list(columns))


def _read(path: Path, columns: Sequence[str]) -> pa.Table:
    """Column by column, each made one chunk at once: reading takes little more memory than the table."""
    check_complete(path, columns)
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(partial(_column, path), columns)
        return pa.table(dict(zip(columns, found, strict=True)))


def _on_disk(path: Path, columns: Sequence[str]) -> ColumnsOnDisk:
    check_complete(path, columns)
    return ColumnsOnDisk(path, columns, _column)


def check_complete(path: Path, columns: Sequence[str]) -> None:
    """Refuse what the kit did not write: columns of other types, and more than a file of its size holds.

    Raises:
        OSError, ValueError: it is so, or it is no file of columns at all, or a link.
    """
    with opened(path) as file:
        size = os.fstat(file.fileno()).st_size
        metadata, schema = _told_by(file)
        check_histograms(file, metadata.schema)
        _of_the_kit(schema, schema_of(path.name), columns)
        groups = range(metadata.num_row_groups)
        rows = sum(metadata.row_group(number).num_rows for number in groups)
        if rows != metadata.num_rows or not 0 <= rows <= _ROWS_ALWAYS + size:
            raise ValueError(f"{metadata.num_rows} rows in {size} bytes: no run leaves that")
        unpacked = unpacked_bytes(file, size, metadata, values_at_most=_ROWS_ALWAYS + size)
    if unpacked > unpacked_at_most(size):
        raise ValueError(f"{size} bytes unpack to {unpacked}: no run leaves that")


def _told_by(file: BinaryIO) -> tuple[pq.FileMetaData, pa.Schema]:
    """
    Raises:
        OSError, ValueError: it cannot be read, or has types that Arrow does not know.
    """
    try:
        return pq.read_metadata(file), pq.read_schema(file)
    except NotImplementedError as problem:
        raise ValueError(f"it has a column of no type of the kit's: {problem}") from problem


def _of_the_kit(schema: pa.Schema, wanted: pa.Schema, columns: Sequence[str]) -> None:
    missing = set(columns) - set(schema.names)
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}: use the kit's version that recorded it")
    if len(set(schema.names)) < len(schema.names):
        raise ValueError("two of its columns have one name")
    for name in columns:
        if schema.field(name).type != wanted.field(name).type:
            raise ValueError(
                f"column {name}: expected {wanted.field(name).type}, found {schema.field(name).type}"
            )


def _column(path: Path, name: str) -> pa.ChunkedArray:
    file = pq.ParquetFile(path, memory_map=False)
    column = whole(file.read(columns=[name], use_threads=False), path)
    if len(column) != file.metadata.num_rows:
        raise ValueError(f"column {name}: expected {file.metadata.num_rows} rows, found {len(column)}")
    return column.unify_dictionaries().combine_chunks()[name]
