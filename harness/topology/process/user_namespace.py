"""Without root: the harness lives in a user namespace, where it may make networks of its own.

There it is root, which outside is the same plain user. Files, processes and results stay that user's.
Where the machine does not allow it nothing changes, and the nodes share the loopback address.

The trap: a process with several threads cannot move, and numpy or pyarrow start threads as soon as they
are imported. So nobody moves: a new process enters first, and only then becomes the command that was
meant. From inside, nothing of the machine's network can be reached; there is a loopback address of its own.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import NoReturn

from harness.errors import EnvironmentFailure
from harness.kit_files import command
from harness.topology.base.namespaces import CLONE_NEWNET, CLONE_NEWUSER, enter, unshare
from harness.topology.base.netlink import Netlink

_INSIDE = "FAILOVER_KIT_USER_NAMESPACE"
_TRIAL_WITHIN_S = 10.0


def needs_user_namespace() -> bool:
    """Whether this process may not make networks itself, but could inside a user namespace.

    Raises:
        EnvironmentFailure: the machine is too busy to try it.
    """
    if sys.platform != "linux" or _INSIDE in os.environ:
        return False
    return not _trial("network") and _trial("user")


def command_inside(meant: Sequence[str]) -> list[str]:
    """The command that becomes another one, inside a new user namespace. It keeps its process id."""
    return command(__name__, "new", *meant)


def enter_user_namespace() -> NoReturn:
    """Become this very command once more, inside a new user namespace; ask `needs_user_namespace` first."""
    _become(command_inside(_this_command()))


def is_inside(process: int) -> bool:
    """Whether this process is in another one's user namespace.

    Raises:
        OSError: there is no such process.
    """
    return Path("/proc/self/ns/user").readlink() == Path(f"/proc/{process}/ns/user").readlink()


def command_beside(process: int, meant: Sequence[str]) -> list[str]:
    """The command that becomes another one, inside the user namespace and network of a process."""
    return command(__name__, "of", str(process), *meant)


def follow(process: int) -> NoReturn:
    """Become this very command once more, inside the user namespace and network of a process."""
    _become(command_beside(process, _this_command()))


def _this_command() -> list[str]:
    return [sys.executable, *sys.orig_argv[1:]]


def _become(meant: list[str], environment: dict[str, str] | None = None) -> NoReturn:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execve(meant[0], meant, os.environ | (environment or {}))  # noqa: S606 - a command of this kit


def _become_root_of_a_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - one write each
            file.write(text)
    unshare(CLONE_NEWNET)
    with closing(Netlink()) as netlink:
        netlink.set_up(socket.if_nametoindex("lo"))


def _enter_those_of(process: int) -> None:
    for name, what in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET)):
        descriptor = os.open(f"/proc/{process}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(descriptor, what)
        finally:
            os.close(descriptor)


def _trial(kind: str) -> bool:
    # In a process of its own: this one has threads, and should stay where it is.
    try:
        done = subprocess.run(
            command(__name__, kind),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise EnvironmentFailure(
            f"whether this user may make a {kind} namespace: expected an answer within {_TRIAL_WITHIN_S:g} s,"
            " got none; this machine is too busy to run anything, so try again when it is not"
        ) from late
    return done.returncode == 0


def main(arguments: list[str]) -> int:
    """What the processes that this module starts do: try, or enter and become what is meant."""
    wanted, *rest = arguments
    try:
        match wanted:
            case "network":
                unshare(CLONE_NEWNET)
            case "of":
                _enter_those_of(int(rest.pop(0)))
            case _:
                _become_root_of_a_namespace()
    except OSError as problem:
        print(f"failover-kit: the user namespace cannot be entered: {problem}", file=sys.stderr)
        return 4
    if rest:
        _become(rest, {_INSIDE: "1"})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
