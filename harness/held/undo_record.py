"""What an earlier control process had done to held nodes by commands, so that the next one can take it back.

A file beside the topology's record, written before each fault and changed when the fault is over. What was
done to links and processes needs no record: the next control process sees it there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.errors import NoEffect
from harness.model.scenario import FaultStep
from harness.model.seams import NodeCommand
from harness.topology.base.state_files import state_directories, write_record

_FILE = "undo-"


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """One fault that is in effect, or is about to be."""

    said: str
    """As in a list of faults: `config set: primary`."""
    commands: tuple[NodeCommand, ...] = ()
    """In the order in which they take it back."""


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    faults: dict[int, Noted]


class UndoRecord:
    """Of one held topology, while its control process lives. For any thread."""

    def __init__(self, record: Path) -> None:
        self._path = file_of(record)
        self._lock = threading.Lock()
        self._faults: dict[int, Noted] = {}

    def note(self, step: FaultStep, commands: Sequence[NodeCommand]) -> None:
        """
        Raises:
            NoEffect: it cannot be written, so the fault must not act.
        """
        with self._lock:
            known = self._faults.get(step.number, Noted(said=f"{step.kind}: {step.target}"))
            more = (*reversed(commands), *known.commands)
            faults = {**self._faults, step.number: Noted(said=known.said, commands=more)}
            try:
                write_record(self._path, _Written(faults=faults))
            except OSError as problem:
                raise NoEffect(
                    f"{self._path}: expected to write down how {step.kind} is taken back before it acts, "
                    f"found: {problem.strerror or problem}; make room there and try again"
                ) from problem
            self._faults = faults

    def forget(self, number: int) -> None:
        """On a full disk the fault may stay in the file: to take it back once more changes nothing."""
        with self._lock:
            if self._faults.pop(number, None) is None:
                return
            with suppress(OSError):
                if self._faults:
                    write_record(self._path, _Written(faults=self._faults))
                else:
                    self._path.unlink(missing_ok=True)


def file_of(record: Path) -> Path:
    return record.with_name(f"{_FILE}{record.stem}.json")


def left(record: Path) -> list[Noted]:
    """What was in effect when a control process died, the last first."""
    try:
        written = msgspec.json.decode(file_of(record).read_bytes(), type=_Written)
    except (FileNotFoundError, msgspec.DecodeError):
        return []
    return [written.faults[number] for number in sorted(written.faults, reverse=True)]


def remove(record: Path) -> None:
    file_of(record).unlink(missing_ok=True)


def clean() -> None:
    """Remove those of topologies that are gone."""
    for path in (path for place in state_directories() for path in place.glob(f"{_FILE}*.json")):
        if not path.with_name(f"{path.stem.removeprefix(_FILE)}.json").exists():
            path.unlink(missing_ok=True)
