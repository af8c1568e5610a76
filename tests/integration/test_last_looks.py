"""Unanswered attempts and last looks against real nodes: what they prove, and what they must not."""

from __future__ import annotations

import asyncio
import random
import socket
from collections.abc import Callable
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.clock import RunClock
from harness.model.plan import Plan
from harness.model.records import Connection, Event, ForensicEntry, ForensicReading, Unanswered
from harness.model.seams import Topology
from harness.model.words import TopologyKind
from harness.observe import Observers
from harness.redis_wire.keys import index_key, session_key
from harness.redis_wire.protocol import ErrorReply, packed
from harness.topology.process import backend as process
from tests import builders_observe as a

pytestmark = pytest.mark.process

MANY = 60


class Play:
    """A topology under observation. `given_up` and `sessions` stand for the load engine's."""

    def __init__(self, topology: Topology) -> None:
        self.topology = topology
        self.records: list[Any] = []
        self.given_up: list[Any] = []
        self.sessions: list[Any] = []
        self.observers = Observers(
            topology.plan,
            topology,
            self.records.append,
            RunClock(),
            acked_since=lambda _behaviour, _since: 0,
            last_acked_us=lambda _behaviour: None,
            sessions=lambda: self.sessions,
            unanswered=lambda: self.given_up,
        )

    def of(self, kind: Any) -> Any:
        return [record for record in self.records if isinstance(record, kind)]

    async def ask(self, node: str, *commands: Any) -> Any:
        there = self.observers._context.connection(node)
        try:
            return await there.ask(*commands, within_s=5)
        finally:
            there.close()

    async def until(self, condition: Callable[[], object], within_s: float = 20.0) -> Any:
        async with asyncio.timeout(within_s):
            while not (found := condition()):  # noqa: ASYNC110  no event says it
                await asyncio.sleep(0.02)
        return found

    async def last_look(self, node: str, moment: str = "now") -> Any:
        await asyncio.to_thread(self.observers.last_look, [node], moment)
        return self.of(ForensicReading)[-1]

    def client(self, node: str, number: int) -> Any:
        """A connection of web-1's that has been answered, as the load engine records it."""
        at, source = self.topology.address(node), self.topology.source("web-1")
        found = socket.create_connection(
            (at.host, at.port), timeout=5, source_address=(source.host, 0) if source.host else None
        )
        found.sendall(packed([("AUTH", self.topology.secrets.redis)]))
        assert found.recv(100) == b"+OK\r\n"
        entry = Connection(
            id=number, web_server="web-1", node=node, local_port=found.getsockname()[1], opened_us=0
        )
        return found, entry


@contextmanager
def running(tmp_path: Path, plan: Plan) -> Any:
    with process.up(plan, run=f"looks-{random.randrange(10**9)}", directory=tmp_path) as topology:
        yield topology


@asynccontextmanager
async def watched(topology: Topology) -> Any:
    play = Play(topology)
    async with play.observers:
        yield play


def _linked(play: Play, node: str) -> Any:
    seen = play.observers._collector.last_answer(node)
    return seen is not None and seen.link_up


def single() -> Any:
    return a.plan(TopologyKind.SINGLE, a.single_nodes())


def test_write_of_a_closed_connection_is_open_until_the_paused_server_has_done_it(tmp_path: Path) -> None:
    """Its sender hung up; the server executes it when it is resumed. Only then is it closed."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            client, entry = play.client("redis-1", 7)
            await asyncio.to_thread(topology.pause, "redis-1")
            client.sendall(packed([("SET", "late", "1")]))
            client.close()
            play.given_up.append(entry)
            await asyncio.sleep(1.5)
            assert play.of(Unanswered) == [], "a closed socket proves nothing"
            resumed_us = play.observers._clock.now_us()
            await asyncio.to_thread(topology.resume, "redis-1")
            await play.until(lambda: play.of(Unanswered))
            assert await play.ask("redis-1", ("GET", "late")) == ["1"]
            (told,) = play.of(Unanswered)
            assert told.connection == 7
            assert told.closed_us > resumed_us

    with running(tmp_path, single()) as topology:
        asyncio.run(scenario(topology))


def test_killed_server_leaves_nothing_open(tmp_path: Path) -> None:
    """Nobody answers any more; the end of the process is proof enough, and nobody waits."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            client, entry = play.client("redis-1", 7)
            client.close()
            await asyncio.to_thread(topology.kill, "redis-1")
            play.given_up.append(entry)
            await play.observers.settle()
            (told,) = play.of(Unanswered)
            assert told.closed_us
            assert told.closed_by == "the process of redis-1 is gone"

    with running(tmp_path, single()) as topology:
        asyncio.run(scenario(topology))


def test_connection_that_is_still_there_stays_open(tmp_path: Path) -> None:
    """What the node still lists at the end is written down with the reason."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            client, entry = play.client("redis-1", 8)
            play.given_up.append(entry)
            await play.observers._barrier.settle(within_s=0.3)
            client.close()
            (told,) = play.of(Unanswered)
            assert told.closed_us is None
            assert "redis-1 still lists" in told.closed_by

    with running(tmp_path, single()) as topology:
        asyncio.run(scenario(topology))


async def _fill(play: Play, node: str, count: int = MANY) -> None:
    play.sessions = [a.Account(f"{n:032x}", f"u{n}") for n in range(count)]
    for one in play.sessions:
        await play.ask(
            node,
            ("HSET", one.key, "sid", one.id),
            ("RPUSH", one.witness_key, "1", "2"),
            ("SADD", index_key(one.user), one.id),
        )


def test_last_look_reads_what_the_node_holds(tmp_path: Path) -> None:
    """Every session of its shard, the absent ones too, and nothing is called an audit."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            await _fill(play, "redis-1")
            play.sessions.append(a.Account("f" * 32, "nobody"))
            reading = await play.last_look("redis-1", "before healing isolate")
            assert (reading.sessions, reading.of, reading.why_partial) == (MANY + 1, MANY + 1, "")
            assert (reading.role, reading.moment) == ("primary", "before healing isolate")
            found = {one.session: one for one in play.of(ForensicEntry)}
            assert len(found) == MANY + 1
            first = found[f"{0:032x}"]
            assert (first.saw, first.witnesses, first.indexed) == ({"sid": first.session}, ("1", "2"), True)
            assert first.run_id == reading.run_id
            assert (found["f" * 32].saw, found["f" * 32].witnesses) == ({}, ())

    with running(tmp_path, single()) as topology:
        asyncio.run(scenario(topology))


def test_last_look_at_a_paused_node_ends_and_says_why(tmp_path: Path) -> None:
    """It cannot answer; nothing is claimed about its sessions, and nobody waits for long."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            await _fill(play, "redis-1", 3)
            await asyncio.to_thread(topology.pause, "redis-1")
            reading = await play.last_look("redis-1")
            assert (reading.sessions, reading.of) == (0, 3)
            assert reading.why_partial
            assert play.of(ForensicEntry) == []
            await asyncio.to_thread(topology.resume, "redis-1")

    with running(tmp_path, single()) as topology:
        asyncio.run(scenario(topology))


def test_node_that_follows_is_read_only_while_its_data_are_its_own(tmp_path: Path) -> None:
    """Told to follow, it is read at once; linked to its primary it has that one's data, and is not."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            await _fill(play, "redis-1", 3)
            await play.until(lambda: "redis-1" in play.observers.observed.views())
            await play.ask("redis-1", ("REPLICAOF", "127.0.0.1", 1))
            reading = await play.until(lambda: play.of(ForensicReading))
            assert (reading[0].moment, reading[0].sessions) == ("demoted", 3)
            assert reading[0].role == "replica"
            other = topology.address("redis-2")
            await play.ask("redis-1", ("REPLICAOF", other.host, other.port))
            await play.until(lambda: _linked(play, "redis-1"))
            last = await play.last_look("redis-1")
            assert last.sessions == 0
            assert "data of its primary" in last.why_partial

    plan = a.plan(
        TopologyKind.SINGLE, (*a.single_nodes(), replace(a.single_nodes()[0], name="redis-2", shard=2))
    )
    with running(tmp_path, plan) as topology:
        asyncio.run(scenario(topology))


def test_cluster_node_without_majority_is_read_and_refuses_others_as_before(tmp_path: Path) -> None:
    """It answers CLUSTERDOWN to everybody; a last look gets its answers and leaves it so."""

    async def scenario(topology: Topology) -> None:
        async with watched(topology) as play:
            ids = [f"{n:032x}" for n in range(4 * MANY)]
            said = await play.ask("redis-1", *(("HSET", session_key(one), "sid", one) for one in ids))
            home = [one for one, answer in zip(ids, said, strict=True) if answer == 1]
            play.sessions = [a.Account(one, "u", shard=1) for one in home]
            assert len(home) > 40, "more than fit into one write"
            await asyncio.gather(*(asyncio.to_thread(topology.kill, f"redis-{n}") for n in (2, 3)))

            async def refused() -> Any:
                (answer,) = await play.ask("redis-1", ("HGETALL", session_key(home[0])))
                return isinstance(answer, ErrorReply) and "CLUSTERDOWN" in str(answer)

            async with asyncio.timeout(20):
                while not await refused():  # noqa: ASYNC110  no event says it
                    await asyncio.sleep(0.05)
            reading = await play.last_look("redis-1")
            assert (reading.sessions, reading.why_partial) == (len(home), "")
            assert {one.session: one.saw for one in play.of(ForensicEntry)} == {
                one: {"sid": one} for one in home
            }
            assert await refused()
            (told,) = [one for one in play.of(Event) if one.name == "configured"]
            assert "cluster-allow-reads-when-down" in told.detail

    with running(tmp_path, a.plan(TopologyKind.CLUSTER, a.cluster_nodes(replicas=0))) as topology:
        asyncio.run(scenario(topology))
