"""Bugs about what is kept beside sessions: revocations, limits, profiles, forms that are acked and forgotten.

Trap: a revocation that is made a second time, and a count that nobody follows up, hide the deed. That is seen
in what the clients wrote down.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Outcome, StepKind
from harness.objects.counter import ATTEMPTS
from harness.objects.flag import CUT_OFF, PROFILE, REVOKED, SPENT
from harness.objects.kind import TOTAL, owner_of
from harness.objects.listed import FORM
from lab.selftest.mischief import APART_S, Bug, Deed, Setting, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import OK, Command, parsed

LIMIT = 3


class OfUsers(Bug):
    """Guards go by user or token: it remembers whose session is which."""

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self.session_of: dict[str, str] = {}

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        self.session_of |= logged_in(commands)


class LostRevocation(OfUsers):
    """Answers that a token was revoked, or a user banned, and does not do it, or takes it back."""

    name = "lost-revocation"
    title = "loses a revocation"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 20.0, "token-request": 50.0, "revoke-token": 15.0, "ban-user": 15.0})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        kept = CUT_OFF if self.variant % 4 < 2 else REVOKED
        if first.name != "SET" or not first.words[1].startswith(kept.prefix):
            return None
        _, key, value, *_ = first.words
        session = owner_of(key) if kept is REVOKED else self.session_of.get(owner_of(key))
        if session is None:
            return None
        self.take()
        replies: Sequence[bytes] = [OK]
        if self.variant % 2:
            replies = await upstream.ask(commands)
            await self.node.delete(key)
        self.done(
            Deed(
                session=session,
                did=f"SET of {key} answered, and nothing is left of it",
                names=one_of("revocation-lost"),
                operation=int(value),
                betrays=StepKind.PUT,
            )
        )
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Nobody may have revoked it again."""
        key = operation.steps[0].key
        return operation.session == deed.session and not any(
            step.does is StepKind.PUT and step.key == key and (step.done_us or 0) > (operation.sent_us or 0)
            for one in past.operations
            if one.id != operation.id
            for step in one.steps
        )


class ForgottenUse(OfUsers):
    """Answers that a one-time token was spent, and leaves nothing of it."""

    name = "forgotten-use"
    title = "accepts a spent token"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 40.0, "log-in": 5.0, "remember-me": 55.0}, users=60)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SET" or not first.words[1].startswith(SPENT.prefix):
            return None
        _, key, value, *_ = first.words
        if owner_of(key) not in self.session_of.values():  # an earlier one: whose request it is nobody says
            return None
        self.take()
        replies = await upstream.ask(commands)
        if parsed(replies[0]) is None:
            self.armed = True
            return replies
        await self.node.delete(key)
        self.done(
            Deed(
                session=owner_of(key),
                did=f"SET of {key} answered, and nothing is left of it",
                names=one_of("token-replayed"),
                operation=int(value),
                betrays=StepKind.PUT,
            )
        )
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Nobody who came meanwhile may have been told "spent" first, before it was deleted: all others are
        let in once more, or the audit finds nothing."""
        return operation.session == deed.session


class ForgottenAttempts(OfUsers):
    """Forgets what a limit has counted: at the limit, or below it."""

    name = "forgotten-attempts"
    title = "forgets attempts"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(
            mix={"read": 40.0, "try-password": 60.0}, users=12, options={"try-password": {"limit": LIMIT}}
        )

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        [first, *rest] = commands
        if first.name != "EVAL" or rest or not first.words[3].startswith(ATTEMPTS.prefix):
            return None
        key = first.words[3]
        session = self.session_of.get(owner_of(key))
        if session is None:
            return None
        self.take()
        replies = await upstream.ask(commands)
        counted = int(str(parsed(replies[0])))
        if (counted >= LIMIT) != bool(self.variant % 2):
            self.armed = True
            return replies
        await self.node.delete(key)
        self.done(
            Deed(
                session=session,
                did=f"what {key} had counted was forgotten at {counted}",
                names=one_of("limit-bypassed", *(() if self.variant % 2 else ("count-drift",))),
                betrays=StepKind.COUNT,
            )
        )
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """The window must have begun with a count whose reply is known."""
        return any(
            one.user == operation.user and step.added_now.get(TOTAL) == 1
            for one in past.operations
            if one.outcome is Outcome.ACKED and (one.done_us or 0) < (deed.at_us)
            for step in one.steps
        )


class ForgottenProfile(OfUsers):
    """Answers that a profile was written, and leaves the one from before, or none."""

    name = "forgotten-profile"
    title = "forgets a profile"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 20.0, "read-profile": 60.0, "change-profile": 20.0}, users=48)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SET" or not first.words[1].startswith(PROFILE.prefix):
            return None
        _, key, value, *_ = first.words
        session = self.session_of.get(owner_of(key))
        if session is None:
            return None
        self.take()
        if self.variant % 2:
            await self.node.delete(key)
        self.done(
            Deed(
                session=session,
                did=f"SET of {key} answered, and nothing is left of it",
                names=one_of("profile-outdated"),
                operation=int(value),
                betrays=StepKind.PUT,
            )
        )
        return [OK]

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """It is there to be looked for until the next one is written, and somebody must look meanwhile; the
        audit does where nobody writes it again."""
        key = operation.steps[0].key
        others = [
            (one.does, one.sent_us or 0)
            for each in past.operations
            if each.id != operation.id
            for one in each.steps
            if one.key == key and (one.done_us or 0) > (operation.sent_us or 0)
        ]
        written_us = min((at for does, at in others if does is StepKind.PUT), default=None)
        looks = [at for does, at in others if does is StepKind.LOOK and at > (operation.done_us or 0)]
        return operation.session == deed.session and (
            written_us is None or any(at + APART_S * 1e6 < written_us for at in looks)
        )


class ForgottenStep(OfUsers):
    """Answers that a step of a form was entered, and takes it out again."""

    name = "forgotten-step"
    title = "forgets a step of a form"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 40.0, "fill-form": 60.0}, options={"fill-form": {"steps": 50}})

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "RPUSH" or not first.words[1].startswith(FORM.prefix):
            return None
        self.take()
        key = first.words[1]
        replies = await upstream.ask(commands)
        if self.variant % 2:
            await self.node.delete(key)
        else:
            await self.node.rpop(key)
        self.done(
            Deed(
                session=owner_of(key),
                did=f"what was entered in {key} was taken out again",
                names=one_of("step-lost"),
                betrays=StepKind.COUNT,
            )
        )
        return replies

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """The form must have begun with a step whose reply is known, and no step may have been under way."""
        begun = any(
            step.added_now.get(TOTAL) == 1 and step.key == FORM.key(deed.session)
            for one in past.operations
            if one.outcome is Outcome.ACKED and (one.done_us or 0) < deed.at_us
            for step in one.steps
        )
        return begun and operation.session == deed.session


def logged_in(commands: list[Command]) -> dict[str, str]:
    """The user and the session of a log-in."""
    if len(commands) < 3 or commands[0].name != "MULTI" or commands[1].name != "HSET":
        return {}
    words = commands[1].words
    values = dict(zip(words[2::2], words[3::2], strict=True))
    session = commands[1].session
    return {values["user_id"]: session} if session is not None and "user_id" in values else {}
