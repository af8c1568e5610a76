"""The newest of what observers saw of every node, kept for whoever asks: conditions, faults, recovery.

Written by the observers in the event loop, read from any thread: values are replaced, never changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.model.plan import Plan
from harness.model.records import NodeSample
from harness.model.words import NodePurpose, NodeRole
from harness.observe.views import ClusterView, SentinelView

RECENT_US = 1_000_000
"""What was seen longer ago is not what is so."""

_KEPT_SAMPLES = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class TopologyView:
    """What is known of every node at one moment."""

    now_us: int
    samples: Mapping[str, tuple[NodeSample, ...]]
    """Data node -> its last samples, newest last."""
    answers: Mapping[str, NodeSample]
    """Data node -> the newest sample in which it answered, however long ago."""
    sentinels: Mapping[str, SentinelView] = field(default_factory=dict)
    clusters: Mapping[str, ClusterView] = field(default_factory=dict)
    shards: Mapping[str, int] = field(default_factory=dict)
    """Data node -> the shard that it said it belongs to; of others the plan is believed."""

    def newest(self, node: str) -> NodeSample | None:
        """The newest sample, reachable or not; None: never asked, or not for a second."""
        seen = self.samples.get(node, ())
        return seen[-1] if seen and self.recent(seen[-1].done_us) else None

    def recent(self, t_us: int) -> bool:
        return self.now_us - t_us <= RECENT_US


class ViewCollector:
    """Collects what the observers see."""

    def __init__(self) -> None:
        self._samples: dict[str, tuple[NodeSample, ...]] = {}
        self._answers: dict[str, NodeSample] = {}
        self._sentinels: dict[str, SentinelView] = {}
        self._clusters: dict[str, ClusterView] = {}
        self.shards: dict[str, int] = {}
        """Live: whoever holds it sees what nodes say next."""

    def saw_sample(self, seen: NodeSample) -> None:
        if seen.shard is not None:
            self.shards[seen.node] = seen.shard
        if seen.reachable:
            self._answers[seen.node] = seen
        self._samples[seen.node] = (*self._samples.get(seen.node, ())[1 - _KEPT_SAMPLES :], seen)

    def saw_sentinel(self, seen: SentinelView) -> None:
        self._sentinels[seen.observer] = seen

    def saw_cluster(self, seen: ClusterView) -> None:
        self._clusters[seen.observer] = seen

    def last_answer(self, node: str) -> NodeSample | None:
        """The newest sample in which the node answered, however long ago."""
        return self._answers.get(node)

    def now(self, now_us: int) -> TopologyView:
        return TopologyView(
            now_us=now_us,
            samples=dict(self._samples),
            answers=dict(self._answers),
            sentinels=dict(self._sentinels),
            clusters=dict(self._clusters),
            shards=dict(self.shards),
        )


def members(known: TopologyView, plan: Plan, shard: int) -> frozenset[str]:
    """The data nodes that belong to a shard now: a cluster's replica may have migrated to another one."""
    return frozenset(
        node.name for node in plan.data_nodes() if known.shards.get(node.name, node.shard) == shard
    )


def guarded(plan: Plan, shard: int) -> bool:
    """Whether sentinels decide who is primary of this shard."""
    return bool(plan.sentinels()) and any(
        node.shard == shard and node.purpose is NodePurpose.SESSIONS and node.holds_data
        for node in plan.nodes
    )


def clustered(plan: Plan) -> bool:
    return plan.inventory.clustered


def primary_of(known: TopologyView, plan: Plan, shard: int) -> str | None:
    """The node that the majority of those who decide, and who answer now, calls primary.

    Those are the sentinels, or the cluster's nodes; where no sentinel answers, the shard's data nodes,
    which must all say the same; where there are no sentinels, the node itself.
    """
    if clustered(plan):
        slot, _ = plan.inventory.slot_range(shard)
        return _majority([seen.owner(slot) for seen in known.clusters.values() if _counts(known, seen)])
    if not guarded(plan, shard):
        return next((name for name in sorted(members(known, plan, shard)) if _claims(known, name)), None)
    votes = [seen.primary for seen in known.sentinels.values() if _counts(known, seen)]
    return _majority(votes) if votes else _unanimous(known, members(known, plan, shard))


def _majority(votes: Sequence[str]) -> str | None:
    winner = max(sorted(set(votes)), key=votes.count, default="")
    return winner if winner and 2 * votes.count(winner) > len(votes) else None


def _unanimous(known: TopologyView, nodes: Iterable[str]) -> str | None:
    """Whom all data nodes that answer now take for the primary: themselves, or whom they follow."""
    answers = [seen for node in nodes if (seen := known.newest(node)) is not None and seen.reachable]
    told = {seen.node if seen.role == NodeRole.PRIMARY else seen.primary for seen in answers}
    return told.pop() or None if len(told) == 1 else None


def _counts(known: TopologyView, seen: SentinelView | ClusterView) -> bool:
    return not seen.error and known.recent(seen.done_us)


def _claims(known: TopologyView, node: str) -> bool:
    seen = known.answers.get(node)
    return seen is not None and seen.role == NodeRole.PRIMARY
