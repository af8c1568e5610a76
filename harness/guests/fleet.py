"""All web servers of a guest and the balancer in front of them: what the load drives.

The balancer sends a request to the web server that the plan says, or to the next one in service: one that
runs, and has answered since it was started. It knows nothing of what each can reach. Whoever dies without the
kit's doing is written down as an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from harness.application import Asked, Server, Session, Sides, in_service
from harness.clock import Clock
from harness.errors import EnvironmentFailure
from harness.guests.back_door import Nodes
from harness.guests.browser import Browser, Client
from harness.guests.front_door import SHUT_FOR_S, ask_at_the_door, shut
from harness.guests.operation import GuestOperation
from harness.guests.walk import understands
from harness.guests.web_server import Fill, GuestServer
from harness.model.guest import BEHAVIOURS, LOG_IN, Guest, RunAs
from harness.model.records import WEB_SERVER_STUCK, Connection, Event
from harness.model.seams import Recorder, WebProcess
from harness.model.words import OperationKind
from harness.objects.guest_session import GUEST_SESSION
from harness.objects.kind import KeptObject
from harness.tasks import end

LOOK_EVERY_S = 0.1
_SHOWN = 400


class GuestFleet:
    """See `harness.application.Application`."""

    log_in = LOG_IN

    def __init__(
        self,
        guest: Guest,
        processes: Mapping[str, WebProcess],
        *,
        environment: Mapping[str, str],
        fill: Fill,
        record: Recorder,
        clock: Clock,
        nodes: Nodes | None = None,
        shut_for_s: float = SHUT_FOR_S,
    ) -> None:
        """`nodes` None: nobody asks where the sessions are kept. `shut_for_s`: how long a web server may let
        nobody in after recovery, before it is started anew."""
        self._shut_for_s = shut_for_s
        self._guest = guest
        self._nodes = nodes
        self._record = record
        self._clock = clock
        self._servers = [
            GuestServer(name, process, guest, environment, fill) for name, process in processes.items()
        ]
        self._sides = Sides()
        self._browsers: dict[str, Browser] = {}
        """Session -> the browser that logged in."""
        self._client: Client | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def client(self) -> Client:
        assert self._client is not None, "start() comes first"
        return self._client

    def kind(self, behaviour: str) -> OperationKind:
        return BEHAVIOURS[behaviour]

    def needs_session(self, behaviour: str) -> bool:
        return BEHAVIOURS[behaviour] is not OperationKind.LOGIN

    async def start(self) -> None:
        """Start every web server, and make sure that the kit understands what they answer.

        Raises:
            EnvironmentFailure: one does not serve, or its answers cannot be judged.
        """
        self._client = Client(self._clock, timeout_s=self._guest.timeout_s)
        await asyncio.gather(*(server.start() for server in self._servers))
        await asyncio.gather(*(server.serves(self.client) for server in self._servers))
        self._guest, problem = await understands(self._guest, self._servers[0], self.client, self._nodes)
        if problem:
            raise EnvironmentFailure(f"{problem}; try: failover-kit guest check {self._guest.file}")
        self._keep(self._watch())

    def serving(self, index: int) -> Server:
        return in_service(self._servers, index)

    def new_session(self, user: str, operation: int, dice: int) -> Session:
        sid = f"{dice:032x}"
        return Session(sid, user, operation, 1, _unknown_key(sid), "")

    def request(self, server: Server, asked: Asked) -> GuestOperation:
        assert isinstance(server, GuestServer)
        kind = BEHAVIOURS[asked.behaviour]
        if kind is OperationKind.LOGIN:
            self._browsers[asked.session.id] = Browser(
                self.client, cookie=self._guest.cookie, token=self._guest.token
            )
        return GuestOperation(self._guest, kind, asked, server, self._browsers[asked.session.id])

    def set_sides(self, fault: int, sides: Mapping[str, str]) -> None:
        self._sides.set(fault, sides)
        for server in self._servers:
            server.side = self._sides.of(server.name)

    async def kill(self, name: str) -> str:
        await self._named(name).kill()
        return f"{name} is gone: its processes were killed"

    async def start_again(self, name: str) -> None:
        """The process runs; it is in service once it answers."""
        server = self._named(name)
        await server.start()
        self._keep(self._serve(server))

    async def pause(self, name: str) -> str:
        """The balancer does not notice: it sends its share of the requests there."""
        await self._named(name).pause()
        return f"{name} is frozen with its workers"

    async def resume(self, name: str) -> None:
        await self._named(name).resume()

    def unanswered(self) -> list[Connection]:
        """None: whatever is sent to Redis is sent by the application."""
        return []

    def connections_peak(self) -> int:
        return self.client.peak

    async def audit(self, sessions: Sequence[Session], *, within_s: float, recovered: bool) -> bool:
        if recovered:
            await asyncio.gather(*(self._start_the_stuck_anew(one) for one in self._servers if one.alive))
        await ask_at_the_door(
            self._guest,
            [(one, self._browsers[one.id]) for one in sessions if one.id in self._browsers],
            [server for server in self._servers if server.alive],
            self._record,
            self._clock,
            within_s=within_s,
        )
        return True

    def at_back_door(self, sessions: Sequence[Session]) -> list[KeptObject]:
        """By the cookie of the log-in: after a log-out its browser may have one of another session."""
        if self._guest.back_door is None:
            return []
        keys = dict.fromkeys(one.key for one in sessions if one.key != _unknown_key(one.id))
        return [KeptObject(GUEST_SESSION, key, 1) for key in keys]

    async def close(self) -> None:
        await end(self._tasks)
        await asyncio.gather(*(server.end() for server in self._servers))
        if self._client is not None:
            await self._client.close()

    async def _start_the_stuck_anew(self, server: GuestServer) -> None:
        """Whoever lets nobody in, although Redis is well again, is tried once more as a new process."""
        if self._guest.run_as is RunAs.ADDRESS or not (
            why := await shut(self._guest, server, self.client, for_s=self._shut_for_s)
        ):
            return
        try:
            await server.kill()
            await server.start()
            await server.serves(self.client)
        except EnvironmentFailure as problem:
            self._tell(server, "web-server-out", str(problem))
            return
        if not await shut(self._guest, server, self.client, for_s=self._shut_for_s):
            self._tell(server, WEB_SERVER_STUCK, f"for {self._shut_for_s:g} s log-ins ended so: {why}")

    def _named(self, name: str) -> GuestServer:
        return next(server for server in self._servers if server.name == name)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, server: GuestServer) -> None:
        try:
            await server.serves(self.client)
        except EnvironmentFailure as problem:
            self._tell(server, "web-server-out", str(problem))

    async def _watch(self) -> None:
        while True:
            for server in self._servers:
                if how := server.died():
                    self._tell(server, "web-server-died", how)
            await asyncio.sleep(LOOK_EVERY_S)

    def _tell(self, server: GuestServer, name: str, detail: str) -> None:
        self._record(Event(source=server.name, name=name, t_us=self._clock.now_us(), detail=detail[:_SHOWN]))


def _unknown_key(sid: str) -> str:
    """In the place of the key of a session, as long as nobody knows it."""
    return f"guest:{sid}"
