"""Who owns which processes: one small record per run, outside of its results.

Nothing stays behind after an orderly end. After a SIGKILL of the harness its nodes run on; `clean`
finds them by the record and ends them, but only where the owner is dead, and never touches a result.
Networks need no record: they vanish with whoever holds them.

The trap: process ids are used again. A process is its id *and* its start time; a record of another
boot says nothing about what runs now, and one of another process id namespace cannot be judged.
"""

from __future__ import annotations

import os
import secrets
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec
import psutil  # type: ignore[import-untyped]  # types-psutil would be its only user

from harness.clock import wait_until
from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.redaction import redacted
from harness.model.seams import Secrets
from harness.topology.cuts import Recorded
from harness.topology.user_namespace import outer_user

RESERVATION = "reservation"
"""Among the descriptors that keep a network: what keeps others from its subnet or its ports."""

STATE = "FAILOVER_KIT_STATE"
"""Names another folder for records: tests keep theirs apart from those of the machine."""

_OWNER = "FAILOVER_KIT_OWNER"

_DRAFT = ".draft"
_DRAFT_OLD_S = 60.0

_GONE_WITHIN_S = 10.0

_KEEP = "import signal, sys\nstays = sys.stdin.read(1)\nwhile stays: signal.pause()"


class ProcessIdentity(msgspec.Struct, frozen=True):
    pid: int
    started: str
    """In the clock ticks of this boot where /proc tells them, else as seconds since 1970."""


class Held(msgspec.Struct, kw_only=True):
    """What it takes to act on a topology that outlives the harness which started it."""

    keeper: ProcessIdentity
    """Does nothing but hold the run's network open."""
    descriptors: dict[str, int]
    """Of the keeper: node name -> its namespace; "" is the switch; RESERVATION."""
    subnet: str | None
    first_port: int | None
    cuts: Recorded
    secrets: Secrets
    plan: Plan
    in_user_namespace: bool


class Record(msgspec.Struct, kw_only=True):
    run: str
    directory: str
    program: str
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


class Ownership:
    """The record of one run, kept up to date while it lives."""

    def __init__(self, path: Path, record: Record) -> None:
        self.path = path
        self.record = record
        self._lock = threading.Lock()

    @classmethod
    def claim(cls, *, run: str, directory: Path, program: Path) -> Ownership:
        record = Record(
            run=run,
            directory=str(directory),
            program=str(program),
            boot=boot_id(),
            pid_namespace=pid_namespace(),
            owner=this_process(),
            nodes={},
        )
        return cls(write_first(f"process-{os.getpid()}-{secrets.token_hex(4)}.json", record), record)

    @classmethod
    def read(cls, path: Path) -> Ownership:
        return cls(path, msgspec.json.decode(path.read_bytes(), type=Record))

    def note(self, node: str, identity: ProcessIdentity) -> None:
        with self._lock:
            self.record.nodes[node] = identity
        self.save()

    def save(self) -> None:
        with self._lock:
            write_record(self.path, self.record)

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
        _redact_files(Path(leftover.directory) / "nodes")
        leftover.record.unlink(missing_ok=True)
        done.append(str(leftover))
    _remove_drafts()
    return done


class Keeper:
    """A process that owns a held topology: it does nothing but live, with these descriptors open.

    Until it is told to stay it ends with whoever started it, so that a harness which is killed on the way
    leaves no topology that nobody knows and that has an owner.
    """

    def __init__(self, descriptors: Sequence[int] = ()) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _KEEP],
            pass_fds=tuple(descriptors),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        found = identity(self._child.pid)
        assert found is not None
        self.identity = found

    def stay(self) -> None:
        """Live on after this process. Idempotent."""
        assert self._child.stdin is not None
        if not self._child.stdin.closed:
            self._child.stdin.write(b"!")
            self._child.stdin.close()
            forget_child(self._child)

    def end(self) -> None:
        """One that has been told to stay is ended by its identity, like any other process."""
        assert self._child.stdin is not None
        if not self._child.stdin.closed:
            self._child.stdin.close()
            self._child.wait(_GONE_WITHIN_S)


def forget_child(child: subprocess.Popen[bytes]) -> None:
    """A child that is meant to outlive this process; else Python warns that it was forgotten."""
    child.returncode = 0


def _redact_files(nodes: Path) -> None:
    """Blot out the passwords in what nodes of a killed run left; the run's folder stays as it is else."""
    # A server that is killed while it rewrites its configuration leaves `redis.conf.1-2.tmp`.
    for file in sorted([*nodes.glob("*/*.conf*"), *nodes.glob("*/log.txt")]):
        if file.is_symlink() or not file.is_file():
            continue
        try:
            text = file.read_text(encoding="utf-8", errors="surrogateescape")
            if (without := redacted(text)) != text:
                file.write_text(without, encoding="utf-8", errors="surrogateescape")
        except OSError:  # gone, or no longer ours to write
            continue


def owner_mark() -> dict[str, str]:
    """For the environment of a helper that would go on alone after a SIGKILL of this process."""
    own = this_process()
    return {_OWNER: f"{pid_namespace()} {own.pid} {own.started}"}


def end_orphans() -> bool:
    """End helpers of this user whose owner is dead; whether there was one."""
    orphans = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError, ValueError):
            world, pid, started = process.environ().get(_OWNER, "").split()
            if world == pid_namespace() and not alive(ProcessIdentity(int(pid), started)):
                orphans.append(identity(process.pid))
    for orphan in filter(None, orphans):
        end(orphan)
    return bool(orphans)


def end(process: ProcessIdentity) -> None:
    """SIGKILL, if it is still that process; returns once it is gone."""
    if alive(process):
        os.kill(process.pid, signal.SIGKILL)
        wait_until(
            lambda: not alive(process), within_s=_GONE_WITHIN_S, waiting_for=f"process {process.pid} to end"
        )


def this_process() -> ProcessIdentity:
    own = identity(os.getpid())
    assert own is not None
    return own


def identity(pid: int) -> ProcessIdentity | None:
    """Of a process that runs (or is stopped); None: there is none, or only its exit status is left."""
    try:
        fields = _stat_fields(Path(f"/proc/{pid}/stat"))
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _identity_without_proc(pid)
    except ProcessLookupError:
        return None
    return None if fields[0] in "ZX" else ProcessIdentity(pid, fields[19])


def alive(process: ProcessIdentity) -> bool:
    return identity(process.pid) == process


def may_live(process: ProcessIdentity) -> bool:
    """Whether it lives, or is another user's whom this one may not look at (`hidepid`): then nobody can say,
    and it counts as alive."""
    if alive(process):
        return True
    if Path(f"/proc/{process.pid}").exists():
        return False
    try:
        os.kill(process.pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return False


def stopped(pid: int) -> bool:
    """Whether every thread of a process is stopped (SIGSTOP)."""
    tasks = Path(f"/proc/{pid}/task")
    if not tasks.exists():
        return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return all(_stat_fields(task / "stat")[0] in "Tt" for task in tasks.iterdir())


def boot_id() -> str:
    """Names this boot of this machine."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(round(psutil.boot_time()))


def pid_namespace() -> str:
    """Names the world in which process ids of this process are valid."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def state_directories() -> list[Path]:
    """Where records of this user lie: private folders, outside of every result.

    The first is the same for every shell: `clean` may run where TMPDIR is another one. The second is for
    where that one cannot be written to.
    """
    return [path for path in _places() if _why_not_private(path) is None]


def write_first(name: str, record: msgspec.Struct) -> Path:
    """Write a new record into the first of these folders that takes it; returns its path.

    Raises:
        EnvironmentFailure: none does: somebody else made it, others may write to it, the disk is full.
    """
    refused = []
    for place in _places():
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            why_not = _why_not_private(place)
            if why_not is None:
                write_record(place / name, record)
                return place / name
        except OSError as problem:
            why_not = f"cannot be written: {problem.strerror or problem}"
        refused.append(f"{place}: {why_not}")
    raise EnvironmentFailure("; ".join(refused))


def write_record(path: Path, record: msgspec.Struct) -> None:
    """Renamed into place, so a reader never sees half a record; only this user may read it."""
    draft = path.with_suffix(_DRAFT)
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _places() -> list[Path]:
    own = os.environ.get(STATE)
    roots = [Path(own)] if own else [Path("/tmp"), Path(tempfile.gettempdir())]  # noqa: S108 - checked below
    return list(dict.fromkeys(root / f"redis-failover-kit-{outer_user()}" for root in roots))


def _why_not_private(path: Path) -> str | None:
    try:
        found = path.lstat()
    except OSError as problem:
        return problem.strerror or str(problem)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return None
    return (
        f"expected a folder that only this user may write to, found owner {found.st_uid}, "
        f"mode {stat.filemode(found.st_mode)}; remove it"
    )


def _record_files() -> list[Path]:
    return sorted(path for place in state_directories() for path in place.glob("process-*.json"))


def _remove_drafts() -> None:
    """What a harness that was killed while it wrote a record left of it; one that is being written is new."""
    for draft in (path for place in state_directories() for path in place.glob(f"*{_DRAFT}")):
        with suppress(OSError):
            if time.time() - draft.lstat().st_mtime > _DRAFT_OLD_S:
                draft.unlink()


def _readable(path: Path) -> Record | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Record)
    except (FileNotFoundError, msgspec.DecodeError):
        # Gone meanwhile, or of another version of the kit, which has to clean it itself.
        return None


def _in_use(record: Record) -> bool:
    if record.boot != boot_id():
        return False
    if record.pid_namespace != pid_namespace():
        return True
    return alive(record.held.keeper if record.held else record.owner)


def _processes_of(record: Record) -> Iterator[ProcessIdentity]:
    noted = {process for process in record.nodes.values() if alive(process)}
    yield from noted
    # A harness can be killed between starting a node and noting it. The node's program and folder tell.
    inside, program = Path(record.directory) / "nodes", str(Path(record.program).resolve())
    for process in psutil.process_iter():
        try:
            ours = process.exe() == program and Path(process.cwd()).is_relative_to(inside)
        except (psutil.Error, OSError):
            continue
        found = identity(process.pid) if ours else None
        if found and found not in noted:
            yield found


def _stat_fields(path: Path) -> list[str]:
    # The second field is the program's name in brackets and may contain anything.
    return path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()


def _identity_without_proc(pid: int) -> ProcessIdentity | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return ProcessIdentity(pid, f"{process.create_time():.3f}")
    except psutil.Error:
        return None
