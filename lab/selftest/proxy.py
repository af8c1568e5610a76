"""A TCP proxy in front of one node. It passes everything on, or lets a `Mischief` answer.

It lives in the event loop of the load engine, so its own delay is a few hundred microseconds. What one
client sends at once is handed over at once: a pipeline, a MULTI group, a script.

Trap: the node must see each client's own port number, because the kit looks for its connections in
CLIENT LIST. So the way to the node starts from the same port of another loopback address.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import Protocol, Self

from harness.model.seams import Address
from lab.selftest.resp import Command, messages

NEAR = "127.0.0.1"
FAR = "127.0.0.77"
"""Where the proxy's own connections to the node start."""


class Mischief(Protocol):
    async def answer(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes]: ...


class Upstream:
    """One client's way to the node."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._left = b""

    @classmethod
    async def to(cls, node: Address, port: int) -> Self:
        return cls(*await asyncio.open_connection(node.host, node.port, local_addr=(FAR, port)))

    async def ask(self, commands: Sequence[Command]) -> list[bytes]:
        """One raw reply for each command."""
        self._writer.write(b"".join(one.raw for one in commands))
        replies: list[bytes] = []
        while len(replies) < len(commands):
            data = await self._reader.read(65536)
            if not data:
                raise ConnectionResetError("the node closed the connection")
            more, self._left = messages(self._left + data)
            replies += more
        return replies

    def close(self) -> None:
        self._writer.close()


class Proxy:
    """An asynchronous context manager; `address` is where clients are to go."""

    def __init__(self, node: Address, mischief: Mischief) -> None:
        self._node = node
        self._mischief = mischief
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, NEAR, 0)
        self.address = Address(NEAR, int(self._server.sockets[0].getsockname()[1]))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        upstream = None
        try:
            upstream = await Upstream.to(self._node, writer.get_extra_info("peername")[1])
            await self._pass_on(reader, writer, upstream)
        except (OSError, asyncio.CancelledError):
            pass  # the client, or the node, or the run has ended
        finally:
            self._tasks.discard(task)
            writer.close()
            if upstream is not None:
                upstream.close()

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, upstream: Upstream
    ) -> None:
        left = b""
        while data := await reader.read(65536):
            whole, left = messages(left + data)
            if whole:
                replies = await self._mischief.answer([Command(one) for one in whole], upstream)
                with contextlib.suppress(OSError):  # a client that did not wait for it
                    writer.write(b"".join(replies))
