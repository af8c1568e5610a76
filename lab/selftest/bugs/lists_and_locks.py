"""Bugs about what stands beside the sessions: locks, leads, and the lists of a user's sessions.

Trap: a lock held twice is a deed only where the other one was told so before, and let go of it after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Outcome, StepKind
from harness.objects.lease import LEADER, LOCK
from lab.selftest.mischief import APART_S, QUIET_MIX, Bug, Deed, Setting, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import OK, Command, encoded, parsed


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
        if first.name != "SET" or not first.words[1].startswith(LOCK.prefix) or rest:
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


class DoubledLead(Bug):
    """Grants the lead of a job that somebody leads: only says so, or gives it away."""

    name = "doubled-lead"
    title = "makes two leaders"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        lead: dict[str, str | int] = {"jobs": 2, "lease": "3s", "term": "400ms"}
        return Setting(mix={"read": 60.0, "log-in": 5.0, "lead-job": 35.0}, options={"lead-job": lead})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        [first, *rest] = commands
        if first.name != "SET" or not first.words[1].startswith(LEADER.prefix) or rest:
            return None
        self.take()
        replies = await upstream.ask(commands)
        if parsed(replies[0]) is not None:
            self.armed = True
            return replies
        _, lead, token, *how = first.words
        if self.variant % 2:
            await self.node.set(lead, token, px=int(how[-1]))
        self.done(
            Deed(
                session="",
                operation=int(token),
                did=f"operation {token} was told that it led {lead}, which another one led",
                names=one_of("two-leaders"),
            )
        )
        return [OK]

    def has_bitten(self, past: History) -> bool:
        """The other must have been told that it led before, and have counted on it after. It is the one who
        was wronged: whose session that is only the history says. Whoever else had to do with that lead just
        then may have lost it by the same deed."""
        if not self.deeds:
            return False
        (deed,) = self.deeds
        told = next((one for one in past.operations if one.id == deed.operation), None)
        told_us = min(_acquired_us(told), default=None) if told is not None else None
        if told is None or told_us is None:
            return False
        led = [
            one
            for one in past.operations
            if one.id != told.id
            and one.steps
            and one.steps[0].key == told.steps[0].key
            and any(done_us < told_us for done_us in _acquired_us(one))
            and any(step.does is not StepKind.ACQUIRE and (step.sent_us or 0) > told_us for step in one.steps)
        ]
        wronged = {one.session for one in led}
        self.deeds = [
            replace(
                deed, session=session, also=one_of("lost-update") if session == told.session else frozenset()
            )
            for session in wronged
        ]
        beside = {
            one.session
            for one in past.operations
            if one.steps
            and one.steps[0].key == told.steps[0].key
            and (one.sent_us or 0) < deed.at_us + 1e6 * APART_S
            and (one.done_us or 0) > deed.at_us - 1e6 * APART_S
        }
        either = one_of("lost-update", "two-leaders")
        self.deeds += [
            replace(deed, session=session, operation=None, names=frozenset(), also=either)
            for session in beside - wronged
        ]
        return bool(led)


def _acquired_us(operation: Operation) -> list[int]:
    return [
        step.done_us
        for step in operation.steps
        if step.does is StepKind.ACQUIRE and step.effective and step.done_us is not None
    ]
