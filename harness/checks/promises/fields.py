"""Fields that are overwritten: old values, lost updates, torn writes, late retries.

Each (session, field) is a register. Values carry the operation that wrote them, so a read names the
write it saw. A read is *old* if a later acked write was done before it was sent, or an earlier read
already saw one. Old and seen again later: stale-read. Never again: lost-update.

Trap: order is by time alone (w1 done before w2 sent). Overlapping writes have none, and an
unanswered attempt of an acked write may land after any later one (ghost-retry, not a loss).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from harness.checks.facts.causes import Why, discarded, of_loss, of_old_answer
from harness.checks.facts.step_effects import IDENTITY, Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.kinds import GHOST_RETRY, LOST_UPDATE, STALE_READ
from harness.model.finding_kind import FindingKind, FindingTrait, OutOf
from harness.model.judgement import Finding
from harness.model.times import NEVER
from harness.model.words import Cause, FindingSide, StepKind

TORN_STATE = FindingKind(
    name="torn-state",
    side=FindingSide.CLOSED,
    sentence="only a part of an atomic change was visible",
    out_of=OutOf.WRITES,
    traits=(FindingTrait.BREAKS_SESSION,),
)


@dataclass(slots=True)
class Register:
    """One field of one session."""

    name: str
    values: dict[str | None, StepEffect] = field(default_factory=dict)
    """Value -> the write that wrote it; None: the last removal."""
    acked: list[tuple[StepEffect, str | None]] = field(default_factory=list)
    removals: list[StepEffect] = field(default_factory=list)
    counts: bool = False
    """Incremented somewhere: judged by `counters`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Newest:
    """The write of which a look must show the value, or a later one."""

    effect: StepEffect
    value: str | None
    since_us: float
    """It was executed after this. Where it was sent more than once, an ack tells of the answered attempt,
    a look that showed its value of any."""


@dataclass(slots=True)
class _Old:
    """A write that reads sent after it did not show."""

    newer: StepEffect
    value: str | None
    register: str
    sights: list[Sight] = field(default_factory=list)
    lost: bool = False


def registers_of(timeline: Timeline) -> dict[str, Register]:
    found: dict[str, Register] = {}

    def register(name: str) -> Register:
        if name not in found:
            found[name] = Register(name)
        return found[name]

    for effect in (*timeline.creations, *timeline.writes):
        step = effect.step
        for name, value in step.wrote.items():
            one = register(name)
            one.values[value] = effect
            if effect.certain:
                one.acked.append((effect, value))
        for name in step.removed:
            one = register(name)
            one.removals.append(effect)
            one.values[None] = effect
            if effect.certain:
                one.acked.append((effect, None))
        for name in step.added:
            register(name).counts = True
    for one in found.values():
        one.acked.sort(key=lambda item: item[0].done_us)
    return found


_TOTAL = re.compile(r"0|-?[1-9][0-9]{0,18}", re.ASCII)


def is_total(text: str) -> bool:
    """Whether it is a number as HINCRBY writes it. Any other text is a value that nobody wrote."""
    return _TOTAL.fullmatch(text) is not None and -(1 << 63) <= int(text) < 1 << 63


def readable(timeline: Timeline) -> list[Sight]:
    """Looks whose values count: the session was there, and no logout was over when they were sent."""
    destroyed = timeline.destroyed
    return [
        one
        for one in timeline.sights
        if one.state is State.PRESENT and one.shows and (destroyed is None or one.sent_us < destroyed.done_us)
    ]


def judge_registers(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    for timeline in timelines.sessions.values():
        if timeline.created is None:
            continue
        looks = readable(timeline)
        registers = {
            name: one
            for name, one in registers_of(timeline).items()
            if not one.counts and name not in IDENTITY and (len(one.values) > 1 or _missed(looks, name))
        }
        if registers:
            findings += _session(timelines, timeline, looks, registers)
    return Counted(findings=findings)


def _missed(looks: list[Sight], name: str) -> bool:
    """A field that only the log-in wrote: all that can be wrong with it is that it is gone."""
    return any(name not in one.saw for one in looks)


def _session(
    timelines: Timelines, timeline: Timeline, looks: list[Sight], registers: dict[str, Register]
) -> list[Finding]:
    torn: dict[int, list[Sight]] = {}
    skip: set[tuple[int, str]] = set()
    for number, sight in enumerate(looks):
        for effect, names in _tears(sight, registers):
            partial = torn.setdefault(effect.operation.id, [])
            if sight not in partial[-1:]:
                partial.append(sight)
            skip.update((number, name) for name in names)
    old: dict[int, _Old] = {}
    ghosts: dict[int, tuple[StepEffect, StepEffect, list[Sight]]] = {}
    left = None if timeline.primary is None else timeline.primary.witnesses
    for register in registers.values():
        _sweep(looks, register, skip, left, old, ghosts)
    _decide(timelines, timeline, looks, old)
    found = [_torn(timelines, timeline, operation, sights) for operation, sights in torn.items()]
    found += [_ghost(timelines, timeline, *ghost) for ghost in ghosts.values()]
    found += [_old(timelines, timeline, one) for one in old.values()]
    return found


def _tears(sight: Sight, registers: dict[str, Register]) -> list[tuple[StepEffect, list[str]]]:
    """Writes of several fields of which this look saw a part."""
    versions = {
        name: one.values.get(sight.saw.get(name)) for name, one in registers.items() if name in sight.saw
    }
    found = []
    for name, seen in versions.items():
        if seen is None or len(seen.step.wrote) < 2:
            continue
        for other in seen.step.wrote:
            version = versions.get(other)
            if version is None or version is seen:
                continue
            # Either would have overwritten both fields at once.
            both = name in version.step.wrote
            if version.precedes(seen) or (both and version.first_us <= seen.first_us):
                found.append((seen, [name, other]))
    return found


def _sweep(  # noqa: PLR0917 - all that one walk reads and fills
    looks: list[Sight],
    register: Register,
    skip: set[tuple[int, str]],
    left: tuple[str, ...] | None,
    old: dict[int, _Old],
    ghosts: dict[int, tuple[StepEffect, StepEffect, list[Sight]]],
) -> None:
    """Walk the looks in the order they were sent, with the newest write that each had to show."""
    finished = sorted(range(len(looks)), key=lambda number: looks[number].done_us)
    newest: _Newest | None = None
    writes = reads = 0
    for number, sight in enumerate(looks):
        while writes < len(register.acked) and register.acked[writes][0].done_us < sight.sent_us:
            effect, value = register.acked[writes]
            if newest is None or effect.sent_us > newest.since_us:
                newest = _Newest(effect=effect, value=value, since_us=effect.sent_us)
            writes += 1
        while reads < len(finished) and looks[finished[reads]].done_us < sight.sent_us:
            value = looks[finished[reads]].saw.get(register.name)
            seen = register.values.get(value) if value is not None else None
            if seen is not None and (newest is None or seen.first_us > newest.since_us):
                newest = _Newest(effect=seen, value=value, since_us=seen.first_us)
            reads += 1
        if newest is not None and (number, register.name) not in skip:
            _compare(sight, register, newest, left, old, ghosts)


def _compare(  # noqa: PLR0917 - one step of `_sweep`, with its state
    sight: Sight,
    register: Register,
    newest: _Newest,
    left: tuple[str, ...] | None,
    old: dict[int, _Old],
    ghosts: dict[int, tuple[StepEffect, StepEffect, list[Sight]]],
) -> None:
    newer = newest.effect
    value = sight.saw.get(register.name)
    if value == newest.value:
        return
    if value is None:
        until_us = max(
            (one.until_us for one in register.removals if one.first_us <= sight.done_us), default=NEVER
        )
        seen = None
    else:
        seen = register.values.get(value)
        if seen is None or seen is newer:
            return
        until_us = seen.until_us
    if until_us >= newest.since_us:
        if seen is None or not seen.certain or seen.done_us >= newest.since_us:
            return
        if _may_have_landed_after(left, seen, newer):
            ghosts.setdefault(seen.operation.id, (seen, newer, []))[2].append(sight)
            return
    one = old.setdefault(newer.operation.id, _Old(newer, newest.value, register.name))
    one.sights.append(sight)


def _may_have_landed_after(left: tuple[str, ...] | None, late: StepEffect, newer: StepEffect) -> bool:
    """Whether an unanswered attempt can have overwritten the newer write. Witnesses are kept in the
    order of execution; without them it can."""
    if left is None or late.step.witness is None or newer.step.witness is None:
        return True
    if newer.step.witness not in left:
        return False  # the newer write itself is lost
    return late.step.witness in left[left.index(newer.step.witness) :]


def _decide(timelines: Timelines, timeline: Timeline, looks: list[Sight], old: dict[int, _Old]) -> None:
    """Lost, unless the newer value was seen again later, or its witness is still there and the audit itself
    did not miss it. What only a
    deposed primary went on showing was lost all the same."""
    survived = () if timeline.primary is None else timeline.primary.witnesses
    for one in old.values():
        witness, audited = one.newer.step.witness, any(sight.entry is not None for sight in one.sights)
        if witness is not None and survived and witness in survived and not audited:
            continue
        again_us = max(
            (
                sight.sent_us
                for sight in looks
                if sight.saw.get(one.register) == one.value and not discarded(timelines, sight)
            ),
            default=NEVER,
        )
        one.lost = any(sight.done_us >= again_us and not discarded(timelines, sight) for sight in one.sights)


def _old(timelines: Timelines, timeline: Timeline, one: _Old) -> Finding:
    seen = one.sights[0]
    of = f"{one.register} of {timeline.named}"
    if not one.lost:
        kind, why = STALE_READ, of_old_answer(timelines, seen, one.newer)
        sentence = (
            f"{where(seen)} read an old {of}: operation {one.newer.operation.id} had changed it before."
        )
    else:
        kind, why = LOST_UPDATE, of_loss(timelines, one.newer, seen, timeline.shard)
        proof = "was acked" if one.newer.certain else "had been read"
        sentence = (
            f"{where(seen)} read {of} as it was before operation {one.newer.operation.id}, which {proof}"
            " and did not appear again."
        )
        if _overwritten(timeline, one):
            why = Why(
                because="it was overwritten before a read could distinguish an old answer from a lost write"
            )
    return finding(
        timelines,
        kind,
        timeline,
        promise=one.newer,
        seen=seen,
        why=why,
        sentence=sentence,
        observations=len(one.sights),
    )


def _overwritten(timeline: Timeline, one: _Old) -> bool:
    """A later write replaced it, and no witness tells whether it was still there then."""
    if timeline.primary is not None and timeline.primary.witnesses is not None and one.newer.step.witness:
        return False
    last_us = max(sight.sent_us for sight in one.sights)
    return any(
        effect.certain and effect.sent_us > one.newer.done_us and effect.sent_us <= last_us
        for effect in timeline.writes
        if one.register in effect.step.wrote and effect is not one.newer
    )


def _ghost(
    timelines: Timelines, timeline: Timeline, late: StepEffect, newer: StepEffect, sights: list[Sight]
) -> Finding:
    because = (
        f"operation {late.operation.id} was sent {late.extra + 1} times; an attempt without a reply "
        f"was executed after"
        f" operation {newer.operation.id}"
    )
    return finding(
        timelines,
        GHOST_RETRY,
        timeline,
        promise=newer,
        between=[late.operation],
        seen=sights[0],
        why=Why(cause=Cause.CLIENT_RETRY, because=because),
        sentence=f"{where(sights[0])} read what operation {late.operation.id} wrote to {timeline.named}"
        f" in place of a later acked write: {because}.",
        observations=len(sights),
    )


def _torn(timelines: Timelines, timeline: Timeline, operation: int, sights: list[Sight]) -> Finding:
    effects = (*timeline.creations, *timeline.writes)
    effect = next(one for one in effects if one.operation.id == operation and len(one.step.wrote) > 1)
    what = "log-in" if effect.step.does is StepKind.CREATE else "write"
    return finding(
        timelines,
        TORN_STATE,
        timeline,
        promise=effect,
        seen=sights[0],
        why=of_old_answer(timelines, sights[0], effect),
        sentence=f"{where(sights[0])} saw only a part of the values that one {what} (operation "
        f"{operation}) wrote to"
        f" {timeline.named}.",
        observations=len(sights),
    )


CHECK = Check(
    promise="A field shows its last acked write completely.",
    kinds=(LOST_UPDATE, STALE_READ, TORN_STATE, GHOST_RETRY),
    find=judge_registers,
)
