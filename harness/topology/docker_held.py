"""Topologies that live on in the engine when the harness which started them ends: `up`, `status`, `down`.

Such containers have no living owner, on purpose. A small record beside those of the process backend
says so, and holds what it takes to act on them again; `clean` leaves alone what a record names. The
record has the run's passwords, so only this user can read it.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import Secrets
from harness.topology.cuts import Recorded
from harness.topology.ownership import boot_id, state_directory


class HeldRecord(msgspec.Struct, kw_only=True):
    run: str
    project: str
    directory: str
    boot: str
    subnet: str
    cuts: Recorded
    secrets: Secrets
    plan: Plan


def path_of(project: str) -> Path:
    return state_directory() / f"docker-{project.removeprefix('failover-kit-')}.json"


def save(path: Path, record: HeldRecord) -> None:
    # Renamed into place, so a reader never sees half a record.
    draft = path.with_suffix(".draft")
    draft.touch(mode=0o600)
    draft.write_bytes(msgspec.json.encode(record))
    draft.replace(path)


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
    """All of this user on this machine. Containers of an earlier boot do not run, so theirs are stale."""
    found = {path: _readable(path) for path in sorted(state_directory().glob("docker-*.json"))}
    return {path: record for path, record in found.items() if record and record.boot == boot_id()}


def _readable(path: Path) -> HeldRecord | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=HeldRecord)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
