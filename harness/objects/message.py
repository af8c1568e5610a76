"""A message to all web servers (`PUBLISH`): that a session has ended, so that nobody trusts a cached copy.

Promise: soon after it was sent every web server has heard it, or does not trust what it has cached.

The model. No node keeps a message, so no audit asks for it; what a web server has heard is known there
alone. A web server that serves a session from its own memory looks at what it has heard. If it has not heard,
long after the message was sent, the message is lost.

Trap: a message needs a moment, and a silent line is noticed only after a while. `HEARD_WITHIN_S` is far more
than a healthy subscriber needs, and more than it takes to notice that one is deaf.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.model.finding_kind import FindingKind, FindingTrait, OutOf
from harness.model.words import FindingSide, StepKind
from harness.objects.flag import SHOWN_OF_OWNER
from harness.objects.kind import VALUE, Breach, Command, OneValue, Past, Reply, owner_of

HEARD_WITHIN_S = 5.0

MESSAGE_LOST = FindingKind(
    name="message-lost",
    side=FindingSide.OPEN,
    sentence="a web server let a user in from its own cache, long after the user had signed out",
    needs=frozenset(),
    out_of=OutOf.LOGOUTS,
    traits=(FindingTrait.SURE_AT_THE_END,),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(OneValue):
    field: ClassVar[str] = VALUE
    what: str
    once: bool = False

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return (MESSAGE_LOST,)

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)[:SHOWN_OF_OWNER]}"

    def questions(self, key: str) -> tuple[Command, ...]:  # noqa: ARG002 - the protocol's
        return ()

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:  # noqa: ARG002 - the protocol's
        return {}, None

    def looked(self, saw: Mapping[str, str]) -> str | None:
        return saw.get(VALUE)

    def holds_until_us(self, past: Past) -> float | None:  # noqa: ARG002 - the protocol's
        """Nobody can look for it afterwards."""
        return None

    def judge(self, past: Past) -> Sequence[Breach]:
        sent = [one for one in past.changes if one.does is StepKind.PUT and one.certain]
        if not sent:
            return []
        first = min(sent, key=lambda one: one.done_us)
        since_us = first.done_us + HEARD_WITHIN_S * 1e6
        deaf = [look for look in past.looks if look.value is None and look.sent_us > since_us]
        if not deaf:
            return []
        deaf.sort(key=lambda one: one.sent_us)
        return [
            Breach(
                kind=MESSAGE_LOST,
                promise=first,
                looks=deaf,
                says="had not heard {it} and served a cached copy",
            )
        ]


ENDED = Message(prefix="ended:", what="of the end of session")
"""A session has ended, by its id."""
