"""Bugs about what is written: dropped, carried out twice, torn, or delivered late.

Trap: a write that somebody overwrote in time, or that met no session, did no harm and is no deed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Cause, Outcome, StepKind
from harness.redis_wire.keys import session_key, witness_key
from lab.selftest.mischief import APART_S, QUIET_MIX, Bug, Deed, Setting, count_of, looked_in_time, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import OK, QUEUED, Command, Write, encoded, write_in


class DroppedWrite(Bug):
    """Answers as if a write had been carried out, and passes nothing on."""

    name = "dropped-write"
    title = "drops an acked write"
    VERBS = ("HSET", "HINCRBY", "HDEL", "log-in")
    KINDS: ClassVar = {
        "HSET": StepKind.WRITE,
        "HINCRBY": StepKind.INCREMENT,
        "HDEL": StepKind.REMOVE_FIELD,
    }

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        write = write_in(commands)
        if write is None or write.verb != self.VERBS[self.variant % len(self.VERBS)]:
            return None
        self.take()
        if write.verb == "log-in":
            return self._log_in(commands, write)
        [there, reply, traces] = await self._would_answer(commands[0], write)
        if not there:
            self.armed = True
            return await upstream.ask(commands)
        self.done(
            Deed(
                session=write.session,
                operation=write.operation,
                did=f"{write.verb} of operation {write.operation} answered and dropped",
                names=one_of("lost-write"),
                betrays=self.KINDS[write.verb],
                also=one_of("lost-update"),
            )
        )
        return [encoded([1, reply, traces + 1])]

    def _log_in(self, commands: list[Command], write: Write) -> Sequence[bytes]:
        self.done(
            Deed(
                session=write.session,
                operation=write.operation,
                did=f"log-in {write.operation} answered and dropped",
                names=one_of("lost-session"),
                betrays=StepKind.CREATE,
            )
        )
        inner = commands[1:-1]
        replies = [len(write.fields) if one.name == "HSET" else 1 for one in inner]
        return [OK, *(QUEUED for _ in inner), encoded(replies)]

    async def _would_answer(self, command: Command, write: Write) -> tuple[bool, int, int]:
        key = session_key(write.session)
        value = await self.node.hget(key, write.fields[0])
        traces = await self.node.llen(witness_key(write.session))
        there = bool(await self.node.exists(key))
        if write.verb == "HINCRBY":
            return there, int(value or 0) + int(command.inner[0][3]), traces
        return there, int(value is not None and write.verb == "HDEL"), traces


class DoubledIncrement(Bug):
    """Carries an increment out twice."""

    name = "doubled-increment"
    title = "applies an increment twice"

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        write = write_in(commands)
        if write is None or write.verb != "HINCRBY":
            return None
        self.take()
        first, second = await upstream.ask([*commands, *commands])
        if count_of(second) < 2:  # the session was not there
            self.armed = True
            return [second]
        self.done(
            Deed(
                session=write.session,
                operation=write.operation,
                did=f"operation {write.operation} carried out twice",
                names=one_of("doubled-update"),
                betrays=StepKind.INCREMENT,
            )
        )
        return [first if self.variant % 2 else second]


class LateDelivery(Bug):
    """Holds what a client sent until the client gave up, tried again, and somebody wrote after it."""

    name = "late-delivery"
    title = "delivers an old attempt late"
    WITHIN_S = 4.0

    @classmethod
    def setting(cls, seed: int) -> Setting:
        users = {"log-in": 4.0, "logout": 16.0} if seed % 4 == 0 else {"log-in": 0.0}
        mix = {"read": 30.0, "touch": 5.0, "change-field": 45.0, "cart": 5.0, **users}
        return Setting(mix=mix, users=4, socket_timeout_s=1.0, retries=1)

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._held: Write | None = None
        self._again_s = 0.0
        self._overtaken = asyncio.Event()

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        write = write_in(commands)
        verb = "log-in" if self.variant % 4 == 0 else "HSET"
        if write is None or write.verb != verb or self._held is not None:
            return None
        self.take()
        self._held = write
        await self._deliver(commands, upstream, write)
        return []

    async def _deliver(self, commands: list[Command], upstream: Upstream, write: Write) -> None:
        try:
            async with asyncio.timeout(self.WITHIN_S):
                await self._overtaken.wait()
        except TimeoutError:
            return
        await asyncio.sleep(APART_S)
        replies = await upstream.ask(commands)
        if count_of(replies[-1]) < 2:  # the session is not there any more
            return
        late = "undone-by-own-write" if write.verb == "log-in" else "ghost-retry"
        self.done(
            Deed(
                session=write.session,
                operation=write.operation,
                did=f"the first attempt of operation {write.operation} delivered after a later acked one",
                names=one_of(late),
                betrays=StepKind.CREATE if write.verb == "log-in" else StepKind.WRITE,
                cause=Cause.CLIENT_RETRY,
            )
        )

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        held, write = self._held, write_in(commands)
        if held is None or self._overtaken.is_set():
            return
        now_s = asyncio.get_running_loop().time()
        if write is not None and write.operation == held.operation:
            self._again_s = now_s
        elif self._again_s and now_s > self._again_s + APART_S:
            gone = commands[0].name == "DEL" and commands[0].session == held.session
            over = (
                write is not None
                and write.session == held.session
                and write.verb == "HSET"
                and not set(write.fields).isdisjoint(held.fields)
            )
            if gone if held.verb == "log-in" else over:
                self._overtaken.set()

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """What came after it must have come after it for the client too, and before it landed."""
        destroys = deed.betrays is StepKind.CREATE
        fields = {name for step in operation.steps for name in step.wrote}
        return any(
            one.session == deed.session
            and one.outcome is Outcome.ACKED
            and (one.sent_us or 0) > (operation.done_us or 0)
            and (one.done_us or 0) < deed.at_us
            and step.effective is True
            and (step.does is StepKind.DESTROY if destroys else not fields.isdisjoint(step.wrote))
            for one in past.operations
            for step in one.steps
        )


class TornWrite(Bug):
    """Carries out half of a write to two fields."""

    name = "torn-write"
    title = "tears a multi-field write"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix=QUIET_MIX)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        write = write_in(commands)
        if write is None or write.verb != "HSET" or len(write.fields) < 2:
            return None
        self.take()
        [hset, *rest] = commands[0].inner
        kept = hset[:4] if self.dice.random() < 0.5 else [*hset[:2], *hset[4:6]]
        replies = await upstream.ask([commands[0].with_inner([kept, *rest])])
        if count_of(replies[0]) < 2:  # the session was not there
            self.armed = True
            return replies
        self.done(
            Deed(
                session=write.session,
                operation=write.operation,
                did=f"of operation {write.operation} only {kept[2]} written",
                names=one_of("torn-state"),
                betrays=StepKind.WRITE,
            )
        )
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Until both fields are written anew."""
        return looked_in_time(past, deed, operation, lambda step: "ip" in step.wrote)
