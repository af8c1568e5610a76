"""Without root: the harness moves into a user namespace, where it may make networks of its own.

The program is started once more inside the namespace, as its root, which outside is the same plain
user. Files, processes and results stay that user's. Where the machine does not allow it nothing
changes, and the nodes share the loopback address.

The trap: a process with several threads cannot move, so this comes before everything else; and from
inside the namespace nothing of the machine's network can be reached.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn

from harness.topology.namespaces import CLONE_NEWNET, CLONE_NEWUSER, unshare

_INSIDE = "FAILOVER_KIT_USER_NAMESPACE"
_TRIAL_WITHIN_S = 10.0


def needs_user_namespace() -> bool:
    """Whether this process may not make networks itself, but could inside a user namespace."""
    if sys.platform != "linux" or _INSIDE in os.environ:
        return False
    return not _trial("network") and _trial("user")


def enter_user_namespace() -> NoReturn:
    """Start this very command again, inside a new user namespace. Call while there is one thread.

    Raises:
        OSError: the machine does not allow it; ask `needs_user_namespace` first.
    """
    _become_root_of_a_namespace()
    sys.stdout.flush()
    sys.stderr.flush()
    os.execve(sys.executable, sys.orig_argv, os.environ | {_INSIDE: "1"})  # noqa: S606 - this same command


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


def _become_root_of_a_namespace() -> None:
    user, group = os.getuid(), os.getgid()
    unshare(CLONE_NEWUSER)
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {user} 1"), ("gid_map", f"0 {group} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123 - one write each
            file.write(text)
    unshare(CLONE_NEWNET)


def _trial(kind: str) -> bool:
    # In a process of its own: this one may have threads, and should stay where it is.
    trial = [sys.executable, "-m", __name__, kind]
    return (
        subprocess.run(trial, stderr=subprocess.DEVNULL, timeout=_TRIAL_WITHIN_S, check=False).returncode == 0
    )


if __name__ == "__main__":
    if sys.argv[1] == "user":
        _become_root_of_a_namespace()
    else:
        unshare(CLONE_NEWNET)
