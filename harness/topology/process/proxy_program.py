"""The HAProxy of this machine: where it is, which version, how to get it."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

HOW_TO_GET = "apt-get install haproxy"
_ANSWERS_WITHIN_S = 10.0


def path() -> Path | None:
    """None: there is none. Debian installs it where the PATH of an ordinary user does not lead."""
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"
    found = shutil.which("haproxy", path=places)
    return None if found is None else Path(found)


def missing() -> str | None:
    """Why no proxy can be started; None: one can."""
    return None if path() else f"a proxy needs HAProxy, which is not on this machine: {HOW_TO_GET}"


@cache
def version() -> str:
    """`HAProxy 2.6.12`; empty: it does not say, or there is none."""
    found = path()
    if found is None:
        return ""
    try:
        said = subprocess.run(
            [str(found), "-v"], capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = said.split()
    return f"HAProxy {words[2].partition('-')[0]}" if words[:2] == ["HAProxy", "version"] else ""
