"""What an application in guests/ is made of, by the pins beside it: `Flask-Session 0.8.0, redis 8.1.0`."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

_PINNED = re.compile(r"^([\w.-]+)(?:\[[\w,-]*\])?==([^\s;\\]+)", re.MULTILINE)
_NAMED = re.compile(r"^([\w.-]+)", re.MULTILINE)


def versions_of(folder: Path) -> str:
    """Empty: nothing is pinned there, or what is pinned is not installed."""
    return ", ".join([*_of_pip(folder), *_of_npm(folder), *_of_debian(folder)])


def _of_pip(folder: Path) -> Iterator[str]:
    asked, pinned = folder / "requirements.in", folder / "requirements.txt"
    if not pinned.exists():
        return
    known = dict(_PINNED.findall(pinned.read_text(encoding="utf-8")))
    for name in _NAMED.findall(asked.read_text(encoding="utf-8")):
        if version := known.get(name.lower().replace("_", "-")):
            yield f"{name} {version}"


def _of_npm(folder: Path) -> Iterator[str]:
    lock = folder / "package-lock.json"
    if not lock.exists():
        return
    packages = json.loads(lock.read_text(encoding="utf-8"))["packages"]
    for name in packages[""]["dependencies"]:
        found = packages[f"node_modules/{name}"]
        yield f"{found.get('name', name)} {found['version']}"


def _of_debian(folder: Path) -> Iterator[str]:
    """`debian.txt` names packages; what is installed says its version."""
    names = folder / "debian.txt"
    if not names.exists():
        return
    for name in names.read_text(encoding="utf-8").split():
        command = ["dpkg-query", "--show", "--showformat=${Version}", name]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        except FileNotFoundError:
            return
        if done.returncode == 0 and done.stdout:
            yield f"{name} {done.stdout}"
