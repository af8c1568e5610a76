"""Every object that is no session keeps what was promised of it: each kind's own model says what that is.

The models are in `harness.objects`, one a kind; they find contradictions. Here each becomes a finding: who
acked the promise, who saw it broken, and why. A look by a node that was no primary any more, at a promise
that was made elsewhere, is an old answer (stale-read), unless somebody saw it broken elsewhere too. Of a
guard it is fail-open all the same: whoever asks it and gets an old answer lets in.

Trap: nobody may have looked. A promise whose key the audit could not read is not kept, it is undecided.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import replace

from harness.checks.facts.causes import STALE, Why, acker, of_loss, of_lost_key, of_old_answer, watcher
from harness.checks.facts.object_pasts import ObjectPast, object_pasts
from harness.checks.facts.step_effects import Sight, StepEffect
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.exact_objects import explained
from harness.checks.promises.kinds import STALE_READ, UNEXPLAINED
from harness.model.finding_kind import FindingKind
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide
from harness.objects import OBJECTS
from harness.objects.kind import Breach, Change, Look, Many


def judge_objects(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    undecidable: Counter[str] = Counter()
    for past in object_pasts(timelines):
        found = [
            _finding(timelines, past, breach) for breach in past.kind.judge(past.past(timelines.epsilon_us))
        ]
        if not found and timelines.history.complete:
            found = _contradicted(timelines, past)
        findings += found
        if not found and _nobody_looked(timelines, past):
            undecidable[past.kind.findings[0].name] += 1
    if timelines.clocks_known:
        return Counted(findings=findings, undecidable=dict(undecidable))
    undecidable.update(one.name for one in findings)  # their time may have been over
    return Counted(undecidable=dict(undecidable))


def _contradicted(timelines: Timelines, past: ObjectPast) -> list[Finding]:
    """No promise was broken, and yet no order explains it. Nothing is said where something acked may have
    been lost: what nobody was promised may have been lost with it."""
    changes = past.past(timelines.epsilon_us)
    if explained(past.kind, changes, past.looks):
        return []
    looks = [
        one for one in past.looks if past.sights[one.n].entry or not _by_a_replica(timelines, past, one.n)
    ]
    if explained(past.kind, changes, looks) is not False or _perhaps_lost(timelines, past):
        return []
    seen = max(past.sights.values(), key=lambda one: one.sent_us)
    operation = next((one.operation for one in past.effects.values()), seen.operation)
    return [
        finding(
            timelines,
            UNEXPLAINED,
            past.timeline(operation),
            promise=None,
            seen=seen,
            why=Why(),
            sentence=f"No order of the operations explains what was seen of {past.kind.named(past.key)}.",
            observations=max(1, len(looks)),
        )
    ]


def _by_a_replica(timelines: Timelines, past: ObjectPast, n: int) -> bool:
    """Or by a primary that was deposed: it shows the past."""
    return watcher(timelines, past.sights[n]).standing in STALE


def _perhaps_lost(timelines: Timelines, past: ObjectPast) -> bool:
    """Also a write without an answer, that somebody saw before the failover."""
    if timelines.facts.landmarks.danger_us is not None or timelines.ownership.reborn:
        return True
    return any(
        of_loss(timelines, one, None, one.operation.shard).cause is not Cause.NOT_DETERMINED
        for one in past.effects.values()
        if one.certain
    ) or any(event.name == "evicted" and event.key == past.key for event in timelines.history.events)


def _nobody_looked(timelines: Timelines, past: ObjectPast) -> bool:
    """Something was promised while it could be lost, and no look since, in its time, tells whether it was."""
    ends_us = past.kind.holds_until_us(past.past(timelines.epsilon_us))
    if ends_us is None:
        return False
    danger_us = timelines.facts.landmarks.danger_us
    if danger_us is None:
        return ends_us > timelines.facts.landmarks.workload_ends_us and not past.audited
    begun_us, over_us = danger_us
    if ends_us < begun_us:
        return False
    return not any(over_us < one.sent_us and one.done_us < ends_us for one in past.sights.values())


def _finding(timelines: Timelines, past: ObjectPast, breach: Breach) -> Finding:
    if breach.of_many is not None:
        breach = _exemplified(timelines, past, breach, breach.of_many)
    looks = [past.sights[one.n] for one in breach.looks]
    promise = None if breach.promise is None else past.effects[breach.promise.n]
    held = [one for one in looks if promise is None or not _out_of_date(timelines, promise, one)]
    seen = (held or looks)[0]
    kind, why = _named(timelines, breach, promise, seen, old=not held)
    operation = promise.operation if promise is not None else seen.operation
    timeline = past.timeline(operation)
    says = breach.says.format(it=past.kind.named(past.key))
    acked = ""
    if promise is not None and not promise.certain:
        acked = f"; operation {promise.operation.id} got no answer"
    elif promise is not None:
        late_s = (seen.sent_us - promise.done_us) / 1e6
        acked = f", {late_s:.2f} s after operation {promise.operation.id} was acked"
        if late_s < 0:  # both at once
            acked = f", although operation {promise.operation.id} was acked"
    found = finding(
        timelines,
        kind,
        timeline,
        promise=promise,
        seen=seen,
        why=why,
        sentence=f"{where(seen)} {says}{acked}.",
        observations=len(held or looks),
        side=FindingSide.OPEN if kind is STALE_READ and _guards(breach) else None,
    )
    # When the broken one was acked is not known, so it says nothing about how long writes were lost.
    return found if breach.of_many is None else replace(found, t_us=None, sent_us=None)


def _exemplified(
    timelines: Timelines, past: ObjectPast, breach: Breach, of_many: Callable[[Look], Many]
) -> Breach:
    """The breach told by one promise: the latest of those whose loss has the cause that most of them have.
    Where fewer have a cause than were lost, it is one without. Looks that show the past stand last, and
    contradict only what another node was asked to keep."""
    now = [
        one for one in breach.looks if past.sights[one.n].entry or not _by_a_replica(timelines, past, one.n)
    ]
    then = [one for one in breach.looks if one not in now]
    seen = past.sights[(now or then)[0].n]
    many = of_many((now or then)[0])
    by_cause: dict[Cause, list[Change]] = defaultdict(list)
    for one in many.promises:
        effect = past.effects[one.n]
        if now or _out_of_date(timelines, effect, seen):
            _, why = _named(timelines, breach, effect, seen, old=not now)
            by_cause[why.cause].append(one)
    unexplained = by_cause.pop(Cause.NOT_DETERMINED, [])
    if unexplained and sum(map(len, by_cause.values())) < many.broken:
        by_cause = {Cause.NOT_DETERMINED: unexplained}
    most = max(by_cause.values(), key=len, default=many.promises)
    promise = max(most, key=lambda one: one.sent_us, default=None)
    return replace(breach, promise=promise, looks=[*now, *then], says=many.says)


def _guards(breach: Breach) -> bool:
    """Whoever asks this and gets an old answer lets somebody in."""
    return breach.kind is not None and breach.kind.side is FindingSide.OPEN


def _named(
    timelines: Timelines,
    breach: Breach,
    promise: StepEffect | None,
    seen: Sight,
    *,
    old: bool,
) -> tuple[FindingKind, Why]:
    kind = breach.kind
    if promise is None or kind is None:
        return UNEXPLAINED, Why()
    if not promise.certain:
        return kind, Why(cause=Cause.ANSWER_LOST, because="an attempt without an answer was carried out")
    if breach.cause is not None:
        return kind, Why(cause=breach.cause)
    if old:
        return STALE_READ, of_old_answer(timelines, seen, promise)
    return kind, of_lost_key(timelines, promise, seen, promise.operation.shard, "its eviction")


def _out_of_date(timelines: Timelines, promise: StepEffect, seen: Sight) -> bool:
    """A replica or a deposed primary showed it: the promise may well be kept where it was made."""
    watched = watcher(timelines, seen)
    return seen.entry is None and watched.standing in STALE and acker(timelines, promise).node != watched.node


CHECK = Check(
    promise="A revocation, a ban, a count, a profile, a form holds for as long as it was promised to.",
    kinds=(
        *dict.fromkeys(kind for kept in OBJECTS.values() for kind in kept.findings),
        STALE_READ,
        UNEXPLAINED,
    ),
    find=judge_objects,
)
