"""The end of a process's log, for messages."""

from __future__ import annotations

import os
from pathlib import Path


def last_lines(log: Path, lines: int, *, most_bytes: int) -> str:
    """The last lines within its last bytes.

    Raises:
        FileNotFoundError: nothing was ever written.
    """
    with log.open("rb") as content:
        content.seek(max(0, content.seek(0, os.SEEK_END) - most_bytes))
        text = content.read().decode(errors="replace")
    return "\n".join(text.splitlines()[-lines:])
