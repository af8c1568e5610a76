"""Under what a run was made: the machine and the versions, written beside its history."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from harness.model.seams import Topology

PACKAGES = ("redis-failover-kit", "redis", "hiredis", "uvloop", "docker", "msgspec")


def environment(topology: Topology, image: str | None) -> dict[str, str | int | bool]:
    """What a reader must know before comparing this run's numbers with another machine's."""
    return {
        "backend": topology.backend,
        "engine": topology.engine,
        "image": image or "",
        "loopback": topology.loopback,
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        **{name: package_version(name) for name in PACKAGES},
    }


def package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "not installed"
