"""What a HAProxy says of the servers behind it: its stats socket, asked over TCP.

A question is a line of text; the answer ends with the connection, so each one needs a connection of its own.
"""

from __future__ import annotations

import asyncio
import csv
import socket
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from harness.model.seams import Address, Source
from harness.redis_wire.protocol import NoAnswer

_QUESTION = b"show stat -1 4 -1\n"
"""Servers only, of every backend."""
_RECEIVE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server in a backend, as the proxy sees it."""

    backend: str
    name: str
    status: str
    """`UP`, `DOWN`, `UP 1/3` (going down), `DOWN 1/2` (going up), `MAINT`, …"""
    checked: bool
    """At least one check is over."""

    @property
    def up(self) -> bool:
        """It gets connections; without a check it always does."""
        return self.status.startswith(("UP", "no check"))

    @property
    def settled(self) -> bool:
        """Checked, and not on its way up or down (`UP 1/3`); or nobody checks it."""
        return self.status == "no check" or (self.checked and "/" not in self.status)


def servers(address: Address, source: Source, *, within_s: float) -> tuple[ServerState, ...]:
    """Ask once, and wait.

    Raises:
        NoAnswer: no whole answer within the limit.
    """
    local = (source.host, 0) if source.host else None
    try:
        with socket.create_connection((address.host, address.port), within_s, local) as asked:
            asked.settimeout(within_s)
            asked.sendall(_QUESTION)
            said = b"".join(iter(lambda: asked.recv(_RECEIVE_BYTES), b""))
    except OSError as problem:
        raise NoAnswer(f"the proxy at {address.host}:{address.port} gives no answer: {problem}") from problem
    return parsed(said)


async def servers_soon(address: Address, source: Source, *, within_s: float) -> tuple[ServerState, ...]:
    """The same in an event loop. Raises as `servers` does."""
    local = (source.host, 0) if source.host else None
    try:
        async with asyncio.timeout(within_s):
            reader, writer = await asyncio.open_connection(address.host, address.port, local_addr=local)
            try:
                writer.write(_QUESTION)
                said = await reader.read()
            finally:
                writer.close()
                with suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as problem:
        raise NoAnswer(f"the proxy at {address.host}:{address.port} gives no answer: {problem}") from problem
    return parsed(said)


def parsed(said: bytes) -> tuple[ServerState, ...]:
    """Raises `NoAnswer` for what is no such table."""
    lines = said.decode("utf-8", errors="replace").splitlines()
    if not lines or not lines[0].startswith("# pxname,svname,"):
        raise NoAnswer(f"expected a table of servers from a proxy, found {said[:60]!r}")
    return tuple(_rows(chain([lines[0].removeprefix("# ")], lines[1:])))


def _rows(lines: Iterable[str]) -> Iterator[ServerState]:
    for row in csv.DictReader(line for line in lines if line):
        yield ServerState(
            backend=row["pxname"],
            name=row["svname"],
            status=row["status"],
            checked=row.get("check_status", "") not in {"", "INI"},
        )
