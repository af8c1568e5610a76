"""A user's list of sessions against the sessions: the finding index-drift.

The list and a session are two keys, in a cluster on two shards, so one can be lost without the other. The
audit looks at both once. Before that, who lists the sessions of a user (SMEMBERS) or takes one out that was
there (SREM 1) has seen its entry: after it was acked out, that is a sight of the removal undone. And who
lists them without it, though it was acked in and somebody is told of it later, was given an old answer.

Traps: a session that is gone together with its entry is no drift, nor is one that came back together with it:
that is the logout undone, judged as such. One that timed out leaves its entry behind by design.
"""

from __future__ import annotations

from harness.checks.facts.causes import (
    STALE,
    Why,
    acker,
    of_loss,
    of_lost_entry,
    of_old_answer,
    watcher,
)
from harness.checks.facts.step_effects import Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.kinds import STALE_READ
from harness.model.finding_kind import FindingKind
from harness.model.judgement import Finding
from harness.model.words import FindingSide

INDEX_DRIFT = FindingKind(
    name="index-drift",
    side=FindingSide.OPEN,
    sentence=("the list of a user's sessions lacks an existing session, or shows a removed session again"),
)


def judge_index(timelines: Timelines) -> Counted:
    findings = []
    for timeline in timelines.sessions.values():
        findings += (
            _still_listed(timelines, timeline)
            or _unlisted(timelines, timeline)
            or _not_named(timelines, timeline)
        )
    return Counted(findings=findings)


def _unlisted(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    """There, acked into the index, never asked out of it, and not in it."""
    audited = _audited(timeline)
    if audited is None or audited.state is not State.PRESENT or timeline.listed is not False:
        return []
    added = [one for one in timeline.indexed if one.certain]
    if not added or timeline.destroyed is not None:
        return []
    last = max(added, key=lambda one: one.sent_us)
    if any(one.until_us >= last.first_us for one in timeline.unindexed):
        return []
    timeout_us = _lasts_us(timelines, last)
    if audited.done_us >= last.sent_us + timeout_us - timelines.epsilon_us:
        return []
    why = of_lost_entry(timelines, timeline, last, audited, audited.done_us)
    what = f"{timeline.named} exists, but the list of {timeline.user}'s sessions does not contain it"
    acked = f"though operation {last.operation.id} was acked"
    return [_drift(timelines, timeline, last, audited, why, f"{what}, {acked}.")]


def _lasts_us(timelines: Timelines, entered: StepEffect) -> float:
    """How long the list lives after this entry, if nobody enters another."""
    ttl_ms = entered.step.ttl_ms
    return ttl_ms * 1000 if ttl_ms else timelines.plan.scenario.workload.ends_unused_s * 1e6


def _still_listed(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    """Acked out of the index and seen in it afterwards, without anything that may have entered it again."""
    undone = [(promise, sight) for sight in _entries(timeline) if (promise := _removal(timeline, sight))]
    if not undone or _back_as_well(timeline, undone[0][0]):
        return []
    held = [one for one in undone if not _out_of_date(timelines, *one)]
    promise, seen = (held or undone)[0]
    acked = f"though operation {promise.operation.id} was acked"
    listed = f"in the list of {timeline.user}'s sessions"
    if not held:
        sentence = f"{where(seen)} still read {timeline.named} {listed}, {acked}."
        return [_old_list(timelines, timeline, undone, sentence)]
    if seen.entry is not None:
        still = f"the list of {timeline.user}'s sessions still contains it"
        what = f"{timeline.named} is gone, but {still}, {acked}."
    else:
        late_s = (seen.sent_us - promise.done_us) / 1e6
        what = f"{where(seen)} found {timeline.named} {listed} {late_s:.2f} s after it was removed, {acked}."
    why = of_loss(timelines, promise, seen, timeline.shard)
    return [_drift(timelines, timeline, promise, seen, why, what, observations=len(held))]


def _not_named(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    """Acked into the index, missing in one answer and named by a later one, and not entered again in between.
    Where the session outlived the call that asked, it escaped it, which is judged as such."""
    old = [
        (promise, sight)
        for sight in timeline.unnamed
        if (promise := _entered(timelines, timeline, sight)) and _named_later(timeline, sight)
    ]
    if not old or any(_outlived(timeline, sight) for _, sight in old):
        return []
    promise, seen = old[0]
    what = f"{where(seen)} did not read {timeline.named} in the list of {timeline.user}'s sessions"
    sentence = f"{what}, though operation {promise.operation.id} was acked and a later read has it."
    return [_old_list(timelines, timeline, old, sentence)]


def _old_list(
    timelines: Timelines, timeline: Timeline, old: list[tuple[StepEffect, Sight]], sentence: str
) -> Finding:
    """The list as it was before the promise. `old`: each promise, and who still saw what was before it."""
    promise, seen = old[0]
    return finding(
        timelines,
        STALE_READ,
        timeline,
        promise=promise,
        seen=seen,
        why=of_old_answer(timelines, seen, promise),
        sentence=sentence,
        observations=len(old),
    )


def _entered(timelines: Timelines, timeline: Timeline, sight: Sight) -> StepEffect | None:
    """What had entered it before this look; None: nothing, or it may have been taken out or run out since."""
    before = [one for one in timeline.indexed if one.certain and one.until_us < sight.sent_us]
    if not before:
        return None
    last = max(before, key=lambda one: one.sent_us)
    taken_out = (*timeline.unindexed, *timeline.carried_off)
    out = any(one.until_us >= last.first_us and one.first_us <= sight.done_us for one in taken_out)
    timeout_us = _lasts_us(timelines, last)
    return None if out or sight.done_us >= last.sent_us + timeout_us - timelines.epsilon_us else last


def _named_later(timeline: Timeline, sight: Sight) -> bool:
    return any(
        one.sent_us > sight.done_us
        and not any(
            again.until_us >= sight.sent_us and again.first_us <= one.done_us for again in timeline.indexed
        )
        for one in _entries(timeline)
    )


def _outlived(timeline: Timeline, sight: Sight) -> bool:
    return any(one.state is State.PRESENT and one.sent_us > sight.done_us for one in timeline.sights)


def _out_of_date(timelines: Timelines, promise: StepEffect, seen: Sight) -> bool:
    """A replica or a deposed primary named it: the removal may well hold."""
    watched = watcher(timelines, seen)
    return seen.entry is None and watched.standing in STALE and acker(timelines, promise).node != watched.node


def _entries(timeline: Timeline) -> list[Sight]:
    """Who saw its entry, the audit included, in order."""
    audited = _audited(timeline)
    seen = list(timeline.entries)
    if audited is not None and timeline.listed:
        seen.append(audited)
    return sorted(seen, key=lambda one: one.sent_us)


def _audited(timeline: Timeline) -> Sight | None:
    return next((one for one in timeline.sights if one.entry is not None), None)


def _removal(timeline: Timeline, sight: Sight) -> StepEffect | None:
    """What had taken the entry out before this look; None: nothing, or it may have been entered since."""
    before = [one for one in timeline.removals if one.done_us < sight.sent_us]
    if not before:
        return None
    last = max(before, key=lambda one: one.sent_us)
    again = any(one.until_us >= last.sent_us and one.first_us <= sight.done_us for one in timeline.indexed)
    return None if again else last


def _back_as_well(timeline: Timeline, promise: StepEffect) -> bool:
    """The session itself was seen after that logout: then the list is right."""
    return any(
        one.state is State.PRESENT
        and one.sent_us > promise.sent_us
        and one.operation is not promise.operation
        for one in timeline.sights
    )


def _drift(  # noqa: PLR0917 - all of what makes a finding
    timelines: Timelines,
    timeline: Timeline,
    promise: StepEffect,
    seen: Sight,
    why: Why,
    sentence: str,
    *,
    observations: int = 1,
) -> Finding:
    return finding(
        timelines,
        INDEX_DRIFT,
        timeline,
        promise=promise,
        seen=seen,
        why=why,
        sentence=sentence,
        observations=observations,
    )


CHECK = Check(
    promise="The list of a user's sessions names the sessions that exist.",
    kinds=(INDEX_DRIFT, STALE_READ),
    find=judge_index,
)
