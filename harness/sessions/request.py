"""What a behaviour gets to work with: the request, its session, and steps that judge themselves.

A behaviour says what it does in steps (model.records.Step) and which commands make them up; this
module groups the commands the way the workload asks for (MULTI/EXEC, a guarded script, a plain
pipeline), sends them through the web server's store and fills in each step's outcome and reply.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from harness.application import Session
from harness.model.attempt_results import is_error
from harness.model.records import Step
from harness.model.scenario import Declaration, OptionValue
from harness.model.told import (
    ERROR,
    OK,
    PLEASE_LOG_IN,
    REFUSED,
    SIGNED_OUT,
    TRY_LATER,
    WRONG_USER,
    told_by,
)
from harness.model.words import OperationKind, Outcome, StepKind, TooFew
from harness.objects.kind import CHANGES, ON_OBJECTS, ObjectKind
from harness.redis_wire.ballast import without_ballast
from harness.sessions import commands as redis_commands
from harness.sessions.exchange import Command, Exchange, Part, Recording, Shape
from harness.sessions.outcome import LOOKS, READS, deciding, settle

if TYPE_CHECKING:  # the clients, which whoever reads what a behaviour is called does without
    from harness.sessions.hearing import Hearing
    from harness.sessions.store import Store

__all__ = [
    "ERROR",
    "OK",
    "PLEASE_LOG_IN",
    "REFUSED",
    "SIGNED_OUT",
    "TRY_LATER",
    "WRONG_USER",
    "Behaviour",
    "Request",
    "Rules",
    "Session",
    "fields_of",
    "told_by",
]
"""What a behaviour needs: its request, and the words that it tells the user."""


class Behaviour(Protocol):
    """One thing a web application does with sessions. One small module each, listed in `sessions`."""

    declaration: Declaration
    kind: OperationKind
    needs_session: bool

    async def carry_out(self, request: Request) -> str:
        """Do it; returns what the application tells the user. Never raises for what Redis did."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The parts of workload and client profile that shape every command."""

    idle_timeout_s: float | None
    """None: sessions have no time to live."""
    absolute_timeout_s: float = 0.0
    """0: a session may become as old as it likes."""
    witnesses: bool
    guarded_writes: bool
    transactions: bool
    cluster: bool
    shards: tuple[str, ...] = ()
    """Cluster: a key of each shard, for commands that go over the keys of one node."""
    wait_replicas: int
    wait_timeout_ms: int
    too_few: TooFew = TooFew.IGNORE
    session_sizes: tuple[tuple[int, float], ...] = ()


class Request:
    """One operation while it is carried out."""

    __slots__ = (
        "_beside",
        "_recording",
        "_store",
        "about",
        "changed",
        "dice",
        "earlier",
        "operation",
        "options",
        "replaces",
        "rules",
        "session",
        "steps",
        "too_few",
        "user",
    )

    def __init__(  # noqa: PLR0917 - once per operation, keywords cost
        self,
        operation: int,
        user: str,
        session: Session,
        dice: int,
        options: Mapping[str, OptionValue],
        rules: Rules,
        store: Store,
        recording: Recording,
        earlier: Sequence[Session] = (),
        replaces: Session | None = None,
        beside: Store | None = None,
    ) -> None:
        self.operation = operation
        self.user = user
        self.session = session
        """Log-in, and whatever counts as one: the session about to be made."""
        self.dice = dice
        """128 random bits of the plan's; everything a behaviour chooses is taken from them."""
        self.options = options
        self.rules = rules
        self.steps: list[Step] = []
        self.earlier = earlier
        """Sessions that the user's browser had before; whoever stole one of their ids still has it."""
        self.replaces = replaces
        """The session that the one about to be made takes the place of."""
        self.changed: tuple[tuple[ObjectKind, str], ...] = ()
        """Objects that steps of this operation change, and their keys: the audit reads them."""
        self.about: str | None = None
        """The key that decides, where that is no session's."""
        self.too_few = False
        """WAIT counted too few replicas, and the application tells its user to try again."""
        self._store = store
        self._beside = store if beside is None else beside
        """Where its objects lie."""
        self._recording = recording

    def step(self, does: StepKind, key: str, command: str = "", *, deciding: bool = False) -> Step:
        step = Step(
            n=len(self.steps) + 1,
            does=does,
            command=command,
            key=key,
            session=self.session.id,
            deciding=deciding,
        )
        self.steps.append(step)
        return step

    def step_on(self, kept: ObjectKind, of: str, does: StepKind, *, deciding: bool = False) -> Step:
        """A step on the object that belongs to a session, a user, ..."""
        key = kept.key(of)
        step = Step(n=len(self.steps) + 1, does=does, command="", key=key, deciding=deciding)
        self.steps.append(step)
        if deciding and self.about is None:
            self.about = key
        if does in CHANGES:
            self.changed = (*self.changed, (kept, key))
        return step

    @property
    def remembered(self) -> dict[str, bool]:
        """What this process of the web server keeps in mind between requests."""
        return self._store.remembered

    @property
    def hearing(self) -> Hearing:
        """What this process of the web server has cached of sessions, and hears of their end."""
        return self._store.hearing

    def now_us(self) -> int:
        """The application's clock: that of the run."""
        return self._store.now_us()

    def witness(self, step: Step) -> list[Command]:
        """The command that leaves the step's witness; none when witnesses are off."""
        if not self.rules.witnesses:
            return []
        step.witness = str(self.operation)
        return [("RPUSH", self.session.witness_key, step.witness)]

    async def together(
        self,
        step: Step,
        main: Sequence[Command],
        *,
        guarded: bool = False,
        grouped: bool = False,
        repeat_unanswered: bool = True,
    ) -> list[object] | None:
        """Carry out commands on the session and its witness list as one step, all or none.

        Returns their replies in order, [] if a guard found no session, None if the step was not
        acked. Without transactions and without a guard they travel in a plain pipeline, the first
        command (the one that decides the outcome) last. `grouped`: a transaction whatever the
        workload says.
        """
        grouped = grouped or (self.rules.transactions and len(main) > 1)
        names = tuple([command[0] for command in main])
        together = " ".join(names)
        shape = Shape.PLAIN
        positions: tuple[int, ...]
        if guarded or (self.rules.cluster and grouped):
            sent: tuple[Command, ...] = (redis_commands.atomically(self.session.id, main, guarded=guarded),)
            shape, positions = Shape.SCRIPT, (0,)
            step.command = f"EVAL (EXISTS {together})" if guarded else f"EVAL ({together})"
        elif grouped:
            sent = (("MULTI",), *main, ("EXEC",))
            shape, positions = Shape.GROUP, tuple(range(len(sent)))
            step.command = f"MULTI {together} EXEC"
        else:
            sent = (*main[1:], main[0])
            positions = (len(main) - 1, *range(len(main) - 1))
            step.command = together
        return await self._send(step.key, sent, (Part(step, shape, positions, names),), repeat_unanswered)

    async def alone(
        self, step: Step, command: Command, *annotations: Command, repeat_unanswered: bool = True
    ) -> list[object] | None:
        """Carry out one command; annotations travel behind it and never decide its outcome."""
        sent = (command, *annotations)
        names = tuple([each[0] for each in sent])
        step.command = " ".join(names)
        part = Part(step, Shape.PLAIN, tuple(range(len(sent))), names)
        reading = step.does in LOOKS
        return await self._send(step.key, sent, (part,), repeat_unanswered, reading=reading)

    async def apart(
        self, *each: tuple[Step, tuple[Command, ...]], before: Sequence[Command] = ()
    ) -> list[list[object] | None]:
        """Several steps in one plain pipeline, each with its own outcome, decided by its first command.
        Commands `before` them belong to no step."""
        sent = list(before)
        parts = []
        for step, main in each:
            names = tuple([command[0] for command in main])
            step.command = " ".join(names)
            parts.append(Part(step, Shape.PLAIN, tuple(range(len(sent), len(sent) + len(main))), names))
            sent.extend(main)
        exchange = await self._exchange(each[0][0].key, tuple(sent), tuple(parts))
        return [self._settled(part, exchange) for part in parts]

    async def _send(
        self,
        key: str,
        sent: tuple[Command, ...],
        parts: tuple[Part, ...],
        repeat_unanswered: bool = True,
        *,
        reading: bool = False,
    ) -> list[object] | None:
        exchange = await self._exchange(key, sent, parts, repeat_unanswered, reading=reading)
        return self._settled(parts[0], exchange)

    def _settled(self, part: Part, exchange: Exchange) -> list[object] | None:
        """What was answered; None as well where the application does not confirm what too few replicas have.
        The primary has it all the same, so it may last: nobody was promised anything."""
        answer, step = settle(part, exchange), part.step
        needed, got = step.wait_needed or 0, step.wait_got or 0
        if got >= needed or step.outcome is not Outcome.ACKED or self.rules.too_few is TooFew.IGNORE:
            return answer
        step.outcome, step.error = Outcome.UNKNOWN, f"WAIT counted {got} of {needed} replicas"
        self.too_few = True
        return None

    async def _exchange(
        self,
        key: str,
        sent: tuple[Command, ...],
        parts: tuple[Part, ...],
        repeat_unanswered: bool = True,
        *,
        reading: bool = False,
    ) -> Exchange:
        waits = self.rules.wait_replicas
        waiting = next((part for part in parts if part.step.deciding), None) if waits else None
        if waiting is not None and waiting.step.does in READS:
            waiting = None
        if waiting is not None:
            sent = (*sent, ("WAIT", str(waits), str(self.rules.wait_timeout_ms)))
        exchange = Exchange(key, sent, parts, reading=reading)
        try:
            store = self._beside if parts[0].step.does in ON_OBJECTS else self._store
            await store.exchange(self._recording, exchange, repeat_unanswered=repeat_unanswered)
        except BaseException:  # cancelled, or our own bug: what was sent so far still counts
            for part in parts:
                settle(part, exchange)
                if part.step.outcome is Outcome.ACKED:  # answered, and nobody was there to read what
                    part.step.outcome = Outcome.UNKNOWN
            raise
        if waiting is not None:
            waiting.step.wait_needed = waits
            waiting.step.wait_got = _waited(waiting, exchange)
        return exchange

    def ambiguous(self, step: Step) -> bool:
        """Whether an earlier, unanswered attempt of the step may itself have caused what the reply
        shows: then "it was not there" proves nothing."""
        return len(step.attempts) > 1 and any(
            attempt.handed_over
            and attempt.n in step.attempts[:-1]
            and attempt.n < step.attempts[-1]
            and not is_error(attempt.result)
            for attempt in self._recording.attempts
        )


def _waited(part: Part, exchange: Exchange) -> int | None:
    """Replicas that acknowledged by WAIT's answer to the attempt that decided the write."""
    decided = deciding(part, exchange)
    if decided is None or decided.positions is not exchange.everything:
        return None
    got = decided.replies[-1] if len(decided.replies) == len(exchange.commands) else None
    return got if isinstance(got, int) else None


def fields_of(reply: object) -> dict[str, str]:
    """HGETALL's flat list as fields and values, without the ballast."""
    assert isinstance(reply, list)
    values = iter(reply)
    return without_ballast(dict(zip(values, values, strict=True)))
