"""The observers' connections: whole answers in time, or `LinkDown`, and never somebody else's reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Self, TypeVar

import hiredis
import pytest

from harness.model.seams import Address, Source
from harness.observe.link import Link, LinkDown
from harness.observe.listening import listen
from tests.fake_clock import in_fake_time, the_clock

T = TypeVar("T")


class Node:
    """A scripted node: answers each command it reads with the next reply; None: silence, and a word: hang up."""

    def __init__(self, *replies: bytes | str | None) -> None:
        self.replies = list(replies)
        self.commands: list[Any] = []
        self.connections = 0

    async def __aenter__(self) -> Self:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()

    def link(self, secret: str = "", source: Source | None = None) -> Link:
        return Link(Address("127.0.0.1", self.port), secret, source or Source())

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.peer = writer.get_extra_info("peername")
        parser = hiredis.Reader(encoding="utf-8")
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (command := parser.gets()) is not False:
                    self.commands.append(command)
                    reply = self.replies.pop(0) if self.replies else None
                    if isinstance(reply, str):
                        return
                    if reply is not None:
                        writer.write(reply)
        finally:
            writer.close()


def run(scenario: Callable[[Node], Awaitable[T]], *replies: bytes | str | None) -> T:
    async def main() -> T:
        async with Node(*replies) as node:
            return await asyncio.wait_for(scenario(node), 10)

    return in_fake_time(main())


def test_pipeline_is_answered_in_order_with_errors_as_values() -> None:
    """One reply per command; an error reply is one of them."""

    async def scenario(node: Node) -> tuple[list[Any], list[Any]]:
        link = node.link("secret")
        replies = await link.ask(("PING",), ("GET", "a"), ("GET", "b"), within_s=2)
        link.close()
        return replies, node.commands

    replies, commands = run(scenario, b"+OK\r\n", b"+PONG\r\n", b"-LOADING x\r\n", b"$-1\r\n")
    assert replies[0] == "PONG"
    assert isinstance(replies[1], hiredis.ReplyError)
    assert replies[2] is None
    assert commands[0] == ["AUTH", "secret"]


def test_silent_node_is_down_within_the_deadline_and_its_late_reply_is_nobodys() -> None:
    """After a time-out the next question goes over a new connection."""

    async def scenario(node: Node) -> tuple[Any, int]:
        link = node.link()
        with pytest.raises(LinkDown, match=r"no answer within 0\.1 s"):
            await link.ask(("PING",), within_s=0.1)
        assert not link.is_open
        (reply,) = await link.ask(("PING",), within_s=2)
        assert link.is_open
        link.close()
        return reply, node.connections

    assert run(scenario, None, b"+PONG\r\n") == ("PONG", 2)


async def late_loop(turn_s: float) -> None:
    """A loop that needs so long for each turn, as on a machine that is busy with something else."""
    while True:
        the_clock().sleep(turn_s)
        await asyncio.sleep(0)


def test_node_that_answers_is_not_silent_because_our_own_loop_is_late() -> None:
    """Connecting takes several turns. Each of them is longer than its part of the time limit, which is the
    node's: otherwise nobody would be seen for as long as the machine is busy. A node that says nothing is still
    silent after as many turns."""

    async def scenario(node: Node) -> list[Any]:
        hog = asyncio.create_task(late_loop(0.25))
        link = node.link("secret")
        replies = await link.ask(("PING",), within_s=0.5)
        with pytest.raises(LinkDown, match=r"no answer within 0\.1 s"):
            await link.ask(("PING",), within_s=0.1)
        hog.cancel()
        return replies

    assert run(scenario, b"+OK\r\n", b"+PONG\r\n", None) == ["PONG"]


def test_closed_connection_and_refused_password_are_down() -> None:
    """A node that hangs up, and one that does not know our password, give no answer."""

    async def scenario(node: Node) -> None:
        with pytest.raises(LinkDown, match="closed the connection"):
            await node.link().ask(("PING",), within_s=2)
        with pytest.raises(LinkDown, match="WRONGPASS"):
            await node.link("wrong").ask(("PING",), within_s=2)
        with pytest.raises(LinkDown, match="not the Redis protocol"):
            await node.link().ask(("PING",), within_s=2)

    run(scenario, "close", b"-WRONGPASS no\r\n", b"HTTP/1.1 200 OK\r\n")


def test_refused_connection_is_down() -> None:
    """Nobody listens: said at once."""

    async def scenario(node: Node) -> None:
        node.server.close()
        await node.server.wait_closed()
        with pytest.raises(LinkDown):
            await node.link().ask(("PING",), within_s=2)

    run(scenario)


def test_source_ports_are_honoured() -> None:
    """A source that is a range of ports is where the connection comes from, also when some are taken."""

    async def scenario(node: Node) -> tuple[tuple[int, int], list[int]]:
        ports = (23_400, 23_431)
        links = [node.link(source=Source(ports=ports)) for _ in range(2)]
        seen = []
        for link in links:
            await link.ask(("PING",), within_s=2)
            seen.append(node.peer[1])
        for link in links:
            link.close()
        return ports, seen

    (first, last), seen = run(scenario, b"+PONG\r\n", b"+PONG\r\n")
    assert all(first <= port <= last for port in seen)
    assert len(set(seen)) == 2


def test_listener_hears_messages_and_comes_back_after_a_loss() -> None:
    """A lost subscription is made again; what is no message is not handed on."""
    heard: list[tuple[str, ...]] = []

    async def scenario(node: Node) -> int:
        task = asyncio.create_task(
            listen(node.link(), lambda *message: heard.append(message), subscribe=("PSUBSCRIBE", "*"))
        )
        while len(heard) < 2:  # noqa: ASYNC110  the test's own patience
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait((task,))
        return node.connections

    subscribed = b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"
    message = b"*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$6\r\n+sdown\r\n$1\r\n%d\r\n"
    connections = run(scenario, subscribed + message % 1, "close", subscribed + message % 2)
    assert heard == [("+sdown", "1"), ("+sdown", "2")]
    assert connections == 2
