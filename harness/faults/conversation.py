"""One socket to one Redis or Sentinel process: the harness' own, synchronous, never reconnecting.

Faults talk to nodes through this and nothing else. A client library would reconnect by itself, and
might then send FLUSHALL to whoever listens at that address now; here the process that proved its
identity (see `ours`) is the process that gets the command, or nobody is.

Not for session traffic. Trap: replies are RESP2, so INFO is text and maps are flat lists.
"""

from __future__ import annotations

import errno
import random
import socket
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import hiredis

from harness.errors import NoEffect
from harness.model.seams import Address, Source

Word = str | bytes | int
Reply = Any

REPLY_WITHIN_S = 2.0
_RECEIVE_BYTES = 1 << 18


class Unanswered(NoEffect):
    """The node could not be connected, hung up, or stayed silent."""


class Refused(NoEffect):
    """The node answered with an error."""


class Conversation:
    """Commands to one process, answered in order. Close it, or use it in a `with`."""

    def __init__(self, connected: socket.socket, who: str) -> None:
        self.socket = connected
        self.who = who
        self._reader = hiredis.Reader(encoding="utf-8", errors="replace")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def call(self, *words: Word) -> Reply:
        """Send one command and return its reply.

        Raises:
            Unanswered: no reply within the socket's timeout.
            Refused: the reply is an error.
        """
        return self.call_all([words])[0]

    def call_all(self, commands: Sequence[Sequence[Word]]) -> list[Reply]:
        """Send several commands in one write, so that the server runs them back to back.

        Raises:
            Unanswered: a reply is missing after the socket's timeout.
            Refused: one of the replies is an error; the other commands were carried out.
        """
        names = ", ".join(str(words[0]) for words in commands)
        try:
            self.socket.sendall(b"".join(encode(words) for words in commands))
            replies = [self._next_reply() for _ in commands]
        except OSError as error:
            raise Unanswered(f"{self.who} did not answer {names}: {error or type(error).__name__}") from error
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise Refused(f"{self.who} refused {names}: {reply}")
        return replies

    def info(self, section: str) -> dict[str, str]:
        """One section of INFO as field -> text."""
        return parse_info(str(self.call("INFO", section)))

    def _next_reply(self) -> Reply:
        while (reply := self._reader.gets()) is False:
            received = self.socket.recv(_RECEIVE_BYTES)
            if not received:
                raise ConnectionResetError(errno.ECONNRESET, "the node closed the connection")
            self._reader.feed(received)
        return reply


def encode(words: Sequence[Word]) -> bytes:
    """A command as the protocol wants it."""
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


def parse_info(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in lines}


def keys_in(keyspace: str, database: int | None = None) -> int:
    """Keys in one logical database, or in all of them, by the text of INFO keyspace."""
    counts = {
        int(name[2:]): int(value.partition(",")[0].removeprefix("keys="))
        for name, value in parse_info(keyspace).items()
        if name.startswith("db")
    }
    return sum(counts.values()) if database is None else counts.get(database, 0)


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """RESP2's flat list of names and values as a mapping."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def dial(address: Address, source: Source, who: str, within_s: float = REPLY_WITHIN_S) -> Conversation:
    """Connect from `source`. The same limit then holds for every reply.

    Raises:
        Unanswered: nobody accepts the connection in time.
    """
    try:
        connected = _connect(address, source, within_s)
    except OSError as error:
        raise Unanswered(
            f"{who} at {address.host}:{address.port} cannot be reached: {error or type(error).__name__}"
        ) from error
    connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Conversation(connected, who)


def _connect(address: Address, source: Source, within_s: float) -> socket.socket:
    target = (address.host, address.port)
    if source.ports is None:
        local = (source.host, 0) if source.host else None
        return socket.create_connection(target, timeout=within_s, source_address=local)
    first, last = source.ports
    ports = list(range(first, last + 1))
    # Which local port is free has no bearing on the run, so this is not the plan's generator.
    random.shuffle(ports)
    for port in ports:
        try:
            return socket.create_connection(
                target, timeout=within_s, source_address=(source.host or "", port)
            )
        except OSError as error:
            if error.errno not in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}:
                raise
    raise OSError(errno.EADDRINUSE, f"no free local port from {first} to {last}")
