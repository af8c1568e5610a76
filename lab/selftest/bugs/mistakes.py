"""Bugs that only hurt together with what the application does: it lets in without an answer, never checks its
lease, keeps sessions of nobody.

Trap: the application is set so for the whole run, and the deed is done once. So nothing but the deed may
bring the mistake out; where it always comes out (`StoredForNobody`), one user has the site alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import Operation
from harness.model.words import Cause, Outcome, StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import REVOKED, SPENT
from harness.objects.kind import owner_of
from harness.objects.lease import LOCK
from harness.objects.unused import UNUSED
from lab.selftest.bugs.guards import OfUsers, logged_in
from lab.selftest.mischief import Bug, Deed, Setting, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import OK, Command, parsed

LOADING = b"-LOADING Redis is loading the dataset in memory\r\n"
FULL = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
MANY = 1_000_000
"""A limit that nobody reaches."""
LEASE_S, SLOW_S = 2.5, 3.0
"""Longer than a busy machine keeps the holder of a lock waiting."""


class BurntToken(OfUsers):
    """Spends a one-time token and answers nobody."""

    name = "burnt-token"
    title = "spends a token without an answer"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 30.0, "log-in": 10.0, "remember-me": 60.0}, users=12)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SET" or not first.words[1].startswith(SPENT.prefix):
            return None
        _, key, value, *_ = first.words
        if owner_of(key) not in self.session_of.values():
            return None
        self.take()
        replies = await upstream.ask(commands)
        if parsed(replies[0]) is None:  # spent before
            self.armed = True
            return replies
        did = f"SET of {key} carried out, and not answered"
        self.done(
            Deed(
                session=owner_of(key),
                did=did,
                names=one_of("token-burnt"),
                operation=int(value),
                cause=Cause.ANSWER_LOST,
            )
        )
        return []

    def has_bitten(self, past: History) -> bool:
        """Its owner must come with it again, and be refused."""
        return any(
            step.key == SPENT.key(deed.session)
            and step.outcome is Outcome.ACKED
            and step.effective is False
            and (step.sent_us or 0) > deed.at_us
            for deed in self.deeds
            for operation in past.operations
            for step in operation.steps
        )


class UnansweredGuard(OfUsers):
    """Answers a guard's question with an error, and the application lets in."""

    name = "unanswered-guard"
    title = "does not answer a guard"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        options = {"token-request": {"when_unreachable": "let-in"}}
        return Setting(mix={"read": 50.0, "token-request": 50.0}, options=options)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "GET" or not first.words[1].startswith(REVOKED.prefix):
            return None
        session = owner_of(first.words[1])
        if session not in self.session_of.values():
            return None
        self.take()
        did = f"GET of {first.words[1]} refused"
        self.done(Deed(session=session, did=did, names=one_of("let-in-unchecked")))
        return [LOADING for _ in commands]


class GuardBeforeSession(OfUsers):
    """Answers a guard that stands in front of the session with an error, and the application refuses. It is a
    limiter or a denylist, whose Redis is full or not ready."""

    name = "guard-before-session"
    title = "does not answer a guard that is asked before the session"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        behaviour = "try-password" if seed % 2 else "token-request"
        given: dict[str, str | int] = {"asked": "before-session"}
        options = {behaviour: given | ({"limit": MANY} if seed % 2 else {})}
        return Setting(mix={"read": 40.0, "touch": 10.0, behaviour: 50.0}, options=options)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name == "EVAL" and first.words[3].startswith(ATTEMPTS.prefix):
            key, error, cause = first.words[3], FULL, Cause.OUT_OF_MEMORY
            session = self.session_of.get(owner_of(key))
        elif first.name == "GET" and first.words[1].startswith(REVOKED.prefix):
            key, error, cause = first.words[1], LOADING, Cause.NOT_DETERMINED
            session = owner_of(key)
        else:
            return None
        if session is None or session not in self.session_of.values():
            return None
        self.take()
        did = f"{first.name} of {key} refused"
        self.done(Deed(session=session, did=did, names=one_of("refused-session"), cause=cause))
        return [error for _ in commands]


class SlowUnderLock(Bug):
    """Takes longer than a lease to answer its holder, who does not look at the clock."""

    name = "slow-under-lock"
    title = "answers slower than a lease lasts"

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._locked: set[str] = set()

    @classmethod
    def setting(cls, seed: int) -> Setting:
        options = {"lock": {"lease": f"{LEASE_S * 1000:.0f}ms", "hold": "1ms", "check_lease": "false"}}
        mix = {"log-in": 10.0, "change-field": 75.0, "lock": 15.0}
        return Setting(mix=mix, users=200, socket_timeout_s=4 * SLOW_S, options=options)

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        """Whoever gets a lock reads its session next; nobody else reads."""
        first = commands[0]
        if first.name == "SET" and first.words[1].startswith(LOCK.prefix) and replies[0] == OK:
            self._locked.add(owner_of(first.words[1]))

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "HGETALL" or first.session not in self._locked:
            return None
        self.take()
        replies = await upstream.ask(commands)
        await asyncio.sleep(SLOW_S)
        self.done(
            Deed(
                session=first.session,
                did=f"HGETALL of {first.words[1]} answered after {SLOW_S:g} s",
                names=one_of("lease-overrun"),
                cause=Cause.APPLICATION_RACE,
                begun_us=self.now_us(),
            )
        )
        return replies

    def explains(self, past: History, finding: Finding) -> bool:
        """A machine that is late keeps a holder waiting as this bug does: nobody here looks at the clock."""
        overran = {one.id for one in past.operations if _wrote_after_s(one) > LEASE_S}
        return finding.name == "lease-overrun" and finding.operations[0] in overran

    def has_bitten(self, past: History) -> bool:
        """Nobody else may have had the lock: what that costs is another finding."""
        return bool(self.deeds) and all(_alone(past, deed) for deed in self.deeds)


class StoredForNobody(Bug):
    """The application stores a session for each visitor."""

    name = "stored-for-nobody"
    title = "stores sessions of nobody"

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._session = ""

    @classmethod
    def setting(cls, seed: int) -> Setting:
        options = {"greet-visitor": {"save_empty": "true"}}
        return Setting(mix={"read": 60.0, "greet-visitor": 40.0}, users=1, options=options)

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        for session in logged_in(commands).values():
            self._session = session

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SET" or not first.words[1].startswith(UNUSED.prefix) or not self._session:
            return None
        self.take()
        self.done(
            Deed(
                session=self._session,
                did=f"{first.words[1]} stored",
                names=one_of("orphan-session"),
                betrays=StepKind.PUT,
            )
        )
        return await upstream.ask(commands)


def _wrote_after_s(operation: Operation) -> float:
    """How long after it was told that it has a lock it sent its last write; 0: it has sent none."""
    told_us = [
        one.done_us
        for one in operation.steps
        if one.does is StepKind.ACQUIRE and one.effective and one.done_us is not None
    ]
    writes = {one.n for one in operation.steps if one.does is StepKind.WRITE}
    sent_us = [
        one.sent_us for one in operation.attempts if one.sent_us is not None and writes & set(one.steps)
    ]
    return (max(sent_us) - told_us[0]) / 1e6 if told_us and sent_us else 0.0


def _alone(past: History, deed: Deed) -> bool:
    holders = [
        step
        for operation in past.operations
        for step in operation.steps
        if step.key == LOCK.key(deed.session)
        and step.does is StepKind.ACQUIRE
        and step.outcome is not Outcome.REJECTED
        and step.effective is not False
    ]
    return len(holders) == 1
