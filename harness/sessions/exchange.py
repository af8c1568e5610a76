"""What the wire notes about one operation while it is carried out: exchanges and their attempts.

A behaviour makes an `Exchange` (commands that travel together) and hands it to its web server's
client library. The recording connection (`connection`) finds the exchange through `CURRENT` and
notes every attempt on it, the library's own retries included. `outcome` judges the notes afterwards.

Nothing here talks to Redis. The trap: one exchange may be sent several times, whole or in part (a
cluster client re-sends single commands after MOVED), so replies are kept by attempt, with the
positions of the commands that the attempt carried.
"""

from __future__ import annotations

from contextvars import ContextVar
from enum import Enum, auto
from typing import Protocol

from harness.model.attempt_results import REPLY, error_of
from harness.model.records import Attempt, Step
from harness.redis_wire.refusals import FROM_INSIDE_A_SCRIPT, IN_SCRIPT, code_of

Command = tuple[str, ...]


class Refused:
    """An error reply of a server."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def code(self) -> str:
        """As `harness.redis_wire.refusals` knows it."""
        return code_of(self.text)

    @property
    def in_script(self) -> bool:
        """Raised while a script was running."""
        return FROM_INSIDE_A_SCRIPT.search(self.text) is not None

    def __repr__(self) -> str:
        return f"Refused({self.text!r})"


class Raised(OSError):
    """What a library raised in a process of its own, in its words."""


class Shape(Enum):
    PLAIN = auto()
    """Commands on their own, each with its own outcome."""
    GROUP = auto()
    """MULTI ... EXEC."""
    SCRIPT = auto()
    """One EVAL of `commands.ATOMIC`."""


class Part:
    """One step's share of an exchange: the positions of its commands, the deciding one first."""

    __slots__ = ("decided_at", "names", "positions", "shape", "step")

    def __init__(self, step: Step, shape: Shape, positions: tuple[int, ...], names: tuple[str, ...]) -> None:
        self.step = step
        self.shape = shape
        self.positions = positions
        self.names = names
        """Command names whose replies `outcome.settle` returns, in that order."""
        self.decided_at = positions[-1] if shape is Shape.GROUP else positions[0]
        """The position whose reply says whether it happened: EXEC's, or the first one's."""


class Carried:
    """One attempt, the commands that it carried and the replies that came back, in their order."""

    __slots__ = ("_script", "attempt", "positions", "refused", "replies")

    def __init__(self, attempt: Attempt, positions: tuple[int, ...], *, script: bool = False) -> None:
        self.attempt = attempt
        self.positions = positions
        self.replies: list[object] = []
        self.refused: Refused | None = None
        """The first error reply."""
        self._script = script
        """A script that writes several times: an error from inside it proves nothing."""

    def refuse(self, refused: Refused) -> None:
        self.replies.append(refused)
        if self.attempt.result == REPLY:
            self.refused = refused
            self.attempt.result = error_of(IN_SCRIPT if self._script and refused.in_script else refused.code)

    def fail(self, result: str, at_us: int) -> None:
        self.attempt.result = result
        self.attempt.done_us = at_us

    def settled(self, exchange: Exchange) -> bool:
        """Every step has the reply that decides it: what follows only annotates."""
        if self.positions is not exchange.everything:
            return False
        count = len(self.replies)
        return all(
            part.decided_at < count and not isinstance(self.replies[part.decided_at], Refused)
            for part in exchange.parts
        )


class Exchange:
    """Commands that travel together, the steps they belong to, and what became of them."""

    __slots__ = ("carried", "commands", "everything", "failure", "key", "parts", "reading", "step_numbers")

    def __init__(
        self, key: str, commands: tuple[Command, ...], parts: tuple[Part, ...], *, reading: bool = False
    ) -> None:
        self.key = key
        self.commands = commands
        self.parts = parts
        self.reading = reading
        """May be answered by a replica, if the client profile says so."""
        self.carried: list[Carried] = []
        self.failure: BaseException | None = None
        """What the client library raised last."""
        self.everything = tuple(range(len(commands)))
        self.step_numbers = tuple([part.step.n for part in parts])

    def positions_of(self, packed: list[Command]) -> tuple[int, ...]:
        """Which of this exchange's commands a batch about to be sent consists of; () for foreign ones."""
        if len(packed) == len(self.commands) and packed[0] == self.commands[0]:
            return self.everything
        return tuple(self.commands.index(command) for command in packed if command in self.commands)

    def steps_at(self, positions: tuple[int, ...]) -> tuple[int, ...]:
        if positions is self.everything:
            return self.step_numbers
        return tuple(part.step.n for part in self.parts if not set(part.positions).isdisjoint(positions))


class Kept(Protocol):
    """A connection that belongs to one request."""

    async def let_go(self) -> None:
        """Close it."""


class Recording:
    """The attempts of one operation, over all its exchanges."""

    __slots__ = ("attempts", "exchange", "kept")

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.exchange: Exchange | None = None
        self.kept: Kept | None = None
        """The connection that this request alone has, between two exchanges."""

    async def over(self) -> None:
        """The request has ended, and with it what it kept."""
        kept, self.kept = self.kept, None
        if kept is not None:
            await kept.let_go()

    def begin(
        self, exchange: Exchange, positions: tuple[int, ...], connection: int, sent_us: int, handed_over: bool
    ) -> Carried:
        attempt = Attempt(
            n=len(self.attempts) + 1,
            connection=connection,
            steps=exchange.steps_at(positions),
            handed_over=handed_over,
            sent_us=sent_us,
            result=REPLY,
        )
        self.attempts.append(attempt)
        script = bool(exchange.parts) and exchange.parts[0].shape is Shape.SCRIPT
        carried = Carried(attempt, positions, script=script)
        exchange.carried.append(carried)
        return carried

    def never_left(self, result: str, began_us: int, ended_us: int) -> None:
        """An attempt that found no connection, or no primary to connect to."""
        exchange = self.exchange
        if exchange is None:
            return
        carried = self.begin(exchange, exchange.everything, 0, began_us, handed_over=False)
        carried.attempt.connection = None
        carried.fail(result, ended_us)


CURRENT: ContextVar[Recording | None] = ContextVar("current operation", default=None)
