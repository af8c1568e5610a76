"""An event loop's connection: whole answers in time, or `NoAnswer`, and never somebody else's reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import pytest

from harness.model.seams import Address, Source
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.protocol import ErrorReply, NoAnswer
from harness.redis_wire.scripted import SILENCE, Answer, ScriptedServer, in_turn
from tests.fake_clock import in_fake_time, the_clock

T = TypeVar("T")


class Node(ScriptedServer):
    """Answers each command that it reads with the next reply, AUTH too."""

    def __init__(self, *replies: Answer) -> None:
        super().__init__(in_turn(*replies, SILENCE), handshake={})

    def connection(self, secret: str | None = None, source: Source | None = None) -> AsyncConnection:
        return AsyncConnection(Address("127.0.0.1", self.port), source or Source(), secret=secret)


def run(scenario: Callable[[Node], Awaitable[T]], *replies: Answer) -> T:
    async def main() -> T:
        async with Node(*replies) as node:
            return await asyncio.wait_for(scenario(node), 10)

    return in_fake_time(main())


def test_pipeline_is_answered_in_order_with_errors_as_values() -> None:
    """One reply per command; an error reply is one of them."""

    async def scenario(node: Node) -> tuple[list[Any], list[list[str]]]:
        asking = node.connection("secret")
        replies = await asking.ask(("PING",), ("GET", "a"), ("GET", "b"), within_s=2)
        asking.close()
        return replies, node.received

    replies, commands = run(scenario, b"+OK\r\n", b"+PONG\r\n", b"-LOADING x\r\n", b"$-1\r\n")
    assert replies[0] == "PONG"
    assert isinstance(replies[1], ErrorReply)
    assert replies[2] is None
    assert commands[0] == ["AUTH", "secret"]


def test_silent_node_is_down_within_the_deadline_and_its_late_reply_is_nobodys() -> None:
    """After a time-out the next question goes over a new connection."""

    async def scenario(node: Node) -> tuple[Any, int]:
        asking = node.connection()
        with pytest.raises(NoAnswer, match=r"no answer within 0\.1 s"):
            await asking.ask(("PING",), within_s=0.1)
        assert not asking.is_open
        (reply,) = await asking.ask(("PING",), within_s=2)
        assert asking.is_open
        asking.close()
        return reply, len(node.peers)

    assert run(scenario, SILENCE, b"+PONG\r\n") == ("PONG", 2)


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
        asking = node.connection("secret")
        replies = await asking.ask(("PING",), within_s=0.5)
        with pytest.raises(NoAnswer, match=r"no answer within 0\.1 s"):
            await asking.ask(("PING",), within_s=0.1)
        hog.cancel()
        return replies

    assert run(scenario, b"+OK\r\n", b"+PONG\r\n", SILENCE) == ["PONG"]


def test_closed_connection_and_refused_password_are_down() -> None:
    """A node that hangs up, and one that does not know our password, give no answer."""

    async def scenario(node: Node) -> None:
        with pytest.raises(NoAnswer, match="closed the connection"):
            await node.connection().ask(("PING",), within_s=2)
        with pytest.raises(NoAnswer, match="WRONGPASS"):
            await node.connection("wrong").ask(("PING",), within_s=2)
        with pytest.raises(NoAnswer, match="not the Redis protocol"):
            await node.connection().ask(("PING",), within_s=2)

    run(scenario, "close", b"-WRONGPASS no\r\n", b"HTTP/1.1 200 OK\r\n")


def test_refused_connection_is_down() -> None:
    """Nobody listens: said at once."""

    async def scenario(node: Node) -> None:
        await node.stop()
        with pytest.raises(NoAnswer):
            await node.connection().ask(("PING",), within_s=2)

    run(scenario)


def test_source_ports_are_honoured() -> None:
    """A source that is a range of ports is where the connection comes from, also when some are taken."""

    async def scenario(node: Node) -> tuple[tuple[int, int], list[int]]:
        ports = (23_400, 23_431)
        several = [node.connection(source=Source(ports=ports)) for _ in range(2)]
        seen = []
        for asking in several:
            await asking.ask(("PING",), within_s=2)
            seen.append(node.peers[-1][1])
        for asking in several:
            asking.close()
        return ports, seen

    (first, last), seen = run(scenario, b"+PONG\r\n", b"+PONG\r\n")
    assert all(first <= port <= last for port in seen)
    assert len(set(seen)) == 2
