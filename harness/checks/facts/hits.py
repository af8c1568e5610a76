"""What one fault did to one node, and what that led to.

A fault strikes a node at a moment; the node was primary by right then, or was not; it came back, or
another took its place, because of this fault or of another one. Who judges what a fault may cost asks here.

Trap: whoever decides that a primary is down takes its time, so a takeover may come after the fault's end, and
another fault may have been the reason for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from harness.checks.facts.of_run import Facts
from harness.checks.facts.ownership import Ownership
from harness.checks.facts.promotions import BEFORE, CLEARED, SUSPECTED, Owner
from harness.checks.facts.restarts import Restart
from harness.checks.facts.settings import Settings
from harness.checks.facts.struck import targets_of
from harness.model.deployment import TopologySpec
from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.persistence import setting
from harness.model.records import Event, NodeSample
from harness.model.scenario import FaultStep
from harness.model.times import FOREVER
from harness.model.words import NodePurpose, NodeRole, Trait

SENTINEL_PACE_S = 2.0
"""SENTINEL_PING_PERIOD and SENTINEL_MAX_DESYNC: a second until it asks, and one at most until it starts."""
CLUSTER_VOTES_S = 2.0
"""The least for which votes are counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One node struck by one fault, with what the rules ask about it."""

    facts: Facts
    step: FaultStep
    event: Event
    node: NodePlan
    """With the settings that it had just before."""

    @classmethod
    def of(cls, facts: Facts, step: FaultStep, event: Event, node: str) -> Self:
        had = facts.settings.at(node, event.t_us - event.error_us)
        return cls(facts=facts, step=step, event=event, node=had)

    @property
    def history(self) -> History:
        return self.facts.history

    @property
    def ownership(self) -> Ownership:
        return self.facts.ownership

    @property
    def settings(self) -> Settings:
        return self.facts.settings

    @property
    def reads(self) -> NodePlan:
        """The node as its next process was started."""
        starts = Trait.STARTS_PROCESS in self.step.traits
        started_us = self.event.t_us if starts else self.ended_us
        return self.settings.file_at(self.node.name, self.event.t_us if started_us is None else started_us)

    @property
    def topology(self) -> TopologySpec:
        return self.history.plan.scenario.deployment.topology

    @property
    def in_cluster(self) -> bool:
        return self.history.plan.inventory.clustered

    @property
    def guarded(self) -> bool:
        """Sentinels watch the shard."""
        return bool(self.history.plan.inventory.sentinels)

    @property
    def since_us(self) -> int:
        """The earliest at which it may have taken effect. Where a promotion is the effect, it counts
        from its request."""
        if Trait.HANDS_OVER in self.step.traits:
            asked = self.times("requested", self.step.number)
            return max((t for t in asked if t <= self.event.t_us), default=self.event.t_us)
        return self.event.t_us - self.event.error_us

    @property
    def holds_promises(self) -> bool:
        """Sessions, or what the workload keeps with the cache."""
        if self.node.purpose is not NodePurpose.SESSIONS:
            return bool(self.history.plan.scenario.workload.kept_with_cache)
        return self.node.holds_data

    @property
    def shard(self) -> int:
        """The shard that it belonged to then."""
        return self.ownership.shards.of(self.node.name, self.since_us) or self.node.shard

    @property
    def owned(self) -> bool:
        """Whether it was its shard's primary by right."""
        return self.ownership.owner_at(self.shard, self.since_us) == self.node.name or (
            (taken := self.successor) is not None and taken.by_us >= self.since_us
        )

    @property
    def successor(self) -> Owner | None:
        """Who took its place, at any time."""
        return self.ownership.owner_after(self.node.name, self.since_us)

    @property
    def led_to(self) -> Owner | None:
        """Who took its place because of this fault, perhaps after its end; None: nobody did.

        Whoever asked it last before the end waits down-after, or node-timeout, for the answer. If nobody
        doubted it by then, or another fault handed its place over, that takeover has another reason. Where
        nobody was heard to doubt it, it comes within `decides_s`. There, and where somebody began to later,
        another fault that took effect meanwhile may be the reason: whoever fell silent is never heard to
        trust it again."""
        taken, ended_us = self.successor, self.over_us
        if taken is None:
            return None
        doubted_us = self._doubted_us(taken)
        if taken.from_us <= ended_us:
            return None if self._led_to_by_a_later_one(taken, doubted_us) else taken
        if self.strikes(ended_us, taken.by_us, Trait.HANDS_OVER):
            return None
        if not doubted_us and taken.from_us > ended_us + self.decides_s * 1e6:
            return None
        waits_s = self.node_timeout_s if self.in_cluster else self.topology.down_after_s
        until_us = ended_us + waits_s * 1e6
        if doubted_us and doubted_us[0] > until_us:
            return None
        in_time = bool(doubted_us) and doubted_us[-1] <= until_us
        return None if not in_time and self.strikes(ended_us, taken.by_us) else taken

    @property
    def late(self) -> Owner | None:
        """Who took its place because of this fault, when it was there again."""
        taken = self.led_to
        return taken if taken is not None and taken.from_us > self.over_us else None

    @property
    def over_us(self) -> float:
        """When the node was there again."""
        if Trait.STARTS_PROCESS in self.step.traits:
            return self.event.t_us
        return FOREVER if self.ended_us is None else self.ended_us

    def _doubted_us(self, taken: Owner) -> list[float]:
        """When those began who held it for down when it was replaced, or who did last, the first one first;
        empty: nobody was heard to."""
        doubting: set[str] = set()
        begun_us: list[float] = []
        for event in self.history.events:
            if event.node != self.node.name or event.t_us > taken.by_us:
                continue
            if event.name == SUSPECTED:
                begun_us = [*(begun_us if doubting else ()), event.t_us - event.error_us]
                doubting.add(event.source)
            elif event.name == CLEARED:
                doubting.discard(event.source)
        return begun_us

    @property
    def decides_s(self) -> float:
        """The longest that it takes from a node's last answer until another has its place, where nothing
        hinders those who decide: the sum of their timers.

        A sentinel asks once a second, waits down-after, starts up to a second later, gives an election up
        after failover-timeout at most (`sentinelFailoverWaitStart`), and waits as long for the replica that
        it chose (`sentinelFailoverWaitPromotion`). A node of a cluster waits node-timeout, holds what failed
        for failed for two more though it answers (CLUSTER_FAIL_UNDO_TIME_MULT), and counts votes for two, 2 s
        at least (`clusterHandleSlaveFailover`)."""
        if self.in_cluster:
            return 3 * self.node_timeout_s + max(2 * self.node_timeout_s, CLUSTER_VOTES_S)
        return SENTINEL_PACE_S + self.topology.down_after_s + 2 * self.topology.failover_timeout_s

    def _led_to_by_a_later_one(self, taken: Owner, doubted_us: Sequence[float]) -> bool:
        """Whether a later fault is why it was replaced while this one lasted: this one had had all the time
        that it needs, then that one struck the node, and only then enough of those who decide began to doubt
        it, soon enough for that one. Where nobody was heard to, it was replaced that soon."""
        decides_us = self.decides_s * 1e6
        begun_us = doubted_us[: self._quorum][-1] if doubted_us else taken.from_us
        causing = self.history.plan.scenario.faults_with(Trait.CAUSES_FAILOVER)
        others = (
            replace(self, step=causing[one.fault], event=one)
            for one in self.history.effects
            if one.fault in causing and self.node.name in targets_of(one, self.history)
        )
        return any(
            self.event.t_us + decides_us < one.since_us < begun_us <= one.since_us + decides_us
            for one in others
        )

    @property
    def _quorum(self) -> int:
        """How many must doubt it."""
        inventory = self.history.plan.inventory
        return inventory.shards // 2 + 1 if self.in_cluster else self.topology.effective_quorum

    def ended_before(self, taken: Owner) -> bool:
        """Whether another fault ended its process before it was replaced, and all doubted it only then."""
        ends = [t for t in self.struck(Trait.STOPS_PROCESS) if self.event.t_us < t <= taken.by_us]
        doubted_us = self._doubted_us(taken)
        return bool(ends and doubted_us) and doubted_us[0] > min(ends)

    @property
    def replaced(self) -> bool:
        """It had been primary, and another had taken its place before."""
        taken = self.successor
        return taken is not None and taken.by_us < self.since_us

    def times(self, name: str, fault: int) -> list[int]:
        return [one.t_us for one in self.history.events if one.name == name and one.fault == fault]

    def struck(self, trait: Trait) -> list[int]:
        """When faults with this trait took effect on the same node, in order."""
        numbers = self.history.plan.scenario.faults_with(trait)
        return [
            one.t_us
            for one in self.history.effects
            if one.fault in numbers and self.node.name in targets_of(one, self.history)
        ]

    def strikes(self, from_us: float, until_us: float, trait: Trait | None = None) -> bool:
        """Whether another fault, or one with this trait, took effect meanwhile: it may have set off what
        followed."""
        scenario = self.history.plan.scenario
        those = None if trait is None else scenario.faults_with(trait)
        return any(
            from_us < one.t_us and one.t_us - one.error_us <= until_us
            for one in self.history.effects
            if one.fault != self.step.number and (those is None or one.fault in those)
        )

    @property
    def ended_us(self) -> int | None:
        """When the fault was over: healed, or undone by a later fault of the list."""
        ends = self.times("healed", self.step.number)
        if Trait.FREEZES_PROCESS in self.step.traits:
            ends += self.struck(Trait.RESUMES_PROCESS) + self.struck(Trait.STOPS_PROCESS)
        elif Trait.STOPS_PROCESS in self.step.traits:
            ends += self.struck(Trait.STARTS_PROCESS)
        return min((t for t in ends if t >= self.event.t_us), default=None)

    @property
    def restart(self) -> Restart | None:
        """The end of the process that it struck, as the observers saw it."""
        return next(
            (
                one
                for one in self.ownership.restarts
                if one.node == self.node.name and one.by_us >= self.since_us
            ),
            None,
        )

    @property
    def was_down(self) -> bool:
        """An earlier fault had ended its process, and nothing had started it again."""
        stops = self.history.plan.scenario.faults_with(Trait.STOPS_PROCESS)
        starts = [
            *self.struck(Trait.STARTS_PROCESS),
            *(t for one in stops for t in self.times("healed", one)),
        ]
        stopped_us = max((t for t in self.struck(Trait.STOPS_PROCESS) if t < self.event.t_us), default=None)
        return stopped_us is not None and not any(stopped_us <= t < self.event.t_us for t in starts)

    def setting(self, name: str, otherwise: str) -> str:
        return setting(self.node, name, otherwise)

    @property
    def node_timeout_s(self) -> float:
        """The longest that it had until it was there again, or had been replaced."""
        taken, over_us = self.successor, self.over_us
        until_us = over_us if taken is None else max(over_us, taken.by_us)
        had = self.settings.between(self.node.name, self.since_us, until_us)
        return max(node_timeout_s(one.node, self.topology) for one in had)


def node_timeout_s(node: NodePlan, topology: TopologySpec) -> float:
    return node.number("cluster-node-timeout", topology.node_timeout_s * 1000) / 1000


def copied_until_us(facts: Facts, primary: NodePlan, successor: Owner | None, before_us: float) -> int | None:
    """What the primary had acked before this moment, who takes over certainly has; None: not known.

    By offsets: the last one that the successor (else the slowest replica) showed before, and the last
    look at which the primary was no further than that.
    """
    own: list[NodeSample] = []
    others: dict[str, NodeSample] = {}
    shard = facts.shards.of(primary.name, before_us)
    assert shard is not None  # it owned one
    members = facts.shards.members(shard, before_us)
    for sample in facts.history.samples:
        if not sample.reachable or sample.done_us > before_us or sample.node not in members:
            continue
        if sample.node == primary.name:
            own.append(sample)
        elif successor is None or sample.node == successor.node:
            others[sample.node] = sample
    if not own or not others or any(one.replid != own[-1].replid for one in others.values()):
        return None
    reached = min(one.offset for one in others.values())
    looks = (one.sent_us for one in reversed(own) if one.run_id == own[-1].run_id and one.offset <= reached)
    copied_us = next(looks, None)
    if successor is None or copied_us is None:
        return copied_us
    kept_us = _kept_since_us(facts, others[successor.node], successor)
    return None if kept_us is None else int(min(copied_us, kept_us))


def _kept_since_us(facts: Facts, shown: NodeSample, successor: Owner) -> float | None:
    """Of what a process showed that it had, the node had at its promotion what was acked before this moment:
    it may have come back as another process meanwhile, and not have followed anybody again. None: of none of
    it is that known."""
    kept_us = FOREVER
    for one in facts.ownership.restarts:
        if one.node != successor.node or not shown.sent_us <= one.from_us < successor.by_us:
            continue
        again = any(
            sample.node == one.node
            and sample.run_id == one.run_id
            and sample.replid == shown.replid
            and sample.offset >= shown.offset
            and sample.role == NodeRole.REPLICA
            and sample.done_us <= successor.by_us
            for sample in facts.history.samples
        )
        if again:
            kept_us = FOREVER
        elif not one.from_log:
            return None
        elif one.cause is not None:
            if one.since_us == BEFORE:
                return None
            kept_us = min(kept_us, one.since_us)
    return kept_us
