"""The names and the format of a history's files."""

from __future__ import annotations

import contextlib
import gc
import hashlib
from collections.abc import Iterator
from pathlib import Path

from harness.safe_files import opened

FORMAT = 5
"""Of the files as a whole; `Opening.format`. 1 kept operations as lines to the end, 2 had no checksums, 3 had
none of the lines, 4 knew no objects but sessions; all are still read, and judged as they always were."""

SEALED_SINCE, LINES_SEALED_SINCE = 3, 4

PLAN = "plan.json"

PLAIN = "history.jsonl"
COMPRESSED = "history.jsonl.gz"

TABLES = ("operations.parquet", "steps.parquet", "attempts.parquet")

BLOCK_BYTES = 1 << 20
"""Read at once, where a file is not kept as a whole."""

UNPACKED_ALWAYS = 64 << 20
UNPACKED_RATIO = 64
"""What unpacks to no more than that for its size cannot fill the memory. Columns of real runs unpack to ten
times their size and lines to ten or twenty times; a file made to fill memory, to a thousand."""

HALF = ".part"
"""Ends the name of a file that is still being written."""


def unpacked_at_most(size: int) -> int:
    """How many bytes a file of this size may unpack to."""
    return UNPACKED_ALWAYS + UNPACKED_RATIO * size


@contextlib.contextmanager
def without_collections() -> Iterator[None]:
    """Decoding makes many objects and no garbage; collecting between would double its time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def digest_of(path: Path) -> str:
    """A checksum of a whole file: any byte that changed shows.

    Raises:
        OSError: it cannot be read, or it is a link.
    """
    with opened(path) as file:
        digest = new_digest()
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def new_digest() -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=16)


def digest_of_plan(directory: Path) -> str:
    """Of the plan that lies in a run's folder; empty where none does."""
    try:
        return digest_of(directory / PLAN)
    except FileNotFoundError:
        return ""
