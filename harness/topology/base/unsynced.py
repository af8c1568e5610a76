"""What of a file is not on the disk yet: cachestat(2), which Linux has since 6.5.

The kernel counts pages of 4 kB. A page that holds what was synced before and something newer counts as a
whole. Trap: some file systems (tmpfs, those that lie over others) have no disk of their own behind them and
never show a page that waits, so a folder is tried before it is believed.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import struct
import sys
import tempfile
from pathlib import Path

_CACHESTAT = 451
"""On every processor."""
_RANGE, _ANSWER = struct.Struct("=QQ"), struct.Struct("=QQQQQ")


def why_not(folder: Path) -> str:
    """Why nobody can say it of files here; empty: it can be said."""
    if sys.platform != "linux":
        return "only Linux says what is not on the disk yet"
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            file.flush()
            waits = _waiting(file.fileno(), 0, 0)
            os.fsync(file.fileno())
            if waits and not _waiting(file.fileno(), 0, 0):
                return ""
    except OSError as problem:
        return f"this kernel does not say what is not on the disk yet ({problem.strerror}; Linux 6.5 does)"
    return f"the file system of {folder} does not say what is not on the disk yet"


def first_unsynced(file: Path) -> int | None:
    """Where in a file the first page begins that is not on the disk; None: all of it is."""
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        pages = -(-os.fstat(descriptor).st_size // mmap.PAGESIZE)
        if not pages or not _waiting(descriptor, 0, pages * mmap.PAGESIZE):
            return None
        clean, unclean = 0, pages
        while unclean - clean > 1:
            middle = (clean + unclean) // 2
            if _waiting(descriptor, 0, middle * mmap.PAGESIZE):
                unclean = middle
            else:
                clean = middle
        return clean * mmap.PAGESIZE
    finally:
        os.close(descriptor)


def _waiting(descriptor: int, offset: int, length: int) -> int:
    """Pages that were written and are not on the disk; a length of 0 goes to the end."""
    wanted = ctypes.create_string_buffer(_RANGE.pack(offset, length), _RANGE.size)
    answer = ctypes.create_string_buffer(_ANSWER.size)
    kernel = ctypes.CDLL(None, use_errno=True)
    if kernel.syscall(_CACHESTAT, descriptor, wanted, answer, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    _, changed, being_written, _, _ = _ANSWER.unpack(answer.raw)
    return int(changed + being_written)
