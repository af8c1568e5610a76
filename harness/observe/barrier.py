"""Proves that bytes which nobody answered can no longer be executed: asks nodes whom they still serve.

A web server that gave up on a request has closed its socket, but a paused node executes what lies in
its buffers when it wakes, and a network that heals delivers what was sent into the cut. Every
connection here once answered its handshake, so its node had accepted it; once that node's CLIENT LIST
is without it, none of its bytes will ever be executed. Such looks are taken every second while there
is something to find out, and after the load, until all is known or `SETTLED_WITHIN_S` have passed.

The trap: on its way an address may be translated (published ports, a proxy), and then nothing is ever
found in the list. So a connection counts as absent only if its web server is known to appear under its
own address on that node: a probe from the web server's own source, wherever that is, asks the node how it
sees it. Through the kit's own proxies each connection asks for itself (`Connection.seen_as`).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from harness.model.records import Connection, Unanswered
from harness.model.seams import Source
from harness.observe.context import ObserverContext, every
from harness.redis_wire.asynchronous import AsyncConnection
from harness.redis_wire.protocol import ErrorReply, NoAnswer

LOOK_EVERY_S = 1.0
SETTLED_WITHIN_S = 2.0
_AGAIN_AFTER_S = 0.1
_ANSWER_WITHIN_S = 1.5
"""Longer than for samples: nothing here is timed, and a busy machine should still get its answers."""

_ADDRESS = re.compile(r"(?:^|\s)addr=(\S+)")

Host = str


@dataclass(frozen=True, slots=True)
class Seen:
    """One connection, at both ends."""

    by_node: str
    """Its address there; empty: the node did not say."""
    ours: tuple[str, int] | None
    """Our end; None: it is not known."""


async def seen(asked: AsyncConnection) -> Seen:
    """How a node sees this connection, which is closed afterwards.

    Raises:
        NoAnswer: no answer; it may be cut off now.
    """
    try:
        (said,) = await asked.ask(("CLIENT", "INFO"), within_s=_ANSWER_WITHIN_S)
        ours = asked.local
    finally:
        asked.close()
    if isinstance(said, ErrorReply):
        raise NoAnswer(str(said))
    return Seen("".join(_ADDRESS.findall(said)), ours)


class Barrier:
    """`unanswered`: connections, closed by now, with an attempt that got no reply; it may be asked
    again and again. `source`: where a web server's sockets come from. `running`: whether a node's
    process exists; True where that is not known. It may block. `elsewhere`: `seen` by a node for a web server
    of another machine; None: all are on this one."""

    def __init__(
        self,
        context: ObserverContext,
        unanswered: Callable[[], Sequence[Connection]],
        source: Callable[[str], Source],
        running: Callable[[str], bool],
        elsewhere: Callable[[str, str], Awaitable[Seen]] | None = None,
    ) -> None:
        self._context = context
        self._elsewhere = elsewhere
        self._unanswered = unanswered
        self._source = source
        self._running = running
        self._connections: dict[str, AsyncConnection] = {}
        self._hosts: dict[tuple[str, str], Host] = {}
        """(web server, node) -> the host as which the node sees it."""
        self._translated: dict[tuple[str, str], str] = {}
        self._closed: set[int] = set()
        self._why: dict[int, str] = {}
        """What keeps a connection from being closed, as of the last look."""
        self._looking = asyncio.Lock()

    async def watch(self) -> None:
        """Look until cancelled."""
        try:
            await every(LOOK_EVERY_S, self.look)
        finally:
            self.close()

    async def look(self) -> bool:
        """Ask about what is open; True: nothing is open any more."""
        async with self._looking:
            pending: dict[str, list[Connection]] = {}
            for one in self._unanswered():
                if one.id not in self._closed:
                    pending.setdefault(one.node, []).append(one)
            found = await asyncio.gather(*(self._look_at(node, ours) for node, ours in pending.items()))
            return all(found)

    async def settle(self, within_s: float = SETTLED_WITHIN_S) -> None:
        """Look until everything is closed or time is over, and write down what stays open.

        Every socket of the load must be closed, and no new one be opened.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within_s
        while not await self.look() and loop.time() < deadline:  # noqa: ASYNC110  no event says it
            await asyncio.sleep(_AGAIN_AFTER_S)
        for one in self._unanswered():
            if one.id not in self._closed:
                why = self._why.get(one.id, "it was never asked about")
                self._context.record(Unanswered(connection=one.id, closed_by=why))

    def close(self) -> None:
        for one in self._connections.values():
            one.close()

    async def _look_at(self, node: str, ours: Sequence[Connection]) -> bool:
        """Whether every one of these connections to the node is gone from it."""
        if node not in self._context.addresses:
            self._why |= {one.id: f"{node} is no node of this run" for one in ours}
            return False
        listed = await self._clients(node)
        done_us = self._context.clock.now_us()
        if isinstance(listed, str) and not await asyncio.to_thread(self._running, node):
            done_us = self._context.clock.now_us()
            for one in ours:
                self._close(one, done_us, f"the process of {node} is gone")
        for one in ours:
            if isinstance(listed, str):
                self._why[one.id] = listed
            elif one.seen_as is not None or await self._traceable(one):
                address = one.seen_as or _spelled(self._hosts[one.web_server, node], one.local_port)
                if address in listed:
                    self._why[one.id] = f"{node} still lists {address}"
                else:
                    self._close(one, done_us, f"{node} no longer lists {address}")
        return all(one.id in self._closed for one in self._unanswered() if one.node == node)

    def _close(self, connection: Connection, at_us: int, proof: str) -> None:
        self._closed.add(connection.id)
        self._context.record(Unanswered(connection=connection.id, closed_us=at_us, closed_by=proof))

    async def _traceable(self, connection: Connection) -> bool:
        """Whether the node would list this connection under the address that its web server gave it."""
        path = connection.web_server, connection.node
        if path not in self._hosts and path not in self._translated:
            try:
                await self._probe(*path)
            except NoAnswer as silence:
                self._why[connection.id] = f"{path[1]} does not answer {path[0]}: {silence}"
                return False
        if path in self._translated:
            self._why[connection.id] = self._translated[path]
            return False
        return connection.local_port is not None

    async def _probe(self, web_server: str, node: str) -> None:
        """Ask the node how it sees a connection from the web server's own source.

        Raises:
            NoAnswer: no answer; it may be cut off now.
        """
        if self._elsewhere is not None:
            found = await self._elsewhere(web_server, node)
        else:
            found = await seen(self._context.connection(node, self._source(web_server)))
        ours = found.ours
        if ours is not None and found.by_node == _spelled(*ours):
            self._hosts[web_server, node] = ours[0]
        else:
            at = "an unknown address" if ours is None else _spelled(*ours)
            self._translated[web_server, node] = (
                f"{node} sees {found.by_node} where {web_server} connects from {at}"
            )

    async def _clients(self, node: str) -> set[str] | str:
        """The addresses of a node's clients, or why they are not known."""
        asked = self._connections.setdefault(node, self._context.connection(node))
        try:
            (said,) = await asked.ask(("CLIENT", "LIST"), within_s=_ANSWER_WITHIN_S)
        except NoAnswer as silence:
            return f"{node} does not answer: {silence}"
        if isinstance(said, ErrorReply):
            return f"{node} does not list its clients: {said}"
        return set(_ADDRESS.findall(said))


def _spelled(host: str, port: int | None) -> str:
    """As Redis spells an address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
