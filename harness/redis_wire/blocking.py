"""A connection for a thread: to one process, synchronous, never opened again.

Deliberately no client library: one would connect again by itself, and might then send FLUSHALL to whoever
listens at that address by now. Here the process that proved who it is gets the command, or nobody does. No
retry either: a command is sent once or not at all.

The trap: a limit is for the whole of what is asked, however slowly the replies drip in.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import hiredis

from harness.model.seams import Address, Certificates, Login, Source
from harness.redis_wire import info
from harness.redis_wire.local_ends import LocalEnd, all_taken, is_taken, local_ends
from harness.redis_wire.protocol import (
    NOT_RENAMED,
    Command,
    ErrorReply,
    NoAnswer,
    Reply,
    Word,
    as_login,
    packed,
    reply_reader,
    spelt,
)
from harness.redis_wire.tls import CERTIFIED_NAME, context_of, refusal

_RECEIVE_BYTES = 1 << 18


class Connection:
    """Commands to one process, answered in order. Close it, or use it in a `with`. Not for use by several
    threads at once."""

    def __init__(
        self, connected: socket.socket, who: str, within_s: float, renamed: Mapping[str, str] = NOT_RENAMED
    ) -> None:
        self.socket = connected
        self.who = who
        """Its name in messages."""
        connected.settimeout(within_s)
        self._within_s = within_s
        self._renamed = renamed
        self._reader = reply_reader()

    def call(self, *words: Word) -> Reply:
        """Send one command and return its reply.

        Raises:
            NoAnswer: no whole reply within the limit; the connection is of no use any more.
            ErrorReply: the node refused.
        """
        return self.call_all([words])[0]

    def call_all(self, commands: Sequence[Command]) -> list[Reply]:
        """Send several commands in one write, so that the server runs them back to back.

        Raises:
            NoAnswer: a reply is missing after the limit.
            ErrorReply: one of the replies is an error; the other commands were carried out.
        """
        names = ", ".join(str(words[0]) for words in commands)
        try:
            replies = self._exchange(packed(spelt(commands, self._renamed)), len(commands))
        except (OSError, hiredis.ProtocolError) as problem:
            raise NoAnswer(f"{self.who} did not answer {names}: {_said(problem)}") from problem
        for reply in replies:
            if isinstance(reply, ErrorReply):
                raise ErrorReply(reply.text, f"{self.who} refused {names}")
        return replies

    def send(self, *words: Word) -> None:
        """Send one command and wait for nothing; its reply, if one comes, is nobody's.

        Raises:
            NoAnswer: the connection has ended.
        """
        try:
            self.socket.sendall(packed(spelt([words], self._renamed)))
        except OSError as problem:
            raise NoAnswer(f"{self.who} did not take {words[0]!s}: {_said(problem)}") from problem

    def replied(self, within_s: float) -> bool:
        """Wait for the reply to the last command that was sent, and take it; False: there is none yet.

        Raises:
            NoAnswer: the connection has ended.
        """
        if self._reader.gets() is not False:
            return True
        self.socket.settimeout(within_s)
        try:
            received = self.socket.recv(_RECEIVE_BYTES)
        except TimeoutError:
            return False
        except OSError as problem:
            raise NoAnswer(f"{self.who} did not answer: {_said(problem)}") from problem
        if not received:
            raise NoAnswer(f"{self.who} did not answer: the node closed the connection")
        self._reader.feed(received)
        return self._reader.gets() is not False

    def limit(self, within_s: float) -> None:
        """From now on each call has so long."""
        self._within_s = within_s
        self.socket.settimeout(within_s)

    def info(self, section: str) -> dict[str, str]:
        """The fields of one section of INFO. Raises as `call` does."""
        return info.fields(str(self.call("INFO", section)))

    def hang_up(self) -> None:
        """End the conversation, also for a thread that waits for an answer. `close` follows."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _exchange(self, request: bytes, count: int) -> list[Any]:
        deadline_s = time.monotonic() + self._within_s
        self.socket.sendall(request)
        replies: list[Any] = []
        while len(replies) < count:
            if (reply := self._reader.gets()) is not False:
                replies.append(reply)
                continue
            self.socket.settimeout(_left_s(deadline_s))
            received = self.socket.recv(_RECEIVE_BYTES)
            if not received:
                raise ConnectionResetError("the node closed the connection")
            self._reader.feed(received)
        self.socket.settimeout(self._within_s)
        return replies


def connect(
    address: Address, source: Source, *, who: str, secret: str | Login | None, within_s: float
) -> Connection:
    """Connect from `source` and authenticate; `within_s` is for connecting, and then for each call.

    With one word AUTH is refused by a server without a password, so a stranger is seen at once; a user of
    the kit's own is unknown to it too. `secret` None: do not authenticate.

    Raises:
        NoAnswer: nobody accepts the connection in time, or AUTH is not answered.
        ErrorReply: the password is none of that server's.
    """
    login = as_login(secret)
    try:
        connected = _connected(address, source, within_s)
        if login is not None and login.certificates is not None:
            connected = _secured(connected, login.certificates)
    except OSError as problem:
        raise NoAnswer(
            f"{who} at {address.host}:{address.port} cannot be reached: {_said(problem)}"
        ) from problem
    connection = Connection(connected, who, within_s, login.renamed if login else NOT_RENAMED)
    try:
        if login is not None and login.password:
            connection.call(*login.auth())
    except BaseException:
        connection.close()
        raise
    return connection


def _connected(address: Address, source: Source, within_s: float) -> socket.socket:
    deadline_s = time.monotonic() + within_s
    for end in local_ends(source):
        try:
            connected = _from(end, address, _left_s(deadline_s))
        except OSError as problem:
            if not is_taken(problem, end):
                raise
            continue
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connected
    raise all_taken(source)


def _secured(plain: socket.socket, certificates: Certificates) -> socket.socket:
    try:
        return context_of(certificates).wrap_socket(plain, server_hostname=CERTIFIED_NAME)
    except BaseException:
        plain.close()
        raise


def _from(end: LocalEnd, address: Address, within_s: float) -> socket.socket:
    return socket.create_connection((address.host, address.port), timeout=within_s, source_address=end)


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("timed out")
    return left_s


def _said(problem: Exception) -> str:
    if isinstance(problem, ssl.SSLError):
        return refusal(problem)
    return str(problem) or type(problem).__name__
