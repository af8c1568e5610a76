"""Turns what changes between two looks, and what sentinels announce, into events.

Sentinel (messages) and Cluster (flags in CLUSTER NODES, polled: PFAIL is in no log at the default
level) tell the same story here: `suspected` by one observer, `suspected-by-quorum`, `agreed` (+odown;
FAIL), `elected`, `promoted`, `published` by each observer, and `demoted`, `rebooted`, `cleared`. Other
messages of Sentinel keep their own name (`+try-failover`, `+tilt`).

The trap: a change seen by polling happened between two looks; `error_us` reaches back to the moment
when the look before was sent. What is heard was said before it is read: by as much as the loop is late, which
serves the load too.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.model.persistence import LOG, keys_back, persistence
from harness.model.records import Event, NodeSample
from harness.model.words import ANNOUNCED, NodeRole
from harness.observe.context import ObserverContext
from harness.observe.listening import listen
from harness.observe.views import ClusterView, SentinelView
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.sentinel import SWITCHED, message

_SUSPECTS, _TRUSTS_AGAIN = "+sdown", "-sdown"
_ORDERED, _CHOSEN = "+failover-state-wait-promotion", "+promoted-slave"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something happened within [t - error, t]."""

    t_us: int
    error_us: int


class RoleWatch:
    """Roles and processes of data nodes, from their samples; and who leads without a change of role."""

    def __init__(self, context: ObserverContext) -> None:
        self._context = context
        self._before: dict[str, NodeSample] = {}
        self._booted: dict[str, Moment] = {}
        """Node -> when its new process first answered, until it has loaded its data."""
        self._leads = {
            node.shard: node.name for node in context.plan.data_nodes() if node.role is NodeRole.PRIMARY
        }
        self._ordered_us: dict[str, int] = {}

    def notice(self, seen: NodeSample) -> None:
        if not seen.reachable:
            return
        before = self._before.get(seen.node)
        self._before[seen.node] = seen
        if before is None:
            return
        moment = Moment(seen.done_us, seen.done_us - before.sent_us)
        if before.run_id != seen.run_id:
            self._booted[seen.node] = moment
        if before.role != seen.role and seen.role:
            name = "promoted" if seen.role == NodeRole.PRIMARY else "demoted"
            said = f"was {before.role}, is {seen.role}, offset {seen.offset}"
            _tell(self._context, name, seen.node, seen.node, moment, said)
            if name == "promoted":
                self._leads[self._context.shard(seen.node)] = seen.node
        if seen.error is None and (booted := self._booted.pop(seen.node, None)) is not None:
            logs = persistence(self._context.plan.node(seen.node)) == LOG
            keys = keys_back(seen.keys, seen.keys_read, from_log=logs)
            said = f"a new process, which started with {keys} keys"
            _tell(self._context, "rebooted", seen.node, seen.node, booted, said)

    def ordered(self, node: str, moment: Moment) -> None:
        """A sentinel has just told the node to lead."""
        self._ordered_us[node] = moment.t_us - moment.error_us

    def chosen(self, sentinel: str, node: str, moment: Moment) -> None:
        """A sentinel has seen the node lead that it told to. Its role may not have changed: an old primary
        that comes back when its successor is gone never was a replica."""
        seen, shard = self._before.get(node), self._context.shard(node)
        if seen is None or seen.role != NodeRole.PRIMARY or self._leads.get(shard) == node:
            return
        self._leads[shard] = node
        since_us = self._ordered_us.get(node, moment.t_us - moment.error_us)
        said = f"is primary again, and was primary whenever it answered; offset {seen.offset}"
        _tell(self._context, "promoted", sentinel, node, Moment(moment.t_us, moment.t_us - since_us), said)


class Suspicions:
    """Who takes whom for dead. One quorum for all: the sentinels', or the majority of primaries."""

    def __init__(self, context: ObserverContext) -> None:
        topology, inventory = context.plan.scenario.deployment.topology, context.plan.inventory
        self._context = context
        self._quorum = inventory.shards // 2 + 1 if inventory.clustered else topology.effective_quorum
        self._suspecting: dict[str, set[str]] = {}

    def suspects(self, observer: str, node: str, moment: Moment, detail: str) -> None:
        suspecting = self._suspecting.setdefault(node, set())
        if observer in suspecting:
            return
        suspecting.add(observer)
        _tell(self._context, "suspected", observer, node, moment, detail)
        if len(suspecting) == self._quorum:
            said = f"{len(suspecting)} consider it down: {', '.join(sorted(suspecting))}"
            _tell(self._context, "suspected-by-quorum", observer, node, moment, said)

    def trusts(self, observer: str, node: str, moment: Moment) -> None:
        suspecting = self._suspecting.get(node, set())
        if observer in suspecting:
            suspecting.remove(observer)
            _tell(self._context, "cleared", observer, node, moment, "no longer considered down")

    def anybody(self, node: str) -> bool:
        return bool(self._suspecting.get(node))


class SentinelWatch:
    """One sentinel's messages, and, where a message was missed, the change in what it answers."""

    def __init__(
        self, context: ObserverContext, sentinel: str, suspicions: Suspicions, roles: RoleWatch
    ) -> None:
        self._context = context
        self._sentinel = sentinel
        self._suspicions = suspicions
        self._roles = roles
        self._before: SentinelView | None = None
        self._announced = ""

    async def listen(self, connection: AsyncConnection) -> None:
        await listen(connection, self.hear, subscribe=("PSUBSCRIBE", "*"))

    def hear(self, channel: str, text: str) -> None:
        if not channel.startswith(("+", "-")):
            return  # sentinels talk to each other over the same channels
        moment = Moment(self._context.clock.now_us(), self._context.heard_within_us())
        about = message(channel, text).about
        node = self._context.directory.name(about.host, about.port) or None if about else None
        if node is not None and channel == _SUSPECTS:
            self._suspicions.suspects(self._sentinel, node, moment, text)
            return
        if node is not None and channel == _TRUSTS_AGAIN:
            self._suspicions.trusts(self._sentinel, node, moment)
            return
        if channel == SWITCHED:
            self._announced = node or ""
        _tell(self._context, ANNOUNCED.get(channel, channel), self._sentinel, node, moment, text)
        if node is not None and channel == _ORDERED:
            self._roles.ordered(node, moment)
        elif node is not None and channel == _CHOSEN:
            self._roles.chosen(self._sentinel, node, moment)

    def notice(self, view: SentinelView) -> None:
        if view.error:
            return
        before, self._before = self._before, view
        if before is None or view.primary in ("", before.primary, self._announced):
            return
        self._announced = view.primary
        moment = Moment(view.done_us, view.done_us - before.sent_us)
        said = f"answers {view.primary} when asked"
        _tell(self._context, "published", self._sentinel, view.primary, moment, said)


class ClusterWatch:
    """Flags and owners of slots, as each of the cluster's nodes sees them."""

    def __init__(self, context: ObserverContext, suspicions: Suspicions) -> None:
        self._context = context
        self._suspicions = suspicions
        self._before: dict[str, ClusterView] = {}
        self._agreed: set[str] = set()
        shards = sorted({node.shard for node in context.plan.data_nodes()})
        self._slots = {shard: context.plan.inventory.slot_range(shard)[0] for shard in shards}
        self._owners: dict[tuple[str, int], str] = {}

    def notice(self, view: ClusterView) -> None:
        if view.error:
            return
        before = self._before.get(view.observer)
        self._before[view.observer] = view
        moment = Moment(view.done_us, view.done_us - (before.sent_us if before else view.sent_us))
        for name, node in sorted(view.nodes.items()):
            if name != view.observer:
                self._notice_flags(view, name, node.flags, moment)
        self._notice_owners(view, moment)

    def _notice_flags(self, view: ClusterView, node: str, flags: frozenset[str], moment: Moment) -> None:
        failed = "fail" in flags
        if "fail?" in flags or (failed and not self._suspicions.anybody(node)):
            self._suspicions.suspects(view.observer, node, moment, "FAIL" if failed else "PFAIL")
        if failed and node not in self._agreed:
            self._agreed.add(node)
            said = "FAIL: the majority of the primaries agreed"
            _tell(self._context, "agreed", view.observer, node, moment, said)
        if not failed and "fail?" not in flags:
            self._suspicions.trusts(view.observer, node, moment)
            if not self._suspicions.anybody(node) and not self._still_failed(node):
                self._agreed.discard(node)

    def _still_failed(self, node: str) -> bool:
        views = (view.nodes.get(node) for view in self._before.values())
        return any(seen is not None and "fail" in seen.flags for seen in views)

    def _notice_owners(self, view: ClusterView, moment: Moment) -> None:
        for shard, slot in self._slots.items():
            owner = view.owner(slot)
            known = self._owners.get((view.observer, shard))
            if owner:
                self._owners[view.observer, shard] = owner
            if owner and known and owner != known:
                said = f"took the slots of shard {shard} from {known}"
                _tell(self._context, "published", view.observer, owner, moment, said)


def _tell(  # noqa: PLR0917  reads as the sentence it writes: who says what of whom, when
    context: ObserverContext, name: str, source: str, node: str | None, moment: Moment, detail: str
) -> None:
    context.record(
        Event(
            source=source,
            name=name,
            t_us=moment.t_us,
            error_us=moment.error_us,
            node=node,
            shard=context.shard(node) if node else None,
            detail=detail,
        )
    )
