"""What was tried so far, in a file of each trial: a command that is broken off goes on where it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from harness.safe_files import write_file
from lab.sigkill.trial import Outcome

_FILE = "outcome.json"


def keep(outcome: Outcome, folder: Path) -> None:
    """Write down what came of a trial, in its folder."""
    write_file(folder / _FILE, msgspec.json.encode(outcome))


def kept(folder: Path) -> Iterator[Outcome]:
    """Those of all trials below a folder, in the order in which they were made. One that was broken off has
    written nothing."""
    files = sorted(folder.glob(f"*/{_FILE}"), key=lambda file: file.stat().st_mtime_ns)
    for file in files:
        yield msgspec.json.decode(file.read_bytes(), type=Outcome)
