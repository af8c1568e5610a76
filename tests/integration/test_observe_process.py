"""The observers against real nodes of the process backend: what happens is seen, named and timed."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from harness.clock import RunClock
from harness.model.links import LinkRule
from harness.model.plan import Plan
from harness.model.records import AuditEntry, AuditSummary, Bracket, ClockPair, Event, NodeSample
from harness.model.seams import Topology
from harness.model.words import TopologyKind
from harness.observe import Observers, enable_eviction_events
from harness.redis_wire.keys import index_key, session_key
from harness.topology.process import backend as process
from tests import builders_observe as a

pytestmark = pytest.mark.process

needs_network = pytest.mark.skipif(
    not process.machine().network_faults, reason=process.machine().why_no_network_faults or "-"
)


EVICTED = "__keyevent@0__:evicted"
ENOUGH = 8
"""Samples, for a median."""


class Watched:
    """A topology under observation, with everything that was recorded."""

    def __init__(self, topology: Topology, observers: Any, records: Any, clock: Any) -> None:
        self.topology = topology
        self.observers = observers
        self.records = records
        self.clock = clock

    async def until(self, condition: Callable[[], object], within_s: float = 15.0) -> Any:
        deadline = self.clock.now_us() + within_s * 1e6
        while not (found := condition()):
            assert self.clock.now_us() < deadline, self.of(Event)[-15:]
            await asyncio.sleep(0.02)
        return found

    def of(self, kind: Any) -> Any:
        return [record for record in self.records if isinstance(record, kind)]

    def events(self, name: str, since_us: int = 0) -> Any:
        return [e for e in self.of(Event) if e.name == name and e.t_us >= since_us]

    async def ask(self, node: str, *commands: Any) -> Any:
        there = self.observers._context.connection(node)
        try:
            return await there.ask(*commands, within_s=2)
        finally:
            there.close()

    async def act(self, method: Callable[..., Any], *given: Any, **options: Any) -> Any:
        before_us = self.clock.now_us()
        await asyncio.to_thread(method, *given, **options)
        return before_us


@contextmanager
def running(tmp_path: Path, plan: Plan) -> Any:
    with process.up(plan, run=f"observe-{random.randrange(10**9)}", directory=tmp_path) as topology:
        yield topology


@asynccontextmanager
async def watched(topology: Topology, **options: Any) -> Any:
    clock = RunClock()
    records: list[Any] = []
    observers = Observers(
        topology.plan,
        topology,
        records.append,
        clock,
        acked_since=lambda _behaviour, _since: 0,
        last_acked_us=lambda _behaviour: None,
        **options,
    )
    async with observers:
        yield Watched(topology, observers, records, clock)


def test_killed_primary_tells_every_step_of_the_failover(tmp_path: Path) -> None:
    """Suspected, by quorum, agreed, elected, promoted, published, in that order; then recovered."""

    async def scenario(topology: Topology) -> Any:
        async with watched(topology) as seen:
            assert seen.observers.observed.primary_of(1) == "redis-1"
            killed_us = await seen.act(topology.kill, "redis-1")
            await seen.until(lambda: seen.events("published"))
            reason = await seen.observers.recovered(within_s=15)
            assert reason == ""
            new = seen.observers.observed.primary_of(1)
            assert new in ("redis-2", "redis-3")
            roles = seen.observers.roles()
            assert roles["redis-1"] == "down"
            assert roles[new] == "primary"
            return seen, killed_us, new

    with running(tmp_path, a.plan()) as topology:
        seen, killed_us, new = asyncio.run(scenario(topology))
    story = ["suspected", "suspected-by-quorum", "agreed", "elected", "published"]
    firsts = [seen.events(name, killed_us)[0] for name in story]
    assert [e.t_us for e in firsts] == sorted(e.t_us for e in firsts)
    assert [e.node for e in firsts[:3]] == ["redis-1"] * 3
    assert firsts[-1].node == new
    assert {e.source for e in seen.events("published")} == {"sentinel-1", "sentinel-2", "sentinel-3"}
    (promoted,) = seen.events("promoted")
    assert (promoted.node, promoted.shard) == (new, 1)
    assert 0 < promoted.error_us < 1_000_000
    assert promoted.t_us - killed_us > 900_000  # not before down-after, 1 s
    (recovered,) = seen.events("recovered")
    assert recovered.t_us >= promoted.t_us - promoted.error_us
    assert "redis-1" in recovered.detail
    silent = [s for s in seen.of(NodeSample) if s.node == "redis-1" and s.done_us > killed_us + 1_000_000]
    assert silent
    assert not any(s.reachable for s in silent)


def test_paused_node_delays_nobody_and_is_noticed_on_return(tmp_path: Path) -> None:
    """While one node hangs the others are sampled at their pace; it counts again once it answers."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as seen:
            paused_us = await seen.act(topology.pause, "redis-3")
            await seen.until(lambda: seen.observers.observed.views()["redis-3"].reachable is False)
            await seen.until(lambda: seen.observers.roles()["redis-3"] == "paused")
            reason = await seen.observers.recovered(within_s=0.2)
            assert "redis-3 does not answer" in reason

            def of_another() -> Any:
                return [s for s in seen.of(NodeSample) if s.node == "redis-2" and s.done_us > paused_us]

            await seen.until(lambda: len(of_another()) >= ENOUGH)
            gaps = [late.sent_us - early.sent_us for early, late in pairwise(of_another())]
            assert sorted(gaps)[len(gaps) // 2] < 200_000
            await seen.act(topology.resume, "redis-3")
            await seen.until(lambda: seen.observers.observed.views()["redis-3"].reachable)
            assert await seen.observers.recovered(within_s=10) == ""

    with running(tmp_path, a.plan()) as topology:
        asyncio.run(scenario(topology))


def test_nothing_is_told_without_an_observer_that_died(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What one of them died of ends the run before it says that the topology recovered, or audits it."""

    def state(node: str) -> None:
        raise LookupError(node)

    async def scenario(topology: Topology, patched: pytest.MonkeyPatch) -> None:
        async with watched(topology) as seen:
            patched.setattr(topology, "state", state)  # asked about nodes that do not answer
            topology._servers["redis-1"].kill()  # type: ignore[attr-defined]
            await seen.until(lambda: any(task.done() for task in seen.observers._tasks))
            with pytest.raises(LookupError):
                await seen.observers.recovered(within_s=0.2)
            with pytest.raises(LookupError):
                await seen.observers.audit([])
            assert not seen.of(AuditSummary)

    with (
        running(tmp_path, a.plan()) as topology,
        monkeypatch.context() as patched,
        pytest.raises(LookupError),
    ):
        asyncio.run(scenario(topology, patched))


def test_restarted_empty_node_is_a_new_process(tmp_path: Path) -> None:
    """A restart shows as `rebooted` with what the new process holds, by its run_id."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as seen:
            await seen.ask("redis-1", ("SET", "a", "b"))
            before = seen.observers.observed.views()["redis-1"].run_id
            await seen.act(topology.kill, "redis-1")
            await seen.act(topology.start, "redis-1", empty=True)
            (event,) = await seen.until(lambda: seen.events("rebooted"))
            assert "0 keys" in event.detail
            assert seen.observers.observed.views()["redis-1"].run_id != before

    with running(tmp_path, a.plan(TopologyKind.SINGLE, a.single_nodes())) as topology:
        asyncio.run(scenario(topology))


def test_cluster_failover_is_seen_in_the_nodes_views(tmp_path: Path) -> None:
    """PFAIL and FAIL, the promotion and who took the slots, each with the shard it is about."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as seen:
            assert [seen.observers.observed.primary_of(n) for n in (1, 2, 3)] == [
                "redis-1",
                "redis-2",
                "redis-3",
            ]
            killed_us = await seen.act(topology.kill, "redis-2")
            await seen.until(lambda: len(seen.events("published")) >= 3, within_s=20)
            assert await seen.observers.recovered(within_s=15) == ""
            assert seen.observers.observed.primary_of(2) == "redis-5"
            for name in ("suspected", "agreed"):
                first = seen.events(name, killed_us)[0]
                assert (first.node, first.shard) == ("redis-2", 2)
            (promoted,) = seen.events("promoted")
            assert (promoted.node, promoted.shard) == ("redis-5", 2)
            assert {(e.node, e.shard) for e in seen.events("published")} == {("redis-5", 2)}
            epochs = [s.epoch for s in seen.of(NodeSample) if s.node == "redis-1" and s.reachable]
            assert epochs[-1] > epochs[0]

    with running(tmp_path, a.plan(TopologyKind.CLUSTER, a.cluster_nodes())) as topology:
        asyncio.run(scenario(topology))


def test_audit_reads_every_session_on_every_node_of_its_shard(tmp_path: Path) -> None:
    """Whole, partial, absent, index and witnesses are told apart, and nothing is changed by reading."""
    whole, partial, absent = (a.Account(f"{n:032x}", f"u{n}") for n in range(3))

    async def scenario(topology: Topology) -> Any:
        async with watched(topology) as seen:
            await seen.ask(
                "redis-1",
                ("HSET", whole.key, "sid", whole.id, "user_id", "u0"),
                ("PEXPIRE", whole.key, 500_000),
                ("RPUSH", whole.witness_key, "1", "2"),
                ("SADD", index_key("u0"), whole.id),
                ("HSET", partial.key, "theme", "7:dark"),
            )
            await seen.until(lambda: seen.observers.observed.views()["redis-3"].offset)
            return seen, await seen.observers.audit([whole, partial, absent])

    with running(tmp_path, a.plan()) as topology:
        seen, summary = asyncio.run(scenario(topology))
    assert summary == AuditSummary(passes=1, valid_pass=1)
    assert summary in seen.records
    entries = {(e.session, e.node): e for e in seen.of(AuditEntry)}
    assert set(entries) == {(s.id, f"redis-{n}") for s in (whole, partial, absent) for n in (1, 2, 3)}
    for n in (1, 2, 3):
        entry = entries[whole.id, f"redis-{n}"]
        assert entry.saw == {"sid": whole.id, "user_id": "u0"}
        assert entry.witnesses == ("1", "2")
        assert entry.indexed is True
        assert entry.key_type == "hash"
        assert 480_000 < entry.pttl_ms <= 500_000
        assert entry.role == ("primary" if n == 1 else "replica")
        assert entries[partial.id, f"redis-{n}"].saw == {"theme": "7:dark"}
        assert entries[partial.id, f"redis-{n}"].pttl_ms == -1
        gone = entries[absent.id, f"redis-{n}"]
        assert (gone.key_type, gone.saw, gone.witnesses, gone.indexed) == ("none", {}, (), False)
        assert gone.pttl_ms == -2
    before, after = seen.of(Bracket)
    assert (before.moment, after.moment) == ("before", "after")
    assert {"sentinel-1", "redis-1", "redis-2"} < set(before.nodes)


def test_audit_with_writes_behind_its_back_is_not_valid(tmp_path: Path) -> None:
    """A write between the brackets makes a pass void; three such passes make the audit inconclusive."""

    async def scenario(topology: Topology) -> Any:
        async with watched(topology) as seen:

            async def keep_writing() -> None:
                while True:
                    await seen.ask("redis-1", ("INCR", "n"))

            writer = asyncio.create_task(keep_writing())
            try:
                sessions = [a.Account(f"{n:032x}", "u") for n in range(500)]
                return seen, await seen.observers.audit(sessions)
            finally:
                writer.cancel()

    with running(tmp_path, a.plan(TopologyKind.SINGLE, a.single_nodes())) as topology:
        seen, summary = asyncio.run(scenario(topology))
    assert (summary.passes, summary.valid_pass) == (3, None)
    assert "changes of redis-1" in summary.reason
    assert {e.pass_n for e in seen.of(AuditEntry)} == {1, 2, 3}


def test_audit_works_on_a_full_instance_and_names_evicted_sessions(tmp_path: Path) -> None:
    """With memory full and policy allkeys-lru: evictions by key, and an audit that is not refused."""
    limits = {"maxmemory": "3mb", "maxmemory-policy": "allkeys-lru"}
    (node,) = a.single_nodes()
    plan = a.plan(TopologyKind.SHARED, (replace(node, directives=limits),))
    sessions = [a.Account(f"{n:032x}", "u") for n in range(300)]

    async def scenario(topology: Topology, enabled: Any) -> Any:
        async with watched(topology, eviction_events=enabled) as seen:
            await seen.until(lambda: seen.events("configured"))
            while (await seen.ask("redis-1", ("PUBSUB", "NUMSUB", EVICTED)))[0][1] == 0:  # noqa: ASYNC110  no event
                await asyncio.sleep(0.02)
            await seen.ask("redis-1", *(("HSET", s.key, "sid", s.id) for s in sessions))
            await seen.ask("redis-1", *(("SET", f"cache:{n}", "x" * 1000) for n in range(4000)))
            await seen.ask("redis-1", ("CONFIG", "SET", "maxmemory-policy", "noeviction"))
            await seen.ask("redis-1", ("CONFIG", "SET", "maxmemory", "1mb"))
            summary = await seen.observers.audit(sessions)
            gone = {session_key(e.session) for e in seen.of(AuditEntry) if e.key_type == "none"}
            await seen.until(lambda: {e.key for e in seen.events("evicted")} >= gone)
            return seen, summary, gone

    with running(tmp_path, plan) as topology:
        enabled = enable_eviction_events(topology)
        seen, summary, gone = asyncio.run(scenario(topology, enabled))
    assert enabled is True
    assert summary.valid_pass == 1
    assert gone
    assert {e.key for e in seen.events("evicted")} == gone
    assert not seen.events("evictions-missed")


def test_eviction_events_stay_off_without_a_memory_limit(tmp_path: Path) -> None:
    """The configuration of a node that cannot evict is left alone."""

    async def flags(topology: Topology) -> Any:
        async with watched(topology) as seen:
            return await seen.ask("redis-1", ("CONFIG", "GET", "notify-keyspace-events"))

    with running(tmp_path, a.plan(TopologyKind.SINGLE, a.single_nodes())) as topology:
        assert enable_eviction_events(topology) is False
        assert asyncio.run(flags(topology)) == [["notify-keyspace-events", ""]]


def test_audit_of_a_cluster_asks_the_shard_and_finds_the_index_elsewhere(tmp_path: Path) -> None:
    """Each session is read on its shard's two nodes; its index from the primary that has that slot."""
    from harness.redis_wire.keys import slot

    async def scenario(topology: Topology) -> Any:
        async with watched(topology) as seen:
            view = seen.observers._collector.now(seen.clock.now_us()).clusters["redis-1"]

            def owner(key: Any) -> Any:
                at = slot(key)
                return next(
                    n.name for n in view.nodes.values() for low, high in n.ranges if low <= at <= high
                )

            sessions = []
            for n in range(30):
                sid = f"{n:032x}"
                home = owner(session_key(sid))
                sessions.append(a.Account(sid, f"u{n}", shard=int(home[-1])))
                await seen.ask(home, ("HSET", session_key(sid), "sid", sid))
                if n % 2:
                    await seen.ask(owner(index_key(f"u{n}")), ("SADD", index_key(f"u{n}"), sid))
            return seen, sessions, await seen.observers.audit(sessions)

    with running(tmp_path, a.plan(TopologyKind.CLUSTER, a.cluster_nodes())) as topology:
        seen, sessions, summary = asyncio.run(scenario(topology))
    assert summary.valid_pass is not None
    entries = [e for e in seen.of(AuditEntry) if e.pass_n == summary.valid_pass]
    assert {(e.session, e.node) for e in entries} == {
        (s.id, f"redis-{n}") for s in sessions for n in (s.shard, s.shard + 3)
    }
    assert all(e.saw == {"sid": e.session} for e in entries)
    indexed = {e.session: e.indexed for e in entries if e.role == "primary"}
    assert indexed == {s.id: bool(n % 2) for n, s in enumerate(sessions)}


@needs_network
def test_replica_that_is_cut_off_is_not_recovered(tmp_path: Path) -> None:
    """While replication is cut and the primary writes on, the topology is not recovered, whatever the link says."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as seen:
            await seen.act(topology.apply, LinkRule(["redis-1"], ["redis-2", "redis-3"]), by=1)
            await seen.ask("redis-1", *(("SET", f"k{n}", "x" * 100) for n in range(100)))
            reason = await seen.observers.recovered(within_s=0.5)
            assert "bytes of redis-1" in reason or "does not answer" in reason or "primary" in reason
            await seen.act(topology.mend, by=1)
            assert await seen.observers.recovered(within_s=40) == ""

    with running(tmp_path, a.plan(nodes=a.sentinel_nodes(sentinels=3))) as topology:
        asyncio.run(scenario(topology))


def test_observers_stop_within_a_second_and_watch_the_host(tmp_path: Path) -> None:
    """Stopping is quick also while a node hangs; clocks were recorded meanwhile."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as seen:
            await seen.act(topology.pause, "redis-1")
            await seen.until(lambda: len(seen.of(ClockPair)) >= 2)
            stopping_us = seen.clock.now_us()
        assert seen.clock.now_us() - stopping_us < 1_000_000
        assert len(asyncio.all_tasks()) == 1
        apart = [abs(one.wall_us - seen.clock.started_wall_us - one.t_us) for one in seen.of(ClockPair)]
        assert min(apart) < 50_000
        await seen.act(topology.resume, "redis-1")

    with running(tmp_path, a.plan(TopologyKind.SINGLE, a.single_nodes())) as topology:
        asyncio.run(scenario(topology))
