"""The seam between the load and the application that it drives.

The load knows users, their sessions and what is due; an application carries out one behaviour of one user
through one of its web servers, and says in steps and attempts what came of it. There are two: the session
store in this process (`harness.sessions.fleet`), and a guest over HTTP (`harness.guests.fleet`). Whoever
records or judges need not know which.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from harness.model.records import Attempt, Connection, Step
from harness.model.words import OperationKind
from harness.objects.kind import KeptObject, ObjectKind

THEMES = ("light", "dark", "contrast")
"""What a user may choose, whoever the application is."""


@dataclass(slots=True)
class Session:
    """A session as the application knows it: what the cookie and the code would hold."""

    id: str
    user: str
    generation: int
    shard: int
    key: str
    witness_key: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One operation of one user."""

    operation: int
    behaviour: str
    user: str
    session: Session
    """Log-in, and whatever counts as one: the session about to be made."""
    dice: int
    """128 random bits of the plan's; everything that is chosen is taken from them."""
    earlier: Sequence[Session] = ()
    """Sessions that the user's browser had before."""
    replaces: Session | None = None
    """The session that the one about to be made takes the place of."""


class Carried(Protocol):
    """One operation, as far as it has been carried out."""

    @property
    def steps(self) -> Sequence[Step]: ...
    @property
    def attempts(self) -> Sequence[Attempt]: ...
    @property
    def changed(self) -> Sequence[tuple[ObjectKind, str]]:
        """Objects that it changes, and their keys."""
        ...

    def shard_of(self, key: str) -> int:
        """The shard that has one of these."""
        ...

    @property
    def shard(self) -> int:
        """The shard of the key that decides."""
        ...

    async def carry_out(self) -> str:
        """Do it; returns what the application tells the user. Never raises for what the application did."""
        ...

    async def over(self) -> None:
        """Wait for what is left of it, once it is written down."""
        ...


class Sides:
    """On which side of which partition each web server is. Told and asked from any thread."""

    def __init__(self) -> None:
        self._partitions: dict[int, Mapping[str, str]] = {}
        """Fault number -> web server -> side; the newest last."""
        self._lock = threading.Lock()

    def set(self, fault: int, sides: Mapping[str, str]) -> None:
        """`with-primary` or `rest` for each web server in a fault's partition; none: it is over."""
        with self._lock:
            self._partitions.pop(fault, None)
            if sides:
                self._partitions[fault] = sides

    def of(self, web_server: str) -> str:
        """In several partitions at once a web server is where the newest puts it; in none: `all`."""
        with self._lock:
            told = [known[web_server] for known in self._partitions.values() if web_server in known]
        return told[-1] if told else "all"


class Server(Protocol):
    """One web server, as the load sees it."""

    @property
    def name(self) -> str: ...
    @property
    def side(self) -> str:
        """The side of a partition that it is on."""
        ...


class _Serving(Protocol):
    @property
    def alive(self) -> bool: ...


AnyServer = TypeVar("AnyServer", bound=_Serving)
T = TypeVar("T")


def in_service(servers: Sequence[AnyServer], index: int) -> AnyServer:
    """What a balancer chooses: whose turn it is, else the next in service, else the first choice."""
    count = len(servers)
    for further in range(count):
        server = servers[(index + further) % count]
        if server.alive:
            return server
    return servers[index % count]


IDS_EACH = 1_000_000_000
"""Operations that a worker can tell apart: those of the second begin with 2, and so on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of users and web servers: what one load engine of several drives. A user has all sessions there."""

    number: int = 0
    """1, 2, ...; 0: it drives everything, alone."""
    of: int = 1

    def has(self, index: int) -> bool:
        return index % self.of == max(0, self.number - 1)

    def part(self, everything: Sequence[T]) -> list[T]:
        return [one for index, one in enumerate(everything) if self.has(index)]

    @property
    def first_id(self) -> int:
        return self.number * IDS_EACH + 1

    @property
    def of_connections(self) -> Iterator[int]:
        """Numbers that no other engine gives."""
        return itertools.count(max(1, self.number), self.of)

    def named(self, seed: str) -> str:
        """The seed of dice that no other engine throws."""
        return f"{seed} of worker {self.number}" if self.number else seed


ALL = Share()


class Application(Protocol):
    """All web servers, and the balancer in front of them."""

    log_in: str
    """The behaviour by which users get in."""

    def kind(self, behaviour: str) -> OperationKind: ...
    def needs_session(self, behaviour: str) -> bool: ...
    async def start(self) -> None: ...
    def serving(self, index: int) -> Server:
        """The web server a request goes to; its own choice if none is in service."""
        ...

    def new_session(self, user: str, operation: int, dice: int) -> Session: ...
    def request(self, server: Server, asked: Asked) -> Carried: ...
    def set_sides(self, fault: int, sides: Mapping[str, str]) -> None: ...
    async def kill(self, name: str) -> str:
        """Take a web server out of service; returns the proof."""
        ...

    async def start_again(self, name: str) -> None: ...
    async def pause(self, name: str) -> str:
        """Freeze a web server that is a process; returns the proof."""
        ...

    async def resume(self, name: str) -> None: ...
    def unanswered(self) -> list[Connection]: ...
    def connections_peak(self) -> int: ...
    async def audit(self, sessions: Sequence[Session], *, within_s: float, recovered: bool) -> bool:
        """Ask for every session at the front door, and record what it shows. False: the nodes tell.
        `recovered`: Redis was seen well again."""
        ...

    def at_back_door(self, sessions: Sequence[Session]) -> list[KeptObject]:
        """After `audit`: the keys of the sessions in Redis, as far as they are known only now."""
        ...

    async def close(self) -> None: ...
