"""Sockets of this process that come from their web server's source and note what goes over them.

Whichever library sends, and however often: what the node is asked, and what it answers, passes here. The
first bytes on a connection to a data node are the kit's own question who it is. The answer is taken out
again, so that the library never sees it.

Traps: a library may hand over a command in pieces; a piece is kept until the rest is there, as nobody waits
for the answer to half a command. And one that sends for several tasks mixes their commands in one write.
"""

from __future__ import annotations

import errno
import itertools
import os
import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

from harness.libraries.notes import LOST, TIMEOUT, Attempt, Notes
from harness.libraries.resp import Pushed, command_at, packed, reply_at

PORTS_TRIED = 64
_PORT_TAKEN = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
_KEPT = (
    (socket.SOL_SOCKET, socket.SO_REUSEADDR),
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY),
)
"""What libraries set before they connect."""
_UNDER_WAY = frozenset({errno.EINPROGRESS, errno.EWOULDBLOCK})


class Tap:
    """What all sockets of the process share."""

    def __init__(
        self,
        notes: Notes,
        *,
        sentinels: frozenset[tuple[str, int]],
        login: tuple[str, ...] = (),
        source_host: str | None = None,
        source_ports: tuple[int, int] | None = None,
    ) -> None:
        self.notes = notes
        self.sentinels = sentinels
        """Addresses whose connections carry no commands of the kit's."""
        self.questions = [
            *([packed(*login)] if login else []),
            packed("INFO", "server"),
            packed("INFO", "replication"),
        ]
        self.source_host = source_host
        self.source_ports = source_ports
        self.numbers = itertools.count(1)
        self._turn = itertools.count()

    def ports(self) -> Iterator[int]:
        """The local ports to try, in this order; 0: any. Whoever asks next begins behind the last one taken
        from here."""
        if self.source_ports is None:
            yield 0
            return
        first, last = self.source_ports
        for _ in range(PORTS_TRIED):
            yield first + next(self._turn) % (last - first + 1)


class TappedSocket(socket.socket):
    tap: Tap
    """Set by `install`."""

    def connect(self, address: Any) -> None:
        if self.family not in {socket.AF_INET, socket.AF_INET6} or self.type & 0xF != socket.SOCK_STREAM:
            super().connect(address)
            return
        tap = self.tap
        try:
            self._dial(address)
        except OSError as error:
            if error.errno in _UNDER_WAY:
                self._line = _line_to(address, tap)
                raise
            tap.notes.not_connected("connect-failed")
            raise
        self._line = _line_to(address, tap)

    def _dial(self, address: Any) -> None:
        tap = self.tap
        if tap.source_host is None and tap.source_ports is None:
            super().connect(address)
            return
        local = tap.source_host or ("::" if self.family == socket.AF_INET6 else "0.0.0.0")  # noqa: S104
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        refused: OSError | None = None
        for port in tap.ports():
            if refused is not None:
                self._start_over()
            try:
                self.bind((local, port))
                super().connect(address)
            except OSError as error:
                if error.errno not in _PORT_TAKEN:
                    raise
                refused = error
            else:
                return
        assert refused is not None
        raise refused

    def _start_over(self) -> None:
        """Put a new socket in this one's place, with the same settings: what is bound to a port stays so.
        That another connection has the port is often told only when connecting."""
        fresh = socket.SocketType(self.family, self.type, self.proto)
        try:
            for level, option in _KEPT:
                fresh.setsockopt(level, option, self.getsockopt(level, option))
            os.dup2(fresh.fileno(), self.fileno(), inheritable=False)
        finally:
            fresh.close()
        os.set_blocking(self.fileno(), self.gettimeout() is None)

    _line: Line | None = None

    def send(self, data: Any, flags: int = 0) -> int:
        if self._line is None:
            return super().send(data, flags)
        self._line.flush(self, bytes(data))
        return len(memoryview(data).cast("B"))

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self._line is None:
            super().sendall(data, flags)
        else:
            self._line.flush(self, bytes(data))

    def sendmsg(self, buffers: Any, *rest: Any) -> int:
        if self._line is None:
            return super().sendmsg(buffers, *rest)
        return self.send(b"".join(buffers))

    def recv(self, size: int, flags: int = 0) -> bytes:
        line = self._line
        if line is None or flags:
            return super().recv(size, flags)
        while True:
            if line.backlog:
                line.flush(self, b"")
            try:
                data = super().recv(size)
            except (BlockingIOError, TimeoutError):
                raise
            except OSError:
                line.broken = True
                raise
            if not data:
                line.broken = True
                return data
            rest = line.received(data)
            if rest:
                return rest
            if self.gettimeout() == 0.0:
                raise BlockingIOError(errno.EWOULDBLOCK, "nothing of the library's own yet")

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        if self._line is None or flags:
            return super().recv_into(buffer, nbytes, flags)
        room = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(room))
        room[: len(data)] = data
        return len(data)

    def raw_send(self, data: bytes) -> int:
        return super().send(data)

    def close(self) -> None:
        line, self._line = self._line, None
        try:
            super().close()
        finally:
            if line is not None:
                line.closed()


class Line:
    """One connection to a data node."""

    def __init__(self, tap: Tap, host: str, port: int) -> None:
        self._notes = tap.notes
        self.number = next(tap.numbers)
        self._notes.dialled(self.number, host, port)
        self.backlog = b"".join(tap.questions)
        """Bytes that the socket has not taken yet."""
        self._ours = len(tap.questions)
        """Answers to the kit's own questions that have not come yet."""
        self._facts: list[str] = []
        self._outgoing = bytearray()
        self._incoming = bytearray()
        self._waiting: deque[Attempt | None] = deque()
        """For each command that is not answered: whose it is. None: the library's own."""
        self.broken = False
        """The other end hung up."""
        self._local_port: int | None = None

    def flush(self, through: TappedSocket, data: bytes) -> None:
        """Send whole commands, each of them noted before."""
        if self._local_port is None:
            self._local_port = _local_port(through)
        self._outgoing += data
        attempts = self._take_commands()
        taken = 0
        try:
            while taken < len(self.backlog):
                taken += through.raw_send(self.backlog[taken:])
                if through.gettimeout() == 0.0:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.broken = True
            for attempt in attempts:
                if taken:
                    self._notes.failed(attempt, LOST)
                else:
                    self._notes.unsent(attempt)
            raise
        self.backlog = self.backlog[taken:]

    def _take_commands(self) -> list[Attempt]:
        """Move whole commands to what is sent; the attempts that they begin."""
        at, commands = 0, []
        while (found := command_at(self._outgoing, at)) is not None:
            at = found.ends_at
            commands.append(found.value if isinstance(found.value, tuple) else ())
        self.backlog += bytes(self._outgoing[:at])
        del self._outgoing[:at]
        begun = []
        while commands:
            run = self._notes.whose(commands)
            if run is None:
                self._waiting.append(None)
                commands = commands[1:]
                continue
            attempt = Attempt(run.exchange, self.number)
            attempt.positions += range(run.position, run.position + run.length)
            self._waiting += [attempt] * run.length
            commands = commands[run.length :]
            self._notes.sent(attempt)
            begun.append(attempt)
        return begun

    def received(self, data: bytes) -> bytes:
        """Note the replies; returns what is for the library."""
        self._incoming += data
        at, ours_end = 0, 0
        while (found := reply_at(self._incoming, at)) is not None:
            at = found.ends_at
            if self._ours:
                self._own(found.value)
                ours_end = at
            elif not isinstance(found.value, Pushed) and self._waiting:
                attempt = self._waiting.popleft()
                if attempt is not None:
                    self._notes.answered(attempt, found.value)
        held = len(self._incoming) - len(data)
        del self._incoming[:at]
        if self._ours:
            return b""
        if not ours_end:
            return data
        return data[max(0, ours_end - held) :]

    def _own(self, reply: object) -> None:
        self._ours -= 1
        if isinstance(reply, str):
            self._facts.append(reply)
        if not self._ours:
            self._notes.opened(self.number, self._local_port, "\r\n".join(self._facts))

    def closed(self) -> None:
        result = LOST if self.broken else TIMEOUT
        for attempt in self._waiting:
            if attempt is not None:
                self._notes.failed(attempt, result)
        self._waiting.clear()
        if self._local_port is None:
            self._notes.not_connected("connect-failed")
        self._notes.closed(self.number, "closed by its node" if self.broken else "closed by the library")


def install(tap: Tap) -> None:
    """From here on every socket that this process makes is a tapped one."""
    TappedSocket.tap = tap
    socket.socket = TappedSocket  # type: ignore[misc]


def _line_to(address: Any, tap: Tap) -> Line | None:
    host, port = str(address[0]), int(address[1])
    return None if (host, port) in tap.sentinels else Line(tap, host, port)


def _local_port(of: socket.socket) -> int | None:
    try:
        return int(of.getsockname()[1])
    except OSError:
        return None
