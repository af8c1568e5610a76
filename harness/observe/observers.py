"""All observers of one run together: started before the first operation, stopped after the audit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

from harness.clock import Clock
from harness.errors import EnvironmentFailure
from harness.model.pacing import AUDIT_WITHIN_S
from harness.model.plan import Plan
from harness.model.records import AuditSummary, Connection
from harness.model.seams import Recorder, Topology
from harness.model.words import NodeRole
from harness.objects.kind import KeptObject
from harness.observe.audit import AuditedSession, audit, audit_keys
from harness.observe.barrier import Barrier, Seen
from harness.observe.context import ObserverContext, context_of
from harness.observe.deposed import DeposedWatch
from harness.observe.events import ClusterWatch, RoleWatch, SentinelWatch, Suspicions
from harness.observe.evictions import EvictionWatch, session_nodes
from harness.observe.forensic import Forensics
from harness.observe.host import Lag, watch_host
from harness.observe.live_state import LiveState
from harness.observe.loop_ticks import LoopTicks
from harness.observe.node_waits import NodeWaits
from harness.observe.process_states import ProcessStates
from harness.observe.proxies import ProxyWatch
from harness.observe.recovery import RecoveryWatch
from harness.observe.refusals_in_logs import record_refusals
from harness.observe.samples import NodeAnswer, sample_node, sample_sentinel
from harness.observe.topology_view import ViewCollector

_FIRST_LOOK_WITHIN_S = 3.0
_STOP_WITHIN_S = 1.0


class Observers:
    """An asynchronous context manager, entered in the loop that the load engine runs in.

    `record` is where everybody else should send events too: it notes them for conditions such as
    `after: healed + 2s` and passes every record on.
    """

    def __init__(
        self,
        plan: Plan,
        topology: Topology,
        record: Recorder,
        clock: Clock,
        *,
        acked_since: Callable[[str, int], int] = lambda *_: 0,
        last_acked_us: Callable[[str], int | None] = lambda _: None,
        sessions: Callable[[], Sequence[AuditedSession]] = tuple,
        unanswered: Callable[[], Sequence[Connection]] = tuple,
        late_elsewhere: Callable[[], Lag] | None = None,
        seen_elsewhere: Callable[[str, str], Awaitable[Seen]] | None = None,
        eviction_events: bool = False,
    ) -> None:
        """`acked_since` to `unanswered` are the load engine's; the defaults are for nodes without a load.
        `seen_elsewhere`: as of `Barrier`.
        `late_elsewhere`: how late the loops of load engines in other processes were since it was last asked.
        `eviction_events`: what `enable_eviction_events` answered for this topology."""
        self._plan = plan
        self._topology = topology
        self._clock = clock
        self._eviction_events = eviction_events
        self._collector = ViewCollector()
        self.observed = LiveState(
            plan, clock, self._collector, acked_since=acked_since, last_acked_us=last_acked_us
        )
        self._deposed = DeposedWatch(plan, self.observed, clock)
        self.record: Recorder = self._deposed.reacting(self.observed.recording(record))
        self._sessions = sessions
        self._unanswered = unanswered
        self._late_elsewhere = late_elsewhere
        self._seen_elsewhere = seen_elsewhere
        self._tasks: list[asyncio.Task[None]] = []
        self._context: ObserverContext
        self._ticks: LoopTicks
        self._process_states: ProcessStates
        self._recovery: RecoveryWatch
        self._barrier: Barrier
        self._forensics: Forensics

    async def __aenter__(self) -> Self:
        self._context = await asyncio.to_thread(
            context_of, self._topology, self.record, self._clock, self._collector.shards
        )
        self._ticks = LoopTicks(self._clock)
        self._context = replace(self._context, heard_within_us=self._ticks.heard_within_us)
        self._process_states = ProcessStates(self._context, self._topology, self._collector)
        self._recovery = RecoveryWatch(
            self._context,
            self._collector,
            cut=self.observed.cut,
            last_change_us=self.observed.last_change_us,
            absent=self._process_states.absent,
        )
        self._barrier = Barrier(
            self._context,
            self._unanswered,
            self._topology.source,
            self._may_be_running,
            self._seen_elsewhere,
        )
        self._forensics = Forensics(self._context, self._sessions)
        self._start_all()
        await self._first_look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ticks.stop()
        for task in self._tasks:
            task.cancel()
        done, _ = await asyncio.wait(self._tasks, timeout=_STOP_WITHIN_S)
        if error is None:
            self._raise_crash(done)

    def roles(self) -> dict[str, str]:
        """Node -> primary, replica, sentinel, down, paused, silent: as seen last, for people."""
        found = {node.name: str(NodeRole.SENTINEL) for node in self._plan.sentinels()}
        found |= {name: view.role for name, view in self.observed.views().items()}
        for name, state in self._process_states.states().items():
            if state.running and not state.paused:
                found.setdefault(name, "silent")
            else:
                found[name] = "paused" if state.running else "down"
        return found

    async def recovered(self, within_s: float) -> str:
        """Wait until the topology is recovered; empty, or what is still missing after `within_s`.

        Raises:
            Exception: what an observer died of, since nothing can be told without it; `audit` does, too.
        """
        missing = await self._recovery.recovered(within_s)
        self._raise_crash(self._tasks)
        if missing:
            since_us = self.observed.last_effect_us() or 0
            await asyncio.to_thread(record_refusals, self._context, self._topology, since_us)
        return missing

    @property
    def unseen(self) -> tuple[str, ...]:
        """Nodes of which `recovered` cannot tell: nobody had looked at them when it answered."""
        return self._recovery.unseen

    def last_look(self, nodes: Sequence[str], moment: str) -> None:
        """Record what these nodes hold, before they lose it. Blocks; for the faults' threads."""
        self._forensics.last_look(nodes, moment)

    async def settle(self) -> None:
        """After the load: find out which unanswered attempts may still take effect. Its sockets must be
        closed."""
        self._deposed.stop()
        await self._barrier.settle()

    async def audit(
        self,
        sessions: Sequence[AuditedSession],
        objects: Sequence[KeptObject] = (),
        *,
        within_s: float = AUDIT_WITHIN_S,
    ) -> AuditSummary:
        """Record what every node holds of every session and object. The load must have stopped."""
        self._raise_crash(self._tasks)
        return await audit(self._context, sessions, objects, within_s=within_s)

    async def back_door(self, keys: Sequence[KeptObject], *, within_s: float = AUDIT_WITHIN_S) -> None:
        """Record what every node holds under the keys of an application, which was audited at its front door.
        The load must have stopped."""
        self._raise_crash(self._tasks)
        await audit_keys(self._context, keys, within_s=within_s)

    @staticmethod
    def _raise_crash(tasks: Iterable[asyncio.Task[None]]) -> None:
        for task in tasks:
            if task.done() and not task.cancelled() and (crash := task.exception()) is not None:
                raise crash

    def _may_be_running(self, node: str) -> bool:
        try:
            return self._topology.state(node).running
        except EnvironmentFailure:
            return True

    def _start_all(self) -> None:
        context, suspicions = self._context, Suspicions(self._context)
        roles, cluster = RoleWatch(context), ClusterWatch(context, suspicions)

        def notice(seen: NodeAnswer) -> None:
            self._collector.saw_sample(seen.sample)
            roles.notice(seen.sample)
            if seen.cluster is not None:
                self._collector.saw_cluster(seen.cluster)
                cluster.notice(seen.cluster)

        for node in self._plan.data_nodes():
            self._start(sample_node(context, node.name, notice))
        for sentinel in self._plan.sentinels():
            watch = SentinelWatch(context, sentinel.name, suspicions, roles)

            def notice_sentinel(view: Any, watch: SentinelWatch = watch) -> None:
                self._collector.saw_sentinel(view)
                watch.notice(view)

            self._start(sample_sentinel(context, sentinel.name, notice_sentinel))
            self._start(watch.listen(context.connection(sentinel.name)))
        for name in session_nodes(context) if self._eviction_events else ():
            self._start(EvictionWatch(context, name).listen())
        for proxy in self._plan.inventory.proxies:
            if proxy.stats_port is not None:
                self._start(ProxyWatch(context, proxy.name, proxy.stats_port).watch())
        self._start(self._barrier.watch())
        self._start(self._deposed.watch(self._forensics.last_look))
        self._start(self._process_states.watch())
        self._start(self._recovery.watch())
        nodes = NodeWaits([node.name for node in self._plan.nodes], self._topology.state)
        self._start(watch_host(self.record, self._clock, nodes, self._late_elsewhere))

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    async def _first_look(self) -> None:
        """Wait until every data node and every primary is known, so that faults know whom they mean."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _FIRST_LOOK_WITHIN_S
        while not self._knows_everybody() and loop.time() < deadline:  # noqa: ASYNC110  no event says it
            await asyncio.sleep(0.01)

    def _knows_everybody(self) -> bool:
        nodes = self._plan.data_nodes()
        answered = self.observed.views()
        return all(
            node.name in answered and self.observed.primary_of(node.shard) is not None for node in nodes
        )
