"""What every bug has in common: it waits for its chance, does one wrong thing, and keeps book of it.

A bug that found no chance, or whose deed nobody could have seen, has not bitten: the run says nothing
and is repeated with another seed. That is decided here, from what the clients wrote down, never from
what the kit found.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import redis.asyncio

from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.words import Cause, Outcome, StepKind
from lab.selftest.proxy import Upstream
from lab.selftest.resp import Command, parsed

APART_S = 0.03
"""Between things that should come one after the other for the client too; whether they did is read in
the history."""

MORE_S = 5.0
"""Of load at most, for a bug that still waits: a busy machine serves fewer requests in the same time."""

QUIET_MIX = {"log-in": 5.0, "read": 45.0, "touch": 12.0, "change-field": 18.0, "cart": 20.0}
"""Nobody logs out, so that whatever was done to a session can be seen in the audit at the latest."""
FULL_MIX = {**QUIET_MIX, "logout": 5.0, "logout-everywhere": 3.0}


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What was done wrong, and what the kit has to say of it."""

    session: str
    did: str
    names: frozenset[str]
    """The right names: one of them must be among the session's findings. Empty: none need be."""
    also: frozenset[str] = frozenset()
    """True as well, and not asked for: consequences of the same deed."""
    operation: int | None = None
    """Must be in the story that a rightly named finding tells."""
    betrays: StepKind | None = None
    """The step whose ack was a lie; only an operation that got it can be wronged. None: none was."""
    cause: Cause = Cause.NOT_DETERMINED
    begun_us: int = 0
    """The node cannot have been told before; 0: nobody asks."""
    at_us: int = 0


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The load and the node that a bug needs."""

    mix: Mapping[str, float] = field(default_factory=lambda: FULL_MIX)
    users: int = 24
    socket_timeout_s: float = 2.0
    retries: int = 0
    devices: int = 1
    absolute_timeout_s: float = 0.0
    """0: none. Sessions may be over before the audit, if it is as short as a run."""
    redis: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, str | int]] = field(default_factory=dict)
    """Behaviour -> its options, as a scenario file spells them."""


class Bug:
    """One way to misbehave. Subclasses say when (`misbehave`) and who could have seen it (`shows`)."""

    name: ClassVar[str]
    title: ClassVar[str]
    more_s: ClassVar[float] = MORE_S

    def __init__(self, seed: int, node: redis.asyncio.Redis, now_us: Callable[[], int]) -> None:
        """`node`: a connection of its own, past the proxy; `now_us`: the run's clock."""
        self.dice = random.Random(f"{self.name} {seed}")
        self.variant = seed
        self.node = node
        self.now_us = now_us
        self.armed = False
        self.deeds: list[Deed] = []
        self._later: list[asyncio.Future[Any]] = []

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting()

    # ------------------------------------------------------------ for the run

    async def answer(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes]:
        if self.armed:
            tried = asyncio.ensure_future(self._misbehave_once(commands, upstream))
            self._later.append(tried)
            replies = await tried
            if replies is not None:
                return replies
        replies = await upstream.ask(commands)
        self.notice(commands, replies)
        return replies

    async def _misbehave_once(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        return await self.misbehave(commands, upstream) if self.armed else None

    @property
    def waiting(self) -> bool:
        """Whether it still looks for its chance, or for what has to come before it can go on."""
        return self.armed or any(not one.done() for one in self._later)

    async def finish(self) -> None:
        """The load has ended: whatever is still to be done must be done before the audit."""
        self.armed = False
        await asyncio.gather(*self._later)

    def has_bitten(self, past: History) -> bool:
        """Whether somebody was wronged who could have noticed, by what the clients wrote down."""
        return bool(self.deeds) and all(
            deed.betrays is None
            or ((operation := betrayed(past, deed)) is not None and self.shows(past, deed, operation))
            for deed in self.deeds
        )

    def explains(self, _past: History, _finding: Finding) -> bool:
        """Whether this came to somebody without any bug, by what the clients wrote down: then it is right."""
        return False

    # ------------------------------------------------------------ for the bugs

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        """Answer wrongly, or return None where this is no chance. A bug that takes its chance calls
        `take` before it awaits anything."""
        raise NotImplementedError

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        """Look at what was passed on."""

    def shows(self, _past: History, _deed: Deed, _operation: Operation) -> bool:
        """Whether a perfect judge could know; `operation` got the ack that was a lie."""
        return True

    def take(self) -> None:
        self.armed = False

    def done(self, deed: Deed) -> None:
        self.deeds.append(replace(deed, at_us=self.now_us()))

    def later(self, after_s: float, deed: Deed, *command: str | bytes | int) -> None:
        """Do it to the node behind the proxy, after a while."""

        async def act() -> None:
            await asyncio.sleep(after_s)
            await self.node.execute_command(*command)  # type: ignore[no-untyped-call]
            self.done(deed)

        self._later.append(asyncio.ensure_future(act()))


def betrayed(past: History, deed: Deed) -> Operation | None:
    """The acked operation to which the deed was done."""
    for operation in past.operations:
        if operation.outcome is not Outcome.ACKED or operation.sent_us is None or operation.done_us is None:
            continue
        if deed.operation is not None and operation.id != deed.operation:
            continue
        # A deed may come a while after the ack that it betrays, never before its operation began.
        if operation.sent_us <= deed.at_us and any(
            step.does is deed.betrays
            and step.outcome is Outcome.ACKED
            and deed.session in {step.member, step.session, operation.session}
            for step in operation.steps
        ):
            return operation
    return None


def looked_in_time(past: History, deed: Deed, wronged: Operation, heals: Callable[[Step], bool]) -> bool:
    """Whether somebody looked at the session after the wronged operation and before it was put right
    again. If it never was, the audit has looked."""
    return bool(looks_in_time(past, deed, wronged, heals))


def looks_in_time(past: History, deed: Deed, wronged: Operation, heals: Callable[[Step], bool]) -> list[int]:
    """How long each of these looks took, in µs."""
    since_us, healed_us = max(wronged.done_us or 0, deed.at_us), float("inf")
    looks = [(one.sent_us, one.done_us) for one in past.valid_audit_about({deed.session}) if one.saw]
    for operation in past.operations:
        if operation.session != deed.session or operation.sent_us is None:
            continue
        for step in operation.steps:
            sent_us = operation.sent_us if step.sent_us is None else step.sent_us
            if step.saw and sent_us > since_us:
                looks.append((sent_us, step.done_us or operation.done_us or sent_us))
            if heals(step) and operation.id != wronged.id and (operation.done_us or 0) > deed.at_us:
                healed_us = min(healed_us, sent_us)
    return [done_us - sent_us for sent_us, done_us in looks if sent_us <= healed_us]


def one_of(*names: str) -> frozenset[str]:
    return frozenset(names)


def fields_of(reply: bytes) -> dict[str, str]:
    flat = parsed(reply)
    assert isinstance(flat, list)
    return dict(zip(flat[::2], flat[1::2], strict=True))


def count_of(reply: bytes) -> int:
    """How much the kit's script answered: 1 where its guard found no session, 0 for an error."""
    answer = parsed(reply)
    return len(answer) if isinstance(answer, list) else 0
