"""Who became primary of which shard, and when: from roles, promotions and publications.

Four witnesses, of which each may be missing: a node that was a replica says that it is primary; a
`promoted` event; the proof of a fault that asked for the promotion; sentinels or cluster nodes publish a new
owner. The last one is the only one there is where an old primary leads again that never was a replica in
between: its successor died before it came back, so there was nobody to follow.

Traps: a restarted old primary calls itself primary for seconds and owns nothing. And whoever heard of a
change late (it was paused, cut off) publishes it late: its word is new only if it fits no change that is
known already and not yet published by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from harness.checks.facts.shards import Shards
from harness.model.history import History
from harness.model.records import Event, NodeSample
from harness.model.words import NodeRole, Trait

SAME_PROMOTION_US = 3_000_000
"""A `promoted` event and a sampled change of the same node this close are one promotion."""

ORDERED, NOTICED, PUBLISHED = "+failover-state-wait-promotion", "+promoted-slave", "published"
"""Sentinel has just told a node to become primary; it has seen that it is one; everybody is told."""

SUSPECTED, CLEARED = "suspected", "cleared"
"""One of those that decide holds a node for down, and does so no longer."""

CLOSE_US = 150_000
"""A promotion that is known to less than this is no moment that something can have happened at: nodes
are asked three times meanwhile."""

BEFORE = float("-inf")


@dataclass(frozen=True, slots=True)
class Owner:
    """A node became its shard's primary somewhere within [from_us, by_us]."""

    node: str
    from_us: float
    by_us: float

    @property
    def close(self) -> bool:
        """Known so exactly that "at promotion" says something."""
        return self.by_us - self.from_us <= CLOSE_US


def find_owners(
    history: History, shards: Shards, samples: Mapping[str, Sequence[NodeSample]]
) -> dict[int, list[Owner]]:
    """Shard -> its primaries in their order, the one that it began with first."""
    began = [node for node in history.plan.data_nodes() if node.role is NodeRole.PRIMARY]
    owners = {node.shard: [Owner(node.name, BEFORE, BEFORE)] for node in began}
    known = [event for event in history.events if shards.of(event.node, event.t_us) is not None]
    for owner in sorted(_promoted(known, {node.name for node in began}, samples), key=lambda one: one.by_us):
        shard = shards.of(owner.node, owner.by_us)
        if shard in owners:  # else the plan has no such shard, and nobody knows who began it
            owners[shard].append(owner)
    _add_published(owners, known, shards, samples)
    _narrow_handed_over(owners, history, shards)
    by_hand = history.plan.scenario.faults_with(Trait.UNASKED)
    told = [event for event in known if event.name in {ORDERED, NOTICED, PUBLISHED} or event.fault in by_hand]
    for shard, line in owners.items():
        led: list[Owner] = []
        for one in line:
            if not _strays(one, led, told):
                led.append(one)
        owners[shard] = led
    return owners


def _strays(owner: Owner, before: Sequence[Owner], told: Sequence[Event]) -> bool:
    """Whether a node that had led, and been replaced, calls itself primary again by itself: its successor had
    been published, and nobody names this one since. Nobody is sent there. A primary does so whose `FAILOVER`
    gave up. `before`: those that did not stray themselves, as a node may do it again."""
    if not any(one.node == owner.node for one in before[:-1]) or before[-1].node == owner.node:
        return False
    named_us = [
        event.t_us
        for event in told
        if event.name == PUBLISHED and event.node == before[-1].node and event.t_us < owner.from_us
    ]
    return bool(named_us) and not any(
        event.node == owner.node and event.t_us > max(named_us) for event in told
    )


def _narrow_handed_over(owners: dict[int, list[Owner]], history: History, shards: Shards) -> None:
    """Where a fault asked for the promotion, its proof is the best witness of when it was over: it asked the
    node a hundred times a second, in a thread of its own. What sentinels say is heard by a loop, which may be
    late. Of when it began a proof says little: whoever is promoted drops its clients, and older versions of
    the kit did not count such a look."""
    asked_for = history.plan.scenario.faults_with(Trait.HANDS_OVER)
    for event in history.events:
        shard = shards.of(event.node, event.t_us)
        if event.name != "effect" or event.fault not in asked_for or shard not in owners:
            continue
        begun_us = event.t_us - event.error_us
        for n, owner in enumerate(owners[shard]):
            late_us = owner.from_us - event.t_us
            if owner.node != event.node and begun_us <= owner.by_us and late_us < CLOSE_US:
                from_us = begun_us if late_us > 0 else owner.from_us
                owners[shard][n] = Owner(owner.node, from_us, min(owner.by_us, event.t_us))
                break


def _promoted(
    events: Iterable[Event], began: set[str], samples: Mapping[str, Sequence[NodeSample]]
) -> list[Owner]:
    """Who was a replica and became primary, as it says itself, and whoever else was said to."""
    about = [event for event in events if event.name in {"promoted", ORDERED, NOTICED}]
    found: list[Owner] = []
    for node, mine in samples.items():
        follows, last_us = node not in began, 0.0
        for sample in mine:
            if sample.role == NodeRole.PRIMARY and follows:
                found.append(_narrowed(Owner(node, last_us, sample.done_us), about))
            if sample.role:
                follows = sample.role == NodeRole.REPLICA
            last_us = sample.sent_us
    for event in about:
        if event.name == "promoted" and event.node is not None:
            near = (one for one in found if one.node == event.node)
            if not any(abs(one.by_us - event.t_us) < SAME_PROMOTION_US for one in near):
                found.append(_narrowed(Owner(event.node, event.t_us - event.error_us, event.t_us), about))
    return found


def _narrowed(owner: Owner, told: Iterable[Event]) -> Owner:
    """The bracket, cut down by what others told of this promotion while it lasted."""
    from_us, by_us = owner.from_us, owner.by_us
    for event in told:
        begun_us = event.t_us - event.error_us
        if event.node != owner.node or event.t_us < from_us or begun_us > by_us:
            continue
        if event.name != ORDERED:
            by_us = min(by_us, event.t_us)
        if event.name not in {NOTICED, PUBLISHED}:
            from_us = max(from_us, begun_us)
    return Owner(owner.node, from_us, by_us)


def _add_published(
    owners: dict[int, list[Owner]],
    events: Sequence[Event],
    shards: Shards,
    samples: Mapping[str, Sequence[NodeSample]],
) -> None:
    """Owners of whom only the publication tells."""
    heard: dict[tuple[str, int], Owner] = {}
    """Who publishes, and the shard -> whom it published last."""
    about = [event for event in events if event.name in {ORDERED, NOTICED, PUBLISHED}]
    for event in about:
        shard = shards.of(event.node, event.t_us)
        if event.name == ORDERED or shard not in owners or event.node is None:
            continue
        line = owners[shard]
        last = heard.get((event.source, shard), line[0])
        if event.name == NOTICED:  # who led the failover itself: it knows of no later one
            last = [one for one in line if one.from_us <= event.t_us][-1]
        if last.node == event.node:
            heard[event.source, shard] = last
            continue
        began_us = event.t_us - event.error_us
        known = (
            one
            for one in line
            if one.node == event.node and last.by_us < one.by_us and one.from_us <= event.t_us
        )
        found = next(known, None)
        if found is None:
            before = [one for one in line if one.by_us <= began_us][-1]
            born_us = _born_us(samples.get(event.node, ()), event.t_us)
            found = _narrowed(Owner(event.node, max(before.by_us, born_us), event.t_us), about)
            line.insert(line.index(before) + 1, found)
        heard[event.source, shard] = found


def _born_us(samples: Sequence[NodeSample], t_us: float) -> float:
    """The process that ran then was not there before this moment."""
    changes = (
        earlier.sent_us
        for earlier, later in pairwise(samples)
        if earlier.run_id != later.run_id and later.sent_us <= t_us
    )
    return max(changes, default=BEFORE)
