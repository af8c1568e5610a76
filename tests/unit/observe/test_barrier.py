"""When a node's list of clients proves that an attempt is over, and when it proves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from harness.model.records import Connection, Record, Unanswered
from harness.model.seams import Address, Secrets, Source
from harness.model.words import TopologyKind
from harness.observe.audit import _questions
from harness.observe.barrier import Barrier
from harness.observe.context import ObserverContext
from harness.observe.forensic import IN_ONE_WRITE
from harness.observe.views import Directory
from harness.redis_wire.protocol import packed, reply_reader
from harness.redis_wire.scripted import bulk
from tests import builders_observe as a
from tests.fake_clock import in_fake_time, the_clock

REDIS_READS_BYTES = 16 * 1024


class Node:
    """A server that tells who its clients are; `sees` translates what it sees of them."""

    def __init__(self) -> None:
        self.listed = {"127.0.0.1:4001"}
        self.silent = False
        self.sees: Callable[[str, int], str] = lambda host, port: f"{host}:{port}"
        self.port = 0
        self.begun = 0
        self.served = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.begun += 1
        parser = reply_reader()
        with suppress(ConnectionError):
            while data := await reader.read(4096):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    if not self.silent:
                        own = self.sees(*writer.get_extra_info("peername"))
                        writer.write(self.answer(command, own))
        writer.close()
        self.served.release()

    def answer(self, command: list[str], own: str) -> bytes:
        if command[0] == "AUTH":
            return b"+OK\r\n"
        clients = [own] if command[1] == "INFO" else [own, *sorted(self.listed)]
        return bulk("".join(f"id=1 addr={one} laddr=127.0.0.1:6379 name=\n" for one in clients))


class Scene:
    """A barrier in front of a node; connection 7 of web-1 came from port 4001 and was given up."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.running = True
        self.records: list[Record] = []
        self.given_up = [Connection(id=7, web_server="web-1", node="redis-1", local_port=4001, opened_us=0)]
        context = ObserverContext(
            plan=a.plan(TopologyKind.SINGLE, a.single_nodes()),
            clock=the_clock(),
            record=self.records.append,
            addresses={"redis-1": Address("127.0.0.1", node.port)},
            directory=Directory({}),
            source=Source(),
            secrets=Secrets(redis="s", sentinel="s"),
            service="sessions",
        )
        self.barrier = Barrier(context, lambda: self.given_up, lambda _: Source(), lambda _: self.running)

    def told(self) -> list[Unanswered]:
        return [one for one in self.records if isinstance(one, Unanswered)]


def run(play: Callable[[Scene], Coroutine[Any, Any, None]], node: Node | None = None) -> None:
    async def all_of_it() -> None:
        serving = node or Node()
        server = await asyncio.start_server(serving.serve, "127.0.0.1", 0)
        serving.port = server.sockets[0].getsockname()[1]
        scene = Scene(serving)
        try:
            await play(scene)
        finally:
            scene.barrier.close()
            for _ in range(serving.begun):
                await serving.served.acquire()
            server.close()

    in_fake_time(all_of_it())


def test_connection_is_closed_once_the_node_no_longer_lists_it() -> None:
    """Listed: still open. Gone: closed from the answer on, said once, with the proof."""

    async def play(scene: Scene) -> None:
        assert not await scene.barrier.look()
        assert scene.told() == []
        scene.node.listed.clear()
        assert await scene.barrier.look()
        assert await scene.barrier.look()
        (told,) = scene.told()
        assert told.connection == 7
        assert told.closed_us
        assert told.closed_by == "redis-1 no longer lists 127.0.0.1:4001"

    run(play)


def test_translated_addresses_prove_nothing() -> None:
    """A node that sees web-1 under another port never lists it; its attempt stays open, and says why."""
    node = Node()
    node.listed.clear()
    node.sees = lambda host, port: f"{host}:{port + 1}"

    async def play(scene: Scene) -> None:
        await scene.barrier.settle(within_s=0.2)
        (told,) = scene.told()
        assert told.closed_us is None
        assert "redis-1 sees 127.0.0.1:" in told.closed_by
        assert "where web-1 connects from 127.0.0.1:" in told.closed_by

    run(play, node)


def test_through_a_proxy_the_address_that_its_node_sees_counts() -> None:
    """The web server's own address is in no list there, and proves nothing."""
    node = Node()
    node.listed = {"198.18.0.9:40123"}
    node.sees = lambda host, port: f"{host}:{port + 1}"

    async def play(scene: Scene) -> None:
        scene.given_up[0].seen_as = "198.18.0.9:40123"
        assert not await scene.barrier.look()
        scene.node.listed.clear()
        assert await scene.barrier.look()
        assert scene.told()[0].closed_by == "redis-1 no longer lists 198.18.0.9:40123"

    run(play, node)


def test_silence_closes_nothing_and_is_asked_again() -> None:
    """A paused node tells nothing; when it answers again, its list counts."""
    node = Node()
    node.silent = True
    node.listed.clear()

    async def play(scene: Scene) -> None:
        assert not await scene.barrier.look()
        assert scene.told() == []
        scene.node.silent = False
        assert await scene.barrier.look()
        assert scene.told()[0].closed_us

    run(play, node)


def test_process_that_is_gone_closes_what_was_open_on_it() -> None:
    """A node that does not answer because it was killed will not execute anything; one that merely
    does not answer may."""
    node = Node()
    node.silent = True

    async def play(scene: Scene) -> None:
        assert not await scene.barrier.look()
        scene.running = False
        assert await scene.barrier.look()
        (told,) = scene.told()
        assert told.closed_us
        assert told.closed_by == "the process of redis-1 is gone"

    run(play, node)


def test_what_is_still_listed_at_the_end_is_written_down_as_open() -> None:
    """Also a connection to an address that is no node of the run."""

    async def play(scene: Scene) -> None:
        scene.given_up.append(Connection(id=8, web_server="web-1", node="?", local_port=1, opened_us=0))
        await scene.barrier.settle(within_s=0.1)
        assert {one.connection: one.closed_by for one in scene.told()} == {
            7: "redis-1 still lists 127.0.0.1:4001",
            8: "? is no node of this run",
        }
        assert all(one.closed_us is None for one in scene.told())

    run(play)


def test_questions_of_a_last_look_fit_into_what_redis_reads_at_once() -> None:
    """Else other clients could be served between a changed setting and its restoration."""

    class Session:
        id, user, shard = "f" * 32, "u" * 12, 1
        key, witness_key = f"session:{{{'f' * 32}}}", f"witness:{{{'f' * 32}}}"

    asked = packed(_questions(Session, indexed=False))
    assert len(asked) * IN_ONE_WRITE + 200 < REDIS_READS_BYTES
