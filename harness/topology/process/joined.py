"""A container or a network namespace of somebody's own that joins a run's network: where it lies.

Nothing of it is changed but for one link more, which goes with the run. Trap: a container that is started
again has a new namespace, without that link.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

from harness.errors import UsageError
from harness.topology.base.namespaces import Namespace
from harness.visible import visible

NAMED = Path("/run/netns")
"""Where `ip netns add NAME` puts them."""

_OWN = Path("/proc/self/ns/net")
_ANSWERS_WITHIN_S = 20.0
_SHOWN = 60


def namespace_of(name: str) -> Namespace | None:
    """That of a container, of `ip netns`, or behind a path such as /proc/PID/ns/net. None: it is this
    machine's own, where whoever is in it has the command's address already.

    Raises:
        UsageError: there is no such thing, or it must not be entered.
    """
    path = _path(name)
    try:
        if path.stat().st_ino == _OWN.stat().st_ino:
            return None
        return Namespace.at(str(path))
    except OSError as problem:
        raise UsageError(
            f"--join {visible(name[:_SHOWN])}: its network cannot be entered: {problem.strerror or problem}; "
            "joining takes root"
        ) from problem


def _path(name: str) -> Path:
    if "/" in name:
        return Path(name)
    if (named := NAMED / name).exists():
        return named
    pid = _pid_of_container(name)
    if pid is None:
        raise UsageError(
            f"--join {visible(name[:_SHOWN])}: expected a running container, a network namespace of "
            "`ip netns`, or a path such as /proc/1234/ns/net, found none of that name"
        )
    return Path(f"/proc/{pid}/ns/net")


def _pid_of_container(name: str) -> int | None:
    asked = ["docker", "container", "inspect", "--format", "{{.State.Pid}}", "--", name]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=_ANSWERS_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    pid = done.stdout.strip()
    return int(pid) if done.returncode == 0 and pid.isdecimal() and pid != "0" else None
