"""What of a run's nodes is fixed, where an application's configuration cannot be told of it.

Else passwords are random and ports are whatever is free.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harness.model.inventory import NodePlan
from harness.model.words import NodeRole


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """None: not fixed."""

    password: str | None = None
    """Of every data node; empty: none is asked for."""
    sentinel_password: str | None = None
    port: int | None = None
    """Of the first data node; each further one has the next. Nodes are on this machine's loopback address."""
    sentinel_port: int | None = None
    """Of the first sentinel, likewise."""

    @property
    def fix_ports(self) -> bool:
        return self.port is not None or self.sentinel_port is not None

    def ports(self, nodes: Iterable[NodePlan]) -> dict[str, int]:
        """Node -> its port, of those whose port is fixed."""
        found: dict[str, int] = {}
        following = {True: self.sentinel_port, False: self.port}
        for node in nodes:
            of_sentinel = node.role is NodeRole.SENTINEL
            port = following[of_sentinel]
            if port is not None:
                found[node.name] = port
                following[of_sentinel] = port + 1
        return found


FREE = Pins()
