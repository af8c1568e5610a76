"""Subscriptions that outlive the connections that they are made on."""

from __future__ import annotations

import asyncio

from harness.model.seams import Address, Source
from harness.observe.listening import listen
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.scripted import CLOSE, SILENCE, ScriptedServer, array, in_turn
from tests.fake_clock import in_fake_time

SUBSCRIBED = b"*3\r\n$10\r\npsubscribe\r\n$1\r\n*\r\n:1\r\n"


def test_listener_hears_messages_and_comes_back_after_a_loss() -> None:
    """A lost subscription is made again; what is no message is not handed on."""
    heard: list[tuple[str, str]] = []

    def message(text: str) -> bytes:
        return SUBSCRIBED + array("pmessage", "*", "+sdown", text)

    async def play() -> int:
        script = in_turn(message("1"), CLOSE, message("2"), SILENCE)
        async with asyncio.timeout(10), ScriptedServer(script, handshake={}) as node:
            there = AsyncConnection(Address("127.0.0.1", node.port), Source(), secret=None)
            both = asyncio.Event()

            def hear(channel: str, text: str) -> None:
                heard.append((channel, text))
                if len(heard) > 1:
                    both.set()

            task = asyncio.create_task(listen(there, hear, subscribe=("PSUBSCRIBE", "*")))
            await both.wait()
            task.cancel()
            await asyncio.wait((task,))
            return len(node.peers)

    assert in_fake_time(play()) == 2
    assert heard == [("+sdown", "1"), ("+sdown", "2")]
