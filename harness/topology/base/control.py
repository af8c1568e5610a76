"""How both backends talk to the nodes of a topology: as the observer, with the run's password.

Used to form topologies, to see when they are ready and to identify a node before something is done to it.

The trap: an answer proves who answered only as long as the connection lives; ask for `run_id` on the
connection on which you act.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from harness.model.credentials import kit_login
from harness.model.seams import Topology
from harness.model.words import NodeRole
from harness.redis_wire import blocking, info, words
from harness.redis_wire.blocking import Connection
from harness.redis_wire.protocol import Command, NoAnswer, Reply, Word

DEFAULT_TIMEOUT_S = 1.0


def connect(topology: Topology, node: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> Connection:
    """Connect to a node as the observer, with the run's password. `timeout_s` is for each call.

    Raises:
        NoAnswer: not reachable, or it did not answer AUTH.
        ErrorReply: it does not take the run's password, so it is none of ours.
    """
    return blocking.connect(
        topology.address(node),
        topology.observer(),
        who=node,
        secret=kit_login(topology.plan, node, topology.secrets),
        within_s=timeout_s,
    )


def command(topology: Topology, node: str, *words: Word, timeout_s: float = DEFAULT_TIMEOUT_S) -> Reply:
    """One command on a connection of its own. Raises as `connect` and `Connection.call` do."""
    with connect(topology, node, timeout_s=timeout_s) as connection:
        return connection.call(*words)


def role(topology: Topology, node: str, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> NodeRole | None:
    """What the node itself says that it is. Raises as `command` does."""
    return words.role(str(command(topology, node, "ROLE", timeout_s=timeout_s)[0]))


class Controls:
    """One connection per node, opened when first needed, dropped when it fails. For polling."""

    def __init__(self, topology: Topology, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self._topology = topology
        self._timeout_s = timeout_s
        self._open: dict[str, Connection] = {}

    def call(self, node: str, *words: Word) -> Reply:
        return self._with(node, lambda connection: connection.call(*words))

    def call_all(self, node: str, commands: Sequence[Command]) -> list[Reply]:
        replies: list[Reply] = self._with(node, lambda connection: connection.call_all(commands))
        return replies

    def info(self, node: str, section: str) -> dict[str, str]:
        return info.fields(str(self.call(node, "INFO", section)))

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _with(self, node: str, act: Callable[[Connection], Any]) -> Any:
        if node not in self._open:
            self._open[node] = connect(self._topology, node, timeout_s=self._timeout_s)
        try:
            return act(self._open[node])
        except NoAnswer:
            self._open.pop(node).close()
            raise
