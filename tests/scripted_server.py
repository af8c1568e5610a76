"""A server that speaks a little RESP and does what a test's script says, command by command."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

Answer = bytes | str
"""Bytes to send; "close": drop the connection; "silence": never answer."""

HANDSHAKE = {
    "AUTH": b"+OK\r\n",
    "CLIENT": b"+OK\r\n",
    "PING": b"+PONG\r\n",
}


class ScriptedServer:
    """Answers AUTH, CLIENT and INFO by itself, everything else by asking `script(command)`."""

    def __init__(self, script: Callable[[list[str]], Answer], *, run_id: str = "r" * 40) -> None:
        self.script = script
        self.run_id = run_id
        self.received: list[list[str]] = []
        self.peers: list[tuple[str, int]] = []
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self.asked = asyncio.Event()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.peers.append(writer.get_extra_info("peername"))
        try:
            while (command := await _command(reader)) is not None:
                answer = self._answer(command)
                if answer == "close":
                    return
                if isinstance(answer, bytes):
                    writer.write(answer)
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _answer(self, command: list[str]) -> Answer:
        name = command[0].upper()
        if name == "INFO":
            return bulk(f"run_id:{self.run_id}\r\nrole:master\r\n")
        if name in HANDSHAKE:
            return HANDSHAKE[name]
        self.received.append(command)
        self.asked.set()
        return self.script(command)


async def _command(reader: asyncio.StreamReader) -> list[str] | None:
    header = await reader.readline()
    if not header:
        return None
    parts = []
    for _ in range(int(header[1:])):
        length = int((await reader.readline())[1:])
        parts.append((await reader.readexactly(length + 2))[:-2].decode())
    return parts


def bulk(text: str) -> bytes:
    return f"${len(text)}\r\n{text}\r\n".encode()


def array(*items: str) -> bytes:
    return f"*{len(items)}\r\n".encode() + b"".join(bulk(item) for item in items)


def in_turn(*answers: Answer) -> Callable[[list[str]], Answer]:
    """Answer with these, one after the other; the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
