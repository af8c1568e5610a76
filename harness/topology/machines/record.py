"""Topologies over several hosts that live on when the harness which started them ends.

As of one engine: everything belongs to a small process, the keeper, and so does the process that carries
packets to the nodes' network. The record has the run's passwords, so only this user can read it.
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

_PREFIX = "machines-"


class Record(msgspec.Struct, kw_only=True):
    run: str
    project: str
    directory: str
    boot: str
    subnet: str
    cuts: Recorded
    secrets: Secrets
    plan: Plan
    engines: dict[str, str]
    """Host -> its engine."""
    keeper: ProcessIdentity
    tunnel: ProcessIdentity


def save_first(record: Record) -> Path:
    return write_first(f"{_PREFIX}{record.project.removeprefix('failover-kit-')}.json", record)


def save(path: Path, record: Record) -> None:
    write_record(path, record)


def read(path: Path) -> Record:
    """
    Raises:
        EnvironmentFailure: there is no such topology any more.
    """
    record = _readable(path)
    if record is None:
        raise EnvironmentFailure(f"{path}: expected a held topology, found it taken down")
    return record


def records() -> dict[Path, Record]:
    """All of this user on this machine that are held."""
    return {path: record for path, record in _found().items() if _in_force(record)}


def remove_stale() -> None:
    for path, record in _found().items():
        if not _in_force(record):
            path.unlink(missing_ok=True)


def _found() -> dict[Path, Record]:
    files = sorted(path for place in state_directories() for path in place.glob(f"{_PREFIX}*.json"))
    return {path: record for path in files if (record := _readable(path))}


def _in_force(record: Record) -> bool:
    return record.boot == boot_id() and may_live(record.keeper)


def _readable(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
