"""All web servers of a run, the balancer in front of them, and which shard a key belongs to.

Requests roam: the plan says which web server a request goes to; the balancer sends it to the next
one in service if that one was killed. It knows nothing of which web server can reach what.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from redis.exceptions import RedisError

from harness.application import ALL, Asked, Server, Session, Share, Sides, in_service
from harness.clock import Clock
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.credentials import client_login, sentinel_login
from harness.model.inventory import SLOTS
from harness.model.plan import Plan
from harness.model.records import Attempt, Connection, Step
from harness.model.seams import OwnContainers, Recorder, Topology
from harness.model.told import ERROR, TRY_LATER
from harness.model.words import Discovery, NodePurpose, NodeRole, OperationKind, Outcome
from harness.objects.kind import KeptObject, ObjectKind
from harness.redis_wire.keys import session_key, slot, witness_key
from harness.sessions import BEHAVIOURS, log_in_of
from harness.sessions.cluster import ClusterClient
from harness.sessions.discovery import Client, Surroundings
from harness.sessions.exchange import CURRENT, Raised, Recording
from harness.sessions.request import Behaviour, Request, Rules
from harness.sessions.web_server import WebServer

STARTS_WITHIN_S = 15.0
START_AGAIN_S = 0.1
SHARD_KEYS = 1000
"""Keys that are looked at for one of each shard: far more than there are shards."""


class Fleet:
    def __init__(
        self, plan: Plan, topology: Topology, record: Recorder, clock: Clock, share: Share = ALL
    ) -> None:
        self.cluster = plan.inventory.clustered
        self._plan = plan
        self._topology = topology
        around = _surroundings(plan, topology, cluster=self.cluster)
        without_pool = plan.scenario.deployment.client.without_pool(plan.web_servers)
        shards = {node.name: node.shard for node in plan.nodes}
        connection_ids = share.of_connections
        self._cache = plan.inventory.cache
        self._kept_with_cache = plan.scenario.workload.kept_with_cache
        beside = _beside(plan, topology, around) if self._kept_with_cache else None
        self._servers = [
            WebServer(
                name,
                replace(around, pools=name not in without_pool),
                topology.source(name),
                beside=None if beside is None else replace(beside, pools=name not in without_pool),
                node_at=topology.node_at,
                shard_of_node=self._shard_of,
                record=record,
                clock=clock,
                connection_ids=connection_ids,
                address_of=topology.address,
            )
            for name in share.part(plan.web_servers)
        ]
        self._shard_of_node = shards
        self._shard_of_slot: list[int] = []
        self._sides = Sides()
        self.log_in = log_in_of(plan.scenario.workload.mix)
        self._options = plan.scenario.workload.options
        self._rules = _rules(plan, cluster=self.cluster)

    async def start(self) -> None:
        for server in self._servers:
            await started(server.name, server.start)
        if self.cluster:
            self._shard_of_slot = self._shards_of_slots(self._servers[0].client)
            self._rules = replace(self._rules, shards=self._a_key_of_each_shard())

    def _shards_of_slots(self, client: Client) -> list[int]:
        """As the client knows them. A library in a process of its own does not say; the plan does."""
        if isinstance(client, ClusterClient):
            return [self._shard_at(client.primary_of_slot(slot)) for slot in range(SLOTS)]
        return [self._plan.inventory.shard_of_slot(slot) for slot in range(SLOTS)]

    def _shard_of(self, client: Client, node: str) -> int:
        """The shard whose slots the client expects there, or most of them: a node may lead another one than
        was planned, and a few slots may be on the move."""
        if isinstance(client, ClusterClient) and self._shard_of_slot:
            at = self._topology.address(node)
            shards = Counter(self._shard_of_slot[slot] for slot in client.slots_at(at.host, at.port))
            if shards:
                return shards.most_common(1)[0][0]
        return self._shard_of_node.get(node, 1)

    def _shard_at(self, address: tuple[str, int] | None) -> int:
        node = self._topology.node_at(*address) if address else None
        return self._shard_of_node.get(node or "", 1)

    def shard_of_key(self, key: str) -> int:
        """As slots were assigned at the start: a failover moves no slot to another shard, and what a fault
        moves comes back."""
        return self._shard_of_slot[slot(key)] if self._shard_of_slot else 1

    def _a_key_of_each_shard(self) -> tuple[str, ...]:
        keys = {self.shard_of_key(key): key for key in map("shard:{{{}}}".format, range(SHARD_KEYS))}
        return tuple(keys[shard] for shard in sorted(keys))

    def serving(self, index: int) -> WebServer:
        """The web server a request goes to; its own choice if none is in service."""
        return in_service(self._servers, index)

    def named(self, name: str) -> WebServer:
        return next(server for server in self._servers if server.name == name)

    def set_sides(self, fault: int, sides: Mapping[str, str]) -> None:
        """On which side of a fault's partition each web server is; none: that partition is over."""
        self._sides.set(fault, sides)
        for server in self._servers:
            server.side = self._sides.of(server.name)

    def kind(self, behaviour: str) -> OperationKind:
        return BEHAVIOURS[behaviour].kind

    def needs_session(self, behaviour: str) -> bool:
        return BEHAVIOURS[behaviour].needs_session

    def new_session(self, user: str, operation: int, dice: int) -> Session:
        sid = f"{dice:032x}"
        key = session_key(sid)
        return Session(sid, user, operation, self.shard_of_key(key), key, witness_key(sid))

    def request(self, server: Server, asked: Asked) -> StoreOperation:
        assert isinstance(server, WebServer)
        recording = Recording()
        objects_in = self._cache if asked.behaviour in self._kept_with_cache else None
        request = Request(
            asked.operation,
            asked.user,
            asked.session,
            asked.dice,
            self._options.get(asked.behaviour, {}),
            self._rules,
            server.store,
            recording,
            asked.earlier,
            asked.replaces,
            server.store if objects_in is None else server.beside,
        )
        shard_of = self.shard_of_key if objects_in is None else lambda _: objects_in.shard
        return StoreOperation(BEHAVIOURS[asked.behaviour], request, recording, shard_of)

    async def kill(self, name: str) -> str:
        reset = await self.named(name).kill()
        return f"{name} is gone: {reset} connections reset"

    async def start_again(self, name: str) -> None:
        await self.named(name).start()

    async def pause(self, name: str) -> str:
        raise NoEffect(f"{name} is no process of its own, so it cannot be paused")

    async def resume(self, name: str) -> None:
        """Never paused."""

    async def audit(  # the nodes tell
        self,
        sessions: Sequence[Session],  # noqa: ARG002
        *,
        within_s: float,  # noqa: ARG002
        recovered: bool,  # noqa: ARG002
    ) -> bool:
        return False

    def at_back_door(self, sessions: Sequence[Session]) -> list[KeptObject]:  # noqa: ARG002 - the nodes tell
        return []

    def unanswered(self) -> list[Connection]:
        """Closed connections with an attempt that never got its reply."""
        return [one for server in self._servers for one in server.unanswered()]

    def connections_peak(self) -> int:
        return sum(server.wire.peak for server in self._servers)

    async def close(self) -> None:
        for server in self._servers:
            await server.close()


class StoreOperation:
    """One behaviour on the session store, carried out in this process."""

    __slots__ = ("_behaviour", "_recording", "_request", "shard_of")

    def __init__(
        self,
        behaviour: Behaviour,
        request: Request,
        recording: Recording,
        shard_of: Callable[[str], int],
    ) -> None:
        self._behaviour = behaviour
        self._request = request
        self._recording = recording
        self.shard_of = shard_of

    @property
    def steps(self) -> Sequence[Step]:
        return self._request.steps

    @property
    def attempts(self) -> Sequence[Attempt]:
        return self._recording.attempts

    @property
    def changed(self) -> Sequence[tuple[ObjectKind, str]]:
        return self._request.changed

    @property
    def shard(self) -> int:
        """Of the key that decides; of an operation that failed, the one where it did."""
        request = self._request
        failed = (one.key for one in request.steps if one.deciding and one.outcome is not Outcome.ACKED)
        about = next(failed, request.about)
        return request.session.shard if about in {None, request.session.key} else self.shard_of(about)

    async def carry_out(self) -> str:
        CURRENT.set(self._recording)
        told = await self._behaviour.carry_out(self._request)
        return TRY_LATER if self._request.too_few and told == ERROR else told

    async def over(self) -> None:
        await self._recording.over()


def _rules(plan: Plan, *, cluster: bool) -> Rules:
    workload, client = plan.scenario.workload, plan.scenario.deployment.client
    return Rules(
        idle_timeout_s=workload.idle_timeout_s,
        absolute_timeout_s=workload.absolute_timeout_s,
        witnesses=workload.witnesses,
        guarded_writes=workload.guarded_writes,
        transactions=workload.transactions,
        cluster=cluster,
        wait_replicas=client.wait_replicas,
        wait_timeout_ms=round(client.wait_timeout_s * 1000),
        too_few=client.too_few,
        session_sizes=workload.session_sizes,
    )


def _surroundings(plan: Plan, topology: Topology, *, cluster: bool) -> Surroundings:
    nodes = [node for node in plan.data_nodes() if node.purpose is NodePurpose.SESSIONS]
    primary = next(node for node in nodes if node.role is NodeRole.PRIMARY)
    address = topology.named if isinstance(topology, OwnContainers) else topology.address
    return Surroundings(
        profile=plan.scenario.deployment.client,
        login=client_login(plan, topology.secrets),
        sentinel_login=sentinel_login(plan, topology.secrets),
        service=topology.service,
        primary=address(primary.name),
        replicas=tuple(address(node.name) for node in nodes if node.role is NodeRole.REPLICA),
        sentinels=tuple(address(node.name) for node in plan.sentinels()),
        seeds=tuple(address(node.name) for node in nodes) if cluster else (),
        cluster=cluster,
        proxies=tuple(address(node.name) for node in plan.inventory.proxies),
    )


def _beside(plan: Plan, topology: Topology, around: Surroundings) -> Surroundings:
    """The same client at the instance of the cache, which nobody guards."""
    cache = plan.inventory.cache
    assert cache is not None
    address = topology.named if isinstance(topology, OwnContainers) else topology.address
    return replace(
        around,
        profile=replace(around.profile, discovery=Discovery.FIXED_ADDRESS, read_from_replicas=False),
        login=client_login(plan, topology.secrets, purpose=NodePurpose.CACHE),
        primary=address(cache.name),
        replicas=(),
        sentinels=(),
        proxies=(),
    )


async def started(name: str, start: Callable[[], Awaitable[None]], within_s: float = STARTS_WITHIN_S) -> None:
    """Start a web server before there is traffic; again where a busy host lets its client's time-out pass.

    Raises:
        EnvironmentFailure: its client found no way into a topology that was ready.
    """
    loop = asyncio.get_running_loop()
    ends_at_s = loop.time() + within_s
    while True:
        try:
            await start()
        except (RedisError, Raised) as problem:
            if loop.time() >= ends_at_s:
                raise EnvironmentFailure(
                    f"{name}: expected its client to find its nodes within {within_s:g} s, as the topology "
                    f"was ready, found {problem}"
                ) from problem
            await asyncio.sleep(START_AGAIN_S)
        else:
            return
