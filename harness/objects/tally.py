"""A tally: one number that says how many of something there are, such as who is online (`ZCOUNT`) or how
often something happened (the sum of `HVALS`).

Promise: whoever asks gets the number of those that were entered, have not ended and were not taken out,
give or take what is under way.

The model. An entry certainly counts from its ack until the first moment at which it may have ended or may
have been taken out, and possibly from the first moment at which it may have been made until it certainly was
over. Whoever asks must get no less than certainly count all the time, and no more than possibly count at any
time. The count of a naive counter is judged by the same rule, so what nobody takes out again shows as drift.

Trap: an entry that ends by a clock ends by the application's, which it wrote down (`Change.ends_us`). So a
look goes by the moment that it asked for (`AT`), not by that at which it was answered.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from harness.model.finding_kind import FindingKind
from harness.model.times import FOREVER
from harness.model.words import StepKind
from harness.objects.counter import COUNT_DRIFT
from harness.objects.kind import (
    AT,
    TOTAL,
    VALUE,
    Breach,
    Change,
    Command,
    Look,
    Many,
    OneValue,
    Past,
    Reply,
    owner_of,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(OneValue):
    field: ClassVar[str] = TOTAL
    what: str
    """`those online at`."""
    drifted: FindingKind = COUNT_DRIFT
    once: bool = False

    @property
    def findings(self) -> tuple[FindingKind, ...]:
        return (self.drifted,)

    def named(self, key: str) -> str:
        return f"{self.what} {owner_of(key)}"

    def looked(self, saw: Mapping[str, str]) -> str | None:
        """`17@4200000`: so many at that moment of the application's clock; of a set with its scores `|` and
        when each ends."""
        if VALUE in saw:
            return f"|{saw[VALUE]}"
        return f"{saw[TOTAL]}@{saw[AT]}" if AT in saw else saw.get(TOTAL, "0")

    def holds_until_us(self, past: Past) -> float | None:
        ends = [_ends_us(one) for one in past.changes if one.does is StepKind.PUT and one.certain]
        return max(ends, default=None)

    def judge(self, past: Past) -> Sequence[Breach]:
        """One breach for too few and one for too many, each with all who saw it."""
        entries = [*_entries(past)]
        certain, possible = _Spans(entries, certain=True), _Spans(entries, certain=False)
        few: list[Look] = []
        many: list[Look] = []
        for look in sorted(past.looks, key=lambda one: one.sent_us):
            seen, at_us = _seen(look)
            if seen < certain.throughout(look.sent_us, look.done_us):
                few.append(look)
            elif seen > possible.within(min(at_us, look.sent_us), look.done_us):
                many.append(look)

        def too_few(look: Look) -> Many:
            seen, _ = _seen(look)
            held = [
                one.put
                for one in entries
                if one.put.certain and one.put.done_us < look.sent_us and look.done_us < one.counts_until_us
            ]
            says = f"counted {seen} of {{it}}, fewer than there certainly were"
            return Many(promises=held, broken=len(held) - seen, says=says)

        def too_many(look: Look) -> Many:
            seen, at_us = _seen(look)
            known = [one for one in past.changes if one.certain and one.done_us < look.sent_us]
            over = [one for one in known if one.does is StepKind.DROP or _ends_us(one) < look.sent_us]
            most = possible.within(min(at_us, look.sent_us), look.done_us)
            says = f"counted {seen} of {{it}}, more than there can have been"
            return Many(promises=over or known, broken=seen - most, says=says)

        return [*self._breach(few, too_few), *self._breach(many, too_many)]

    def _breach(self, looks: Sequence[Look], of_many: Callable[[Look], Many]) -> Iterable[Breach]:
        if looks:
            told = of_many(looks[0])
            promise = max(told.promises, key=lambda one: one.sent_us, default=None)
            yield Breach(
                kind=None if promise is None else self.drifted,
                promise=promise,
                looks=looks,
                says=told.says,
                of_many=of_many,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Online(Tally):
    """As a sorted set: each member by when it ends, so that nobody has to take it out."""

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("ZRANGE", key, "0", "-1", "WITHSCORES"), ("PTTL", key))

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        members, pttl_ms = replies
        return ({VALUE: " ".join(map(str, members[1::2]))} if members else {}), pttl_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics(Tally):
    """As a hash with a number for each user."""

    def questions(self, key: str) -> tuple[Command, ...]:
        return (("HVALS", key), ("PTTL", key))

    def shown(self, replies: Sequence[Reply]) -> tuple[dict[str, str], int | None]:
        numbers, pttl_ms = replies
        return ({TOTAL: str(sum(map(int, numbers)))} if numbers else {}), pttl_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    put: Change
    dropped: Sequence[Change]

    @property
    def counts_until_us(self) -> float:
        """It certainly counts until then, if it was made."""
        return min([_ends_us(self.put), *(one.first_us for one in self.dropped)])

    @property
    def over_us(self) -> float:
        """It certainly does not count after this."""
        gone = [one.done_us for one in self.dropped if one.certain and one.sent_us > self.put.until_us]
        return min([FOREVER if self.put.ends_us is None else self.put.ends_us, *gone])


def _ends_us(put: Change) -> float:
    """Of what ends by its own word then; else by its time to live, which nobody waits for."""
    if put.ends_us is not None:
        return put.ends_us
    return FOREVER if put.ttl_us is None else put.sent_us + put.ttl_us


def _entries(past: Past) -> Iterable[_Entry]:
    dropped: dict[str | None, list[Change]] = defaultdict(list)
    for one in past.changes:
        if one.does is StepKind.DROP:
            dropped[one.value].append(one)
    for one in past.changes:
        if one.does is StepKind.PUT:
            yield _Entry(put=one, dropped=dropped.get(one.value, ()))


class _Spans:
    """From when until when entries count; how many do, asked for any moments."""

    def __init__(self, entries: Sequence[_Entry], *, certain: bool) -> None:
        if certain:
            spans = [(one.put.done_us, one.counts_until_us) for one in entries if one.put.certain]
            spans = [(begins, ends) for begins, ends in spans if begins < ends]
        else:
            spans = [(one.put.first_us, one.over_us) for one in entries]
        self._from = sorted(begins for begins, _ in spans)
        self._until = sorted(ends for _, ends in spans)
        self._late = [(begins, ends) for begins, ends in spans if ends < begins]
        """Entered after their own end: they count, once they can have been there, for whoever asks for a
        moment before that end."""

    def throughout(self, from_us: float, until_us: float) -> int:
        """At least so many count all the time."""
        return bisect_left(self._from, from_us) - bisect_right(self._until, until_us)

    def within(self, from_us: float, until_us: float) -> int:
        """At most so many count at some time."""
        never = sum(ends < from_us and until_us < begins for begins, ends in self._late)
        return bisect_right(self._from, until_us) - bisect_left(self._until, from_us) + never


def _seen(look: Look) -> tuple[int, float]:
    """How many the look counted, and for which moment."""
    value = look.value or "0"
    if value.startswith("|"):
        ends = [float(one) for one in value[1:].split()]
        return sum(one > look.done_us for one in ends), look.done_us
    seen, _, at = value.partition("@")
    return int(seen), float(at) if at else look.sent_us


ONLINE = Online(prefix="online:", what="those online at")
"""Visits that are open, by when they end unless somebody says so before."""

ONLINE_NAIVE = Tally(prefix="online-count:", what="those online at")
"""The same as one number that goes up and down, and that nobody corrects."""

STATISTICS = Statistics(prefix="stats:", what="the events of")
"""What happened, by user, for a day or so."""
