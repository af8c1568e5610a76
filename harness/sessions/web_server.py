"""One process of the application: its own pool, its own idea of who is primary, its own death.

Killing a web server resets its connections at once, as the end of a process does. What it had in
flight stays undecided; whoever asked it for something is served by another one next time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from harness.clock import Clock
from harness.libraries import apart
from harness.libraries.environments import python_of
from harness.model import records
from harness.model.seams import Address, Recorder, Source
from harness.model.words import Discovery
from harness.redis_wire.tls import context_of
from harness.sessions.apart import ApartClient
from harness.sessions.cluster import ClusterClient
from harness.sessions.connection import Wire
from harness.sessions.discovery import Client, Surroundings, client_for
from harness.sessions.listening import Listener
from harness.sessions.store import Store


class WebServer:
    def __init__(
        self,
        name: str,
        around: Surroundings,
        source: Source,
        *,
        node_at: Callable[[str, int], str | None],
        shard_of_node: Callable[[Client, str], int],
        record: Recorder,
        clock: Clock,
        connection_ids: Iterator[int],
        address_of: Callable[[str], Address] | None = None,
        beside: Surroundings | None = None,
    ) -> None:
        """`beside`: the instance of the cache, where objects lie there."""
        self.name = name
        self.side = "all"
        """The side of a partition it is on; set by whoever makes the partition."""
        self._around = around
        self._beside = beside
        self._source = source
        self._node_at = node_at
        self._shard_of_node = shard_of_node
        self._record = record
        self._clock = clock
        self._connection_ids = connection_ids
        self._address_of = address_of
        self._last_primary: dict[int, str] = {}
        self._unanswered: dict[int, records.Connection] = {}
        """Survives the process: what it had in flight may still be executed."""
        self._boot()

    def _boot(self) -> None:
        certificates = self._around.login.certificates
        self.wire = Wire(
            tls=context_of(certificates) if certificates else None,
            web_server=self.name,
            source=self._source,
            node_at=self._node_at,
            record=self._record,
            clock=self._clock,
            next_id=self._connection_ids,
            address_of=self._address_of,
        )
        self.wire.unanswered = self._unanswered
        self.wire.on_open = self._notice_redirection
        self.client = client_of(self._around, self.wire)
        self.store = Store(self.client, self._around.profile, self.wire)
        self.beside = None if self._beside is None else _store_of(self._beside, self.wire)
        self._listener = Listener(self._around, self.wire, self.store.hearing)

    @property
    def alive(self) -> bool:
        return self.wire.alive

    def unanswered(self) -> list[records.Connection]:
        """The closed connections with an attempt that never got its reply."""
        return [one for number, one in self._unanswered.items() if number not in self.wire.open]

    async def start(self) -> None:
        """Find the primary. After `kill`: a new process, with nothing of the old one's knowledge."""
        if not self.wire.alive:
            self._boot()
        for store in self._stores():
            await store.start()

    async def kill(self) -> int:
        """Reset every connection and stay down; returns how many were open."""
        self.wire.alive = False
        reset = self.wire.abort_all()
        await self._listener.close()
        await self._close_stores()
        return reset

    async def close(self) -> None:
        """An orderly end: what is pooled is closed, and what a client library forgot about."""
        await self._listener.close()
        await self._close_stores()
        self.wire.abort_all()

    async def _close_stores(self) -> None:
        for store in self._stores():
            await store.close()

    def _stores(self) -> tuple[Store, ...]:
        return (self.store,) if self.beside is None else (self.store, self.beside)

    def _notice_redirection(self, connection: records.Connection) -> None:
        if connection.role != "primary":
            return
        shard = self._shard_of_node(self.client, connection.node)
        before = self._last_primary.get(shard)
        self._last_primary[shard] = connection.node
        if before is not None and before != connection.node:
            self._record(
                records.Event(
                    source=self.name,
                    name="redirected",
                    t_us=connection.opened_us,
                    node=connection.node,
                    shard=shard,
                    detail=f"from {before} to {connection.node}",
                )
            )


def _store_of(around: Surroundings, wire: Wire) -> Store:
    return Store(client_of(around, wire), around.profile, wire)


def client_of(around: Surroundings, wire: Wire) -> Client:
    """The client library that a profile names, in a process of its own where it has one."""
    profile = around.profile
    library = apart(profile.library, profile.version)
    if library is not None:
        return ApartClient(around, wire, library, python_of(library, profile.version))
    knows_clusters = around.cluster and profile.discovery is not Discovery.FIXED_ADDRESS
    return ClusterClient(around, wire) if knows_clusters else client_for(around, wire)
