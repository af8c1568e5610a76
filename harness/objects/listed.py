"""A list that only grows within its time (`RPUSH`, `PEXPIRE`): what was entered stays, in its order.

Promise: from its ack until the list ends whoever looks sees the entry. The reply to RPUSH is the list's
length, so entering is counting, and the model is the counter's (`harness.objects.counter`) without a limit:
no length is given twice, and nobody sees a shorter list than one that was acked before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.finding_kind import FindingKind, FindingTrait
from harness.model.words import FindingSide
from harness.objects.counter import Counter
from harness.objects.flag import SHOWN_OF_OWNER
from harness.objects.kind import Command, Reply, owner_of

STEP_LOST = FindingKind(
    name="step-lost",
    side=FindingSide.CLOSED,
    sentence="a finished step of a form is gone",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed(Counter):
    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)[:SHOWN_OF_OWNER]}"

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("LLEN", key), ("PTTL", key))

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        length, pttl_ms = replies
        return ({self.field: str(length)} if length else {}), pttl_ms


FORM = Listed(
    prefix="form:", what="the finished steps of the form of session", beyond=STEP_LOST, behind=STEP_LOST
)
"""The steps of a form that a user has finished, by session."""
