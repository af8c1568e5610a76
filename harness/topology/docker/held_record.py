"""Topologies that live on in the engine when the harness which started them ends: `up`, `status`, `down`.

Such containers belong to a small process, the keeper, that does nothing but live; their labels name it, so
`clean` leaves them alone wherever it looks for records. A record beside those of the process backend holds
what it takes to act on them again. It has the run's passwords, so only this user can read it.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Generic, TypeVar

import msgspec

from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import Secrets
from harness.topology.base.cuts import Recorded
from harness.topology.base.processes import ProcessIdentity, boot_id, may_live
from harness.topology.base.state_files import state_directories, write_first, write_record


class HeldRecord(msgspec.Struct, kw_only=True):
    PREFIX: ClassVar[str] = "docker-"
    """How the names of its files begin."""

    run: str
    project: str
    directory: str
    boot: str
    subnet: str
    cuts: Recorded
    secrets: Secrets
    plan: Plan
    keeper: ProcessIdentity | None = None
    """Lives as long as the topology is held, and stands in its containers' labels. None: held by an earlier
    version of the kit."""


Some = TypeVar("Some", bound=HeldRecord)


def save_first(record: HeldRecord) -> Path:
    """Write the record of a topology that is held from now on; returns its path."""
    return write_first(f"{record.PREFIX}{record.project.removeprefix('failover-kit-')}.json", record)


def save(path: Path, record: HeldRecord) -> None:
    write_record(path, record)


class HeldRecords(Generic[Some]):
    """The records of one kind, of this user on this machine."""

    def __init__(self, kind: type[Some]) -> None:
        self._kind = kind

    def read(self, path: Path) -> Some:
        """What `save` wrote.

        Raises:
            EnvironmentFailure: there is no such topology any more.
        """
        record = self._readable(path)
        if record is None:
            raise EnvironmentFailure(f"{path}: expected a held topology, found it taken down")
        return record

    def held(self) -> dict[Path, Some]:
        """Not the stale ones: of an earlier boot, whose containers do not run, or without their keeper, whom
        `clean` removes."""
        return {path: record for path, record in self._found().items() if _in_force(record)}

    def remove_stale(self) -> None:
        """Of topologies that are no longer held: nothing needs the passwords in them any more."""
        for path, record in self._found().items():
            if not _in_force(record):
                path.unlink(missing_ok=True)

    def _found(self) -> dict[Path, Some]:
        names = f"{self._kind.PREFIX}*.json"
        files = sorted(path for place in state_directories() for path in place.glob(names))
        return {path: record for path in files if (record := self._readable(path))}

    def _readable(self, path: Path) -> Some | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=self._kind)
        except (FileNotFoundError, msgspec.DecodeError):
            return None


def _in_force(record: HeldRecord) -> bool:
    return record.boot == boot_id() and (record.keeper is None or may_live(record.keeper))


_RECORDS = HeldRecords(HeldRecord)
read, records, remove_stale = _RECORDS.read, _RECORDS.held, _RECORDS.remove_stale
