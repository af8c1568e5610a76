"""Who owns which processes: one small record per run of the process backend, outside of its results.

Nothing stays behind after an orderly end. After a SIGKILL of the harness its nodes run on; `clean`
finds them by the record and ends them, but only where the owner is dead, and never touches a result.
Networks need no record: they vanish with whoever holds them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil

from harness.model.plan import Plan
from harness.model.redaction import redacted
from harness.model.seams import Secrets
from harness.topology.base import certificates
from harness.topology.base.cuts import Recorded
from harness.topology.base.processes import (
    ProcessIdentity,
    alive,
    boot_id,
    end,
    identity,
    pid_namespace,
    this_process,
)
from harness.topology.base.state_files import remove_drafts, state_directories, write_first, write_record
from harness.topology.process import own_clock

RESERVATION = "reservation"
"""Among the descriptors that keep a network: what keeps others from its subnet or its ports."""


class Held(msgspec.Struct, kw_only=True):
    """What it takes to act on a topology that outlives the harness which started it."""

    keeper: ProcessIdentity
    """Does nothing but hold the run's network open."""
    descriptors: dict[str, int]
    """Of the keeper: node name -> its namespace; "" is the switch; RESERVATION."""
    subnet: str | None
    first_port: int | None
    pinned: dict[str, int] = msgspec.field(default_factory=dict)
    """Node -> its port, where it is none of the block that begins there."""
    cuts: Recorded
    secrets: Secrets
    plan: Plan
    in_user_namespace: bool


class OwnedRun(msgspec.Struct, kw_only=True):
    run: str
    directory: str
    program: str
    programs: list[str] = msgspec.field(default_factory=list)
    """Of single nodes that run another one."""
    boot: str
    pid_namespace: str
    owner: ProcessIdentity
    nodes: dict[str, ProcessIdentity]
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """What a dead harness left running (or only its record)."""

    record: Path
    run: str
    directory: str
    processes: tuple[ProcessIdentity, ...]

    def __str__(self) -> str:
        pids = ", ".join(str(process.pid) for process in self.processes) or "none"
        return f"run {self.run} in {self.directory}: processes {pids}"


class RunRecord:
    """The record of one run, kept up to date while it lives."""

    def __init__(self, path: Path, owned: OwnedRun) -> None:
        self.path = path
        self.owned = owned
        self._lock = threading.Lock()

    @classmethod
    def claim(cls, *, run: str, directory: Path, program: Path, programs: Iterable[Path] = ()) -> RunRecord:
        record = OwnedRun(
            run=run,
            directory=str(directory),
            program=str(program),
            programs=[str(one) for one in programs],
            boot=boot_id(),
            pid_namespace=pid_namespace(),
            owner=this_process(),
            nodes={},
        )
        return cls(write_first(f"process-{os.getpid()}-{secrets.token_hex(4)}.json", record), record)

    @classmethod
    def read(cls, path: Path) -> RunRecord:
        return cls(path, msgspec.json.decode(path.read_bytes(), type=OwnedRun))

    def note(self, node: str, identity: ProcessIdentity) -> None:
        with self._lock:
            self.owned.nodes[node] = identity
        self.save()

    def save(self) -> None:
        with self._lock:
            write_record(self.path, self.owned)

    def give_up(self) -> None:
        self.path.unlink(missing_ok=True)


def leftovers() -> list[Leftover]:
    """What dead harnesses left, on this machine and of this user."""
    found = []
    for path in _record_files():
        record = _readable(path)
        if record is None or _in_use(record):
            continue
        processes = tuple(_processes_of(record)) if record.boot == boot_id() else ()
        found.append(Leftover(record=path, run=record.run, directory=record.directory, processes=processes))
    return found


def held() -> list[Path]:
    """The records of topologies that are held on purpose and still run."""
    records = ((path, _readable(path)) for path in _record_files())
    return [path for path, record in records if record and record.held and _in_use(record)]


def clean() -> list[str]:
    """End what `leftovers` finds; returns what was done, one line each."""
    done = []
    for leftover in leftovers():
        for process in leftover.processes:
            end(process)
            own_clock.forget(process.pid)
        _redact_files(Path(leftover.directory) / "nodes")
        _remove_data(Path(leftover.directory) / "nodes")
        certificates.take_back(Path(leftover.directory))
        leftover.record.unlink(missing_ok=True)
        done.append(str(leftover))
    remove_drafts()
    return done


def _redact_files(nodes: Path) -> None:
    """Blot out the passwords in what nodes of a killed run left; the run's folder stays as it is else."""
    # A server that is killed while it rewrites its configuration leaves `redis.conf.1-2.tmp`.
    for file in sorted([*nodes.glob("*/*.conf*"), *nodes.glob("*/log.txt"), *nodes.parent.glob("web/*.log")]):
        if file.is_symlink() or not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
            if (without := redacted(text)) != text:
                file.write_text(without, encoding="utf-8", errors="surrogateescape")
        except OSError:  # gone, or no longer ours to write
            continue


def _remove_data(nodes: Path) -> None:
    """What nodes of a killed run kept: keys, certificates, what a fault put there. It is no result."""
    for folder in nodes.glob("*/data"):
        if not folder.is_symlink() and not folder.parent.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _record_files() -> list[Path]:
    return sorted(path for place in state_directories() for path in place.glob("process-*.json"))


def _readable(path: Path) -> OwnedRun | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=OwnedRun)
    except (FileNotFoundError, msgspec.DecodeError):
        # Gone meanwhile, or of another version of the kit, which has to clean it itself.
        return None


def _in_use(record: OwnedRun) -> bool:
    if record.boot != boot_id():
        return False
    if record.pid_namespace != pid_namespace():
        return True
    return alive(record.held.keeper if record.held else record.owner)


def _processes_of(record: OwnedRun) -> Iterator[ProcessIdentity]:
    noted = {process for process in record.nodes.values() if alive(process)}
    yield from noted
    # A harness can be killed between starting a node and noting it. The node's program and folder tell.
    inside = Path(record.directory) / "nodes"
    programs = {str(Path(one).resolve()) for one in (record.program, *record.programs)}
    for process in psutil.process_iter():
        try:
            ours = process.exe() in programs and Path(process.cwd()).is_relative_to(inside)
        except (psutil.Error, OSError):
            continue
        found = identity(process.pid) if ours else None
        if found and found not in noted:
            yield found
