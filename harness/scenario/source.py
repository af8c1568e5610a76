"""The text of a scenario or deployment file: read once, within limits, whatever the path leads to.

A pipe would be waited for, a device has no end, and YAML of a megabyte takes seconds. So only a regular
file of a scenario's size is read, and each refusal says what was found and where.
"""

from __future__ import annotations

import codecs
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from harness.errors import UsageError
from harness.model.nearest import near_file

SIZE_MAX = 64 * 1024
"""Thirty times the longest shipped scenario. YAML of this size is read in half a second."""

_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]")
_OTHER_ENCODINGS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


CONF_MAX = 1024 * 1024
"""Of a configuration file: the one that Redis is shipped with has 110 kB, nearly all of it comments."""


_NOTED: ContextVar[list[Path] | None] = ContextVar("noted", default=None)


@contextmanager
def noted() -> Iterator[list[Path]]:
    """The files that are read meanwhile, in their order: all that a scenario is made of."""
    files: list[Path] = []
    before = _NOTED.set(files)
    try:
        yield files
    finally:
        _NOTED.reset(before)


def text_of(path: Path, *, at_most: int = SIZE_MAX) -> str:
    """The file's text, without a byte order mark.

    Raises:
        UsageError: it cannot be read, is too large, or is not plain UTF-8 text.
    """
    text = _decoded(_bytes_of(path, at_most), path)
    if (files := _NOTED.get()) is not None and path not in files:
        files.append(path)
    return text


def _bytes_of(path: Path, at_most: int) -> bytes:
    if not str(path).isprintable():  # also bytes that are no UTF-8, which no result could repeat
        raise UsageError(f"{path}: expected a file name of printable UTF-8; rename it")
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path}: cannot be read: expected a file, found {_kind(found.st_mode)}")
        with path.open("rb") as file:
            content = file.read(at_most + 1)
    except FileNotFoundError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror}{near_file(path)}") from problem
    except OSError as problem:
        raise UsageError(f"{path}: cannot be read: {problem.strerror or problem}") from problem
    if len(content) > at_most:
        size = max(found.st_size, len(content))
        raise UsageError(f"{path}: expected at most {at_most} bytes, found {size}")
    return content


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "a folder"
    return "a pipe" if stat.S_ISFIFO(mode) else "a device or socket"


def _decoded(content: bytes, path: Path) -> str:
    for mark, name in _OTHER_ENCODINGS.items():
        if content.startswith(mark):
            raise UsageError(f"{path}:1: cannot be read: expected UTF-8, found {name}; save it as UTF-8")
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise UsageError(
            f"{path}:{line}: cannot be read: expected UTF-8, found the byte {content[problem.start]:#04x}; "
            "save it as UTF-8"
        ) from problem
    if found := _NOT_TEXT.search(text):
        line = text.count("\n", 0, found.start()) + 1
        raise UsageError(f"{path}:{line}: expected text, found the control character {ord(found[0]):#04x}")
    return text
