"""The files of containers where they lie on this machine: what of them is on the disk.

The engine keeps a volume in a folder of its own, which only root may enter.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentFailure
from harness.topology.base import unsynced
from harness.topology.docker import daemon
from harness.topology.docker.daemon import translated

_SUFFIXES = (".aof", ".rdb")


def why_no_power_loss() -> str:
    """Why nobody can say here what of a container's files is on the disk; empty: it can be said."""
    if os.geteuid():
        return "only root can look at the files of containers"
    try:
        with closing(daemon.connect()) as client, translated("asking the engine where its volumes are"):
            place = Path(client.info()["DockerRootDir"]) / "volumes"
    except EnvironmentFailure as problem:
        return str(problem)
    return unsynced.why_not(place) if place.is_dir() else f"the engine's files are not here: no {place}"


def why_no_processes() -> str:
    """Why nothing can be done to the processes of containers from here; empty: it can."""
    if sys.platform != "linux":
        return "the engine, and so its processes, is in a virtual machine"
    if os.geteuid():
        return "only root can act on the processes of containers"
    if not daemon.endpoint().startswith("unix://"):
        return "the engine, and so its processes, is on another machine"
    return ""


def data_files(container: Any, folder: str) -> list[Path]:
    """What a node reads when it starts, of the volume that its container has at this folder."""
    places = [Path(one["Source"]) for one in container.attrs["Mounts"] if one["Destination"] == folder]
    found = (file for place in places for file in place.rglob("*") if file.suffix in _SUFFIXES)
    return sorted(file for file in found if file.is_file())
