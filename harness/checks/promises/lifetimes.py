"""When a session must still live and when it must be gone: timeouts as intervals.

An effect in [s, d] that sets a timeout T promises a deadline in [s + T - e, d + T + e], where e is
the tolerance of `Timelines`. Of several, the last one holds; which one was last is not always known, so
`earliest` and `latest` bound what any order could have left behind. With an absolute timeout each T is what
was left, and the session says itself when it is over. Engines before Redis 7.0 count T anew
on every replica: what seems late is held against `replayed_timeouts` before it is called so.

Trap: a look travels before the touch in the same pipeline, so its own touch never explains it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass

from harness.checks.facts.back_door import keys_on_nodes
from harness.checks.facts.causes import Why, discarded, of_loss, of_old_answer
from harness.checks.facts.replayed_timeouts import replayed_us
from harness.checks.facts.step_effects import Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.kinds import EXPIRED_EARLY, STALE_READ
from harness.checks.wording import give_or_take
from harness.model.finding_kind import FindingKind, FindingTrait, Premise
from harness.model.judgement import Finding
from harness.model.times import FOREVER, NEVER
from harness.model.words import Cause, FindingSide, StepKind

OUTLIVED_TIMEOUT = FindingKind(
    name="outlived-timeout",
    side=FindingSide.OPEN,
    sentence="a session works after its idle timeout",
    premises=frozenset({Premise.TIMEOUT}),
    traits=(FindingTrait.BREAKS_SESSION, FindingTrait.OF_DEADLINES),
)

OUTLIVED_AGE = FindingKind(
    name="outlived-age",
    side=FindingSide.OPEN,
    sentence="a session works after its absolute timeout",
    premises=frozenset({Premise.ABSOLUTE_TIMEOUT}),
    traits=(FindingTrait.BREAKS_SESSION, FindingTrait.OF_DEADLINES),
)

IMMORTAL_SESSION = FindingKind(
    name="immortal-session",
    side=FindingSide.OPEN,
    sentence="a session has no timeout at all",
    premises=frozenset({Premise.TIMEOUT}),
    traits=(FindingTrait.BREAKS_SESSION,),
)


class Deadlines:
    """The deadlines of one session."""

    def __init__(self, timelines: Timelines, timeline: Timeline) -> None:
        self.tolerance_us = timelines.tolerance_us
        setters = timeline.setters
        timeouts = [_timeout_us(one) for one in setters]
        self.known = bool(setters)
        self._setters = setters
        self._shortest_us = min(timeouts, default=0)
        self.longest_us = max(timeouts, default=0)
        acked = sorted((one for one in setters if one.certain), key=lambda one: one.done_us)
        self._acked_done = [one.done_us for one in acked]
        self._acked_last: list[StepEffect] = []
        for one in acked:
            last = self._acked_last[-1] if self._acked_last else one
            self._acked_last.append(one if one.sent_us >= last.sent_us else last)
        self._begun = sorted(setters, key=lambda one: one.first_us)
        self._begun_first = [one.first_us for one in self._begun]
        self._begun_until: list[float] = []
        for one in self._begun:
            before_us = self._begun_until[-1] if self._begun_until else NEVER
            self._begun_until.append(max(before_us, one.until_us))

    def last_touch(self, before_us: float) -> StepEffect | None:
        """The acked effect that was begun last, of those done before a moment."""
        n = bisect_left(self._acked_done, before_us)
        return self._acked_last[n - 1] if n else None

    def earliest_us(self, touch: StepEffect) -> float:
        """The session lives until then at least, if this touch took effect and none was lost."""
        if self._shortest_us == self.longest_us:
            return touch.sent_us + self._shortest_us - self.tolerance_us
        ends_us = (
            max(one.first_us, touch.sent_us) + _timeout_us(one)
            for one in self._setters
            if one is touch or one.until_us >= touch.sent_us
        )
        return min(ends_us) - self.tolerance_us

    def latest_us(self, sight: Sight) -> float:
        """The session is gone by then, unless something begun since keeps it."""
        n = bisect_left(self._begun_first, sight.sent_us)
        if not n:
            return FOREVER  # it is only being made
        if self._shortest_us == self.longest_us:
            return min(self._begun_until[n - 1], sight.done_us) + self.longest_us + self.tolerance_us
        last = self.last_touch(sight.sent_us)
        ends_us = (
            min(one.until_us, sight.done_us) + _timeout_us(one)
            for one in self._begun[:n]
            if last is None or one.until_us >= last.sent_us
        )
        return max(ends_us) + self.tolerance_us

    def latest_anew_us(self, timelines: Timelines, sight: Sight) -> float:
        """The same, where the node that answered may have counted the timeouts anew."""
        n = bisect_left(self._begun_first, sight.sent_us)
        ends_us = (replayed_us(timelines, one, sight) + _timeout_us(one) for one in self._begun[:n])
        return max(ends_us, default=FOREVER) + self.tolerance_us

    def over_us(self, timelines: Timelines, sight: Sight, ends_us: float) -> float:
        """When a session is over whose age ends then: later, where a request that gave it no more than was
        left reached the node late."""
        n = bisect_left(self._begun_first, sight.sent_us)
        late_us = (
            replayed_us(timelines, one, sight) + _timeout_us(one)
            for one in self._begun[:n]
            if not _too_long(one, ends_us)
        )
        return max([ends_us, *late_us]) + self.tolerance_us

    def too_long(self, sight: Sight, ends_us: float) -> StepEffect | None:
        """The last one before a look that asked for more than was left of its age."""
        n = bisect_left(self._begun_first, sight.sent_us)
        return next((one for one in reversed(self._begun[:n]) if _too_long(one, ends_us)), None)

    def may_be_stretched(self, sight: Sight) -> bool:
        """Whether another touch was begun while the look was under way."""
        left, right = (
            bisect_left(self._begun_first, sight.sent_us),
            bisect_right(self._begun_first, sight.done_us),
        )
        return any(one.operation is not sight.operation for one in self._begun[left:right])

    def earlier_explains(self, since_us: float, absent: Sight) -> bool:
        """Whether some earlier touch's deadline lies between the last sight and an absence."""
        n = bisect_right(self._begun_first, absent.done_us - self._shortest_us + self.tolerance_us)
        return n > 0 and self._begun_until[n - 1] + self.longest_us + self.tolerance_us >= since_us


def _asked_us(setter: StepEffect) -> float:
    """The application cannot have looked at its clock before."""
    begun_us = setter.operation.sent_us
    return setter.operation.due_us if begun_us is None else begun_us


def _too_long(setter: StepEffect, ends_us: float) -> bool:
    """It asked for more than was left of the age, rounded up to the milliseconds that PEXPIRE takes."""
    return _timeout_us(setter) >= ends_us - _asked_us(setter) + 1000


def _timeout_us(setter: StepEffect) -> int:
    assert setter.step.ttl_ms is not None  # it is no setter otherwise
    return setter.step.ttl_ms * 1000


def may_have_ended(deadlines: Deadlines, absent: Sight) -> bool:
    """Whether the idle timeout may explain an absence."""
    if not deadlines.known:
        return False
    touch = deadlines.last_touch(absent.sent_us)
    return touch is None or absent.done_us >= deadlines.earliest_us(touch)


@dataclass(frozen=True, slots=True)
class Short:
    """A look that found less time left than the last acked touch had promised."""

    sight: Sight
    touch: StepEffect
    ends_us: float
    """When the session would expire by what the look was told, at the latest."""


def shortened(timeline: Timeline, deadlines: Deadlines) -> list[Short]:
    found = []
    destroyed = timeline.destroyed
    for sight in timeline.sights:
        if sight.state is not State.PRESENT or sight.pttl_ms is None or sight.pttl_ms < 0:
            continue
        if destroyed is not None and sight.done_us >= destroyed.first_us:
            continue
        touch = deadlines.last_touch(sight.sent_us)
        ends_us = sight.done_us + sight.pttl_ms * 1000
        if touch is not None and ends_us < deadlines.earliest_us(touch):
            found.append(Short(sight, touch, ends_us))
    return found


def judge_deadlines(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    for timeline in timelines.sessions.values():
        if timeline.setters:
            findings += _session(timelines, timeline)
    if not timelines.clocks_known:
        undecidable: dict[str, int] = {}
        for one in findings:
            undecidable[one.name] = undecidable.get(one.name, 0) + 1
        immortal = [one for one in findings if one.name == IMMORTAL_SESSION.name]
        undecidable.pop(IMMORTAL_SESSION.name, None)
        return Counted(findings=immortal, undecidable=undecidable)
    return Counted(findings=[*findings, *_without_end(timelines)])


def _without_end(timelines: Timelines) -> list[Finding]:
    """Of an application's own keys: those without an end, where it gives an end to others. One that gives
    none to anybody means it."""
    there = [one for one in keys_on_nodes(timelines) if one.there]
    endless = [one for one in there if one.never_ends]
    if len(endless) == len(there):
        return []
    return [
        finding(
            timelines,
            IMMORTAL_SESSION,
            one.timeline,
            promise=one.timeline.created,
            sentence=f"{one.timeline.named} has no timeout and never expires: {one.primary.node} holds its"
            f" key without one, and {len(there) - len(endless)} keys of others with one.",
        )
        for one in endless
    ]


def _session(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    deadlines = Deadlines(timelines, timeline)
    found = _early(timelines, timeline, deadlines)
    late: list[tuple[Sight, str]] = []
    immortal: list[Sight] = []
    destroyed = timeline.destroyed
    created = timeline.created
    for sight in timeline.sights:
        if sight.state is not State.PRESENT:
            continue
        if destroyed is not None and sight.sent_us > destroyed.done_us:
            continue
        if sight.pttl_ms == -1:
            if created is None or sight.sent_us > (created.operation.done_us or FOREVER):
                immortal.append(sight)
            continue
        late += _late(timelines, sight, deadlines)
    if late:
        sight, sentence = late[0]
        touch = deadlines.last_touch(sight.sent_us)
        found.append(
            finding(
                timelines,
                OUTLIVED_TIMEOUT,
                timeline,
                promise=touch,
                seen=sight,
                why=of_old_answer(timelines, sight, None),
                sentence=f"{timeline.named} {sentence}{give_or_take(timelines.history)}.",
                observations=len(late),
            )
        )
    found += _old(timelines, timeline, deadlines)
    if immortal:
        found.append(
            finding(
                timelines,
                IMMORTAL_SESSION,
                timeline,
                promise=created,
                seen=immortal[0],
                sentence=f"{timeline.named} has no timeout and never expires, as {where(immortal[0])} shows.",
                observations=len(immortal),
            )
        )
    return found


def _old(timelines: Timelines, timeline: Timeline, deadlines: Deadlines) -> list[Finding]:
    """Still there when its age was over."""
    ends_us, destroyed = timeline.ends_us, timeline.destroyed
    if ends_us == FOREVER:
        return []
    seen = [
        sight
        for sight in timeline.sights
        if sight.state is State.PRESENT
        and sight.sent_us > ends_us
        and (destroyed is None or sight.sent_us <= destroyed.done_us)
        and sight.sent_us > deadlines.over_us(timelines, sight, ends_us)
    ]
    if not seen:
        return []
    over_s = (seen[0].sent_us - ends_us) / 1e6
    why, given = of_old_answer(timelines, seen[0], None), deadlines.too_long(seen[0], ends_us)
    if given is not None and why.cause is Cause.NOT_DETERMINED:
        left_s = max(0.0, ends_us - _asked_us(given)) / 1e6
        asked = f"operation {given.operation.id} gave it {_timeout_us(given) / 1e6:g} s"
        why = Why(because=f"{asked} when {left_s:.3f} s of its age were left")
    return [
        finding(
            timelines,
            OUTLIVED_AGE,
            timeline,
            promise=timeline.created,
            seen=seen[0],
            between=[] if given is None else [given.operation],
            why=why,
            sentence=f"{timeline.named} still worked {over_s:.3f} s after its absolute timeout"
            f"{give_or_take(timelines.history)}.",
            observations=len(seen),
        )
    ]


def _late(timelines: Timelines, sight: Sight, deadlines: Deadlines) -> list[tuple[Sight, str]]:
    latest_us = given_us = deadlines.latest_us(sight)
    if deadlines.may_be_stretched(sight):
        given_us = max(given_us, sight.done_us + deadlines.longest_us + deadlines.tolerance_us)
    ends_us = sight.sent_us + (sight.pttl_ms or 0) * 1000
    if sight.sent_us > latest_us or ends_us > given_us:
        anew_us = deadlines.latest_anew_us(timelines, sight)
        latest_us, given_us = max(latest_us, anew_us), max(given_us, anew_us)
    if sight.sent_us > latest_us:
        over_s = (sight.sent_us - latest_us) / 1e6
        return [(sight, f"still worked {over_s:.3f} s or more after its idle timeout")]
    if ends_us > given_us:
        return [(sight, f"was given {(ends_us - given_us) / 1e6:.3f} s more than any request had asked for")]
    return []


def _early(timelines: Timelines, timeline: Timeline, deadlines: Deadlines) -> list[Finding]:
    shorts = shortened(timeline, deadlines)
    if not shorts:
        return []
    good = [
        sight
        for sight in timeline.sights
        if sight.state is State.PRESENT
        and sight.pttl_ms is not None
        and sight.pttl_ms >= 0
        and not discarded(timelines, sight)
    ]
    lost = [
        one for one in shorts if not _refuted(one, good, deadlines) and not discarded(timelines, one.sight)
    ]
    first = (lost or shorts)[0]
    missing_s = (deadlines.earliest_us(first.touch) - first.ends_us) / 1e6
    what = "log-in" if first.touch.step.does is StepKind.CREATE else "touch"
    sentence = (
        f"{where(first.sight)} found {timeline.named} with"
        f" {missing_s:.3f} s less to live than its last acked {what} had promised"
        f"{give_or_take(timelines.history)}."
    )
    if lost:
        why = of_loss(timelines, first.touch, first.sight, timeline.shard)
        kind = EXPIRED_EARLY
    else:
        why, kind = of_old_answer(timelines, first.sight, first.touch), STALE_READ
    return [
        finding(
            timelines,
            kind,
            timeline,
            promise=first.touch,
            seen=first.sight,
            why=why,
            sentence=sentence,
            observations=len(shorts),
        )
    ]


def _refuted(one: Short, good: list[Sight], deadlines: Deadlines) -> bool:
    """A later look, with no newer touch to explain it, found the promised time again."""
    n = bisect_right([sight.sent_us for sight in good], one.sight.done_us)
    for later in good[n:]:
        if deadlines.latest_us(later) > one.touch.done_us + _timeout_us(one.touch) + deadlines.tolerance_us:
            return False
        assert later.pttl_ms is not None
        if later.done_us + later.pttl_ms * 1000 >= deadlines.earliest_us(one.touch):
            return True
    return False


CHECK = Check(
    promise="A session lives as long as its last acked use promised, and no longer.",
    kinds=(EXPIRED_EARLY, OUTLIVED_TIMEOUT, OUTLIVED_AGE, IMMORTAL_SESSION, STALE_READ),
    find=judge_deadlines,
)
