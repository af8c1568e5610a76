"""The weaknesses that are seeded, and the promise that each breaks. Pure.

On topologies with replicas it is `min-replicas-to-write` that was left out: an isolated primary goes on
confirming writes. Nodes without a replica cannot have that one: there it is what keeps sessions through a
restart, or beside a cache. Every deployment here would keep its promise with `mended`.
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
    expect: tuple[str, ...] = ()
    """What is promised besides that which every exploration promises."""
    mended: Mapping[str, str] = field(default_factory=dict)
    """Directives that would keep the promise."""
    bug: bool = False
    """The engine misbehaves; the settings are those of the kit, and are drawn."""

    @property
    def label(self) -> str:
        return f"{self.kind}: {self.name}"

    @property
    def document(self) -> dict[str, Any]:
        """A deployment file's content."""
        return {"deployment": 1, "name": self.name, "topology": {"kind": str(self.kind), **self.topology}}


ENGINE_BUG = "a node that took over drops writes"
_GUARD = {"min-replicas-to-write": "1", "min-replicas-max-lag": "1"}
_BOUNDED = ("loss window: < 5s",)
"""With the guard at most max-lag, two seconds and some slack; without, as long as a primary is cut off."""
_KEPT = ("lost-session: 0",)


def _unguarded(kind: TopologyKind, **topology: Any) -> Weakness:
    return Weakness(
        kind=kind,
        name="min-replicas off",
        topology={**topology, "redis": {"min-replicas-to-write": "0"}},
        expect=_BOUNDED,
        mended=_GUARD,
    )


WEAKNESSES = (
    _unguarded(TopologyKind.SENTINEL),
    # With two seconds a primary that is cut off stops by itself before the promise is broken.
    _unguarded(TopologyKind.CLUSTER, node_timeout="5s"),
    _unguarded(TopologyKind.SPLIT),
    Weakness(
        kind=TopologyKind.SINGLE,
        name="no append-only file",
        topology={"redis": {"appendonly": "no"}},
        expect=_KEPT,
        mended={"appendonly": "yes", "appendfsync": "always"},
    ),
    Weakness(
        kind=TopologyKind.SHARED,
        name="sessions are evicted with the cache",
        topology={"redis": {"maxmemory": "24mb", "maxmemory-policy": "allkeys-lru"}},
        expect=("evicted-session: 0",),
        mended={"maxmemory-policy": "noeviction"},
    ),
    *(Weakness(kind=kind, name=ENGINE_BUG, bug=True) for kind in TopologyKind),
)
