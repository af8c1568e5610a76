"""A session of nobody: what a store keeps for a visitor who never logged in (a bot, a health check).

Promise: there is none. An application that saves sessions before they hold anything (`saveUninitialized`)
fills its memory with them; on an instance that evicts they push out those of users.

The model. Each one that a request certainly stored is one too many, and the request itself is the sight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.model.finding_kind import FindingKind
from harness.model.words import FindingSide, StepKind
from harness.objects.flag import SHOWN_OF_OWNER
from harness.objects.kind import VALUE, Breach, Look, OneValue, Past, owner_of

ORPHAN_SESSION = FindingKind(
    name="orphan-session",
    side=FindingSide.CLOSED,
    sentence="a session is stored that nobody has logged in to",
    needs=frozenset(),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unused(OneValue):
    field: ClassVar[str] = VALUE
    what: str
    once: bool = False

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return (ORPHAN_SESSION,)

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)[:SHOWN_OF_OWNER]}"

    def holds_until_us(self, past: Past) -> float | None:  # noqa: ARG002 - the protocol's
        return None

    def judge(self, past: Past) -> Sequence[Breach]:
        stored = [one for one in past.changes if one.does is StepKind.PUT and one.certain]
        if not stored:
            return []
        first = min(stored, key=lambda one: one.sent_us)
        look = Look(n=first.n, value=first.value, sent_us=first.sent_us, done_us=first.done_us)
        return [Breach(kind=ORPHAN_SESSION, promise=first, looks=[look], says="stored {it}")]


UNUSED = Unused(prefix="visitor:", what="the empty session of visitor")
"""By the id that a visitor without a log-in was given."""
