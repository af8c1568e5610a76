"""redis-py connections that say where they come from and note every attempt made on them.

Everything that leaves a web server goes through one of these, whichever pool or cluster node owns
it, so the client library's own retries are seen as what they are: further attempts. Each connection
asks its node for run_id and role once, when it is opened. Nothing is judged here (see `outcome`).

The trap: this is the hot path. No record is built that is not written, the clock is read twice per
attempt, and what a connection does for itself (AUTH, INFO) is passed through unseen. Three things that
redis-py does are done cheaper here, with the same bytes on the wire: commands are packed by hiredis,
and neither a write that the transport takes at once nor a reply that has arrived needs a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from ssl import SSLContext
from typing import Any, Protocol

import msgspec
from hiredis import pack_command as pack
from redis.asyncio.connection import Connection
from redis.asyncio.sentinel import MasterNotFoundError, SentinelManagedConnection, SlaveNotFoundError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from harness.clock import Clock
from harness.model import records
from harness.model.attempt_results import CANCELLED, CONNECT_FAILED, CONNECTION_LOST, RESOLVE_FAILED, TIMEOUT
from harness.model.seams import Address, Recorder, Source
from harness.redis_wire import info
from harness.redis_wire.tls import CERTIFIED_NAME
from harness.sessions.exchange import CURRENT, Carried, Command, Exchange
from harness.sessions.outcome import failure_text
from harness.sessions.replies import NOT_YET, ReplyParser, refusal_of

_PORT_TAKEN = frozenset({errno.EADDRINUSE, errno.EADDRNOTAVAIL})
PORTS_TRIED = 64
"""Local ports of its range that a connection tries before it gives up."""

_FACT = re.compile(r"(\w+)=(\S*)")
"""A part of what CLIENT INFO says."""


class Unconfirmed(ResponseError):
    """A command behind those that decide (WAIT, a look at the time to live) got no reply.

    An error of that command alone for client library and application, so neither sends the rest again:
    whose answer arrived has happened.
    """


class Opened(Protocol):
    """An open connection of a web server."""

    entry: records.Connection | None
    seen_as: str | None

    def far_end(self) -> tuple[str, int]: ...
    def local_port(self) -> int | None: ...
    def abort(self) -> None: ...


class Wire:
    """What all connections of one web server share."""

    def __init__(
        self,
        *,
        web_server: str,
        source: Source,
        node_at: Callable[[str, int], str | None],
        record: Recorder,
        clock: Clock,
        next_id: Iterator[int],
        address_of: Callable[[str], Address] | None = None,
        tls: SSLContext | None = None,
    ) -> None:
        self.web_server = web_server
        self.source = source
        self.now_us = clock.now_us
        self.tls = tls
        """None: nodes speak plain TCP."""
        self.alive = True
        self.open: dict[int, Opened] = {}
        self.unanswered: dict[int, records.Connection] = {}
        """Connections, closed or about to be, with an attempt that got no reply."""
        self.peak = 0
        self.on_open: Callable[[records.Connection], None] = lambda _: None
        self._node_at = node_at
        self._address_of = address_of
        self._record = record
        self._next_id = next_id
        self._port = source.ports[0] if source.ports else 0

    def numeric(self, host: str, port: int) -> str:
        """The address behind a name that a sentinel or a node gave, as nodes' own network has it."""
        if self._address_of is None or host.replace(".", "").isdecimal() or ":" in host:
            return host
        node = self._node_at(host, port)
        return self._address_of(node).host if node else host

    def number(self) -> int:
        """Of a connection, as the run counts them."""
        return next(self._next_id)

    def opened(
        self, connection: Opened, opened_us: int, facts: Mapping[str, str], number: int | None = None
    ) -> int:
        number = number or self.number()
        entry = records.Connection(
            id=number,
            web_server=self.web_server,
            node=self._node_at(*connection.far_end()) or "?",
            local_port=connection.local_port(),
            seen_as=connection.seen_as,
            run_id=facts.get("run_id", ""),
            role=str(info.role(facts) or ""),
            opened_us=opened_us,
        )
        connection.entry = entry
        self.open[number] = connection
        self.peak = max(self.peak, len(self.open))
        self._record(entry)
        self.on_open(entry)
        return number

    def closed(self, entry: records.Connection, why: str) -> None:
        self.open.pop(entry.id, None)
        self._record(msgspec.structs.replace(entry, closed_us=self.now_us(), why=why))

    def abort_all(self) -> int:
        """Reset every open connection at once, as the end of a process does; returns how many."""
        connections = list(self.open.values())
        for connection in connections:
            connection.abort()
        return len(connections)

    def next_port(self) -> int:
        assert self.source.ports is not None
        first, last = self.source.ports
        port = self._port
        self._port = first if port >= last else port + 1
        return port


class SourcedConnection(Connection):
    """A connection that starts from its web server's own address or range of ports."""

    def __init__(self, *, wire: Wire, **kwargs: Any) -> None:
        self.wire = wire
        self._bound: socket.socket | None = None
        super().__init__(**kwargs)

    async def _connect(self) -> None:
        if not self.wire.alive:
            raise OSError(errno.ENETDOWN, f"{self.wire.web_server} was killed")
        source = self.wire.source
        if source.host is None and source.ports is None:
            await super()._connect()  # type: ignore[no-untyped-call]
            return
        async with asyncio.timeout(self.socket_connect_timeout):
            self._bound = await self._connected_from(source)
        try:
            await super()._connect()  # type: ignore[no-untyped-call]
        finally:
            self._bound = None

    def _connection_arguments(self) -> Mapping[str, Any]:
        arguments = super()._connection_arguments() if self._bound is None else {"sock": self._bound}
        if self.wire.tls is None:
            return arguments
        return {**arguments, "ssl": self.wire.tls, "server_hostname": CERTIFIED_NAME}

    async def _connected_from(self, source: Source) -> socket.socket:
        loop = asyncio.get_running_loop()
        host = self.wire.numeric(str(self.host), self.port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        local = source.host or ("::" if family == socket.AF_INET6 else "0.0.0.0")  # noqa: S104 - a client's end
        for tried in range(PORTS_TRIED if source.ports else 1):
            found = socket.socket(family, socket.SOCK_STREAM)
            try:
                found.setblocking(False)
                found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                found.bind((local, self.wire.next_port() if source.ports else 0))
                await loop.sock_connect(found, (host, self.port))
            except OSError as error:
                found.close()
                if error.errno not in _PORT_TAKEN or tried == PORTS_TRIED - 1 or not source.ports:
                    raise
            except BaseException:
                found.close()
                raise
            else:
                return found
        raise AssertionError("unreachable: the last try raises")


class RecordedConnection(SourcedConnection):
    """A connection to a data node whose every attempt is noted in the current operation."""

    _parser: ReplyParser

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(parser_class=ReplyParser, **kwargs)
        self.entry: records.Connection | None = None
        self._id = 0
        self._carried: Carried | None = None
        self._exchange: Exchange | None = None
        self._unconfirmed = 0
        """Replies that a reader still asks for although the connection is gone."""
        self._handshake = False
        self._opened: records.Connection | None = None
        self.seen_as: str | None = None
        """The address by which its node lists it, where something stands between them."""

    def far_end(self) -> tuple[str, int]:
        """The address of the node that answers."""
        return str(self.host), self.port

    def local_port(self) -> int | None:
        name = self._writer.get_extra_info("sockname") if self._writer else None
        return name[1] if name else None

    def quiet(self) -> bool:
        """Ready to send on: connected, and nothing is left to read."""
        return self.is_connected and self._parser.quiet()

    def abort(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()

    async def connect(self) -> None:
        if not self.is_connected:
            await super().connect()  # type: ignore[no-untyped-call]

    async def connect_check_health(
        self, check_health: bool = True, retry_socket_connect: bool = True
    ) -> None:
        if self.is_connected:
            return
        began_us = self.wire.now_us()
        try:
            await super().connect_check_health(check_health, retry_socket_connect)
        except BaseException as error:
            recording = CURRENT.get()
            if recording is not None:
                result = CANCELLED if isinstance(error, asyncio.CancelledError) else CONNECT_FAILED
                recording.never_left(result, began_us, self.wire.now_us())
            raise

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        opened_us = self.wire.now_us()
        self._handshake = True
        try:
            await super().on_connect_check_health(check_health)
            facts = await self._facts()
        finally:
            self._handshake = False
        self._id = self.wire.opened(self, opened_us, facts)
        self._opened = self.entry

    async def _facts(self) -> dict[str, str]:
        """run_id and role, by INFO: answered even while a node loads its data set."""
        await self.send_packed_command(
            self.pack_commands([("INFO", "server"), ("INFO", "replication")]), check_health=False
        )
        facts: dict[str, str] = {}
        for _ in range(2):
            try:
                text = await self.read_response()
            except ResponseError:
                continue
            facts |= info.fields(text.decode() if isinstance(text, bytes) else str(text))
        return facts

    def pack_command(self, *args: Any) -> list[bytes]:
        if " " in str(args[0]):  # redis-py's own questions: `CLUSTER SLOTS` is one word to it
            args = (*str(args[0]).split(), *args[1:])
        return [pack(args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [b"".join([pack(tuple(command)) for command in commands])]

    def _carries(self, exchange: Exchange) -> tuple[int, ...]:
        """Which commands of the exchange the batch about to be sent consists of; () for none."""
        return exchange.everything

    async def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        self._carried, self._unconfirmed = None, 0
        recording = CURRENT.get()
        exchange = None if recording is None or self._handshake else recording.exchange
        positions = self._carries(exchange) if exchange is not None else ()
        if recording is None or exchange is None or not positions:
            await self._hand_over(command, check_health)
            return
        if not self.is_connected:
            await self.connect_check_health(check_health=False)
        transport = None if self._writer is None else self._writer.transport
        now_us = self.wire.now_us()
        if transport is None or transport.is_closing():
            recording.begin(exchange, positions, self._id, now_us, handed_over=False).fail(
                CONNECTION_LOST, now_us
            )
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the connection was closed before anything was sent")
        carried = recording.begin(exchange, positions, self._id, now_us, handed_over=True)
        if transport.get_write_buffer_size() == 0:
            transport.writelines(command)
        else:
            try:
                await self._hand_over(command, check_health)
            except BaseException as error:
                carried.fail(_result_of(error), self.wire.now_us())
                self._leave_unanswered()
                raise
        self._carried, self._exchange = carried, exchange

    async def _hand_over(self, command: Any, check_health: bool) -> None:
        """Let redis-py send; a connection that was closed meanwhile is a lost one.

        uvloop raises a RuntimeError there, and redis-py itself an AttributeError when another task has
        disconnected it (RedisCluster does, when it learns a new slot map); no application expects either.
        """
        try:
            await super().send_packed_command(command, check_health)
        except (RuntimeError, AttributeError) as error:
            writer = self._writer
            if writer is not None and not writer.transport.is_closing():
                raise
            await self.disconnect(nowait=True)
            raise RedisConnectionError("the connection was closed before the command was sent") from error

    async def read_response(self, *args: Any, **kwargs: Any) -> Any:
        carried = self._carried
        if carried is None:
            if self._unconfirmed:
                self._unconfirmed -= 1
                raise Unconfirmed
            return await super().read_response(*args, **kwargs)
        try:
            reply = await self._next_reply(*args, **kwargs)
        except BaseException as error:
            self._note_error(carried, error)
            self._confirm_the_rest(carried, error)
            raise
        replies = carried.replies
        replies.append(reply)
        if len(replies) == len(carried.positions):
            carried.attempt.done_us = self.wire.now_us()
            self._carried = None
        return reply

    async def _next_reply(self, *args: Any, **kwargs: Any) -> Any:
        reply = self._parser.arrived()
        if reply is NOT_YET:
            return await super().read_response(*args, **kwargs)
        if isinstance(reply, Exception):
            if not isinstance(reply, ResponseError):  # redis-py hangs up before it raises LOADING
                await self.disconnect(nowait=True)
            raise reply
        return reply

    def _note_error(self, carried: Carried, error: BaseException) -> None:
        refused = refusal_of(error)
        if refused is None:
            carried.fail(_result_of(error), self.wire.now_us())
            self._carried = None
            self._leave_unanswered()
            return
        carried.refuse(refused)
        if len(carried.replies) == len(carried.positions) or not isinstance(error, ResponseError):
            carried.attempt.done_us = self.wire.now_us()
            self._carried = None
            self.wire.unanswered.pop(self._id, None)  # redis-py hangs up before it raises LOADING

    def _confirm_the_rest(self, carried: Carried, error: BaseException) -> None:
        """Raises instead of the error if what it cost decides nothing."""
        failed = self._carried is None and isinstance(error, (RedisConnectionError, RedisTimeoutError))
        if failed and self._exchange is not None and carried.settled(self._exchange):
            self._unconfirmed = len(carried.positions) - len(carried.replies) - 1
            raise Unconfirmed(str(error)) from error

    def _leave_unanswered(self) -> None:
        if self._opened is not None:
            self.wire.unanswered[self._opened.id] = self._opened

    async def disconnect(self, *args: Any, **kwargs: Any) -> None:
        why = sys.exc_info()[1]
        try:
            await super().disconnect(*args, **kwargs)
        finally:
            self._note_closed(why)

    def _close(self) -> None:
        super()._close()  # type: ignore[no-untyped-call]
        self._note_closed(None)

    def _note_closed(self, why: BaseException | None) -> None:
        entry, self.entry = self.entry, None
        if self._carried is not None:
            self._leave_unanswered()
        if entry is not None:
            alive = "closed by the application" if self.wire.alive else f"{self.wire.web_server} was killed"
            self.wire.closed(entry, alive if why is None else failure_text(why))


class ProxiedConnection(RecordedConnection):
    """The same through a proxy: it dials the first that takes the connection, and asks the node at the other
    end who it is. For a proxy of TCP connections that node stays the same as long as the connection lives."""

    def __init__(self, *, proxies: Sequence[Address], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._proxies = tuple(proxies)
        self._node: tuple[str, int] | None = None

    def far_end(self) -> tuple[str, int]:
        return super().far_end() if self._node is None else self._node

    async def _connect(self) -> None:
        self._node, self.seen_as = None, None
        for proxy in self._proxies:
            self.host, self.port = proxy.host, proxy.port
            try:
                await super()._connect()
            except (OSError, TimeoutError):
                if proxy is self._proxies[-1]:
                    raise
            else:
                return

    async def _facts(self) -> dict[str, str]:
        facts = await super()._facts()
        await self.send_packed_command(self.pack_commands([("CLIENT", "INFO")]), check_health=False)
        with contextlib.suppress(ResponseError):
            text = await self.read_response()
            said = dict(_FACT.findall(text.decode() if isinstance(text, bytes) else str(text)))
            self.seen_as = said.get("addr")
            host, _, port = said.get("laddr", "").rpartition(":")
            self._node = (host.strip("[]"), int(port)) if port.isdecimal() else None
        return facts


class RecordedClusterConnection(RecordedConnection):
    """The same in a cluster, where a client re-sends single commands of a batch after MOVED, and asks
    for slot maps in the middle of an operation: so it looks at what is packed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._packed: list[Command] = []

    def pack_command(self, *args: Any) -> list[bytes]:
        self._packed = [args]
        return super().pack_command(*args)

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        self._packed = [tuple(command) for command in commands]
        return super().pack_commands(self._packed)

    def _carries(self, exchange: Exchange) -> tuple[int, ...]:
        packed, self._packed = self._packed, []
        return exchange.positions_of(packed) if packed else ()


class RecordedSentinelConnection(SentinelManagedConnection, RecordedConnection):
    """The same, asking Sentinel for its address each time it connects.

    SentinelManagedConnection comes first, so that READONLY is noted as the reply it is before
    redis-py turns it into a lost connection.
    """

    async def connect(self) -> None:
        if not self.is_connected:
            await super().connect()  # type: ignore[no-untyped-call]

    async def _connect_retry(self) -> Any:
        began_us = self.wire.now_us()
        try:
            return await super()._connect_retry()  # type: ignore[no-untyped-call]
        except (MasterNotFoundError, SlaveNotFoundError):
            recording = CURRENT.get()
            if recording is not None:
                recording.never_left(RESOLVE_FAILED, began_us, self.wire.now_us())
            raise


def _result_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return CANCELLED
    return TIMEOUT if isinstance(error, RedisTimeoutError) else CONNECTION_LOST
