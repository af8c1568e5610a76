"""Files in a run's folder, which may come from anybody: read and written without following a link.

Somebody who hands over a folder chooses what lies in it: a link in place of a file would have the kit
read, or worse overwrite, a file elsewhere; a pipe would hold it up for ever, and a large file fill the
memory. So only regular files are read, up to a limit. What is written is written under a new name first
and then given its own: whatever had that name before is replaced, never opened.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from harness.errors import EnvironmentFailure

MOST_BYTES = 1 << 30
"""Of any single file that is read into memory as a whole."""


@contextmanager
def opened(path: Path, *, most_bytes: int | None = None) -> Iterator[BinaryIO]:
    """A regular file, open for reading.

    Raises:
        OSError: there is none, or it is a link, a pipe or a device, or too large.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        number = os.open(path, flags)
    except OSError:
        if path.is_symlink():
            raise OSError(None, "it is a link, and links in a run's folder are not followed") from None
        raise
    about = os.fstat(number)
    if not stat.S_ISREG(about.st_mode):
        os.close(number)
        raise OSError(None, "expected a regular file")
    with os.fdopen(number, "rb") as file:
        if most_bytes is not None and about.st_size > most_bytes:
            raise OSError(None, f"it has {about.st_size} bytes, more than the {most_bytes} that are read")
        yield file


def read_file(path: Path, *, most_bytes: int = MOST_BYTES) -> bytes:
    """All of a regular file.

    Raises:
        OSError: as `opened`.
    """
    with opened(path, most_bytes=most_bytes) as file:
        return file.read(most_bytes)


def is_file(path: Path) -> bool:
    """Whether something that is not a folder lies there: a file, or a link, which reading refuses."""
    try:
        return not stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, and no link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except (OSError, ValueError):
        return False


def make_folder(path: Path, *, exist_ok: bool = False) -> None:
    """Make a folder for results, and those that it lies in.

    Raises:
        EnvironmentFailure: it cannot be made.
    """
    try:
        path.mkdir(parents=True, exist_ok=exist_ok)
    except OSError as problem:
        raise EnvironmentFailure(
            f"results folder {str(path)!r}: cannot be created: {problem.strerror or problem}; "
            "choose another with --out (make: OUT=)"
        ) from problem


def write_file(path: Path, content: bytes) -> None:
    """Write a file of results, in place of whatever had its name; all of it or nothing.

    Raises:
        EnvironmentFailure: it cannot be written, or the disk is full.
    """
    fresh = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        number = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(content)
            fresh.replace(path)
        except OSError:
            with suppress(OSError):
                fresh.unlink()
            raise
    except OSError as problem:
        raise EnvironmentFailure(f"{path}: cannot be written: {problem.strerror or problem}") from problem
