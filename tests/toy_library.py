"""A client library as the next person might add one: the simplest there is, on a socket of Python's own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from harness.libraries.library import Client, Settings
from harness.libraries.resp import Command, packed, reply_at


class RefusedByNode(Exception):
    """An error reply."""


class Toy:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._turn = asyncio.Lock()
        self._line: socket.socket | None = None

    async def start(self) -> None:
        """It connects when it is first needed."""

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        async with self._turn:
            return await asyncio.to_thread(self._converse, commands)

    async def close(self) -> None:
        if self._line is not None:
            self._line.close()

    def _converse(self, commands: Sequence[Command]) -> list[object]:
        try:
            if self._line is None:
                self._line = self._connected()
            return self._asked(self._line, [packed(*command) for command in commands])
        except OSError:
            if self._line is not None:
                self._line.close()
                self._line = None
            raise

    def _connected(self) -> socket.socket:
        settings = self._settings
        line = socket.create_connection(settings.primary, timeout=settings.connect_timeout_s)
        line.settimeout(settings.socket_timeout_s)
        if settings.password:
            self._asked(line, [packed("AUTH", settings.password)])
        return line

    @staticmethod
    def _asked(line: socket.socket, commands: list[bytes]) -> list[object]:
        line.sendall(b"".join(commands))
        came, at = bytearray(), 0
        replies: list[object] = []
        while len(replies) < len(commands):
            found = reply_at(came, at)
            if found is not None:
                replies.append(found.value)
                at = found.ends_at
                continue
            data = line.recv(1 << 16)
            if not data:
                raise ConnectionResetError("the node hung up")
            came += data
        return [RefusedByNode(one.text) if hasattr(one, "text") else one for one in replies]


def connect(settings: Settings) -> Client:
    return Toy(settings)
