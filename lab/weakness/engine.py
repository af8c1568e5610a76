"""An engine with a bug that sleeps: a node that took over, or started again, drops every few field writes.

It confirms them as if they were there. The proxy lies within the client's connection, so it stands before
every node of every topology, whatever a client learns of addresses; links, ports and sources are those of
the connection behind it.

Trap: observers look for a client's connection by its port at the node, so a connection tells that one.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import socket
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import redis

from harness.model.inventory import NodePlan
from harness.model.seams import Source, Topology
from harness.redis_wire import info
from harness.redis_wire.keys import session_key, witness_key
from harness.sessions.connection import RecordedConnection, SourcedConnection
from lab.selftest.proxy import Upstream
from lab.selftest.resp import Command, Write, encoded, messages, parsed, write_in

EVERY = 4
"""Each such field write is dropped."""


class Sleeping:
    """What stands between the clients of a run and its nodes."""

    def __init__(self, led: Collection[str]) -> None:
        """`led`: the run_ids that led when the run began, which never misbehave."""
        self._led = frozenset(led)
        self._writes = itertools.count(1)

    async def serve(self, client: socket.socket, node: socket.socket) -> None:
        """Until one side ends."""
        reader, writer = await asyncio.open_connection(sock=client)
        upstream = Upstream(*await asyncio.open_connection(sock=node))
        awake, left = False, b""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                whole, left = messages(left + data)
                commands = [Command(one) for one in whole]
                if not commands:
                    continue
                replies = await self._instead(commands, upstream) if awake else None
                if replies is None:
                    replies = await upstream.ask(commands)
                    awake = awake or self._wakes(commands, replies)
                writer.write(b"".join(replies))
        writer.transport.abort()
        upstream.close()

    def _wakes(self, commands: Sequence[Command], replies: Sequence[bytes]) -> bool:
        """Every connection asks its node who it is, once."""
        said: dict[str, str] = {}
        for command, reply in zip(commands, replies, strict=True):
            if command.name == "INFO":
                said |= info.fields(str(parsed(reply)))
        return said.get("role") == "master" and said["run_id"] not in self._led

    async def _instead(self, commands: list[Command], upstream: Upstream) -> list[bytes] | None:
        write = write_in(commands)
        if write is None or write.verb != "HSET" or next(self._writes) % EVERY:
            return None
        there, traces = await _before(write, upstream)
        return [encoded([1, 0, traces + 1])] if there else None


async def _before(write: Write, upstream: Upstream) -> tuple[bool, int]:
    """Whether the session is there, and how many witnesses it has."""
    asked = [
        Command.of("EXISTS", session_key(write.session)),
        Command.of("LLEN", witness_key(write.session)),
    ]
    there, traces = (int(str(parsed(reply))) for reply in await upstream.ask(asked))
    return bool(there), traces


class Behind(RecordedConnection):
    """Not used as a connection: its methods take the place of those of every recorded connection."""

    _at_node = 0

    async def through(self, source: Source) -> socket.socket:
        node = await SourcedConnection._connected_from(self, source)  # noqa: SLF001 - the one place that dials
        self._at_node = int(node.getsockname()[1])
        client, ours = pair()
        _SERVING.add(task := asyncio.create_task(_ENGINE[0].serve(ours, node)))
        task.add_done_callback(_SERVING.discard)
        return client

    def port_at_node(self) -> int | None:
        return self._at_node if self._writer else None


_ENGINE: list[Sleeping] = []
_SERVING: set[asyncio.Task[None]] = set()


def stand_before(topology: Topology) -> None:
    """Let every client of this process reach the nodes through a sleeping bug."""
    _ENGINE[:] = [Sleeping(leading(topology))]
    replaced: Any = RecordedConnection
    replaced._connected_from = Behind.through  # noqa: SLF001
    replaced.local_port = Behind.port_at_node
    replaced._at_node = 0  # noqa: SLF001


def leading(topology: Topology) -> set[str]:
    """The run_ids of the nodes that lead now."""
    said = [_asked(topology, node, "INFO") for node in topology.plan.data_nodes()]
    return {one["run_id"] for one in said if one["role"] == "master"}


def switch_off(topology: Topology, directives: Mapping[str, str]) -> None:
    """Give all data nodes other settings than their deployment says."""
    for node in topology.plan.data_nodes():
        for directive, value in directives.items():
            _asked(topology, node, "CONFIG", "SET", directive, value)


def _asked(topology: Topology, node: NodePlan, *command: str) -> Any:
    at = topology.address(node.name)
    with redis.Redis(at.host, at.port, password=topology.secrets.redis, decode_responses=True) as client:
        return client.execute_command(*command)


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a TCP connection within this process."""
    with socket.create_server(("127.0.0.1", 0), backlog=1) as server:
        client = socket.create_connection(server.getsockname())
        ours, _ = server.accept()
    client.setblocking(False)
    ours.setblocking(False)
    return client, ours
