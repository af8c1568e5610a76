"""Bugs about how long sessions live: brought back after a logout, timeouts changed, evicted.

Trap: a session that ends for another reason right after the deed shows nothing of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from harness.checks.facts.timelines import NOTICEABLE_US
from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Cause, Outcome, StepKind
from harness.redis_wire.keys import index_key, session_key
from lab.selftest.mischief import QUIET_MIX, Bug, Deed, Setting, looked_in_time, looks_in_time, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import Command, encoded, parsed

LEAST_MS = 100
"""The smallest stretch of a timeout that must be found on every engine."""


class UndoneDelete(Bug):
    """Brings a session back after its delete was acked, or only claims to have deleted it."""

    name = "undone-delete"
    title = "undoes a delete"
    WAYS = (
        ("logout", "resurrected-session"),
        ("logout-everywhere", "escaped-logout"),
        ("rotate-session", "fixated-session"),
    )
    """Who deletes, and what it is when that comes undone."""
    _back: Sequence[str] = ()

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={**QUIET_MIX, cls.WAYS[seed % 3][0]: 8.0})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        [first, *rest] = commands
        session = first.session
        if first.name != "DEL" or session is None or rest:
            return None
        self.take()
        key = session_key(session)
        copy, left_ms = await self.node.dump(key), await self.node.pttl(key)
        claimed = self.dice.random() < 0.5 and copy is not None
        replies = [encoded(1)] if claimed else await upstream.ask(commands)
        if replies[0] != encoded(1) or copy is None:
            self.armed = True
            return replies
        deed = Deed(
            session=session,
            did="DEL answered and dropped" if claimed else "brought back after its DEL",
            names=one_of(self.WAYS[self.variant % 3][1]),
            betrays=StepKind.DESTROY,
        )
        if claimed:
            self.done(deed)
        else:
            self.later(self.dice.uniform(0.02, 0.3), deed, "RESTORE", key, left_ms, copy)
        return replies

    async def finish(self) -> None:
        await super().finish()
        # Of two logouts that overlap, the second may have deleted it for good.
        self._back = [
            deed.session for deed in self.deeds if await self.node.exists(session_key(deed.session))
        ]

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """It must be there in the end, or be seen in between. And a log-in that overlaps a logout
        everywhere never counts as escaped."""
        log_in = log_in_of(past, deed.session)
        early = log_in is not None and (log_in.done_us or 0) < (operation.sent_us or 0)
        return early and (deed.session in self._back or _used_after(past, deed.session, operation))


def _used_after(past: History, session: str, logout: Operation) -> bool:
    return any(
        (step.saw or (step.does is not StepKind.DESTROY and step.effective))
        and (step.sent_us or 0) > (logout.done_us or 0)
        for operation in past.operations
        if operation.session == session and operation.id != logout.id
        for step in operation.steps
        if step.key == operation.key
    )


class WrongTimeout(Bug):
    """Changes the idle timeout that a log-in or a touch sets."""

    finding: ClassVar[str]

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix=QUIET_MIX)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        which = next((n for n, one in enumerate(commands) if one.name == "EXPIRE" and one.session), None)
        if which is None or (commands[0].name == "MULTI") != bool(self.variant % 2):
            return None
        self.take()
        command = commands[which]
        assert command.session is not None
        instead = self.instead(command.words[1], int(command.words[2]))
        changed = [*commands[:which], Command.of(*instead), *commands[which + 1 :]]
        begun_us = self.now_us()
        replies = await upstream.ask(changed)
        if commands[0].name != "MULTI" and parsed(replies[which]) == 0:
            if not await self.node.exists(command.words[1]):
                self.armed = True
                return replies
            replies[which] = encoded(1)
        did = f"{' '.join(command.words)} became {' '.join(instead)}"
        kind = StepKind.CREATE if commands[0].name == "MULTI" else StepKind.TOUCH
        names = one_of(self.finding)
        self.done(Deed(session=command.session, did=did, names=names, betrays=kind, begun_us=begun_us))
        return replies

    def instead(self, key: str, timeout_s: int) -> tuple[str, ...]:
        raise NotImplementedError

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Until the next touch, which sets the timeout anew but looks first."""
        return looked_in_time(past, deed, operation, lambda step: step.does is StepKind.TOUCH)


class ForgottenTimeout(WrongTimeout):
    name = "forgotten-ttl"
    title = "forgets a TTL"
    finding = "immortal-session"

    def instead(self, key: str, timeout_s: int) -> tuple[str, ...]:
        return ("EXISTS", key) if self.variant % 2 else ("PERSIST", key)


class ShortenedTimeout(WrongTimeout):
    name = "shortened-ttl"
    title = "shortens a TTL"
    finding = "expired-early"

    def instead(self, key: str, timeout_s: int) -> tuple[str, ...]:
        return ("EXPIRE", key, str(int(timeout_s * self.dice.uniform(0.3, 0.95))))


class StretchedTimeout(WrongTimeout):
    name = "stretched-ttl"
    title = "stretches a TTL"
    finding = "outlived-timeout"

    def instead(self, key: str, timeout_s: int) -> tuple[str, ...]:
        return ("PEXPIRE", key, str(timeout_s * 1000 + int(timeout_s * self.dice.uniform(50.0, 4000.0))))


class SlightlyStretchedTimeout(StretchedTimeout):
    name = "slightly-stretched-ttl"
    title = f"stretches a TTL by {LEAST_MS} ms"

    def instead(self, key: str, timeout_s: int) -> tuple[str, ...]:
        return ("PEXPIRE", key, str(timeout_s * 1000 + LEAST_MS))

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """A client knows that an EXPIRE was executed before its reply, and a PTTL after it was sent. The time
        that a reply and a look took hides as much of the stretch."""
        looks_us = looks_in_time(past, deed, operation, lambda step: step.does is StepKind.TOUCH)
        answered_us = max(step.done_us or 0 for step in operation.steps if step.does is deed.betrays)
        spare_us = LEAST_MS * 1000 - NOTICEABLE_US - (answered_us - deed.begun_us)
        return any(look_us < spare_us for look_us in looks_us)


class ForgottenAge(Bug):
    """Gives a session that is nearly over by its age much more than it was asked for."""

    name = "forgotten-age"
    title = "forgets an absolute timeout"
    AGE_S, LEFT_MS, WAITS_S = 1.0, 400, 0.2
    _ends_us = 0
    _there = 0

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix=QUIET_MIX, absolute_timeout_s=cls.AGE_S)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        [first, *rest] = commands
        if first.name != "PEXPIRE" or first.session is None or rest or int(first.words[2]) > self.LEFT_MS:
            return None
        self.take()
        left_ms = int(first.words[2])
        self._ends_us = self.now_us() + left_ms * 1000
        replies = await upstream.ask([Command.of("PEXPIRE", first.words[1], "300000")])
        if parsed(replies[0]) == 0:
            self.armed = True
            return replies
        self.done(
            Deed(
                session=first.session,
                did=f"PEXPIRE of {left_ms} ms became one of 300 s",
                names=one_of("outlived-age"),
                also=one_of("outlived-timeout"),
                betrays=StepKind.TOUCH,
            )
        )
        return replies

    async def finish(self) -> None:
        """The audit comes when it should be over."""
        await super().finish()
        for deed in self.deeds:
            await asyncio.sleep(max(0.0, (self._ends_us - self.now_us()) / 1e6) + self.WAITS_S)
            self._there = await self.node.exists(session_key(deed.session))

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Another touch may have given it what was left."""
        return bool(self._there)


class SilentEviction(Bug):
    """Deletes a session that is in use, and tells nobody."""

    name = "silent-eviction"
    title = "evicts, without an event"

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        session = commands[0].session
        if commands[0].name != "HGETALL" or session is None:
            return None
        self.take()
        replies = await upstream.ask(commands)
        if parsed(replies[0]) and await self.node.delete(session_key(session)):
            self.done(Deed(session=session, did="deleted", names=one_of("lost-session")))
        else:
            self.armed = True
        return replies


class RealEviction(Bug):
    """Takes memory away until the node evicts, by itself, whatever it chooses."""

    name = "real-eviction"
    title = "evicts, for want of memory"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        memory = {"maxmemory": "1gb", "maxmemory-policy": "allkeys-random"}
        return Setting(mix={**QUIET_MIX, "log-in": 0.0}, users=80, redis=memory)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        self.take()
        for too_much_bytes in (2_000, 10_000, 50_000):
            used = (await self.node.info("memory"))["used_memory"]
            # In one go, so that a busy host does not leave the node without memory for long.
            at_once = self.node.pipeline(transaction=False)
            at_once.config_set("maxmemory", used - too_much_bytes)
            at_once.ping()
            at_once.config_set("maxmemory", "1gb")
            await at_once.execute()
            if await self._evicted():
                break
        return await upstream.ask(commands)

    async def finish(self) -> None:
        await super().finish()
        self._in_all = await self._evicted()

    async def _evicted(self) -> int:
        return int((await self.node.info("stats"))["evicted_keys"])

    def has_bitten(self, past: History) -> bool:
        """Which keys the node chose, it said itself; that every one was heard is a part of the test."""
        heard = [event for event in past.events if event.name == "evicted" and event.key]
        told = {event.key: event.t_us for event in heard}
        if len(heard) != self._in_all:
            self.deeds = [
                Deed(session="?", did=f"{self._in_all} keys evicted", names=one_of("evicted-session"))
            ]
            return True
        logged_in = {one.session: one for one in past.operations if one.behaviour == "log-in"}
        for session, log_in in logged_in.items():
            names, also = set(), set()
            if log_in.outcome is Outcome.ACKED and (log_in.done_us or 0) < told.get(log_in.key, 0):
                names.add("evicted-session")
            if index_key(log_in.user) in told:
                also.add("index-drift")
            if names or also:
                self.done(
                    Deed(
                        session=session,
                        did="the session evicted" if names else "the list of the user's sessions evicted",
                        names=frozenset(names),
                        also=frozenset(also),
                        cause=Cause.EVICTED,
                    )
                )
        return any(deed.names for deed in self.deeds)


def log_in_of(past: History, session: str) -> Operation | None:
    return next((one for one in past.operations if one.session == session and one.generation == 0), None)
