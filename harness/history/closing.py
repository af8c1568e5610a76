"""Turns the lines of a finished run into the files that stay: operations as columns, the rest compressed.

Reads `history.jsonl` block by block, so that memory stays flat however long the run was. Decodes nothing
but operations, and of these only what becomes a column.

Trap: whoever is killed in here leaves `history.jsonl` whole. The compressed file gets its name last, when
the columns have theirs, and only then the lines are removed.
"""

from __future__ import annotations

import contextlib
import gzip
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from harness.history.columns import ColumnWriter
from harness.history.files import (
    BLOCK_BYTES,
    COMPRESSED,
    HALF,
    PLAIN,
    PLAN,
    TABLES,
    digest_of,
    digest_of_plan,
    new_digest,
    without_collections,
)
from harness.history.joining import join
from harness.history.merging import Part
from harness.model.records import Seal
from harness.model.table import OperationTable

_COMPRESSION_LEVEL = 6
_OPERATION = b'{"type":"operation",'


def close_files(directory: Path, parts: Sequence[Part] = ()) -> None:
    """Replace `history.jsonl` by its closed form, never leaving half of one. `parts`: operations that others
    have recorded; their other records are lines here already.

    Raises:
        OSError: the disk does not take it; `history.jsonl` stays.
        ValueError: an operation does not fit its columns; `history.jsonl` stays.
    """
    half = directory / (COMPRESSED + HALF)
    try:
        with (
            without_collections(),
            (directory / PLAIN).open("rb") as plain,
            ColumnWriter(directory) as columns,
            gzip.open(half, "wb", compresslevel=_COMPRESSION_LEVEL) as rest,
        ):
            digest = new_digest()
            for block in _blocks(plain):
                others = _divide(block, columns)
                digest.update(others)
                rest.write(others)
            columns.finish()
            if parts:
                join(directory, parts)
            rest.write(_seal(directory, digest.hexdigest()))
        half.replace(directory / COMPRESSED)
    except (OSError, ValueError):
        with contextlib.suppress(OSError):
            half.unlink(missing_ok=True)
        raise
    (directory / PLAIN).unlink()


def _seal(directory: Path, of_lines: str) -> bytes:
    """The last line, which says what the lines before it and the files beside it must be."""
    files = {PLAIN: of_lines, **{name: digest_of(directory / name) for name in TABLES}}
    if plan := digest_of_plan(directory):
        files[PLAN] = plan
    return msgspec.json.encode(Seal(files=files)) + b"\n"


def _divide(block: bytes, columns: ColumnWriter) -> bytes:
    """Operations become columns; the other lines stay lines."""
    operations: list[bytes] = []
    others: list[bytes] = []
    for line in block.split(b"\n"):
        (operations if line.startswith(_OPERATION) else others).append(line)
    if operations:
        columns.add(OperationTable.of_lines(b"\n".join(operations)))
    return b"\n".join(others)  # the last is empty: the block ends with a line's end


def _blocks(plain: BinaryIO) -> Iterator[bytes]:
    """Whole lines, about a megabyte at a time."""
    begun = b""
    while block := plain.read(BLOCK_BYTES):
        end = block.rfind(b"\n") + 1
        if end:
            yield begun + block[:end]
            begun = block[end:]
        else:
            begun += block
