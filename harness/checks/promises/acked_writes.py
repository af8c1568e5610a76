"""Acked writes whose witness is gone: the exact count of lost writes.

Later writes hide most lost ones. So every write also leaves its operation id on a list that nobody
shortens; what is acked and not on the list after recovery is lost. Log-ins and logouts are promises
of their own (lost-session, resurrected-session) and are not counted here.

Trap: witness lists can be evicted like any key, and the next write begins another. Where that may have
happened, a list without the log-in's own trace proves nothing about the writes that it does not name.
"""

from __future__ import annotations

from collections import Counter as Tally

from harness.checks.facts.causes import Why, of_loss
from harness.checks.facts.step_effects import StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.kinds import GHOST_RETRY, UNEXPLAINED
from harness.model.finding_kind import WITNESSED, FindingKind, FindingTrait, OutOf
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide, StepKind
from harness.redis_wire.keys import witness_key

LOST_WRITE = FindingKind(
    name="lost-write",
    side=FindingSide.CLOSED,
    sentence="a confirmed change is missing",
    needs=WITNESSED,
    out_of=OutOf.WRITES,
    traits=(FindingTrait.LOST_WRITE, FindingTrait.LOSS, FindingTrait.BREAKS_SESSION),
)


def judge_witnesses(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    undecidable = 0
    if not timelines.plan.scenario.workload.witnesses:
        return Counted()
    for timeline in timelines.sessions.values():
        left = None if timeline.primary is None else timeline.primary.witnesses
        acked = [one for one in timeline.writes if one.certain and one.step.witness is not None]
        if left is None:
            undecidable += len(acked)
            continue
        there = frozenset(left)
        missing = [one for one in acked if one.step.witness not in there]
        if missing and not _from_the_start(timeline, there) and _may_be_evicted(timelines, timeline):
            undecidable += 0 if _evicted(timelines, timeline) else len(missing)
            missing = []
        findings += [_lost(timelines, timeline, one) for one in missing]
        findings += _late(timelines, timeline, left)
        findings += _impossible(timelines, timeline, left)
    return Counted(findings=findings, undecidable={LOST_WRITE.name: undecidable})


def twice(timeline: Timeline) -> list[tuple[StepEffect, int]]:
    """Increments whose witness is there more often than they were asked for, and how often."""
    left = None if timeline.primary is None else timeline.primary.witnesses
    if not left or len(left) == len(frozenset(left)):
        return []
    tally = Tally(left)
    asked = Tally(one.step.witness for one in timeline.writes)
    return [
        (one, tally[one.step.witness])
        for one in timeline.writes
        if one.step.does is StepKind.INCREMENT
        and one.step.witness is not None
        and tally[one.step.witness] > asked[one.step.witness]
    ]


def _from_the_start(timeline: Timeline, there: frozenset[str]) -> bool:
    """Whether the list is the one that the log-in began, not one that a later write began anew."""
    return any(one.step.witness in there for one in timeline.creations)


def _evicted(timelines: Timelines, timeline: Timeline) -> bool:
    """The session itself is known to be evicted: a finding of its own, its writes with it."""
    return (timeline.key, timeline.shard) in timelines.ownership.evicted_at


def _may_be_evicted(timelines: Timelines, timeline: Timeline) -> bool:
    assert timeline.primary is not None
    if (witness_key(timeline.session), timeline.shard) in timelines.ownership.evicted_at or _evicted(
        timelines, timeline
    ):
        return True
    if timelines.ownership.evictions_by_key(timeline.shard):
        return False
    created_us = min((one.first_us for one in timeline.creations), default=0.0)
    return timelines.ownership.evicted_between(timeline.shard, created_us, timeline.primary.done_us)[1] > 0


def _lost(timelines: Timelines, timeline: Timeline, effect: StepEffect) -> Finding:
    seen = next(one for one in timeline.sights if one.entry is not None)
    why = of_loss(timelines, effect, seen, timeline.shard)
    fields = ", ".join((*effect.step.wrote, *effect.step.added, *effect.step.removed))
    return finding(
        timelines,
        LOST_WRITE,
        timeline,
        promise=effect,
        seen=seen,
        why=why,
        sentence=f"Operation {effect.operation.id} ({effect.operation.behaviour}: {fields}) on"
        f" {timeline.named} was acked; {where(seen)} found no trace of it.",
    )


def _late(timelines: Timelines, timeline: Timeline, left: tuple[str, ...]) -> list[Finding]:
    """Overwriting writes executed a second time after something newer of the same field."""
    if len(left) == len(frozenset(left)):
        return []
    found = []
    by_witness = {one.step.witness: one for one in timeline.writes if one.step.witness is not None}
    seen = next(one for one in timeline.sights if one.entry is not None)
    for witness, times in Tally(left).items():
        late = by_witness.get(witness)
        if times < 2 or late is None or late.step.does is not StepKind.WRITE:
            continue
        first = left.index(witness)
        last = len(left) - left[::-1].index(witness)
        between = [by_witness[one] for one in left[first + 1 : last] if one in by_witness and one != witness]
        newer = [
            one
            for one in between
            if one.certain
            and late.done_us < one.first_us
            and not late.step.wrote.keys().isdisjoint(one.step.wrote)
        ]
        if newer:
            after = newer[-1].operation.id
            because = f"operation {late.operation.id} was executed {times} times, the last after {after}"
            found.append(
                finding(
                    timelines,
                    GHOST_RETRY,
                    timeline,
                    promise=newer[-1],
                    between=[late.operation],
                    seen=seen,
                    why=Why(
                        cause=Cause.CLIENT_RETRY if late.resent else Cause.NOT_DETERMINED, because=because
                    ),
                    sentence=f"A late attempt of an old request overwrote a later acked write in "
                    f"{timeline.named}: {because}.",
                )
            )
    return found


def _impossible(timelines: Timelines, timeline: Timeline, left: tuple[str, ...]) -> list[Finding]:
    """Traces that contradict what was recorded, and that no other name covers."""
    seen = next(one for one in timeline.sights if one.entry is not None)
    there = frozenset(left)
    found = []
    for operation, step in timeline.refused:
        if step.witness is not None and step.witness in there:
            known = any(one.step.witness == step.witness for one in timeline.writes)
            if not known:
                found.append(
                    finding(
                        timelines,
                        UNEXPLAINED,
                        timeline,
                        between=[operation],
                        seen=seen,
                        sentence=f"Operation {operation.id} was refused ({step.error or 'no reason known'}),"
                        f" but {timeline.named} has its trace.",
                    )
                )
    found += [
        finding(
            timelines,
            UNEXPLAINED,
            timeline,
            between=[operation],
            seen=seen,
            sentence=f"Operation {operation.id} got the answer that there was no session, but"
            f" {timeline.named} has its trace.",
        )
        for operation, step in timeline.turned_away
        if step.witness in there
    ]
    written = {
        one.step.witness: one for one in timeline.writes if one.certain and one.step.witness is not None
    }
    newest: StepEffect | None = None
    for witness in dict.fromkeys(left):
        one = written.get(witness)
        if one is None or one.extra:
            continue
        if newest is not None and one.done_us < newest.first_us:
            found.append(
                finding(
                    timelines,
                    UNEXPLAINED,
                    timeline,
                    promise=one,
                    between=[newest.operation],
                    seen=seen,
                    sentence=f"Operation {one.operation.id} was done before operation {newest.operation.id}"
                    f" was sent, but was executed after it in {timeline.named}.",
                )
            )
            break
        if newest is None or one.first_us > newest.first_us:
            newest = one
    return found


CHECK = Check(
    promise="An acked write is not lost, even if other writes follow.",
    kinds=(LOST_WRITE, GHOST_RETRY, UNEXPLAINED),
    find=judge_witnesses,
)
