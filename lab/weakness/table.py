"""The weaknesses that are seeded, and what promises the opposite. Pure.

A deployment says a setting, and its nodes do not have it: an operator's `CONFIG SET` has switched it off. So
more is lost than what the deployment says allows. Where there are replicas this is `min-replicas-to-write`; a
node without a replica cannot have that, and there it is what keeps sessions through a restart. The other
weakness is a bug of the engine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.model.words import TopologyKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    kind: TopologyKind
    name: str
    topology: Mapping[str, Any] = field(default_factory=dict)
    """Of the deployment, besides its kind."""
    off: Mapping[str, str] = field(default_factory=dict)
    """What nodes have in the place of what the deployment says; empty: the engine has a bug, and settings are
    drawn."""

    @property
    def label(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def document(self) -> dict[str, Any]:
        """A deployment file's content."""
        return {"deployment": 1, "name": self.name, "topology": {"kind": str(self.kind), **self.topology}}


BREAKS = ("over-budget", "unexplained")
"""What these weaknesses lead to. Whatever else an exploration promises is not what is looked for."""
ENGINE_BUG = "a node that took over drops writes"


def _unguarded(kind: TopologyKind, **topology: Any) -> Weakness:
    return Weakness(
        kind=kind,
        name="min-replicas off",
        topology={**topology, "redis": {"min-replicas-to-write": "1", "min-replicas-max-lag": "1"}},
        off={"min-replicas-to-write": "0"},
    )


def _forgetful(kind: TopologyKind) -> Weakness:
    return Weakness(
        kind=kind,
        name="append-only file off",
        topology={"redis": {"appendonly": "yes", "appendfsync": "always"}},
        off={"appendonly": "no"},
    )


WEAKNESSES = (
    _unguarded(TopologyKind.SENTINEL),
    # With two seconds a primary that is cut off stops by itself as early as with the guard.
    _unguarded(TopologyKind.CLUSTER, node_timeout="5s"),
    _unguarded(TopologyKind.SPLIT, sentinels=3, replicas=2),
    _forgetful(TopologyKind.SINGLE),
    _forgetful(TopologyKind.SHARED),
    *(Weakness(kind=kind, name=ENGINE_BUG) for kind in TopologyKind),
)


def labelled(label: str) -> Weakness:
    return next(one for one in WEAKNESSES if one.label == label)
