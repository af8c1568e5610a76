"""The operations of several closed histories become those of one.

Row group after row group: moments are moved to the run's clock, and `row` is counted over the whole file.
The other columns are copied as they lie: to unpack and pack them again took three quarters of the time. So
merging holds one column of one group, however long the run was.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO

from harness.costly import pa, pq
from harness.history.columns import check_complete, counted_on, new_file, schema_of
from harness.history.files import HALF, TABLES
from harness.history.footers import Assembled, Chunk, Footer
from harness.history.merging import MOMENTS, Part
from harness.safe_files import opened


def join(directory: Path, parts: Sequence[Part]) -> None:
    """Add the operations of parts to those of the closed columns in `directory`. Their ids come after those
    that are there, part by part.

    Raises:
        OSError, ValueError: a part cannot be read, or the disk does not take it. Halves of files are left,
            with the names of a `ColumnWriter`'s, which removes them.
    """
    halves = [directory / (name + HALF) for name in TABLES]
    for half, name in zip(halves, TABLES, strict=True):
        with half.open("wb") as file:
            _join(file, directory, name, parts)
    for half, name in zip(halves, TABLES, strict=True):
        half.replace(directory / name)


def _join(file: BinaryIO, directory: Path, name: str, parts: Sequence[Part]) -> None:
    whole = Assembled(file)
    with opened(directory / name) as ours:
        own = Footer.of(ours)
        for group in own.groups():
            whole.add(group)
    operations = _operations(directory)
    for part in parts:
        _add(whole, part, name, operations)
        operations += _operations(part.folder)
    whole.finish(own)


def _add(whole: Assembled, part: Part, name: str, operations: int) -> None:
    """One table of a part, behind so many operations."""
    path, schema = part.folder / name, schema_of(name)
    try:
        check_complete(path, schema.names)
    except ValueError as problem:
        raise ValueError(f"{path}: {problem}") from problem
    changed = [one for one in schema.names if one == "row" or one in MOMENTS]
    with opened(path) as file, pq.ParquetFile(path, memory_map=False) as table:
        if table.schema_arrow != schema:
            raise ValueError(
                f"{path}: expected the columns that this version of the kit writes, found others"
            )
        for number, group in enumerate(Footer.of(file).groups()):
            read = partial(table.read_row_group, number, use_threads=False)
            columns = (counted_on(part.moved(read(columns=[one])), operations) for one in changed)
            whole.add(group.with_chunks(map(_packed, columns)))


def _packed(column: pa.Table) -> Chunk:
    """As the only column of a row group."""
    file = io.BytesIO()
    with new_file(file, column.schema) as written:
        written.write_table(column, row_group_size=max(1, len(column)))
    ((chunk,),) = (group.chunks for group in Footer.of(file).groups())
    return chunk


def _operations(directory: Path) -> int:
    rows: int = pq.read_metadata(directory / TABLES[0]).num_rows
    return rows
