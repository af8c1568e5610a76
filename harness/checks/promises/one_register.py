"""The exact test on the kit's own sessions: contradictions that no other check has a name for.

Runs last, over sessions about which nothing was found. Each field that was overwritten is a register:
a log-in makes it, a logout or the idle timeout makes it absent, a guarded write needs it. Almost all
of them are explained in one pass over what was read; only the others become `Action`s for the exact
test, and only there answers by nodes that were not primary are taken out.

Only what is certain is weighed: no unguarded writes (they make sessions), no counters (judged by
sums). Trap: an effect's extra attempts may each take effect as well, so each is an optional one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace

import msgspec

from harness.checks.facts.causes import of_loss, watcher
from harness.checks.facts.ownership import Standing
from harness.checks.facts.step_effects import IDENTITY, Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.linearizability.actions import UNSAID, Action, Answer, Unsaid, Value
from harness.checks.linearizability.fast_path import do_not_cross
from harness.checks.linearizability.search import explain, judge_register
from harness.checks.promises.check import Counted, finding
from harness.checks.promises.fields import Register, registers_of
from harness.checks.promises.kinds import UNEXPLAINED
from harness.checks.promises.whole_session import Deed, Whole
from harness.model.judgement import Finding
from harness.model.records import Step
from harness.model.times import FOREVER, NEVER
from harness.model.words import Cause, Outcome, StepKind

NO_FIELD = "\0"
"""The value of a field that an existing session does not have."""

LOOKS_TO_JUDGE = 10
LOOKS_TO_EXPLAIN = 1000
"""The test's bounds, in looks at its clock: the same history gets the same answer on any machine."""


def judge_exactly(timelines: Timelines, named: Collection[str | None]) -> Counted:
    """`named`: sessions with findings, whose contradictions these are taken to be."""
    findings: list[Finding] = []
    undecided = 0
    for timeline in timelines.sessions.values():
        if timeline.session in named or not timeline.creations:
            continue
        undecided_before = undecided
        found = None
        if timelines.guarded and timeline.created is not None and timeline.writes:
            for register in _doubtful(timelines, timeline):
                answer, found = _judge(timelines, timeline, register)
                undecided += answer is Answer.UNDECIDED
                if found is not None:
                    break
        if found is None and undecided == undecided_before:
            explained, stuck = Whole(timelines, timeline).explained()
            if explained is False and _perhaps_lost(timelines, timeline):
                explained = None
            found = _out_of_order(timelines, timeline, stuck) if explained is False else None
            if found is not None and found.seen_us is None and not timelines.history.complete:
                found, explained = None, None  # what the harness did not live to write down may explain it
            undecided += explained is None
        findings += [] if found is None else [found]
    return Counted(findings=findings, undecidable={UNEXPLAINED.name: undecided})


def _perhaps_lost(timelines: Timelines, timeline: Timeline) -> bool:
    """Whether a failover, an emptied node or a flush may have taken what was executed: then no order
    need explain what was answered, and who lost what is for the other checks to say."""
    executed = map(_if_executed, (*timeline.creations, *timeline.writes, *timeline.destroys))
    return any(
        of_loss(timelines, one, None, timeline.shard).cause is not Cause.NOT_DETERMINED for one in executed
    )


def _if_executed(effect: StepEffect) -> StepEffect:
    """What nobody answered, as if it had been executed while somebody waited for it: a read may have shown it
    before it was lost."""
    waited_us = effect.operation.done_us
    if effect.step.outcome is Outcome.ACKED or waited_us is None:
        return effect
    return replace(effect, done_us=waited_us)


def _out_of_order(timelines: Timelines, timeline: Timeline, stuck: Sequence[Deed]) -> Finding:
    sights = [one.source for one in stuck if isinstance(one.source, Sight)]
    operations = {
        one.source.operation.id: one.source.operation for one in stuck if one.source.operation is not None
    }
    told = ", ".join(str(number) for number in sorted(operations))
    return finding(
        timelines,
        UNEXPLAINED,
        timeline,
        promise=timeline.created,
        between=[operations[number] for number in sorted(operations)],
        seen=max(sights, key=lambda one: one.done_us, default=None),
        sentence=f"No order of the operations explains all reads of {timeline.named}"
        f"{f': operations {told} do not fit' if told else ': the reads of the audit do not fit'}.",
        observations=max(1, len(sights)),
    )


def _doubtful(timelines: Timelines, timeline: Timeline) -> list[Register]:
    """Fields that the quick proof does not explain."""
    registers = [
        one
        for one in registers_of(timeline).values()
        if not one.counts and one.name not in IDENTITY and len(one.values) > 1
    ]
    if not registers:
        return []
    present = [one for one in timeline.sights if one.state is State.PRESENT]
    if not _ends_in_order(timelines, timeline, present):
        return registers
    present = [one for one in present if one.shows]
    return [one for one in registers if not _explained(timeline, present, one)]


def _ends_in_order(timelines: Timelines, timeline: Timeline, present: list[Sight]) -> bool:
    """Log-in first, absence last: all that needs the session may lie between the two."""
    created = timeline.created
    assert created is not None
    done_us = [one.done_us for one in present] + [one.done_us for one in timeline.writes if one.certain]
    if len(timeline.creations) > 1 or min(done_us, default=FOREVER) < created.sent_us:
        return False
    absent = [one.done_us for one in timeline.sights if one.state is State.ABSENT]
    gone = [*absent, *(one.done_us for one in timeline.destroys if one.certain)]
    if not gone:
        return True
    sent_us = [created.sent_us, *(one.sent_us for one in present), *(one.sent_us for one in timeline.writes)]
    begun_us = [one.first_us for one in timeline.destroys]
    ends_us = min(begun_us) if begun_us else _expires_us(timelines, timeline)
    return min(gone) >= max(sent_us) and ends_us <= min(absent, default=FOREVER)


def _expires_us(timelines: Timelines, timeline: Timeline) -> float:
    """Before that it cannot have timed out, whichever touch came last."""
    if not timelines.clocks_known:
        return NEVER
    return min(
        (one.first_us + (one.step.ttl_ms or 0) * 1000 - timelines.tolerance_us for one in timeline.setters),
        default=FOREVER,
    )


def _explained(timeline: Timeline, present: list[Sight], register: Register) -> bool:
    """Each value's readers and writer together, and no two such groups must each come first. Extra
    attempts are left out: they need not have happened."""
    first_done: dict[str | None, float] = {}
    last_sent: dict[str | None, float] = {}
    name = register.name
    for sight in present:  # by the time they were sent
        value = sight.saw.get(name)
        last_sent[value] = sight.sent_us
        if sight.done_us < first_done.get(value, FOREVER):
            first_done[value] = sight.done_us
    if register.removals or None in last_sent or not last_sent.keys() <= register.values.keys():
        return False
    zones = []
    for value, effect in register.values.items():
        seen_us, until_us = first_done.get(value, FOREVER), last_sent.get(value, NEVER)
        if effect is timeline.created:
            zones.append((NEVER, until_us))
        elif effect.certain or value in last_sent:
            if seen_us < effect.sent_us:
                return False
            zones.append((min(seen_us, effect.done_us), max(until_us, effect.sent_us)))
    return do_not_cross(zones)


def _judge(timelines: Timelines, timeline: Timeline, register: Register) -> tuple[Answer, Finding | None]:
    sources: list[StepEffect | Sight | None] = []
    actions: list[Action] = []
    for source, action in _actions(timelines, timeline, register.name):
        actions.append(msgspec.structs.replace(action, id=len(sources)))
        sources.append(source)
    answer = judge_register(actions, _looks(LOOKS_TO_JUDGE))
    if answer is not Answer.NOT:
        return answer, None
    shown, _ = explain(actions, _looks(LOOKS_TO_EXPLAIN))
    return answer, _unexplained(timelines, timeline, register, [sources[one.id] for one in shown])


def _looks(most: int) -> Callable[[], bool]:
    left = iter(range(most))
    return lambda: next(left, None) is None


def _actions(
    timelines: Timelines, timeline: Timeline, name: str
) -> Iterator[tuple[StepEffect | Sight | None, Action]]:
    expires_us = _expires_us(timelines, timeline)
    for effect in timeline.creations:
        for action in _taking_effect(effect, UNSAID, effect.step.wrote.get(name, NO_FIELD)):
            yield effect, action
            yield None, Action(sent=expires_us, done=FOREVER, leaves=None, optional=True)
    for effect in timeline.writes:
        if name in effect.step.wrote or name in effect.step.removed:
            for action in _taking_effect(effect, None, effect.step.wrote.get(name, NO_FIELD)):
                yield effect, action
    for effect in timeline.destroys:
        met = None if effect.step.effective else UNSAID
        for action in _taking_effect(effect, met, None):
            yield effect, action
    for sight in timeline.sights:
        if sight.state not in {State.PRESENT, State.ABSENT}:
            continue
        if watcher(timelines, sight).standing is not Standing.PRIMARY:
            continue
        if not sight.shows:
            if not _acts(sight.step, name):
                yield sight, Action(sent=sight.sent_us, done=sight.done_us, refuses=None)
        else:
            seen = sight.saw.get(name, NO_FIELD) if sight.state is State.PRESENT else None
            yield sight, Action(sent=sight.sent_us, done=sight.done_us, expects=seen)


def _acts(step: Step | None, name: str) -> bool:
    """Whether the step that proved the session to be there is an action on this field itself."""
    if step is None:
        return False
    return step.does is StepKind.DESTROY or name in step.wrote or name in step.removed


def _taking_effect(effect: StepEffect, refuses: Value | Unsaid, leaves: Value) -> Iterator[Action]:
    """Once where it is certain, and once more, perhaps, for every attempt without an answer."""
    if effect.certain:
        yield Action(sent=effect.sent_us, done=effect.done_us, refuses=refuses, leaves=leaves)
    for _ in range(effect.extra):
        yield Action(sent=effect.first_us, done=FOREVER, refuses=refuses, leaves=leaves, optional=True)


def _unexplained(
    timelines: Timelines, timeline: Timeline, register: Register, shown: list[StepEffect | Sight | None]
) -> Finding:
    sights = [one for one in shown if isinstance(one, Sight)]
    seen = max(sights, key=lambda one: one.done_us, default=None)
    operations = {one.operation.id: one.operation for one in shown if one is not None and one.operation}
    told = ", ".join(str(number) for number in sorted(operations))
    return finding(
        timelines,
        UNEXPLAINED,
        timeline,
        between=[operations[number] for number in sorted(operations)],
        seen=seen,
        sentence=f"No order of the operations explains the values that were read in {register.name}"
        f" of {timeline.named}: operations {told} contradict each other.",
        observations=max(1, len(sights)),
    )
