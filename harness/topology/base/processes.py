"""Processes of this machine: which one it is, whether it lives, and its end.

The trap: process ids are used again. A process is its id *and* its start time; what was noted in another
boot says nothing about what runs now, and ids of another process id namespace cannot be judged.
"""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec
import psutil

from harness.clock import wait_until

_OWNER = "FAILOVER_KIT_OWNER"

_GONE_WITHIN_S = 10.0
_LOOKS = 10
"""For what an application started that starts others without end."""


class ProcessIdentity(msgspec.Struct, frozen=True):
    pid: int
    started: str
    """In the clock ticks of this boot where /proc tells them, else as seconds since 1970."""


def forget_child(child: subprocess.Popen[bytes]) -> None:
    """A child that is meant to outlive this process; else Python warns that it was forgotten."""
    child.returncode = 0


def owner_mark(owner: ProcessIdentity | None = None) -> dict[str, str]:
    """For the environment of a helper that would go on alone after a SIGKILL of its owner; None: this one."""
    own = owner or this_process()
    return {_OWNER: f"{pid_namespace()} {own.pid} {own.started}"}


def variables(name: str) -> Iterator[tuple[ProcessIdentity, str]]:
    """The processes of this user that have this variable in their environment, with its value. Whoever has it
    gives it to all that it starts, also into a session of their own."""
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            value = process.environ().get(name)
            if value is not None and (found := identity(process.pid)) is not None:
                yield found, value


def end_orphans() -> list[str]:
    """End helpers of this user whose owner is dead; returns what was ended, one line for all of them. Whoever
    was started while others were ended is found by the next look."""
    ended: list[ProcessIdentity] = []
    for _ in range(_LOOKS):
        orphans = [*_orphans()]
        for orphan in orphans:
            end(orphan)
        ended += orphans
        if not orphans:
            break
    pids = ", ".join(str(one.pid) for one in ended)
    return [f"processes whose harness is gone: {pids}"] if ended else []


def _orphans() -> Iterator[ProcessIdentity]:
    for process, mark in variables(_OWNER):
        with suppress(ValueError):
            world, pid, started = mark.split()
            if world == pid_namespace() and not alive(ProcessIdentity(int(pid), started)):
                yield process


def end(process: ProcessIdentity) -> None:
    """SIGKILL, if it is still that process; returns once it is gone."""
    if alive(process):
        with suppress(ProcessLookupError):  # it ended meanwhile
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


def machine() -> str:
    """Names this machine through all of its boots. Its host name is part of it, as copies of one virtual
    machine often have one id."""
    try:
        known = Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        known = ""
    return f"{known}/{platform.node()}"


def pid_namespace() -> str:
    """Names the world in which process ids of this process are valid."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


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


def outer_user() -> int:
    """The id of the user outside any user namespace that the harness entered."""
    own = os.getuid()
    try:
        with open("/proc/self/uid_map", encoding="ascii") as lines:  # noqa: PTH123 - reads as it is said
            ranges = [tuple(map(int, line.split())) for line in lines]
    except OSError:
        return own
    for inside, outside, count in ranges:
        if inside <= own < inside + count:
            return outside + own - inside
    return own
