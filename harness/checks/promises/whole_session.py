"""A session as one object: could all that was done and answered have happened in some order?

`one_register` asks that of each field by itself. This asks it of the whole session, its counters, its
pieces and its list of witnesses included, so it also finds what only several answers together contradict:
two logouts that both deleted one session, a reply that another reply refutes. It runs last, on sessions
about which nothing was found.

A search over orders that keeps the configurations seen. What only observes takes place as soon as it holds.
Trap: it is exact, so what it is told must be certain. Answers by nodes that were not primary are left out,
and whatever may run out may do so at any time from then on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.checks.facts.causes import STALE, acker, watcher
from harness.checks.facts.ownership import Standing
from harness.checks.facts.step_effects import Sight, StepEffect, found_the_key, seen_at, unanswered
from harness.checks.facts.timelines import WRITES, Timeline, Timelines
from harness.checks.promises.fields import is_total
from harness.model.records import Step
from harness.model.times import FOREVER
from harness.model.words import Outcome, StepKind

MOST_CONFIGURATIONS = 5_000
"""More is undecided; a few overlapping operations have some dozens."""

Fields = frozenset[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class _Held:
    """What the session's keys hold."""

    fields: Fields
    """None of them: no such key."""
    traces: int
    """Witnesses on the list, which is known from its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One execution, or one look, within [sent, done]; optional: any time until `until`, or never."""

    sent: float
    done: float = FOREVER
    until: float = FOREVER
    optional: bool = False
    step: Step | None = None
    """None: a look."""
    saw: Fields | None = None
    """A look at the fields; None: at the list of witnesses."""
    source: StepEffect | Sight


class Whole:
    """One session's deeds, and how each changes what it holds."""

    def __init__(self, timelines: Timelines, timeline: Timeline) -> None:
        self._guarded = timelines.guarded
        self._owner = {"sid": timeline.session, "user_id": timeline.user}
        self._traces = _traces(timelines, timeline)
        deeds = sorted(_deeds(timelines, timeline, traced=self._traces is not None), key=lambda one: one.sent)
        self.certain = [one for one in deeds if not one.optional]
        self._optional = [one for one in deeds if one.optional]
        self._ends_us = _may_end_us(timelines, timeline)
        self._on_one_node = not any(
            one.step.outcome is Outcome.ACKED and acker(timelines, one).standing in STALE
            for one in (*timeline.creations, *timeline.writes, *timeline.destroys, *timeline.setters)
        )

    def explained(self) -> tuple[bool | None, Sequence[Deed]]:
        """Whether some order explains everything (None: too many orders), and where the search got stuck
        when it had got furthest. What a deposed primary acked is no part of the session's one history."""
        if not self._on_one_node:
            return True, ()
        start = (0, 0, 0, _Held(frozenset(), 0), -FOREVER)
        seen: set[tuple[int, int, int, _Held, float]] = set()
        waiting = [start]
        furthest, stuck = -FOREVER, list[Deed]()
        while waiting:
            base, ahead, taken, held, latest = waiting.pop()
            while True:
                reach = self._reach(base, ahead)
                closing = self._closing(taken, latest)
                now = [n for n in reach if self._only_observes(self.certain[n], held, closing)]
                if not now:
                    break
                for n in now:
                    ahead |= 1 << (n - base)
                    latest = max(latest, self.certain[n].sent)
                while ahead & 1:
                    base, ahead = base + 1, ahead >> 1
            if base == len(self.certain):
                return True, ()
            configuration = (base, ahead, taken, held, latest)
            if configuration in seen:
                continue
            seen.add(configuration)
            if len(seen) > MOST_CONFIGURATIONS:
                return None, ()
            if base + ahead.bit_count() > furthest:
                furthest, stuck = base + ahead.bit_count(), [self.certain[n] for n in reach]
            first_done = min(self.certain[n].done for n in reach)
            waiting += self._unasked(configuration, first_done)
            for n in sorted(reach, key=lambda n: -self.certain[n].done):
                after = self._after(self.certain[n], held)
                if after is not None:
                    moved, bits = base, ahead | 1 << (n - base)
                    while bits & 1:
                        moved, bits = moved + 1, bits >> 1
                    waiting.append((moved, bits, taken, after, max(latest, self.certain[n].sent)))
        return False, stuck

    def _closing(self, taken: int, latest: float) -> float:
        """What is sent after this is the end of an attempt that nobody was told of."""
        return min(
            (
                deed.until
                for n, deed in enumerate(self._optional)
                if deed.until >= latest and not taken >> n & 1
            ),
            default=FOREVER,
        )

    def _only_observes(self, deed: Deed, held: _Held, closing: float) -> bool:
        observes = deed.step is None or deed.step.does is StepKind.TOUCH
        return observes and deed.sent <= closing and self._after(deed, held) is not None

    def _reach(self, base: int, ahead: int) -> list[int]:
        """Certain deeds that are not done and that nothing not done precedes."""
        found, first_done = [], FOREVER
        for n in range(base, len(self.certain)):
            if self.certain[n].sent > first_done:
                break
            if not ahead >> (n - base) & 1:
                found.append(n)
                first_done = min(first_done, self.certain[n].done)
        return found

    def _unasked(
        self, configuration: tuple[int, int, int, _Held, float], first_done: float
    ) -> Iterator[tuple[int, int, int, _Held, float]]:
        """What may happen although nobody was told: attempts without an answer, and the end of a timeout."""
        base, ahead, taken, held, latest = configuration
        if held.fields and self._ends_us <= first_done:
            yield base, ahead, taken, _Held(frozenset(), held.traces), max(latest, self._ends_us)
        for n, deed in enumerate(self._optional):
            if deed.sent > first_done:
                break
            if taken >> n & 1 or latest > deed.until:
                continue
            after = self._after(deed, held)
            if after is not None and after != held:
                yield base, ahead, taken | 1 << n, after, max(latest, deed.sent)

    def _after(self, deed: Deed, held: _Held) -> _Held | None:
        """What is held after it; None: it cannot take place now, or not with this answer."""
        step = deed.step
        if step is None:
            if deed.saw is None:
                return held if self._traces is None or held.traces == len(self._traces) else None
            return held if deed.saw == held.fields else None
        if step.does is StepKind.TOUCH:
            return held if held.fields or deed.optional or not step.effective else None
        if self._guarded and step.does in WRITES and not held.fields:
            return held if deed.optional else None
        fields = self._left(deed, held)
        if fields is None or step.witness is None or self._traces is None:
            return None if fields is None else _Held(fields, held.traces)
        if self._traces[held.traces : held.traces + 1] != (step.witness,):
            return None
        return _Held(fields, held.traces + 1)

    def _left(self, deed: Deed, held: _Held) -> Fields | None:
        assert deed.step is not None
        if deed.step.does is not StepKind.DESTROY:
            return self._written(deed, dict(held.fields))
        # Sent again, and then DEL 0: it says that nothing was there, not which attempt took it away. Without
        # that: somebody was interrupted between the reply and reading it (older versions recorded it so).
        once = isinstance(deed.source, StepEffect) and not deed.source.extra
        unread = once and deed.step.effective is None
        fits = deed.optional or unread or bool(deed.step.effective) is bool(held.fields)
        return frozenset() if fits else None

    def _written(self, deed: Deed, fields: dict[str, str]) -> Fields | None:
        step = deed.step
        assert step is not None
        before = fields.keys()
        free = self._guarded or deed.optional or step.effective is None
        if step.does is StepKind.CREATE:
            assert isinstance(deed.source, StepEffect)
            generation = str(deed.source.operation.id)
            return frozenset((fields | step.wrote | self._owner | {"generation": generation}).items())
        if step.does is StepKind.WRITE:
            if not free and before.isdisjoint(step.wrote) is found_the_key(step, guarded=False):
                return None
            return frozenset((fields | step.wrote).items())
        if step.does is StepKind.REMOVE_FIELD:
            if not free and before.isdisjoint(step.removed):
                return None
            return frozenset(item for item in fields.items() if item[0] not in step.removed)
        for name, amount in step.added.items():
            text = fields.get(name, "0")
            if not is_total(text):
                return None
            total = int(text) + amount
            if not deed.optional and step.added_now.get(name, total) != total:
                return None
            fields[name] = str(total)
        return frozenset(fields.items())


def _traces(timelines: Timelines, timeline: Timeline) -> tuple[str, ...] | None:
    """The list of witnesses, if it is the one that the log-in began and each of them was written in one group
    with what it is about."""
    left = None if timeline.primary is None else timeline.primary.witnesses
    first = {one.step.witness for one in timeline.creations}
    if not left or first.isdisjoint(left) or not timelines.plan.scenario.workload.transactions:
        return None
    return left


def _may_end_us(timelines: Timelines, timeline: Timeline) -> float:
    """Before that it cannot have timed out, whichever touch came last."""
    if not timelines.clocks_known:
        return -FOREVER
    return min(
        (one.first_us + (one.step.ttl_ms or 0) * 1000 - timelines.tolerance_us for one in timeline.setters),
        default=FOREVER,
    )


def _deeds(timelines: Timelines, timeline: Timeline, *, traced: bool) -> Iterator[Deed]:
    touches = [one for one in timeline.setters if one.step.does is StepKind.TOUCH]
    for effect in (*timeline.creations, *timeline.writes, *timeline.destroys, *touches):
        yield from _executions(timelines, effect)
    for operation, step in timeline.denied:
        sent_us, done_us = seen_at(operation, step)
        if step.witness is not None:
            yield Deed(sent=sent_us, done=done_us, step=step, source=_look_of(timeline, step))
    for sight in timeline.sights:
        written = not timelines.guarded and sight.step is not None and sight.step.does in WRITES
        if not sight.shows or written or watcher(timelines, sight).standing is not Standing.PRIMARY:
            continue
        yield Deed(sent=sight.sent_us, done=sight.done_us, saw=frozenset(sight.saw.items()), source=sight)
        if sight.entry is not None and traced:
            yield Deed(sent=sight.sent_us, done=sight.done_us, source=sight)


def _executions(timelines: Timelines, effect: StepEffect) -> Iterator[Deed]:
    step = effect.step
    acked = step.outcome is Outcome.ACKED
    makes = not timelines.guarded and step.does in WRITES
    if acked and (step.effective is not False or makes):
        sent_us, done_us = seen_at(effect.operation, step)
        yield Deed(sent=sent_us, done=done_us, step=step, source=effect)
    extra = unanswered(effect.operation, step, timelines.gone_us)
    for attempt, over_us in extra:
        until_us = max(attempt.sent_us, min(over_us, effect.until_us))
        yield Deed(sent=attempt.sent_us, until=until_us, optional=True, step=step, source=effect)
    if not acked and not extra:
        yield Deed(sent=effect.first_us, until=effect.until_us, optional=True, step=step, source=effect)


def _look_of(timeline: Timeline, step: Step) -> Sight:
    return next(one for one in timeline.sights if one.step is step)
