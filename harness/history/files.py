"""The names and the format of a history's files."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

FORMAT = 2
"""Of the files as a whole; `Opening.format`. 1 kept operations as lines to the end, which is still read."""

PLAIN = "history.jsonl"
COMPRESSED = "history.jsonl.gz"

TABLES = ("operations.parquet", "steps.parquet", "attempts.parquet")

HALF = ".part"
"""Ends the name of a file that is still being written."""


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
