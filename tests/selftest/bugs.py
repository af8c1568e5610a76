"""The bugs, one class each. Every one does its deed once in a run, to one session of its own choice.

`names` are the names that the ledger gives to such a deed; which of several is right follows from
whom it hit and from what happened afterwards. Only a proxy did it, so the cause is `not determined`
wherever the node itself left no evidence (a client's retry and an eviction do).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Cause, Outcome, StepKind
from harness.sessions.commands import index_key, session_key, witness_key
from tests.selftest.mischief import (
    APART_S,
    QUIET_MIX,
    Bug,
    Deed,
    Setting,
    count_of,
    fields_of,
    looked_in_time,
    one_of,
)
from tests.selftest.proxy import Upstream
from tests.selftest.resp import Command, Write, encoded, parsed, write_in

OK = b"+OK\r\n"
QUEUED = b"+QUEUED\r\n"


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


class UndoneDelete(Bug):
    """Brings a session back after its delete was acked, or only claims to have deleted it."""

    name = "undone-delete"
    title = "undoes a delete"
    _back: Sequence[str] = ()

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={**QUIET_MIX, "logout-everywhere" if seed % 2 else "logout": 8.0})

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
            names=one_of("escaped-logout" if self.variant % 2 else "resurrected-session"),
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


class StaleRead(Bug):
    """Answers a read with what the session was before an acked write."""

    name = "stale-read"
    title = "serves a stale value"

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._shown: dict[str, bytes] = {}
        self._before: dict[str, tuple[float, int, bytes]] = {}
        """Session -> when a write was acked, which, and the reply that a read had got before it."""
        self._write = 0
        self._served: dict[str, str] = {}

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        session = commands[0].session
        now_s = asyncio.get_running_loop().time()
        if commands[0].name != "HGETALL" or session not in self._before:
            return None
        acked_s, operation, old = self._before[session]
        if now_s < acked_s + APART_S:
            return None
        self.take()
        replies = await upstream.ask(commands)
        if not parsed(replies[0]):
            self.armed = True
            return replies
        did = f"a read answered as it was before operation {operation}"
        self._write, self._served = operation, fields_of(old)
        self.done(Deed(session=session, did=did, names=one_of("stale-read"), betrays=StepKind.READ))
        return [old, *replies[1:]]

    def shows(self, past: History, deed: Deed, _operation: Operation) -> bool:
        """The write must have been done before the read was sent, for the client as well, and what was
        served must really be older."""
        write = next(one for one in past.operations if one.id == self._write)
        new = write.steps[0].wrote
        older = all(self._served.get(name) != value for name, value in new.items())
        looks_us = served_at_us(past, deed.session, self._served)
        done_us = write.done_us or 0
        return older and write.outcome is Outcome.ACKED and any(sent_us > done_us for sent_us in looks_us)

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        session, write = commands[0].session, write_in(commands)
        if session is None:
            return
        if commands[0].name == "HGETALL" and len(replies[0]) > len(encoded([])):
            self._shown[session] = replies[0]
            return
        there = write is not None and write.verb == "HSET" and count_of(replies[0]) > 1
        if write is not None and there and session in self._shown:
            acked_s = asyncio.get_running_loop().time()
            self._before[session] = (acked_s, write.operation, self._shown.pop(session))


class ForeignValue(Bug):
    """Answers a read with another user's session, or with one of its values."""

    name = "foreign-value"
    title = "serves another user's value"

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._others: dict[str, bytes] = {}
        self._served: dict[str, str] = {}

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        session = commands[0].session
        others = [one for one in self._others if one != session]
        if commands[0].name != "HGETALL" or session is None or not others:
            return None
        self.take()
        replies = await upstream.ask(commands)
        mine, other = fields_of(replies[0]), self._others[self.dice.choice(others)]
        theirs = fields_of(other)
        if not mine or mine["user_id"] == theirs["user_id"]:
            self.armed = True
            return replies
        if self.variant % 2:
            did, name = "a read answered with another session", "foreign-session"
        else:
            mine["ip"] = theirs["ip"]
            other = encoded([text for pair in mine.items() for text in pair])
            did, name = "one field of a read answered from another session", "unwritten-value"
        self._served = fields_of(other)
        self.done(Deed(session=session, did=did, names=one_of(name), betrays=StepKind.READ))
        return [other, *replies[1:]]

    def shows(self, past: History, deed: Deed, _operation: Operation) -> bool:
        """The client must have got it."""
        return bool(served_at_us(past, deed.session, self._served))

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        session = commands[0].session
        if commands[0].name == "HGETALL" and session and len(replies[0]) > len(encoded([])):
            self._others[session] = replies[0]


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
        replies = await upstream.ask(changed)
        if commands[0].name != "MULTI" and parsed(replies[which]) == 0:
            if not await self.node.exists(command.words[1]):
                self.armed = True
                return replies
            replies[which] = encoded(1)
        did = f"{' '.join(command.words)} became {' '.join(instead)}"
        kind = StepKind.CREATE if commands[0].name == "MULTI" else StepKind.TOUCH
        self.done(Deed(session=command.session, did=did, names=one_of(self.finding), betrays=kind))
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
        return ("EXPIRE", key, str(int(timeout_s * self.dice.uniform(1.05, 5.0))))


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


class LostIndexMember(Bug):
    """Answers that a session was entered in its user's index, and does not enter it, or takes it out."""

    name = "lost-member"
    title = "loses an index member"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={**QUIET_MIX, "log-in": 12.0, "logout-everywhere": 4.0})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SADD" or not first.words[1].startswith("user:{"):
            return None
        self.take()
        index, session = first.words[1], first.words[2]
        if self.variant % 2:
            replies = [encoded(1), *await upstream.ask(commands[1:])]
        else:
            replies = await upstream.ask(commands)
            await self.node.srem(index, session)
        did = f"SADD of {index} answered, and nothing is left of it"
        names = one_of("index-drift")
        self.done(Deed(session=session, did=did, names=names, betrays=StepKind.INDEX_ADD))
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Whoever logs out everywhere afterwards leaves that session alive: so it is called then. While
        the log-in was still under way, either name is right."""
        calls = [
            one
            for one in past.operations
            if one.behaviour == "logout-everywhere"
            and one.user == operation.user
            and one.outcome is Outcome.ACKED
            and (one.done_us or 0) > (operation.sent_us or 0)
        ]
        if any((one.sent_us or 0) > (operation.done_us or 0) for one in calls):
            self.deeds = [replace(deed, names=one_of("escaped-logout"), also=one_of("index-drift"))]
        elif calls:
            self.deeds = [replace(deed, names=one_of("escaped-logout", "index-drift"))]
        return True


class LateDelivery(Bug):
    """Holds what a client sent until the client gave up, tried again, and somebody wrote after it."""

    name = "late-delivery"
    title = "delivers an old attempt late"
    WITHIN_S = 1.3

    @classmethod
    def setting(cls, seed: int) -> Setting:
        users = {"log-in": 4.0, "logout": 16.0} if seed % 4 == 0 else {"log-in": 0.0}
        mix = {"read": 30.0, "touch": 5.0, "change-field": 45.0, "cart": 5.0, **users}
        return Setting(mix=mix, users=4, socket_timeout_s=0.3, retries=1)

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


class DoubledLock(Bug):
    """Grants a lock that somebody holds: only says so, or gives it away."""

    name = "doubled-lock"
    title = "grants a lock twice"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        mix = {"read": 40.0, "touch": 5.0, "change-field": 15.0, "lock": 40.0}
        return Setting(mix=mix, users=6, options={"lock": {"hold": "150ms", "tries": 3}})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        [first, *rest] = commands
        if first.name != "SET" or not first.words[1].startswith("lock:") or rest:
            return None
        self.take()
        replies = await upstream.ask(commands)
        if parsed(replies[0]) is not None:
            self.armed = True
            return replies
        _, lock, token, *how = first.words
        if self.variant % 2:
            await self.node.set(lock, token, px=int(how[-1]))
        self.done(
            Deed(
                session=lock[lock.index("{") + 1 : -1],
                operation=int(token),
                did=f"operation {token} was told that it had the lock, which another one held",
                names=one_of("lock-held-twice"),
                also=one_of("lost-update"),
                betrays=StepKind.ACQUIRE,
            )
        )
        return [OK]

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """The other must have been told that it had the lock before, and let go of it after."""
        told_us = min(_acquired_us(operation))
        return any(
            one.id != operation.id
            and one.session == deed.session
            and any(done_us < told_us for done_us in _acquired_us(one))
            and any(step.does is StepKind.RELEASE and (step.sent_us or 0) > told_us for step in one.steps)
            for one in past.operations
        )


def _acquired_us(operation: Operation) -> list[int]:
    return [
        step.done_us
        for step in operation.steps
        if step.does is StepKind.ACQUIRE and step.effective and step.done_us is not None
    ]


def served_at_us(past: History, session: str, fields: dict[str, str]) -> list[int]:
    """When the reads were sent that were shown exactly this."""
    return [
        step.sent_us or 0
        for operation in past.operations
        if operation.session == session
        for step in operation.steps
        if step.saw == fields
    ]


def log_in_of(past: History, session: str) -> Operation | None:
    return next((one for one in past.operations if one.session == session and one.generation == 0), None)


BUGS: tuple[type[Bug], ...] = (
    DroppedWrite,
    UndoneDelete,
    StaleRead,
    ForeignValue,
    ForgottenTimeout,
    ShortenedTimeout,
    StretchedTimeout,
    SilentEviction,
    RealEviction,
    DoubledLock,
    DoubledIncrement,
    LostIndexMember,
    LateDelivery,
    TornWrite,
)
