"""When a topology counts as recovered: everybody who is meant to be there agrees, and the data does too.

Exactly one primary per shard in the view of every node and every sentinel; replicas follow it, share
its replication id and have what it had a moment ago; no cut is in force; all of that for a whole second
on end. Deliberately not `master_link_status`, which says `up` for seconds into a cut.

Watched all the time, since a fault may wait for the recovery from the one before: each disturbance (a
fault's effect or its healing, or a look that finds something missing) is followed by one `recovered` event
once it is over. `why_not` is pure and says the first thing that is missing, for people.

The trap: what a late observer did not see is no trouble of the topology. A `Trouble` names the nodes of which
a look is missing, and one that somebody saw comes before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from harness.model.inventory import SLOTS
from harness.model.pacing import RECOVERED_FOR_S
from harness.model.plan import Plan
from harness.model.records import Event, NodeSample
from harness.model.words import NodeRole
from harness.observe.context import ObserverContext, every
from harness.observe.topology_view import RECENT_US, TopologyView, ViewCollector, clustered, guarded, members
from harness.observe.views import ClusterView

LOOK_EVERY_S = 0.1

CATCH_UP_US = 500_000
"""Under load a replica must have what its primary had this long ago; well below `RECOVERED_FOR_S`, so that
one that has stopped following cannot pass for a whole second."""

LOOK_AGAIN_US = 2_000_000
"""After the deadline, for nodes that nobody has looked at: a loop that was late looks again within that."""

_TROUBLE = frozenset({"s_down", "o_down", "disconnected", "failover_in_progress", "reconf_inprog"})
"""Flags of SENTINEL MASTER that say that its sentinel is not done."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What keeps a topology from counting as recovered."""

    said: str
    unseen: tuple[str, ...] = ()
    """Nodes of which too little was seen to tell: they may be well. Empty: somebody saw the trouble."""


class RecoveryWatch:
    """Looks ten times a second. `absent`: nodes, sentinels among them, that are down on purpose."""

    def __init__(
        self,
        context: ObserverContext,
        collector: ViewCollector,
        *,
        cut: Callable[[], bool],
        last_change_us: Callable[[], int | None],
        absent: Callable[[], frozenset[str]],
    ) -> None:
        self._context = context
        self._collector = collector
        self._cut = cut
        self._last_change_us = last_change_us
        self._absent = absent
        self._missing = "not observed yet"
        self._unseen: tuple[str, ...] = ()
        self._all_seen_from_us: int | None = None
        self._looked_us = context.clock.now_us()
        self._good_from_us: int | None = None
        self._error_us = 0
        self._told_us: int | None = None
        self._disturbed = False

    async def watch(self) -> None:
        """Look until cancelled."""

        async def look() -> None:
            self.look()

        await every(LOOK_EVERY_S, look)

    def look(self) -> None:
        """Take in what is known now, and record the recovery once it has held."""
        now_us = self._context.clock.now_us()
        absent = self._absent()
        if now_us - self._looked_us > RECENT_US:  # this loop was late: what held meanwhile, nobody saw
            self._good_from_us = self._all_seen_from_us = None
        self._missing = self._why_not(now_us, absent)
        if self._missing:
            self._disturbed = self._disturbed or self._good_from_us is not None
            self._good_from_us = None
        elif self._good_from_us is None or self._good_from_us < (self._last_change_us() or 0):
            self._good_from_us, self._error_us = now_us, now_us - self._looked_us
            self._disturbed = self._disturbed or self._last_change_us() is not None
        elif self._disturbed and self._held(now_us):
            self._tell(absent)
        self._looked_us = now_us

    async def recovered(self, within_s: float) -> str:
        """Wait until the topology is recovered. Empty: it is; else what is still missing.

        `within_s` counts until the state is first seen; it may take another second to prove that
        it holds. Where the last disturbance is known to be over it answers at once; else the second
        counts from now, since what is known may be older than the trouble. Nobody gives up on what
        nobody looked at: the observers get a little longer, and `unseen` says which nodes they missed.
        """
        asked_us = self._context.clock.now_us()
        deadline_us = asked_us + round(within_s * 1e6)
        while True:
            self.look()  # where this loop was late, what was seen before it came to be so is old
            now_us = self._context.clock.now_us()
            if self._over():
                return ""
            if self._held(now_us) and now_us - asked_us >= RECOVERED_FOR_S * 1e6:
                self._tell(self._absent())
                return ""
            if self._good_from_us is None and now_us >= deadline_us:
                overdue = now_us >= deadline_us + LOOK_AGAIN_US
                if overdue or self._looked(now_us):
                    return self._missing
            await asyncio.sleep(LOOK_EVERY_S / 2)

    @property
    def unseen(self) -> tuple[str, ...]:
        """Nodes of which too little was seen at the last look: how they were is not known."""
        return self._unseen

    def _why_not(self, now_us: int, absent: frozenset[str]) -> str:
        known = self._collector.now(now_us)
        trouble = why_not(known, self._context.plan, absent)
        self._unseen = unseen(known, self._context.plan, absent) or (
            () if trouble is None else trouble.unseen
        )
        if self._unseen:
            self._all_seen_from_us = None
        elif self._all_seen_from_us is None:
            self._all_seen_from_us = now_us
        if self._cut():
            return "a cut is in force"
        return "" if trouble is None else trouble.said

    def _over(self) -> bool:
        """Whether there was a disturbance, and its recovery has been recorded."""
        told_us = self._told_us
        return told_us is not None and not self._disturbed and told_us >= (self._last_change_us() or 0)

    def _looked(self, now_us: int) -> bool:
        """Whether every node has been looked at for long enough to tell whether replicas follow."""
        return self._all_seen_from_us is not None and now_us - self._all_seen_from_us >= CATCH_UP_US

    def _held(self, now_us: int) -> bool:
        return self._good_from_us is not None and now_us - self._good_from_us >= RECOVERED_FOR_S * 1e6

    def _tell(self, absent: frozenset[str]) -> None:
        self._told_us, self._disturbed = self._good_from_us, False
        self._context.record(
            Event(
                source="harness",
                name="recovered",
                t_us=self._good_from_us or 0,
                error_us=self._error_us,
                detail=_agreement(absent),
            )
        )


def _agreement(absent: frozenset[str]) -> str:
    left_out = f"; left out, being down on purpose: {', '.join(sorted(absent))}" if absent else ""
    return f"every node and sentinel agreed for {RECOVERED_FOR_S:g} s{left_out}"


def unseen(known: TopologyView, plan: Plan, absent: frozenset[str]) -> tuple[str, ...]:
    """Nodes of which there is neither an answer nor a silence that is recent enough to say anything."""
    return tuple(
        node.name
        for node in (*plan.data_nodes(), *plan.sentinels())
        if node.name not in absent and not _looked_at(known, node.name)
    )


def _looked_at(known: TopologyView, node: str) -> bool:
    if known.newest(node) is not None:
        return True
    view = known.sentinels.get(node)
    return view is not None and known.recent(view.done_us)


def _does_not_answer(known: TopologyView, node: str, error: str | None) -> Trouble:
    if not _looked_at(known, node):
        return Trouble(f"{node} was not observed for a second", unseen=(node,))
    return Trouble(f"{node} does not answer" + (f" ({error})" if error else ""))


def why_not(known: TopologyView, plan: Plan, absent: frozenset[str]) -> Trouble | None:
    """The first thing that keeps this from being a recovered topology, and of several one that was seen."""
    unseen_first: Trouble | None = None
    for trouble in _troubles(known, plan, absent):
        if not trouble.unseen:
            return trouble
        unseen_first = unseen_first or trouble
    return unseen_first


def _troubles(known: TopologyView, plan: Plan, absent: frozenset[str]) -> Iterator[Trouble]:
    """In the order in which they matter. Ends at a shard without a single primary that was seen."""
    for shard in sorted({node.shard for node in plan.data_nodes()}):
        nodes = sorted(members(known, plan, shard) - absent)
        samples: dict[str, NodeSample] = {}
        for name in nodes:
            seen = known.newest(name)
            if seen is None or not seen.reachable or seen.error:
                yield _does_not_answer(known, name, seen.error if seen else None)
                return
            samples[name] = seen
        primaries = [name for name, seen in samples.items() if seen.role == NodeRole.PRIMARY]
        if len(primaries) != 1:
            found = ", ".join(primaries) or "none"
            yield Trouble(f"shard {shard}: expected one primary, found {found}")
            return
        primary = samples[primaries[0]]
        yield from (
            trouble
            for name in nodes
            if name != primary.node and (trouble := _replica_trouble(known, samples[name], primary))
        )
    if clustered(plan):
        yield from _cluster_troubles(known, plan, absent)
    elif plan.sentinels():
        yield from _sentinel_troubles(known, plan, absent)


def _replica_trouble(known: TopologyView, replica: NodeSample, primary: NodeSample) -> Trouble | None:
    if replica.primary != primary.node:
        return Trouble(
            f"{replica.node} follows {replica.primary or 'an unknown address'} instead of {primary.node}"
        )
    if replica.replid != primary.replid:
        return Trouble(f"{replica.node} does not have the replication id of {primary.node}")
    lately, before = _offsets_around(known, primary, replica.sent_us - CATCH_UP_US, replica.sent_us)
    if lately and replica.offset >= lately[0]:
        return None
    proved = bool(before) and replica.offset < before[-1]
    unseen = () if proved else (primary.node,)
    if not lately and not proved:
        return Trouble(f"{primary.node} was not sampled before {replica.node}", unseen)
    had = lately[0] if lately else before[-1]
    return Trouble(f"{replica.node} lacks {had - replica.offset} bytes of {primary.node}", unseen)


def _offsets_around(
    known: TopologyView, primary: NodeSample, since_us: int, until_us: int
) -> tuple[list[int], list[int]]:
    """The primary's offsets between two moments, and before the first one."""
    lately: list[int] = []
    before: list[int] = []
    for seen in known.samples[primary.node]:
        if seen.reachable and seen.replid == primary.replid and seen.done_us <= until_us:
            (before if seen.done_us < since_us else lately).append(seen.offset)
    return lately, before


def _sentinel_troubles(known: TopologyView, plan: Plan, absent: frozenset[str]) -> Iterator[Trouble]:
    shard = next(node.shard for node in plan.data_nodes() if guarded(plan, node.shard))
    primary = next(
        name
        for name in sorted(members(known, plan, shard) - absent)
        if known.answers[name].role == NodeRole.PRIMARY
    )
    for sentinel in (node.name for node in plan.sentinels() if node.name not in absent):
        view = known.sentinels.get(sentinel)
        if view is None or view.error or not known.recent(view.done_us):
            yield _does_not_answer(known, sentinel, view.error if view else None)
        elif view.primary != primary:
            named = view.primary or "an unknown address"
            yield Trouble(f"{sentinel} names {named} as the primary, not {primary}")
        elif trouble := view.flags & _TROUBLE:
            yield Trouble(f"{sentinel} says of {primary}: {' '.join(sorted(trouble))}")


def _cluster_troubles(known: TopologyView, plan: Plan, absent: frozenset[str]) -> Iterator[Trouble]:
    for observer in sorted(node.name for node in plan.data_nodes() if node.name not in absent):
        view = known.clusters.get(observer)
        if view is None or view.error or not known.recent(view.done_us):
            yield Trouble(f"{observer} does not report how it sees the cluster")
        elif missing := _view_trouble(known, plan, view, absent):
            yield Trouble(f"{observer} {missing}")


def _view_trouble(known: TopologyView, plan: Plan, view: ClusterView, absent: frozenset[str]) -> str:
    covered = 0
    for node in plan.data_nodes():
        if node.name in absent:
            continue
        seen, sample = view.nodes.get(node.name), known.answers[node.name]
        if seen is None:
            return f"does not know {node.name}"
        if seen.flags:
            return f"says of {node.name}: {' '.join(sorted(seen.flags))}"
        if seen.primary != (sample.role == NodeRole.PRIMARY):
            return f"takes {node.name} for a {'primary' if seen.primary else 'replica'}"
        covered += seen.slots
    return "" if covered == SLOTS else f"sees {covered} of {SLOTS} slots served"
