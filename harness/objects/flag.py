"""A flag: one value under one key that holds for a while (`SET ... EX`), and then is gone: a revocation, a
ban, a profile.

Promise: from its ack until its time runs out everybody who asks sees it, or what was put there later.

The model. A look that does not see the flag breaks the promise if the flag was certainly put before the look
was sent, its earliest end lies behind the look, and nothing may have taken it away in between. A look that
sees another value breaks it if everything that may have written that value was over before the flag was put.
What nobody may have written is unexplained. Where a flag is put only once (`SET NX`), putting it is a look as
well: it was not there before.

Trap: a flag that is put again lives longer, or shorter. The earliest end is that of all that may have been
put since. That a flag outlives its time is not judged: it guards for longer than it must.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from harness.costly import np
from harness.model.finding_kind import FindingKind, FindingTrait, OutOf
from harness.model.words import LET_IN_UNCHECKED, FindingSide, StepKind
from harness.objects.kind import SOMETHING, VALUE, Breach, Change, Look, OneValue, Past, owner_of
from harness.objects.told import ABSENT, NO_TTL, Calm, Told

REVOCATION_LOST = FindingKind(
    name="revocation-lost",
    side=FindingSide.OPEN,
    sentence="a token that was revoked, or is older than its user's ban, is valid again",
    out_of=OutOf.LOGOUTS,
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

TOKEN_REPLAYED = FindingKind(
    name="token-replayed",
    side=FindingSide.OPEN,
    sentence="a one-time token that was spent works again",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

TOKEN_BURNT = FindingKind(
    name="token-burnt",
    side=FindingSide.CLOSED,
    sentence="a one-time token is refused as spent, and nobody was ever let in with it",
    needs=frozenset(),
)

PROFILE_OUTDATED = FindingKind(
    name="profile-outdated",
    side=FindingSide.CLOSED,
    sentence="a user's profile is older than its last confirmed change",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

BINDING_BYPASSED = FindingKind(
    name="binding-bypassed",
    side=FindingSide.OPEN,
    sentence="a session is bound to an address that its user had left, or to none",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

SHOWN_OF_OWNER = 8
"""Letters of a session's id in a sentence, enough to find it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(OneValue):
    field: ClassVar[str] = VALUE
    what: str
    """`the revocation of token`."""
    lost: FindingKind
    once: bool = False
    """Put with NX: whoever puts it has seen that it was not there."""
    burnt: FindingKind | None = None
    """Somebody meets it, and whoever put it was never told so."""

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return (self.lost,) if self.burnt is None else (self.lost, self.burnt)

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)[:SHOWN_OF_OWNER]}"

    def holds_until_us(self, past: Past) -> float | None:
        changes = [one for one in past.changes if one.certain and one.does in {StepKind.PUT, StepKind.DROP}]
        last = max(changes, key=lambda one: one.sent_us, default=None)
        return None if last is None or last.does is StepKind.DROP else _ends_us(past, last)

    def judge(self, past: Past) -> Sequence[Breach]:
        broken = list(self._broken(past)) or list(self._put_twice(past)) or list(self._met_unheard(past))
        return [*broken, *self._of_nobody(past)]

    def calm(self, told: Told) -> Calm:
        """Put one after the other; whoever looks sees what was put last, or nothing once its time is over."""
        puts, looks = told.are(StepKind.PUT), told.are(StepKind.LOOK)
        made, met = puts & (told.effective != 0), puts & (told.effective == 0)
        last = told.last_before(made)
        there, over = last >= 0, told.over(last)
        absent = looks & (told.value == ABSENT)
        present = looks & ~absent
        wrong = ~puts & ~looks
        wrong |= puts & (told.value == ABSENT)
        wrong |= made & there & (told.sent_us <= told.done_us[last])
        wrong |= puts & (told.effective < 0) if self.once else met
        wrong |= (absent | (made if self.once else absent)) & there & ~over
        wrong |= present & (told.value != told.value[last])
        wrong |= (present | met) & (
            ~there | (told.last_before(absent) > last)
        )  # it does not come back by itself
        ends_us = np.where(told.ttl_us == NO_TTL, np.inf, told.sent_us + told.ttl_us)
        holds_until_us = told.latest_of(np.where(made, told.sent_us, -np.inf))
        newest = made & (told.sent_us == holds_until_us[told.key])
        return Calm(
            calm=told.keys_without(wrong),
            holds_until_us=told.latest_of(np.where(newest, ends_us, -np.inf)),
        )

    def _broken(self, past: Past) -> Iterable[Breach]:
        """One breach for each promise, with everybody who saw it broken."""
        found: dict[int, tuple[Change, list[Look]]] = {}
        for look in sorted(past.looks, key=lambda one: one.sent_us):
            promise = _contradicted(past, look)
            if promise is not None:
                found.setdefault(promise.n, (promise, []))[1].append(look)
        for promise, looks in found.values():
            first = looks[0]
            says = "did not find {it}" if first.value is None else "found an older value of {it}"
            yield Breach(kind=self.lost, promise=promise, looks=looks, says=says)

    def _put_twice(self, past: Past) -> Iterable[Breach]:
        """Of what is put once, two at the same time: whichever came second met the first."""
        if not self.once or any(one.does is StepKind.DROP for one in past.changes):
            return
        puts = sorted((one for one in past.changes if one.certain), key=lambda one: one.sent_us)
        for first, second in pairwise(puts):
            if max(first.done_us, second.done_us) < min(_ends_us(past, first), _ends_us(past, second)):
                look = Look(n=second.n, value=None, sent_us=second.sent_us, done_us=second.done_us)
                yield Breach(kind=self.lost, promise=first, looks=[look], says="did not find {it}")
                return

    def _met_unheard(self, past: Past) -> Iterable[Breach]:
        """Whoever comes second is refused, and the first was told that Redis did not answer."""
        met = [look for look in past.looks if look.value == SOMETHING]
        if self.burnt is None or not met:
            return
        first = min(met, key=lambda one: one.done_us)
        before = [one for one in past.changes if one.first_us <= first.done_us]
        if before and not any(one.certain or one.told == LET_IN_UNCHECKED for one in before):
            promise = min(before, key=lambda one: one.first_us)
            says = "found {it}, although it had let nobody in"
            yield Breach(kind=self.burnt, promise=promise, looks=[first], says=says)

    def _of_nobody(self, past: Past) -> Iterable[Breach]:
        puts = [one for one in past.changes if one.does is StepKind.PUT]
        looks = [
            look
            for look in past.looks
            if look.value is not None
            and not any(one.first_us <= look.done_us for one in puts if _may_be(one, look))
        ]
        if looks:
            says = "found {it}, which no operation had written"
            yield Breach(kind=None, promise=None, looks=looks, says=says)


def _may_be(change: Change, look: Look) -> bool:
    """Whether the look may have seen what the change put there."""
    return look.value in {SOMETHING, change.value}


def _contradicted(past: Past, look: Look) -> Change | None:
    """The last promise that the look contradicts."""
    kept = [
        one
        for one in past.changes
        if one.certain and one.does in {StepKind.PUT, StepKind.DROP} and one.done_us < look.sent_us
    ]
    contradicts = _missing if look.value is None else _older
    broken = [one for one in kept if contradicts(past, one, look)]
    return max(broken, key=lambda one: one.sent_us, default=None)


def _missing(past: Past, put: Change, look: Look) -> bool:
    if put.does is not StepKind.PUT or look.done_us >= _ends_us(past, put):
        return False
    return not any(
        one.does is StepKind.DROP and one.until_us >= put.first_us and one.first_us <= look.done_us
        for one in past.changes
    )


def _older(past: Past, change: Change, look: Look) -> bool:
    """Everything that may have written what was seen was over before the change began."""
    if change.does is StepKind.PUT and _may_be(change, look):
        return False
    writers = [one for one in past.changes if one.does is StepKind.PUT and _may_be(one, look)]
    return bool(writers) and all(one.until_us < change.first_us for one in writers)


def _ends_us(past: Past, put: Change) -> float:
    """The flag holds until then at the least, whichever of those that may have been put since is the last."""
    ends = [
        one.sent_us + one.ttl_us
        for one in past.changes
        if one.does is StepKind.PUT and one.until_us >= put.first_us and one.ttl_us is not None
    ]
    return min(ends, default=float("inf")) - past.epsilon_us


REVOKED = Flag(prefix="revoked:", what="the revocation of token", lost=REVOCATION_LOST)
"""A token that is refused although it has not expired: a denylist entry."""

CUT_OFF = Flag(prefix="not-before:", what="the ban of user", lost=REVOCATION_LOST)
"""Whatever was issued to a user before is refused."""

SPENT = Flag(
    prefix="spent:", what="the use of one-time token", lost=TOKEN_REPLAYED, once=True, burnt=TOKEN_BURNT
)
"""A one-time token that somebody has used."""

PROFILE = Flag(prefix="user_profile:", what="the profile of user", lost=PROFILE_OUTDATED)
"""What services know of a user beside the sessions: under a key of its own, and so in a slot of its own."""

ADDRESS = Flag(prefix="address:", what="the address of session", lost=BINDING_BYPASSED)
"""Where requests of a session come from: whoever comes from elsewhere is refused."""
