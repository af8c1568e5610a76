"""The harness' own words with a node: one blocking connection from the observer's place.

Used to form topologies, to see when they are ready and to identify a node before something is done
to it. Deliberately not a client library: no pool, no retry, no reconnect, raw replies, so that a
command is sent once or not at all. Replies are text; maps come as flat lists, as Redis sends them.

The trap: an answer proves who answered only as long as the connection lives; ask for `run_id` on the
connection on which you act.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

import hiredis

from harness.model.seams import Address, Source, Topology
from harness.model.words import NodeRole
from harness.topology.base.configuration import password

DEFAULT_TIMEOUT_S = 1.0

_READ_BYTES = 65536


class NoAnswer(Exception):
    """No connection, or no reply in time: whether the command was executed is not known."""


class ErrorReply(Exception):
    """The node answered with an error; the text is Redis' own, `NOAUTH Authentication required.`"""


class Control:
    """A connection to one node. Not for use by several threads at once."""

    def __init__(self, address: Address, *, secret: str, source: Source, timeout_s: float) -> None:
        self._where = f"{address.host}:{address.port}"
        self._replies = hiredis.Reader(encoding="utf-8", errors="replace")
        self._socket = _connected(address, source, timeout_s)
        try:
            self.call("AUTH", secret)
        except BaseException:
            self.close()
            raise

    def call(self, *command: str | int) -> Any:
        """Send one command and return its reply.

        Raises:
            ErrorReply: the node refused.
            NoAnswer: no whole reply within the time-out; the connection is of no use any more.
        """
        return self.call_all([command])[0]

    def call_all(self, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        """Send several commands in one go (a plain pipeline); the first error reply is raised."""
        try:
            self._socket.sendall(b"".join(map(_packed, commands)))
            replies = [self._next_reply() for _ in commands]
        except (OSError, hiredis.ProtocolError) as error:
            raise NoAnswer(f"{self._where}: {error or type(error).__name__}") from error
        for reply in replies:
            if isinstance(reply, hiredis.ReplyError):
                raise ErrorReply(str(reply))
        return replies

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _next_reply(self) -> Any:
        while (reply := self._replies.gets()) is False:
            received = self._socket.recv(_READ_BYTES)
            if not received:
                raise ConnectionResetError("the node closed the connection")
            self._replies.feed(received)
        return reply


def connect(topology: Topology, node: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Control:
    """Connect to a node as the observer, with the run's password. `timeout_s` is for each wait.

    Raises:
        NoAnswer: not reachable, or it did not answer AUTH.
        ErrorReply: it does not take the run's password, so it is none of ours.
    """
    return Control(
        topology.address(node),
        secret=password(topology.plan.node(node), topology.secrets),
        source=topology.observer(),
        timeout_s=timeout_s,
    )


def command(topology: Topology, node: str, *words: str | int, timeout_s: float = DEFAULT_TIMEOUT_S) -> Any:
    """One command on a connection of its own. Raises as `connect` and `Control.call` do."""
    with connect(topology, node, timeout_s=timeout_s) as control:
        return control.call(*words)


class Controls:
    """One connection per node, opened when first needed, dropped when it fails. For polling."""

    def __init__(self, topology: Topology, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._topology = topology
        self._timeout_s = timeout_s
        self._open: dict[str, Control] = {}

    def call(self, node: str, *words: str | int) -> Any:
        return self._with(node, lambda control: control.call(*words))

    def call_all(self, node: str, commands: Sequence[Sequence[str | int]]) -> list[Any]:
        replies: list[Any] = self._with(node, lambda control: control.call_all(commands))
        return replies

    def info(self, node: str, section: str) -> dict[str, str]:
        return parse_info(self.call(node, "INFO", section))

    def close(self) -> None:
        for control in self._open.values():
            control.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _with(self, node: str, act: Callable[[Control], Any]) -> Any:
        if node not in self._open:
            self._open[node] = connect(self._topology, node, timeout_s=self._timeout_s)
        try:
            return act(self._open[node])
        except NoAnswer:
            self._open.pop(node).close()
            raise


def parse_info(text: str) -> dict[str, str]:
    """The fields of an INFO reply (or CLUSTER INFO, which has the same form)."""
    pairs = (line.partition(":") for line in text.splitlines() if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def pairs(flat: Sequence[str]) -> dict[str, str]:
    """A map that came as a flat list of names and values."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def role(topology: Topology, node: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> NodeRole:
    """What the node itself says that it is."""
    return parse_role(command(topology, node, "ROLE", timeout_s=timeout_s))


def parse_role(reply: Sequence[Any]) -> NodeRole:
    """A reply of ROLE, in our words."""
    spoken = {"master": NodeRole.PRIMARY, "slave": NodeRole.REPLICA, "sentinel": NodeRole.SENTINEL}
    return spoken[str(reply[0])]


def engine(info_server: dict[str, str]) -> str:
    """`Redis 7.0.15` or `Valkey 8.1.0`, from the fields of INFO server."""
    if "valkey_version" in info_server:
        return f"Valkey {info_server['valkey_version']}"
    return f"Redis {info_server['redis_version']}"


def _packed(command: Sequence[str | int]) -> bytes:
    packed: bytes = hiredis.pack_command(tuple(command))  # type: ignore[arg-type]  # stub: one word only
    return packed


def _connected(address: Address, source: Source, timeout_s: float) -> socket.socket:
    target = (address.host, address.port)
    first, last = source.ports or (0, 0)
    refused: OSError | None = None
    for port in range(first, last + 1):
        local = (source.host or "", port) if source.host or port else None
        try:
            connection = socket.create_connection(target, timeout=timeout_s, source_address=local)
        except OSError as error:
            refused = error
            if _local_port_taken(error, port):
                continue
            break
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection
    raise NoAnswer(f"{address.host}:{address.port}: {refused}") from refused


def _local_port_taken(error: OSError, port: int) -> bool:
    # A chosen port may still be in TIME_WAIT, or in use by another connection of the same range.
    return port != 0 and error.errno in {98, 99}
