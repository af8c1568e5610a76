"""Cart quantities: increments that are missing, and increments that count twice.

What a look at a counter may show lies between two sums: every increment that was surely done, and
every one that may have been. Below: something acked is missing. Above: something counts twice. A
witness that is there twice proves the same, and names the operation.

Trap: an increment's own reply is a look too, right after itself. A removal starts the count again,
and while one may have happened the lower end means little.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from dataclasses import dataclass
from itertools import accumulate

from harness.checks.facts.causes import Why, discarded, of_loss, of_old_answer
from harness.checks.facts.step_effects import Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.acked_writes import twice
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.fields import is_total, readable
from harness.checks.promises.kinds import LOST_UPDATE, STALE_READ
from harness.model.finding_kind import WITNESSED, FindingKind, FindingTrait, OutOf
from harness.model.judgement import Finding
from harness.model.times import NEVER
from harness.model.words import Cause, FindingSide

DOUBLED_UPDATE = FindingKind(
    name="doubled-update",
    side=FindingSide.CLOSED,
    sentence="an addition was counted twice",
    needs=WITNESSED,
    out_of=OutOf.WRITES,
    traits=(FindingTrait.BREAKS_SESSION,),
)


class Counter:
    """One integer field of one session, with sums that answer `bounds` without a loop."""

    def __init__(
        self, name: str, increments: list[tuple[StepEffect, int]], removals: list[StepEffect]
    ) -> None:
        self.name = name
        self.increments = sorted(increments, key=lambda item: item[0].first_us)
        self.removals = removals
        pairs = [(amount, one.certain + one.extra) for one, amount in self.increments]
        self._first = [one.first_us for one, _ in self.increments]
        self._most = list(accumulate((max(0, amount) * n for amount, n in pairs), initial=0))
        self._least = list(accumulate((min(0, amount) * n for amount, n in pairs), initial=0))
        acked = sorted((item for item in increments if item[0].certain), key=lambda item: item[0].done_us)
        self._done = [one.done_us for one, _ in acked]
        self._sure_up = list(accumulate((max(0, amount) for _, amount in acked), initial=0))
        self._sure_down = list(accumulate((min(0, amount) for _, amount in acked), initial=0))

    def bounds(self, look: Look) -> tuple[int, int]:
        """The least and the most that this look may show."""
        if self.removals:
            return self._bounds_with_removals(look)
        done, begun = bisect_left(self._done, look.sent_us), bisect_right(self._first, look.done_us)
        low = self._sure_up[done] + self._least[begun]
        high = self._most[begun] + self._sure_down[done]
        return low + max(0, look.own), high

    def _bounds_with_removals(self, look: Look) -> tuple[int, int]:
        """Slower, and only as tight as the order of increments and removals allows."""
        begun = [one for one in self.removals if one.first_us <= look.done_us]
        last = max(
            (one for one in begun if one.certain and one.done_us < look.sent_us),
            key=lambda one: one.sent_us,
            default=None,
        )
        erased_us = NEVER if last is None else last.sent_us
        until_us = max((one.until_us for one in begun), default=NEVER)
        low = high = 0
        for effect, amount in self.increments:
            if effect.first_us > look.done_us or effect.until_us < erased_us:
                continue
            sure = effect.certain and effect.done_us < look.sent_us and effect.sent_us > until_us
            possible = effect.certain + effect.extra
            low += amount if sure else 0
            low += min(0, amount) * (possible - sure)
            high += amount if sure else 0
            high += max(0, amount) * (possible - sure)
        if look.sent_us > until_us:
            low += max(0, look.own)
        return low, high

    def reset_between(self, from_us: float, to_us: float) -> bool:
        return any(one.until_us >= from_us and one.first_us <= to_us for one in self.removals)

    def most_ever(self, look: Look) -> int:
        """The most it could show if every removal and every subtraction had been lost."""
        return self._most[bisect_right(self._first, look.done_us)]

    def last_up(self, sent_us: float) -> StepEffect | None:
        """The acked addition that was done last before a moment."""
        return _last([one for one, amount in self.increments if amount > 0], sent_us)

    def last_down(self, sent_us: float) -> StepEffect | None:
        """The acked removal or subtraction that was done last before a moment."""
        return _last([*self.removals, *(one for one, amount in self.increments if amount < 0)], sent_us)


def _last(effects: list[StepEffect], sent_us: float) -> StepEffect | None:
    acked = [one for one in effects if one.certain and one.done_us < sent_us]
    return max(acked, key=lambda one: one.done_us, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A total that somebody was shown."""

    value: int
    sent_us: float
    done_us: float
    own: int
    """What the look itself had added: replies of increments."""
    sight: Sight


def judge_counters(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    for timeline in timelines.sessions.values():
        if timeline.created is None:
            continue
        doubled = twice(timeline)
        findings += [_applied_twice(timelines, timeline, effect, times) for effect, times in doubled]
        named = {name for effect, _ in doubled for name in effect.step.added}
        looks = readable(timeline)
        for counter in _counters(timeline):
            findings += _judge(timelines, timeline, counter, looks, named)
    return Counted(findings=findings)


def _counters(timeline: Timeline) -> list[Counter]:
    written = {name for one in (*timeline.creations, *timeline.writes) for name in one.step.wrote}
    increments: defaultdict[str, list[tuple[StepEffect, int]]] = defaultdict(list)
    removals: defaultdict[str, list[StepEffect]] = defaultdict(list)
    for effect in timeline.writes:
        for name, amount in effect.step.added.items():
            increments[name].append((effect, amount))
        for name in effect.step.removed:
            removals[name].append(effect)
    again = _made_again(timeline)
    return [
        Counter(name, increments[name], [*removals[name], *again])
        for name in increments
        if name not in written
    ]


def _made_again(timeline: Timeline) -> list[StepEffect]:
    """Logouts after which a log-in that was sent again may have made the session anew, with an empty cart."""
    until_us = max((one.until_us for one in timeline.creations if one.extra), default=NEVER)
    return [one for one in timeline.destroys if one.first_us <= until_us]


def _looks(timelines: Timelines, timeline: Timeline, counter: Counter, sights: list[Sight]) -> list[Look]:
    found = []
    for sight in sights:
        text = sight.saw.get(counter.name, "0")
        if is_total(text):
            found.append(
                Look(value=int(text), sent_us=sight.sent_us, done_us=sight.done_us, own=0, sight=sight)
            )
    destroyed = timeline.destroyed
    for effect, amount in counter.increments if timelines.guarded else ():
        # An unguarded increment of a session that is gone starts at zero: no look at the session.
        total = effect.step.added_now.get(counter.name)
        if total is None or not effect.certain:
            continue
        if destroyed is None or effect.done_us < destroyed.done_us:
            found.append(_reply(counter, effect, amount, total))
    return sorted(found, key=lambda one: one.sent_us)


def _reply(counter: Counter, effect: StepEffect, amount: int, total: int) -> Look:
    """What an increment itself was told."""
    sight = Sight(
        state=State.PRESENT,
        sent_us=effect.sent_us,
        done_us=effect.done_us,
        saw={counter.name: str(total)},
        pttl_ms=None,
        operation=effect.operation,
        step=effect.step,
    )
    return Look(value=total, sent_us=effect.sent_us, done_us=effect.done_us, own=amount, sight=sight)


def _judge(
    timelines: Timelines, timeline: Timeline, counter: Counter, sights: list[Sight], named: set[str]
) -> list[Finding]:
    """`named`: counters of which witnesses already tell what counts twice."""
    missing: list[tuple[Look, int]] = []
    whole: list[Look] = []
    above: list[tuple[Look, int]] = []
    for look in _looks(timelines, timeline, counter, sights):
        low, high = counter.bounds(look)
        if look.value < low:
            missing.append((look, low))
        elif look.value <= high:
            whole.append(look)
        elif look.value <= counter.most_ever(look):
            missing.append((look, high))
        else:
            above.append((look, high))
    found = []
    if missing:
        found.append(_missing(timelines, timeline, counter, missing, whole))
    if above and counter.name not in named:
        found.append(_too_much(timelines, timeline, counter, above))
    return found


def _missing(
    timelines: Timelines,
    timeline: Timeline,
    counter: Counter,
    missing: list[tuple[Look, int]],
    whole: list[Look],
) -> Finding:
    """Something acked is not in the total: an addition, or (more than possible) a removal."""

    def seen_again(look: Look) -> bool:
        return any(
            later.sent_us > look.done_us and not counter.reset_between(look.sent_us, later.done_us)
            for later in kept[-1:]
        )

    kept = [one for one in whole if not discarded(timelines, one.sight)]

    lost = [item for item in missing if not seen_again(item[0]) and not discarded(timelines, item[0].sight)]
    if _left_their_traces(timeline, counter):
        # Every addition was carried out where it lasted: whoever was shown less was shown an old answer.
        lost = [item for item in lost if item[0].sight.entry is not None or item[0].value >= item[1]]
    look, bound = (lost or missing)[0]
    seen = f"{where(look.sight)} saw {look.value} in {counter.name} of {timeline.named}"
    if look.value < bound:
        promise = _without_witness(timeline, counter, look.sent_us) or counter.last_up(look.sent_us)
        sentence = f"{seen}: acked additions make it at least {bound}."
    else:
        promise = counter.last_down(look.sent_us)
        sentence = f"{seen}: acked removals leave {bound} at most."
    if lost and promise is not None:
        kind, why = LOST_UPDATE, of_loss(timelines, promise, look.sight, timeline.shard)
    else:
        kind, why = STALE_READ, of_old_answer(timelines, look.sight, promise)
    return finding(
        timelines,
        kind,
        timeline,
        promise=promise,
        seen=look.sight,
        why=why,
        sentence=sentence,
        observations=len(missing),
    )


def _left_their_traces(timeline: Timeline, counter: Counter) -> bool:
    left = None if timeline.primary is None else timeline.primary.witnesses
    if left is None:
        return False
    there = {*left}
    return all(one.step.witness in there for one, _ in counter.increments if one.certain)


def _without_witness(timeline: Timeline, counter: Counter, before_us: float) -> StepEffect | None:
    """The acked addition that left no trace, where witnesses tell."""
    left = None if timeline.primary is None else timeline.primary.witnesses
    if left is None:
        return None
    there = {*left}
    gone = [
        one
        for one, amount in counter.increments
        if amount > 0
        and one.certain
        and one.step.witness is not None
        and one.step.witness not in there
        and one.done_us < before_us
    ]
    return gone[-1] if gone else None


def _too_much(
    timelines: Timelines, timeline: Timeline, counter: Counter, above: list[tuple[Look, int]]
) -> Finding:
    look, high = above[0]
    promise = counter.last_up(look.done_us + 1)
    return finding(
        timelines,
        DOUBLED_UPDATE,
        timeline,
        promise=promise,
        seen=look.sight,
        sentence=f"{where(look.sight)} saw {look.value} in {counter.name} of {timeline.named}"
        f": all requests together make {high} at most.",
        observations=len(above),
    )


def _applied_twice(timelines: Timelines, timeline: Timeline, effect: StepEffect, times: int) -> Finding:
    mine = effect.step.attempts  # the operation may have read the cart back as well
    attempts = len([one for one in effect.operation.attempts if one.handed_over and one.n in mine])
    why = Why(because="it was sent once")
    if attempts > 1:
        why = Why(cause=Cause.CLIENT_RETRY, because=f"it was sent {attempts} times")
    seen = next((one for one in timeline.sights if one.entry is not None), None)
    return finding(
        timelines,
        DOUBLED_UPDATE,
        timeline,
        promise=effect,
        seen=seen,
        why=why,
        sentence=f"Operation {effect.operation.id} added {times} times to {', '.join(effect.step.added)} of"
        f" {timeline.named}: its witness is there {times} times.",
    )


CHECK = Check(
    promise="Every acked addition to a cart counts once.",
    kinds=(LOST_UPDATE, DOUBLED_UPDATE, STALE_READ),
    find=judge_counters,
)
