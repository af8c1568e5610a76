"""Writes a suite's report beside its scenarios' folders; the only part of the report with I/O."""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.model.results import SuiteResult
from harness.report.junit import junit
from harness.report.page import index
from harness.report.summary import summary_text


def write_suite(suite: SuiteResult) -> None:
    """Write summary.json, junit.xml, index.html and the suite's own record into its folder.

    Raises:
        EnvironmentFailure: the folder cannot be written to, or the disk is full.
    """
    directory = Path(suite.directory)
    write_file(directory / "suite.msgpack", msgspec.msgpack.encode(suite))
    write_file(directory / "summary.json", summary_text(suite).encode())
    write_file(directory / "junit.xml", junit(suite).encode())
    write_file(directory / "index.html", index(suite).encode())


def write_file(path: Path, content: bytes) -> None:
    """Write a file of results.

    Raises:
        EnvironmentFailure: it cannot be written, or the disk is full.
    """
    try:
        path.write_bytes(content)
    except OSError as problem:
        raise EnvironmentFailure(f"{path}: cannot be written: {problem.strerror or problem}") from problem
