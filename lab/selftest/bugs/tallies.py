"""Bugs about numbers, whole-session saves, addresses and messages: acked, and not done.

Trap: a tally belongs to nobody. So one user has the site alone: whatever is said of the number is said of
that user's session.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Cause, StepKind
from harness.objects.flag import ADDRESS
from harness.objects.kind import ObjectKind, owner_of
from harness.objects.message import ENDED, HEARD_WITHIN_S
from harness.objects.saved import SAVED
from harness.objects.tally import ONLINE, STATISTICS
from lab.selftest.bugs.guards import logged_in
from lab.selftest.mischief import APART_S, Bug, Deed, Setting, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import OK, Command, encoded

ONE = encoded(1)


class _Alone(Bug):
    """One user; it remembers the session."""

    command: ClassVar[str]
    kept: ClassVar[ObjectKind]

    def __init__(self, *given: object) -> None:
        super().__init__(*given)  # type: ignore[arg-type]
        self._session = ""

    def notice(self, commands: list[Command], replies: Sequence[bytes]) -> None:
        for session in logged_in(commands).values():
            self._session = session

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != self.command or not first.words[1].startswith(self.kept.prefix) or not self._session:
            return None
        self.take()
        key = first.words[1]
        self.done(
            Deed(
                session=self._session,
                did=f"{self.command} of {key} answered, and not carried out",
                names=one_of("count-drift"),
                betrays=StepKind.PUT,
            )
        )
        return [ONE for _ in commands]


class ForgottenVisit(_Alone):
    """Answers that a visit was entered, and leaves nothing of it."""

    name = "forgotten-visit"
    title = "forgets a visit"
    command, kept = "ZADD", ONLINE

    @classmethod
    def setting(cls, seed: int) -> Setting:
        options = {"count-online": {"stay": "600ms", "lifetime": "20s"}}
        return Setting(mix={"read": 30.0, "count-online": 70.0}, users=1, options=options)

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Somebody must have counted while the visit was open."""
        entered, *left = (one for one in operation.steps if one.key == ONLINE.key("site"))
        gone_us = min((one.sent_us or 0 for one in left), default=float("inf"))
        return any(
            (one.sent_us or 0) > (entered.done_us or 0) and (one.done_us or 0) < gone_us
            for each in past.operations
            for one in each.steps
            if one.does is StepKind.LOOK and one.key == entered.key and one.saw is not None
        )


class ForgottenEvent(_Alone):
    """Answers that an event was counted, and does not count it."""

    name = "forgotten-event"
    title = "forgets an event"
    command, kept = "HINCRBY", STATISTICS

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 40.0, "count-event": 60.0}, users=1)


class ForgottenMove(Bug):
    """Answers that a session moved to another address, and leaves it at the old one, or at none."""

    name = "forgotten-move"
    title = "forgets a move"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read": 20.0, "check-address": 60.0, "move-address": 20.0}, users=48)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "SET" or not first.words[1].startswith(ADDRESS.prefix):
            return None
        self.take()
        _, key, value, *_ = first.words
        if self.variant % 2:
            await self.node.delete(key)
        self.done(
            Deed(
                session=owner_of(key),
                did=f"SET of {key} answered, and nothing is left of it",
                names=one_of("binding-bypassed"),
                operation=int(value.partition(":")[0]),
                betrays=StepKind.PUT,
            )
        )
        return [OK]

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Somebody looks before it moves again; where it never does the audit looks."""
        key = operation.steps[0].key
        others = [
            (one.does, one.sent_us or 0)
            for each in past.operations
            if each.id != operation.id
            for one in each.steps
            if one.key == key and (one.done_us or 0) > (operation.sent_us or 0)
        ]
        moved_us = min((at for does, at in others if does is StepKind.PUT), default=None)
        looks = [at for does, at in others if does is StepKind.LOOK and at > (operation.done_us or 0)]
        return moved_us is None or any(at + APART_S * 1e6 < moved_us for at in looks)


class ForgottenSave(Bug):
    """Answers that a whole session was stored, and leaves it as it was."""

    name = "forgotten-save"
    title = "forgets a whole-session save"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        options = {"save-session": {"work": "1ms"}}
        return Setting(mix={"read": 40.0, "save-session": 60.0}, users=80, options=options)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        key = _saved(commands)
        if key is None:
            return None
        self.take()
        self.done(
            Deed(
                session=owner_of(key),
                did=f"a save of {key} answered, and not carried out",
                names=one_of("save-lost"),
                betrays=StepKind.PUT,
            )
        )
        return [ONE]

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """It is missing for good, and nobody who saved at the same time may have carried it away."""
        begun_us, done_us = operation.sent_us or 0, operation.done_us or 0
        return not any(
            (one.sent_us or 0) <= done_us and (one.done_us or 0) >= begun_us
            for one in past.operations
            if one.id != operation.id and one.session == deed.session and one.behaviour == operation.behaviour
        )


class SaveOverAnother(Bug):
    """Stores a whole session although somebody else has stored since."""

    name = "save-over-another"
    title = "stores over what it should have compared with"

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(
            mix={"read": 20.0, "save-session": 80.0}, users=4, options={"save-session": {"work": "40ms"}}
        )

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        key = _saved(commands)
        if key is None:
            return None
        self.take()
        replies = await upstream.ask(commands)
        if replies[0] == ONE:
            self.armed = True
            return replies
        await self.node.set(key, commands[0].words[5])
        self.done(
            Deed(
                session=owner_of(key),
                did=f"{key} was stored over what another request had stored",
                names=one_of("save-overwritten"),
                cause=Cause.APPLICATION_RACE,
            )
        )
        return [ONE]


class MutedMessage(Bug):
    """Answers that a message reached the web servers, and passes it on to nobody."""

    name = "muted-message"
    title = "loses a message"
    more_s = 12.0

    @classmethod
    def setting(cls, seed: int) -> Setting:
        return Setting(mix={"read-cached": 99.5, "end-session": 0.5}, users=2)

    async def misbehave(self, commands: list[Command], upstream: Upstream) -> Sequence[bytes] | None:
        first = commands[0]
        if first.name != "PUBLISH":
            return None
        self.take()
        session, _, operation = first.words[2].partition(" ")
        self.done(
            Deed(
                session=session,
                did="a message answered, and passed on to nobody",
                names=one_of("message-lost"),
                operation=int(operation),
                betrays=StepKind.PUT,
            )
        )
        return [encoded(2)]

    @property
    def waiting(self) -> bool:
        """Until web servers have had the time that a message may take, and a second more."""
        late_us = (HEARD_WITHIN_S + 1.5) * 1e6
        return super().waiting or any(self.now_us() < deed.at_us + late_us for deed in self.deeds)

    def shows(self, past: History, deed: Deed, operation: Operation) -> bool:
        """Somebody must have come with the session after that, to a web server with a copy."""
        since_us = (operation.done_us or 0) + HEARD_WITHIN_S * 1e6
        return any(
            one.key == ENDED.key(deed.session) and one.saw == {} and (one.sent_us or 0) > since_us
            for each in past.operations
            for one in each.steps
        )


def _saved(commands: list[Command]) -> str | None:
    """The key of a whole-session save that compares."""
    [first, *rest] = commands
    if rest or first.name != "EVAL" or not first.words[3].startswith(SAVED.prefix):
        return None
    return first.words[3]
