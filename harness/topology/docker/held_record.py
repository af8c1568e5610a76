"""Topologies that live on in the engine when the harness which started them ends: `up`, `status`, `down`.

Such containers belong to a small process, the keeper, that does nothing but live; their labels name it, so
`clean` leaves them alone wherever it looks for records. A record beside those of the process backend holds
what it takes to act on them again. It has the run's passwords, so only this user can read it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import Secrets
from harness.topology.base.cuts import Recorded
from harness.topology.base.processes import ProcessIdentity, boot_id, may_live
from harness.topology.base.state_files import state_directories, write_first, write_record


class HeldRecord(msgspec.Struct, kw_only=True):
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


def save_first(record: HeldRecord) -> Path:
    """Write the record of a topology that is held from now on; returns its path."""
    return write_first(f"docker-{record.project.removeprefix('failover-kit-')}.json", record)


def save(path: Path, record: HeldRecord) -> None:
    write_record(path, record)


def read(path: Path) -> HeldRecord:
    """What `save` wrote.

    Raises:
        EnvironmentFailure: there is no such topology any more.
    """
    record = _readable(path)
    if record is None:
        raise EnvironmentFailure(f"{path}: expected a held topology, found it taken down")
    return record


def records() -> dict[Path, HeldRecord]:
    """All of this user on this machine. Stale are those of an earlier boot, whose containers do not run, and
    those without their keeper, which `clean` removes."""
    return {path: record for path, record in _found().items() if _in_force(record)}


def remove_stale() -> None:
    """Records of topologies that are no longer held: nothing needs the passwords in them any more."""
    for path, record in _found().items():
        if not _in_force(record):
            path.unlink(missing_ok=True)


def _found() -> dict[Path, HeldRecord]:
    files = sorted(path for place in state_directories() for path in place.glob("docker-*.json"))
    return {path: record for path in files if (record := _readable(path))}


def _in_force(record: HeldRecord) -> bool:
    return record.boot == boot_id() and (record.keeper is None or may_live(record.keeper))


def _readable(path: Path) -> HeldRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=HeldRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
