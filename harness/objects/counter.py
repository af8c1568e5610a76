"""A counter with a window: counts from one on, and begins anew once its window is over (`INCR`, `PEXPIRE` on
the first).

Promise: within one window no number is given twice, so nobody gets more tries than the limit.

The model. A window is known from its beginning: an acked count of one. Until its earliest end every later
count must be higher, and whoever looks sees no less. A count that came back lower was forgotten in between.
That breaks the limit if the limit was reached before, or if more counts were let in during the window than it
allows.

Trap: a window whose beginning was not answered has no end that anybody knows, so nothing is said of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.costly import np
from harness.model.finding_kind import FindingKind, FindingTrait
from harness.model.words import FindingSide, StepKind
from harness.objects.kind import TOTAL, Breach, Change, Look, OneValue, Past, owner_of
from harness.objects.told import NO_TTL, Calm, Told

LIMIT_BYPASSED = FindingKind(
    name="limit-bypassed",
    side=FindingSide.OPEN,
    sentence="more log-in attempts are possible than the limit allows",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)

COUNT_DRIFT = FindingKind(
    name="count-drift",
    side=FindingSide.CLOSED,
    sentence="a counter shows less than it has counted",
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counter(OneValue):
    field: ClassVar[str] = TOTAL
    what: str
    """`the failed log-ins of user`."""
    beyond: FindingKind
    """The counter let in more than its limit allows."""
    behind: FindingKind
    """It forgot something, and the limit holds all the same."""
    once: bool = False

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return tuple(dict.fromkeys((self.beyond, self.behind)))

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)}"

    def holds_until_us(self, past: Past) -> float | None:
        counts = _counts(past)
        ends = [_window(past, one, counts).until_us for one in counts if one.total == 1]
        return max(ends, default=None)

    def judge(self, past: Past) -> Sequence[Breach]:
        counts = _counts(past)
        sights = sorted([*map(_seen_by, counts), *past.looks], key=lambda one: one.sent_us)
        judged_until_us = float("-inf")
        breaches: list[Breach] = []
        for first in counts:
            if first.total == 1 and first.sent_us >= judged_until_us:
                window = _window(past, first, counts)
                found = list(self._broken(window, sights))
                if found:  # what counts from one within it is part of the same breach
                    judged_until_us = window.until_us
                breaches += found
        return breaches

    def calm(self, told: Told) -> Calm:
        """Each count is one more than there was; it begins anew, and whoever looks sees none, only once the
        time of its window is over."""
        counts, looks = told.are(StepKind.COUNT), told.are(StepKind.LOOK)
        begins = counts & (told.total == 1)
        over = told.over(told.last_before(begins))
        before = np.append(0, told.total)[: len(told.total)]
        before[told.begin] = 0
        wrong = ~counts & ~looks
        wrong |= counts & (told.effective == 0)
        goes_on = told.total == before + counts
        begins_anew = over & (told.total == counts)
        wrong |= ~goes_on & ~begins_anew
        ends_us = told.sent_us + np.where(told.ttl_us == NO_TTL, 0, told.ttl_us)
        return Calm(
            calm=told.keys_without(wrong),
            holds_until_us=told.latest_of(np.where(begins, ends_us, -np.inf)),
        )

    def _broken(self, window: _Window, sights: Sequence[Look]) -> Iterable[Breach]:
        lower = [
            (promise, look)
            for look in sights
            if look.done_us < window.until_us and (promise := _forgotten(window.counts, look)) is not None
        ]
        if not lower:
            return
        promise = max((one for one, _ in lower), key=lambda one: one.total or 0)
        looks = [look for _, look in lower]
        limit = promise.limit
        let_in = sum(limit is not None and (one.total or 0) <= limit for one in window.counts)
        lowest = min(int(look.value or 0) for look in looks)
        kind, says = self.behind, f"found {{it}} at {lowest} after {promise.total}"
        if limit is not None and let_in > limit:
            kind, says = self.beyond, f"let in attempt {let_in} of {{it}} in a window that allows {limit}"
        elif limit is not None and (promise.total or 0) >= limit and lowest <= limit:
            kind, says = self.beyond, f"{says}, the limit being {limit}"
        yield Breach(kind=kind, promise=promise, looks=looks, says=says)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Window:
    counts: Sequence[Change]
    """Certainly within it, the first one included."""
    until_us: float
    """Not over before."""


def _counts(past: Past) -> list[Change]:
    certain = [one for one in past.changes if one.does is StepKind.COUNT and one.certain and one.total]
    return sorted(certain, key=lambda one: one.sent_us)


def _window(past: Past, first: Change, counts: Sequence[Change]) -> _Window:
    until_us = first.sent_us + (first.ttl_us or 0.0) - past.epsilon_us
    within = [one for one in counts if one.sent_us > first.done_us and one.done_us < until_us]
    return _Window(counts=[first, *within], until_us=until_us)


def _seen_by(count: Change) -> Look:
    return Look(n=count.n, value=str(count.total), sent_us=count.sent_us, done_us=count.done_us)


def _forgotten(counts: Sequence[Change], look: Look) -> Change | None:
    """The highest count that was done before this look, and that it should not be below. Whoever counts gets
    a number that nobody had."""
    before = [one for one in counts if one.done_us < look.sent_us]
    highest = max(before, key=lambda one: one.total or 0, default=None)
    if highest is None:
        return None
    counted = any(one.n == look.n for one in counts)
    seen, least = int(look.value or 0), highest.total or 0
    return highest if seen < least or (counted and seen == least) else None


ATTEMPTS = Counter(
    prefix="attempts:", what="the log-in attempts of user", beyond=LIMIT_BYPASSED, behind=COUNT_DRIFT
)
"""Tries of a password, by the user that is tried."""
