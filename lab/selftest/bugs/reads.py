"""Bugs about what is read: an answer of yesterday, or somebody else's.

Trap: what was served counts only if the client got it, so it is looked for in what was recorded.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import Outcome, StepKind
from lab.selftest.mischief import APART_S, Bug, Deed, count_of, fields_of, one_of
from lab.selftest.proxy import Upstream
from lab.selftest.resp import Command, encoded, parsed, write_in


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


def served_at_us(past: History, session: str, fields: dict[str, str]) -> list[int]:
    """When the reads were sent that were shown exactly this."""
    return [
        step.sent_us or 0
        for operation in past.operations
        if operation.session == session
        for step in operation.steps
        if step.saw == fields
    ]
