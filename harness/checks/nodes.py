"""Who was primary of which shard, and what happened to the nodes' data: from samples and events.

A node is its process (run_id). It is *deposed* from the moment another node of its shard became
primary, whoever knew of it; samples bracket that moment, a `promoted` event may narrow it down.
Nothing is judged here: `causes` and the checks ask.

Trap: a restarted old primary calls itself primary again for seconds. Only a change from replica to
primary makes a node the shard's owner.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from harness.checks.offsets import Offsets
from harness.model.history import History
from harness.model.records import Event, NodeSample
from harness.model.words import NodeRole, Trait

SAME_PROMOTION_US = 3_000_000
"""A `promoted` event and a sampled change of the same node this close are one promotion."""

AT_LIMIT = 0.9
"""Share of maxmemory from which memory counts as full: eviction keeps it just below the limit."""

ENDING = (Trait.STOPS_PROCESS, Trait.STARTS_PROCESS)
"""Once such a fault has taken effect, the process that its target was is gone."""

ORDERED, NOTICED = "+failover-state-wait-promotion", "+promoted-slave"
"""Sentinel has just told a replica to become primary; Sentinel has seen that it is one."""

CLOSE_US = 150_000
"""A promotion that is known to less than this is no moment that something can have happened at: nodes
are asked three times meanwhile."""

EMPTIED = 0.5
"""A process that comes back with fewer than this share of its keys came back empty: the first
sample of it may already count some new log-ins."""


class Standing(StrEnum):
    PRIMARY = "primary"
    DEPOSED = "deposed primary"
    REPLICA = "replica"
    CHANGING = "primary, while another was being promoted"
    UNKNOWN = ""


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


@dataclass(frozen=True, slots=True)
class Loss:
    """A shard's data went away: flushed, or its primary came back empty."""

    shard: int
    from_us: float
    by_us: float
    why: str


class Nodes:
    """Answers about the data nodes of one run."""

    def __init__(self, history: History) -> None:
        self.shard_of = {node.name: node.shard for node in history.plan.data_nodes()}
        self._first = {
            node.shard: node.name for node in history.plan.data_nodes() if node.role is NodeRole.PRIMARY
        }
        self._samples: dict[str, list[NodeSample]] = defaultdict(list)
        for sample in history.samples:
            if sample.reachable and sample.node in self.shard_of:
                self._samples[sample.node].append(sample)
        self.offsets = Offsets(self._samples)
        self.owners = self._find_owners(history.events)
        self.flushes = _flushes(history, self.shard_of)
        self.emptied = self._find_emptied()
        self.evicted_at = {
            (event.key, self.shard_of.get(event.node or "", event.shard)): event
            for event in reversed(history.events)
            if event.name == "evicted" and event.key is not None
        }
        self._by_key = history.opening.eviction_events
        self._deaf = {
            self.shard_of.get(event.node or "", event.shard)
            for event in history.events
            if event.name == "evictions-missed"
        }
        self._gone = self._find_gone(history)

    def evictions_by_key(self, shard: int) -> bool:
        """Whether every eviction of a session key on this shard was heard."""
        return self._by_key and shard not in self._deaf and None not in self._deaf

    def gone_us(self, node: str, run_id: str) -> float | None:
        """By when the process had certainly ended: another one answered in its place."""
        return self._gone.get((node, run_id)) if run_id else None

    def run_id_at(self, node: str, t_us: float) -> str:
        """The process that ran then, by the last sample before."""
        found = ""
        for sample in self._samples.get(node, ()):
            if sample.sent_us > t_us and found:
                break
            found = sample.run_id
        return found

    def standing(self, node: str, sent_us: float, done_us: float) -> Standing:
        """What the node was, in truth, between these moments."""
        shard = self.shard_of.get(node)
        if shard is None:
            return Standing.UNKNOWN
        mine = [n for n, owner in enumerate(self.owners[shard]) if owner.node == node]
        held = [n for n in mine if self.owners[shard][n].from_us <= done_us]
        if not held:
            return Standing.REPLICA
        following = self.next_owner(shard, held[-1])
        if following is None or done_us < following.from_us:
            return Standing.PRIMARY
        return Standing.DEPOSED if sent_us > following.by_us else Standing.CHANGING

    def next_owner(self, shard: int, position: int) -> Owner | None:
        """The next other node that became primary after the owner at this position."""
        node = self.owners[shard][position].node
        return next((owner for owner in self.owners[shard][position + 1 :] if owner.node != node), None)

    def owner_after(self, node: str, t_us: float) -> Owner | None:
        """Who took over from this node, which answered something at that moment."""
        return next(iter(self.heirs(node, t_us)), None)

    def heirs(self, node: str, t_us: float) -> Iterator[Owner]:
        """Who took over from this node, who from that one, and so on."""
        shard = self.shard_of.get(node)
        if shard is None:
            return
        held = [n for n, one in enumerate(self.owners[shard]) if one.node == node and one.from_us <= t_us]
        position = held[-1] if held else None
        while position is not None and (heir := self.next_owner(shard, position)) is not None:
            yield heir
            position = self.owners[shard].index(heir)

    def owner_at(self, shard: int, t_us: float) -> str | None:
        """The shard's primary then (promotions that may have happened by then count)."""
        found = None
        for owner in self.owners.get(shard, ()):
            if owner.from_us <= t_us:
                found = owner.node
        return found

    def evicted_between(self, shard: int, from_us: float, to_us: float) -> tuple[str, int]:
        """(run_id, keys evicted by then) of a shard's primary whose memory was at its limit, if the
        shard had no change of roles meanwhile; else 0 keys."""
        node = self.owner_at(shard, to_us)
        if node is None or any(
            from_us <= owner.by_us and owner.from_us <= to_us for owner in self.owners[shard]
        ):
            return "", 0
        before, after, full, run_id = 0, 0, False, ""
        for sample in self._samples.get(node, ()):
            if sample.done_us <= from_us:
                before = sample.evicted_keys
            elif run_id not in {"", sample.run_id}:
                return "", 0
            else:
                after = max(after, sample.evicted_keys)
                full |= 0 < AT_LIMIT * sample.memory_limit_bytes <= sample.memory_bytes
                run_id = sample.run_id
                if sample.sent_us >= to_us:
                    break
        return run_id, max(0, after - before) if full else 0

    def largest_lag_us(self) -> float:
        """How long a primary's write took at most to reach a replica, by offsets (to one sample)."""
        worst = 0.0
        for shard in self.owners:
            members = [node for node, number in self.shard_of.items() if number == shard]
            merged = sorted(
                (one for node in members for one in self._samples[node]), key=lambda one: one.done_us
            )
            offsets: list[int] = []
            times: list[float] = []
            for sample in merged:
                if sample.role != "primary":
                    ahead = bisect_right(offsets, sample.offset)
                    worst = max(worst, sample.done_us - times[ahead] if ahead < len(times) else 0.0)
                elif not offsets or sample.offset > offsets[-1]:
                    offsets.append(sample.offset)
                    times.append(sample.sent_us)
        return worst

    def _find_owners(self, events: tuple[Event, ...]) -> dict[int, list[Owner]]:
        owners = {shard: [Owner(node, float("-inf"), float("-inf"))] for shard, node in self._first.items()}
        told = [event for event in events if event.name == "promoted" and event.node in self.shard_of]
        others = [event for event in events if event.name in {ORDERED, NOTICED}]
        found: list[Owner] = []
        for node, samples in self._samples.items():
            role = "primary" if self._first[self.shard_of[node]] == node else "replica"
            last_us = 0.0
            for sample in samples:
                if sample.role == "primary" and role == "replica":
                    found.append(_narrowed(Owner(node, last_us, sample.done_us), told + others))
                role, last_us = sample.role or role, sample.sent_us
        for event in told:
            assert event.node is not None
            near = (one for one in found if one.node == event.node)
            if not any(abs(one.by_us - event.t_us) < SAME_PROMOTION_US for one in near):
                found.append(Owner(event.node, event.t_us - event.error_us, event.t_us))
        for owner in sorted(found, key=lambda one: one.by_us):
            owners[self.shard_of[owner.node]].append(owner)
        return owners

    def _find_emptied(self) -> list[Loss]:
        """Primaries that came back without their data while still the owner of their shard."""
        losses = []
        for node, samples in self._samples.items():
            shard = self.shard_of[node]
            last: NodeSample | None = None
            for sample in samples:
                if last is not None and last.run_id != sample.run_id and sample.role == "primary":
                    owner = self.owner_at(shard, sample.sent_us)
                    if owner == node and sample.keys < EMPTIED * last.keys:
                        why = f"{node} came back with {sample.keys} of {last.keys} keys"
                        losses.append(Loss(shard, last.sent_us, sample.done_us, why))
                last = sample
        return losses

    def _find_gone(self, history: History) -> dict[tuple[str, str], float]:
        """Process -> by when it was gone: a fault proved it, or another one answered in its place."""
        ending = history.plan.scenario.faults_with(*ENDING)
        gone = {
            (event.node, self.run_id_at(event.node, event.t_us - event.error_us)): float(event.t_us)
            for event in reversed(history.events)
            if event.name == "effect" and event.fault in ending and event.node is not None
        }
        for node, samples in self._samples.items():
            for earlier, later in pairwise(samples):
                if earlier.run_id != later.run_id:
                    gone.setdefault((node, earlier.run_id), later.done_us)
        return gone


def _narrowed(owner: Owner, told: list[Event]) -> Owner:
    """The sampled bracket, cut down by what others told of this promotion while it lasted."""
    from_us, by_us = owner.from_us, owner.by_us
    for event in told:
        begun_us = event.t_us - event.error_us
        if event.node != owner.node or event.t_us < from_us or begun_us > by_us:
            continue
        if event.name != ORDERED:
            by_us = min(by_us, event.t_us)
        if event.name != NOTICED:
            from_us = max(from_us, begun_us)
    return Owner(owner.node, from_us, by_us) if from_us <= by_us else owner


def _flushes(history: History, shard_of: dict[str, int]) -> list[Loss]:
    """Flushes that emptied a database with sessions in it."""
    faults = history.plan.scenario.faults_with(Trait.EMPTIES_DATABASE)
    cache_database = history.plan.scenario.deployment.topology.cache_database
    losses = []
    for event in history.events:
        fault = faults.get(event.fault or 0)
        if event.name != "flushed" and not (event.name == "effect" and fault is not None):
            continue
        other_database = fault is not None and fault.target == "cache" and cache_database != 0
        if other_database and fault is not None and fault.options.get("scope", "database") != "all":
            continue
        shard = shard_of.get(event.node or "", event.shard)
        shards = set(shard_of.values()) if shard is None else {shard}
        losses += [
            Loss(
                number,
                event.t_us - event.error_us,
                event.t_us,
                f"{event.source}: {event.detail or event.name}",
            )
            for number in shards
        ]
    return losses
