"""What came of each mutant, noted at once in a file, so that a measurement that was stopped goes on.

A note holds as long as neither the code nor the tests have changed. With `--again`, one that says killed
holds as long as the definition is the same that the mutant is in: right where tests were only added.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TextIO

from lab.mutation.choice import Reach


def state_of(project: Path, folders: Iterable[str]) -> str:
    """A digest of everything in these folders that tests or code are made of."""
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted((project / folder).rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"{file.relative_to(project)}\0{file.stat().st_size}\0".encode())
                digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


class Record:
    """Notes by mutant, read once and appended to."""

    def __init__(self, file: Path, *, state: str, keep_killed: bool) -> None:
        self._state = state
        self._notes: dict[str, Mapping[str, Any]] = {}
        for line in file.read_text().splitlines() if file.exists() else ():
            note = _read(line)
            if note and (note["state"] == state or (keep_killed and note["outcome"] == "killed")):
                self._notes[note["key"]] = note
        self._out: TextIO = file.open("a")

    def get(self, key: str) -> Mapping[str, Any] | None:
        return self._notes.get(key)

    def add(self, key: str, outcome: str, by: str) -> None:
        note = {"key": key, "state": self._state, "outcome": outcome, "by": by}
        self._notes[key] = note
        self._out.write(json.dumps(note) + "\n")
        self._out.flush()

    def close(self) -> None:
        self._out.close()


def _read(line: str) -> Mapping[str, Any] | None:
    """None for a line that a measurement was stopped in."""
    try:
        note = json.loads(line)
    except ValueError:
        return None
    return note if isinstance(note, dict) and {"key", "state", "outcome"} <= note.keys() else None


def save_reach(file: Path, state: str, reach: Reach) -> None:
    tests = sorted(reach.cpu_s)
    number = {test: n for n, test in enumerate(tests)}
    document = {
        "state": state,
        "tests": tests,
        "cpu_s": [reach.cpu_s[test] for test in tests],
        "failed": sorted(reach.failed),
        "lines": {
            name: {line: sorted(number[test] for test in those) for line, those in lines.items()}
            for name, lines in reach.lines.items()
        },
    }
    file.write_text(json.dumps(document))


def load_reach(file: Path, state: str, importers: Mapping[str, frozenset[str]]) -> Reach | None:
    """None if there is none for this state."""
    document = json.loads(file.read_text()) if file.exists() else {}
    if document.get("state") != state:
        return None
    tests = document["tests"]
    return Reach(
        lines={
            name: {int(line): frozenset(tests[n] for n in those) for line, those in lines.items()}
            for name, lines in document["lines"].items()
        },
        cpu_s=dict(zip(tests, document["cpu_s"], strict=True)),
        failed=frozenset(document["failed"]),
        importers=importers,
    )
