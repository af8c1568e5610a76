"""Under what a run was made: the machine and the versions, written beside its history."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.model.seams import Topology
from harness.model.words import NodeRole
from harness.redis_wire import info
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.topology.base.control import Controls

PACKAGES = ("redis-failover-kit", "redis", "hiredis", "uvloop", "docker", "msgspec")


def environment(topology: Topology, image: str | None) -> dict[str, Any]:
    """What a reader must know before comparing this run's numbers with another machine's."""
    return {
        "backend": topology.backend,
        "engine": topology.engine,
        "image": image or "",
        "loopback": topology.loopback,
        "nodes": {name: {"host": host, "engine": engine} for name, host, engine in _nodes(topology)},
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "cpus": os.cpu_count() or 0,
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        **{name: package_version(name) for name in PACKAGES},
    }


def _nodes(topology: Topology) -> Iterator[tuple[str, str, str]]:
    """(name, host, engine) of each: where it is, and what it says it is. Empty: it shares no host, or does
    not answer."""
    with Controls(topology) as controls:
        for node in topology.plan.nodes:
            said = ""
            if node.holds_data or node.role is NodeRole.SENTINEL:
                with suppress(NoAnswer, ErrorReply):
                    said = info.engine(controls.info(node.name, "server"))
            yield node.name, node.host, said


def package_version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # run from a checkout that nobody installed
        return "not installed"
