"""A server for tests: speaks a little of the protocol, and answers as a test's script says.

In an event loop: `async with ScriptedServer(script) as server`. For code that blocks: `with
in_thread(ScriptedServer(script)) as server`. It listens on this machine only.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from types import MappingProxyType
from typing import Any, Self

from harness.redis_wire.protocol import reply_reader

Answer = bytes | str
"""Bytes to send; `CLOSE` or `SILENCE`."""

CLOSE = "close"
"""Drop the connection."""

SILENCE = "silence"
"""Never answer this command."""

Script = Callable[[list[str]], Answer]

OK = b"+OK\r\n"
PONG = b"+PONG\r\n"

HANDSHAKE: Mapping[str, bytes] = MappingProxyType({"AUTH": OK, "CLIENT": OK, "PING": PONG})
"""What every client asks before it comes to the point."""

_RECEIVE_BYTES = 1 << 16
_STARTS_WITHIN_S = 5.0


class ScriptedServer:
    """Answers the handshake and INFO by itself, and asks `script(command)` for everything else.

    `handshake` empty: the script answers INFO and the handshake too.
    """

    def __init__(
        self, script: Script, *, run_id: str = "r" * 40, handshake: Mapping[str, bytes] = HANDSHAKE
    ) -> None:
        self.script = script
        self.run_id = run_id
        self.received: list[list[str]] = []
        """Commands that the script was asked for."""
        self.peers: list[tuple[str, int]] = []
        """Where connections came from, in their order."""
        self.port = 0
        self._handshake = handshake
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
        """Listen no more, and drop every connection."""
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.close()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self.peers.append(writer.get_extra_info("peername"))
        commands = reply_reader()
        try:
            while received := await reader.read(_RECEIVE_BYTES):
                commands.feed(received)
                while (command := commands.gets()) is not False:
                    answer = self._answer([str(word) for word in command])
                    if answer == CLOSE:
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
        if self._handshake and name == "INFO":
            return bulk(f"run_id:{self.run_id}\r\nrole:master\r\n")
        if name in self._handshake:
            return self._handshake[name]
        self.received.append(command)
        self.asked.set()
        return self.script(command)


@contextmanager
def in_thread(server: ScriptedServer) -> Iterator[ScriptedServer]:
    """Serve in a thread of its own, for as long as the `with` lasts."""
    serving: Future[Callable[[], object]] = Future()

    async def serve() -> None:
        over = asyncio.Event()
        async with server:
            serving.set_result(partial(asyncio.get_running_loop().call_soon_threadsafe, over.set))
            await over.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    stop = serving.result(_STARTS_WITHIN_S)
    try:
        yield server
    finally:
        stop()
        thread.join(_STARTS_WITHIN_S)


def bulk(text: str) -> bytes:
    """A text, as the protocol sends it."""
    content = text.encode()
    return b"$%d\r\n%b\r\n" % (len(content), content)


def array(*items: str) -> bytes:
    """A list of texts."""
    return b"*%d\r\n" % len(items) + b"".join(map(bulk, items))


def error(text: str) -> bytes:
    """An error reply."""
    return f"-{text}\r\n".encode()


def in_turn(*answers: Answer) -> Callable[[list[str]], Answer]:
    """Answer with these, one after the other; the last one for ever."""
    left: list[Any] = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
