"""What faults may use where the kit sends no load: beside a command, and at nodes that are held."""

from __future__ import annotations

import random

from harness.errors import UsageError
from harness.model.plan import Plan
from harness.model.seams import FaultScene, Topology
from harness.observe import Observers


def scene_without_load(
    plan: Plan, topology: Topology, observers: Observers, *, instead: str, seed: str | None = None
) -> FaultScene:
    """`instead`: what there is in the place of web servers, for whoever asks for one."""
    return FaultScene(
        plan=plan,
        topology=topology,
        observed=observers.observed,
        web_servers=_NoWebServers(instead),
        record=observers.record,
        resolved={0: tuple(node.name for node in plan.nodes)},  # whoever is down was `killed`
        random=random.Random(seed).random,
        learn=observers.observed.learn,
    )


class _NoWebServers:
    def __init__(self, instead: str) -> None:
        self._instead = instead

    def kill_web_server(self, name: str) -> str:
        raise UsageError(f"{name!r}: {self._instead}; expected a node")

    def start_web_server(self, name: str) -> None:
        raise UsageError(f"{name!r}: {self._instead}; expected a node")

    def pause_web_server(self, name: str) -> str:
        raise UsageError(f"{name!r}: {self._instead}; expected a node")

    def resume_web_server(self, name: str) -> None:
        raise UsageError(f"{name!r}: {self._instead}; expected a node")
