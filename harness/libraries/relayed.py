"""Doors of this process to nodes, for a library whose sockets are not Python's.

The library is told the address of a door in the place of a node's. What comes through is passed on over a
tapped socket, so it is noted, and it starts from the web server's source. One thread has all doors, as such a
library may block the one that calls it.

Trap: a door always lets in. Where the node refuses the connection, the library sees it reset instead.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from asyncio import StreamReader, StreamWriter
from contextlib import suppress

HERE = "127.100.0.1"
"""Nobody else listens there, so no door has the address of a node."""
_PIECE = 1 << 16

Address = tuple[str, int]


class Relay:
    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._lock = threading.Lock()
        self._doors: dict[Address, Address] = {}
        self._listening: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def door_to(self, host: str, port: int) -> Address:
        """The address that leads to a node; from any thread."""
        if host == HERE:
            return host, port
        with self._lock:
            if (host, port) not in self._doors:
                listening = socket.create_server((HERE, 0), backlog=socket.SOMAXCONN)
                self._listening.append(listening)
                self._doors[host, port] = (HERE, listening.getsockname()[1])
                self._loop.call_soon_threadsafe(self._begin, listening, (host, port))
            return self._doors[host, port]

    def close(self) -> None:
        """Whoever is still on the way is cut off."""
        asyncio.run_coroutine_threadsafe(self._ended(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        for one in self._listening:
            one.close()

    async def _ended(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for one in others:
            one.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    def _begin(self, listening: socket.socket, node: Address) -> None:
        task = self._loop.create_task(self._serve(listening, node))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, listening: socket.socket, node: Address) -> None:
        async def let_in(reader: StreamReader, writer: StreamWriter) -> None:
            await _pass_on(node, reader, writer)

        server = await asyncio.start_server(let_in, sock=listening)
        await server.serve_forever()


async def _pass_on(node: Address, reader: StreamReader, writer: StreamWriter) -> None:
    """Until either end is gone, and then without the other one."""
    try:
        from_node, to_node = await asyncio.open_connection(*node)
    except OSError:
        writer.transport.abort()
        return
    ways = {
        asyncio.create_task(_copied(reader, to_node)),
        asyncio.create_task(_copied(from_node, writer)),
    }
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        to_node.close()
        writer.close()


async def _copied(reader: StreamReader, writer: StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_PIECE):
            writer.write(data)
            await writer.drain()
