"""Who was primary of which shard, and what happened to the nodes' data: everybody asks here.

A node is its process (run_id). It is *deposed* from the moment another node of its shard became
primary, whoever knew of it, and it may become primary again. `shards` says who belonged to which shard,
`promotions` who became its primary, `restarts` who came back as another process; here they are put together.
Nothing is judged here: `causes` and the checks ask.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from harness.checks.facts.offsets import Offsets
from harness.checks.facts.promotions import BEFORE, Owner, find_owners
from harness.checks.facts.restarts import find_restarts
from harness.checks.facts.settings import Settings
from harness.checks.facts.shards import Shards
from harness.checks.facts.struck import ENDING
from harness.model.history import History
from harness.model.records import NodeSample
from harness.model.scenario import FaultStep
from harness.model.times import FOREVER
from harness.model.words import Cause, NodeRole, Trait

Process = tuple[str, str]
"""A node and its run_id."""


class Standing(StrEnum):
    PRIMARY = NodeRole.PRIMARY.value
    DEPOSED = "deposed primary"
    REPLICA = NodeRole.REPLICA.value
    CHANGING = "primary, while another node was being promoted"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Loss:
    """Some or all of a shard's data went away: flushed, or its primary came back without it."""

    shard: int
    from_us: float
    by_us: float
    why: str
    cause: Cause = Cause.FLUSHED
    since_us: float = BEFORE
    """What was confirmed before this moment did not go away."""


class Ownership:
    """Answers about the data nodes of one run. Ask `facts_of(history).ownership`: there is one for each."""

    def __init__(self, history: History, shards: Shards) -> None:
        self.shards = shards
        self._samples: dict[str, list[NodeSample]] = defaultdict(list)
        for sample in history.samples:
            if sample.reachable and self.shards.of(sample.node, sample.done_us) is not None:
                self._samples[sample.node].append(sample)
        self.offsets = Offsets(self._samples)
        self.owners = find_owners(history, self.shards, self._samples)
        self.settings = Settings(history, self._samples)
        self.restarts = find_restarts(history, self._samples, self.settings)
        self.flushes = _flushes(history, self.shards)
        self.reborn = self._find_reborn()
        self.evicted_at = {
            (event.key, self.shards.of_event(event)): event
            for event in reversed(history.events)
            if event.name == "evicted" and event.key is not None
        }
        self._by_key = history.opening.eviction_events
        self._deaf = {
            self.shards.of_event(event) for event in history.events if event.name == "evictions-missed"
        }
        self._alone_until_us, self._gone = self._find_ends(history)

    def evictions_by_key(self, shard: int) -> bool:
        """Whether every eviction of a session key on this shard was heard."""
        return self._by_key and shard not in self._deaf and None not in self._deaf

    def gone_us(self, node: str, run_id: str) -> float | None:
        """By when the process had certainly ended: another one answered in its place."""
        return self._gone.get((node, run_id)) if run_id else None

    def processes_at(self, node: str, t_us: float) -> set[str]:
        """The processes that may have run then: that of the last sample before, of any on its way, and of
        the first after."""
        return {one.run_id for one in _around(self._samples.get(node, []), t_us, t_us)}

    def answering(self, node: str, from_us: float, to_us: float) -> list[str]:
        """The processes one of which answered at the latter moment what it was asked at the former.

        Between looks at two processes it may have been either. But one that was gone before it was asked did
        not answer; and where a fault ended one afterwards, none that followed it had begun."""
        found: list[str] = []
        for sample in _around(self._samples.get(node, []), from_us, to_us):
            process = (node, sample.run_id)
            if self._gone.get(process, FOREVER) > from_us and sample.run_id not in found:
                found.append(sample.run_id)
            if self._alone_until_us.get(process, 0.0) >= to_us:
                break
        return found

    def standing(self, node: str, sent_us: float, done_us: float) -> Standing:
        """What the node was, in truth, between these moments."""
        shard = self.shards.of(node, done_us)
        if shard not in self.owners:
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

    def undone(self, shard: int, owner: Owner) -> bool:
        """Whether it was made a replica again before anybody else was promoted. So do sentinels to a replica
        that was promoted after they had given up, or by one of them that died before it told the others."""
        following = self.next_owner(shard, self.owners[shard].index(owner))
        until_us = FOREVER if following is None else following.from_us
        return any(
            one.role == NodeRole.REPLICA and owner.by_us < one.sent_us and one.done_us < until_us
            for one in self._samples.get(owner.node, ())
        )

    def owner_after(self, node: str, t_us: float) -> Owner | None:
        """Who took over from this node, which answered something at that moment."""
        return next(iter(self.heirs(node, t_us)), None)

    def heirs(self, node: str, t_us: float) -> Iterator[Owner]:
        """Who took over from this node, who from that one, and so on."""
        shard = self.shards.of(node, t_us)
        if shard not in self.owners:
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

    def acting_between(self, shard: int, from_us: float, to_us: float) -> list[str]:
        """The nodes that may have acted as the shard's primary then, by what they said of themselves just
        before, meanwhile, and just after."""
        return [
            node
            for node, samples in self._samples.items()
            if self.shards.of(node, to_us) == shard
            and any(one.role == NodeRole.PRIMARY for one in _around(samples, from_us, to_us))
        ]

    def settled_owner_at(self, shard: int, t_us: float) -> str | None:
        """The shard's primary then, by the last promotion that was certainly over."""
        return next((one.node for one in reversed(self.owners.get(shard, ())) if one.by_us <= t_us), None)

    def evicted_between(self, shard: int, from_us: float, to_us: float) -> tuple[str, int]:
        """(run_id, keys evicted by then) of a shard's primary whose memory has a limit, if the shard had no
        change of roles meanwhile; else 0 keys.

        A node counts an eviction only while its memory is over the limit, so its count is proof enough.
        Samples need not show it: they look at moments, and what filled the memory may be gone by the next."""
        node = self.owner_at(shard, to_us)
        if node is None or any(
            from_us <= owner.by_us and owner.from_us <= to_us for owner in self.owners[shard]
        ):
            return "", 0
        before, after, limited, run_id = 0, 0, False, ""
        for sample in self._samples.get(node, ()):
            if sample.done_us <= from_us:
                before = sample.evicted_keys
            elif run_id not in {"", sample.run_id}:
                return "", 0
            else:
                after = max(after, sample.evicted_keys)
                limited |= sample.memory_limit_bytes > 0
                run_id = sample.run_id
                if sample.sent_us >= to_us:
                    break
        return run_id, max(0, after - before) if limited else 0

    def failovers(self, since_us: float, shard: int | None = None) -> list[Owner]:
        """Who took a shard over from another node from then on, in order; of one shard, or all."""
        lines = [line for number, line in self.owners.items() if shard in {None, number}]
        taken = [later for line in lines for earlier, later in pairwise(line) if earlier.node != later.node]
        return sorted((one for one in taken if one.by_us >= since_us), key=lambda one: one.by_us)

    def _find_reborn(self) -> list[Loss]:
        """Primaries that came back without some of their data while still the owner of their shard."""
        losses = []
        for one in self.restarts:
            shard = self.shards.of(one.node, one.by_us)
            if one.cause is not None and shard is not None and self.owner_at(shard, one.by_us) == one.node:
                losses.append(Loss(shard, one.from_us, one.by_us, one.why, one.cause, one.since_us))
        return losses

    def _find_ends(self, history: History) -> tuple[dict[Process, float], dict[Process, float]]:
        """Process -> until when none that followed it had begun, where a fault ended it; and by when it was
        gone: a fault proved it, or another one answered in its place.

        Trap: a question that was on its way while a node came back was answered by the new process."""
        ending = history.plan.scenario.faults_with(*ENDING)
        alone_until, gone = dict[Process, float](), dict[Process, float]()
        for event in reversed(history.events):
            if event.name == "effect" and event.fault in ending and event.node is not None:
                process = event.node, self.offsets.process_at(event.node, event.t_us - event.error_us)
                if process[1]:
                    alone_until[process], gone[process] = event.t_us - event.error_us, event.t_us
        for node, samples in self._samples.items():
            for earlier, later in pairwise(samples):
                if earlier.run_id != later.run_id:
                    gone.setdefault((node, earlier.run_id), later.done_us)
        return alone_until, gone


def _around(samples: list[NodeSample], from_us: float, to_us: float) -> list[NodeSample]:
    """The last sample before, those meanwhile, and the first after."""
    first = max(0, bisect_left(samples, from_us, key=lambda one: one.done_us) - 1)
    return samples[first : bisect_right(samples, to_us, key=lambda one: one.sent_us) + 1]


def _of_the_cache_alone(flush: FaultStep) -> bool:
    return flush.target == "cache" and flush.options.get("scope", "database") != "all"


def _flushes(history: History, shards: Shards) -> list[Loss]:
    """Flushes that emptied a database with sessions in it."""
    faults = history.plan.scenario.faults_with(Trait.EMPTIES_DATABASE)
    cache_database = history.plan.scenario.deployment.topology.cache_database
    losses = []
    for event in history.events:
        fault = faults.get(event.fault or 0)
        if event.name != "flushed" and not (event.name == "effect" and fault is not None):
            continue
        if fault is not None and cache_database and _of_the_cache_alone(fault):
            continue
        shard = shards.of_event(event)
        struck = {node.shard for node in history.plan.data_nodes()} if shard is None else {shard}
        losses += [
            Loss(
                number,
                event.t_us - event.error_us,
                event.t_us,
                f"{event.source}: {event.detail or event.name}",
            )
            for number in struck
        ]
    return losses
