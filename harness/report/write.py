"""Writes a suite's report beside its scenarios' folders, and reads its record back: the report's I/O."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.model.results import SuiteResult
from harness.report.changes import changes
from harness.report.junit import junit
from harness.report.openmetrics import openmetrics
from harness.report.page import index
from harness.report.summary import summary_text
from harness.safe_files import is_file, is_folder, read_file, write_file

SUITE = "suite.msgpack"
PLANNED = "planned.msgpack"
"""The same while the suite is running, with every scenario as one that never began."""


def write_suite(suite: SuiteResult) -> None:
    """Write summary.json, junit.xml, openmetrics.txt, index.html and the suite's own record into its folder.

    Raises:
        EnvironmentFailure: the folder cannot be written to, or the disk is full.
    """
    directory = Path(suite.directory)
    write_record(directory, SUITE, suite)
    write_file(directory / "summary.json", summary_text(suite).encode())
    write_file(directory / "junit.xml", junit(suite).encode())
    write_file(directory / "openmetrics.txt", openmetrics(suite).encode())
    before = suite_before(directory, suite.suite)
    since = None if before is None else changes(before, suite)
    write_file(directory / "index.html", index(suite, since).encode())
    with suppress(OSError):
        (directory / PLANNED).unlink(missing_ok=True)


def suite_before(directory: Path, suite: str) -> SuiteResult | None:
    """The suite of this name whose folder lies beside this one and was made last before it; None: there is
    none, or it cannot be read. A folder that somebody renamed has none before it."""
    made = re.compile(rf"\d{{8}}-\d{{6}}-{re.escape(suite)}-[0-9a-f]+")
    if not made.fullmatch(directory.name):
        return None
    with suppress(OSError, ValueError):
        older = [one for one in directory.parent.iterdir() if made.fullmatch(one.name)]
        older = [
            one for one in older if one.name < directory.name and is_folder(one) and is_file(one / SUITE)
        ]
        return read_suite(max(older))
    return None


def read_suite(directory: Path, name: str = SUITE) -> SuiteResult:
    """The suite's own record, as `write_suite` left it. Records from before there were checksums have none.

    Raises:
        OSError: there is none, or it is a link.
        ValueError: it is damaged, or no such record at all.
    """
    content = read_file(directory / name)
    try:
        try:
            packed = msgspec.msgpack.decode(content, type=_Packed)
        except msgspec.ValidationError:
            return msgspec.msgpack.decode(content, type=SuiteResult)
        if packed.digest != _digest(packed.suite):
            raise ValueError("damaged: its checksum is not that which the run left")
        return msgspec.msgpack.decode(packed.suite, type=SuiteResult)
    except (RecursionError, MemoryError, OverflowError) as problem:
        raise ValueError(f"not a suite's record: {type(problem).__name__}") from problem


def write_record(directory: Path, name: str, suite: SuiteResult) -> None:
    """Write a suite's record alone.

    Raises:
        EnvironmentFailure: it cannot be written.
    """
    packed = msgspec.msgpack.encode(suite)
    content = msgspec.msgpack.encode(_Packed(digest=_digest(packed), suite=packed))
    write_file(directory / name, content)


class _Packed(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What lies in the file."""

    digest: str
    suite: bytes


def _digest(packed: bytes) -> str:
    return hashlib.blake2b(packed, digest_size=16).hexdigest()
