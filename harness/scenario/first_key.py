"""What kind of file it is, by its first key: `scenario`, `deployment`, `matrix`, `guest`, or none of them.

Looks instead of parsing: a scenario with a YAML mistake further down is still a scenario, and must be
reported instead of overlooked.

Trap: the pytest plug-in loads this file by itself, in a process where `harness` may be somebody else's
package. It imports nothing but the standard library.
"""

from __future__ import annotations

import re
from pathlib import Path

_FIRST_KEY = re.compile(r"""\{?\s*["']?([A-Za-z_-]+)["']?\s*:(?:\s|$)""")

_READ_BYTES = 1 << 16
"""Comments before the first key are shorter than this."""


def is_scenario(path: Path) -> bool:
    """Whether the first key of the file is `scenario`. Other YAML, and no YAML at all, is left alone."""
    return path.suffix in {".yaml", ".yml"} and first_key(path) == "scenario"


def first_key(path: Path) -> str | None:
    """The first key of the file; None: it begins with something else, or cannot be read."""
    try:
        if not path.is_file():  # a pipe would be waited for
            return None
        with path.open("rb") as file:
            text = file.read(_READ_BYTES).decode("utf-8-sig", errors="ignore")
    except OSError:  # also where the name is too long for any file
        return None
    for line in text.splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith(("#", "---", "%")):
            found = _FIRST_KEY.match(stripped)
            return found[1] if found else None
    return None
