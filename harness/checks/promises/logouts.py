"""Logouts that did not hold: somebody gets in, or stays in, who must not.

First match: escaped-logout (logout-everywhere missed a session that existed when it was called),
then resurrected-session. Where a write of the application itself may have made the key again, it
is undone-by-own-write, counted apart.

A logout whose user was told "error" promises nothing, until somebody finds the session gone and nothing
but that logout explains it: then it had come true, and must stay so.

Trap: an acked logout that found no session still told its user "signed out". If the session works
afterwards, that promise is broken, whatever DEL said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.checks.facts.causes import (
    STALE,
    Why,
    acker,
    of_loss,
    of_lost_entry,
    of_old_answer,
    watcher,
)
from harness.checks.facts.step_effects import Sight, State, StepEffect, nothing_seen, seen_at
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.lifetimes import Deadlines, may_have_ended
from harness.model.finding_kind import FindingKind, FindingTrait, OutOf
from harness.model.judgement import Finding
from harness.model.records import Operation
from harness.model.times import FOREVER
from harness.model.words import Cause, FindingSide, Outcome, StepKind

RESURRECTED_SESSION = FindingKind(
    name="resurrected-session",
    side=FindingSide.OPEN,
    sentence='a user saw "signed out", but the session works again',
    out_of=OutOf.LOGOUTS,
    traits=(FindingTrait.BREAKS_SESSION,),
)

UNDONE_BY_OWN_WRITE = FindingKind(
    name="undone-by-own-write",
    side=FindingSide.OPEN,
    sentence="a session works again after its logout because the application wrote to it",
    out_of=OutOf.LOGOUTS,
    traits=(FindingTrait.BREAKS_SESSION,),
)

FIXATED_SESSION = FindingKind(
    name="fixated-session",
    side=FindingSide.OPEN,
    sentence="a session got a new id, and its old id works again",
    out_of=OutOf.LOGINS,
    traits=(FindingTrait.BREAKS_SESSION,),
)

ESCAPED_LOGOUT = FindingKind(
    name="escaped-logout",
    side=FindingSide.OPEN,
    sentence='"log out everywhere" was confirmed, but a session still works',
    out_of=OutOf.LOGOUTS,
    traits=(FindingTrait.BREAKS_SESSION,),
)


def judge_destroys(timelines: Timelines) -> Counted:
    findings = []
    for timeline in timelines.sessions.values():
        found = _escaped(timelines, timeline) or _undone(timelines, timeline)
        if found is not None:
            findings.append(found)
    return Counted(findings=findings)


@dataclass(frozen=True, slots=True)
class _Promise:
    """An acked logout: what it did, if it did something, and when it was through."""

    operation: Operation
    effect: StepEffect | None
    begun_us: float
    done_us: float
    seen: Sight | None = None
    """Nobody was told that it was done; this look found that it was."""


def _promises(timelines: Timelines, timeline: Timeline) -> list[_Promise]:
    made = [
        _Promise(one.operation, one, one.first_us, one.done_us) for one in timeline.destroys if one.certain
    ]
    for operation, step in timeline.denied:
        made.append(_Promise(operation, None, *seen_at(operation, step)))
    made += _come_true(timelines, timeline)
    return sorted(made, key=lambda one: one.done_us)


def _come_true(timelines: Timelines, timeline: Timeline) -> list[_Promise]:
    """Logouts without an answer that were seen to have happened: the session was gone, and nothing else
    explains it. An application of somebody's own explains any absence: a page for nobody proves no logout."""
    if timelines.of_guest:
        return []
    perhaps = [one for one in timeline.destroys if not one.certain]
    created = timeline.created
    if not perhaps or created is None:
        return []
    deadlines = Deadlines(timelines, timeline)
    found = []
    for sight in timeline.sights:
        if sight.state is not State.ABSENT or sight.sent_us <= created.done_us:
            continue
        begun = [one for one in perhaps if one.first_us <= sight.done_us]
        if not begun or watcher(timelines, sight).standing in STALE or may_have_ended(deadlines, sight):
            continue
        last = max(begun, key=lambda one: one.first_us)
        first_us = min(one.first_us for one in begun)
        effect = replace(last, certain=True, first_us=first_us, sent_us=first_us, done_us=sight.done_us)
        found.append(_Promise(last.operation, effect, first_us, sight.done_us, sight))
    return found


def _undone(timelines: Timelines, timeline: Timeline) -> Finding | None:
    promises = _promises(timelines, timeline)
    if not promises:
        return None
    at_work = [one for one in timeline.sights if one.state is State.PRESENT]
    for promise in promises:
        alive = [one for one in at_work if one.sent_us > promise.done_us]
        pieces = [
            one for one in timeline.sights if one.state is State.PARTIAL and one.sent_us > promise.done_us
        ]
        if alive and (found := _whole(timelines, timeline, promise, alive)) is not None:
            return found
        acked = promise.effect is not None and promise.seen is None
        if not alive and pieces and acked and not timelines.guarded:
            writer = _maker(timeline.writes, promise, pieces[0])
            if writer is not None:
                return _by_own_write(timelines, timeline, promise, writer, pieces)
    return None


def _whole(timelines: Timelines, timeline: Timeline, promise: _Promise, alive: list[Sight]) -> Finding | None:
    seen = alive[0]
    maker = _maker(timeline.creations, promise, seen)
    if maker is not None:
        overlaps = maker.certain and maker.done_us >= promise.begun_us
        if overlaps or promise.effect is None:
            return None  # the log-in was still under way: it may just as well have come after
        return _by_own_write(timelines, timeline, promise, maker, alive)
    what = f"{where(seen)} found {timeline.named} alive"
    late_s = (seen.sent_us - promise.done_us) / 1e6
    if promise.effect is None:
        sentence = f"{what} {late_s:.2f} s after a logout that was acked and found no session to delete."
        why = _of_denial(timelines, timeline, promise.operation, seen)
    else:
        sentence = f"{what} {late_s:.2f} s after its logout was acked."
        if promise.seen is not None:
            told = f"operation {promise.operation.id} (its user saw {promise.operation.told!r})"
            sentence = f"{what} {late_s:.2f} s after {where(promise.seen)} had found it logged out by {told}."
        why = undone_because(timelines, timeline, promise.effect, seen)
    renewed = any(one.does is StepKind.CREATE for one in promise.operation.steps)
    if renewed:
        sentence = sentence.replace("logout", "change of id")
    return finding(
        timelines,
        FIXATED_SESSION if renewed else RESURRECTED_SESSION,
        timeline,
        promise=promise.effect or _as_promise(promise.operation, timeline),
        seen=seen,
        why=why,
        sentence=sentence,
        observations=len(alive),
    )


def _of_denial(timelines: Timelines, timeline: Timeline, logout: Operation, seen: Sight) -> Why:
    """Why the node did not have the session that it was to destroy: another logout had deleted it, and
    that one was undone, or the node never had it."""
    met = next(one for one in timeline.sights if one.operation is logout and one.state is State.ABSENT)
    before = [one for one in timeline.destroys if one.certain and one.first_us <= met.done_us]
    if before:
        return undone_because(timelines, timeline, before[-1], seen)
    why = of_old_answer(timelines, met, timeline.created)
    because = f"the logout found no session to delete: {why.because or 'its node is not known'}"
    return Why(cause=why.cause, because=because)


def undone_because(timelines: Timelines, timeline: Timeline, destroy: StepEffect, seen: Sight) -> Why:
    """The logout was lost, or it holds and an old node or a replica answered."""
    watched = watcher(timelines, seen)
    if seen.entry is None and watched.standing in STALE and acker(timelines, destroy).node != watched.node:
        return of_old_answer(timelines, seen, destroy)
    return of_loss(timelines, destroy, seen, timeline.shard)


def _maker(writers: Sequence[StepEffect], promise: _Promise, seen: Sight) -> StepEffect | None:
    """A write of the application that may have made the key after the logout."""
    may = [one for one in writers if one.until_us >= promise.begun_us and one.first_us <= seen.done_us]
    return may[-1] if may else None


def _by_own_write(
    timelines: Timelines, timeline: Timeline, promise: _Promise, maker: StepEffect, seen: list[Sight]
) -> Finding:
    unanswered = maker.resent or maker.step.outcome is not Outcome.ACKED
    if unanswered and maker.extra and maker.first_us < promise.begun_us:
        because = (
            f"an attempt of operation {maker.operation.id} got no reply and may have executed "
            f"after the logout"
        )
        why = Why(cause=Cause.CLIENT_RETRY, because=because)
    else:
        because = f"operation {maker.operation.id} wrote to the session during or after its deletion"
        why = Why(cause=Cause.APPLICATION_RACE, because=because)
    return finding(
        timelines,
        UNDONE_BY_OWN_WRITE,
        timeline,
        promise=promise.effect,
        between=[maker.operation],
        seen=seen[0],
        why=why,
        sentence=f"{where(seen[0])} found {timeline.named} after its logout: {because}.",
        observations=len(seen),
    )


def _escaped(timelines: Timelines, timeline: Timeline) -> Finding | None:
    created = timeline.created
    listed = next((one for one in timeline.indexed if one.certain), None)
    if created is None or listed is None:
        return None
    last_us = timeline.last_presence_us()
    for call in timelines.everywhere.get(timeline.user, ()):
        sent_us, done_us = call.sent_us, call.done_us
        if sent_us is None or done_us is None or last_us <= done_us:
            continue
        if created.done_us >= sent_us or listed.done_us >= sent_us:
            continue
        if any(one.until_us >= sent_us for one in timeline.creations):
            continue
        if _out_before(timeline, call, sent_us):
            continue
        alive = [one for one in timeline.sights if one.state is State.PRESENT and one.sent_us > done_us]
        return _escaped_from(timelines, timeline, call, listed, alive)
    return None


def _out_before(timeline: Timeline, call: Operation, sent_us: float) -> bool:
    """Whether it had been logged out by itself before: then it was rightly not listed, and that logout is the
    promise that is broken."""
    by_itself = (*timeline.destroys, *timeline.unindexed)
    return any(one.certain and one.operation is not call and one.done_us < sent_us for one in by_itself)


def _escaped_from(
    timelines: Timelines, timeline: Timeline, call: Operation, listed: StepEffect, alive: list[Sight]
) -> Finding:
    seen = alive[0]
    members = next((one.members for one in call.steps if one.members is not None), None)
    destroy = next((one for one in timeline.destroys if one.operation is call), None)
    if members is not None and timeline.session not in members:
        how = "it was not in the user's list of sessions"
        why = _not_listed(timelines, timeline, call, listed)
    elif destroy is not None and destroy.certain:
        how = "its DEL was undone"
        why = undone_because(timelines, timeline, destroy, seen)
    else:
        steps = [
            one for one in call.steps if one.does is StepKind.DESTROY and one.session == timeline.session
        ]
        denied = next((one for one in steps if one.outcome is Outcome.ACKED), None)
        how = "its DEL was not executed" if denied is None else "its DEL found no session"
        why = (
            Why()
            if denied is None
            else of_old_answer(timelines, nothing_seen(call, denied), timeline.created)
        )
    because = how if not why.because else f"{how}; {why.because}"
    promise = destroy if destroy is not None and destroy.certain else _as_promise(call, timeline)
    return finding(
        timelines,
        ESCAPED_LOGOUT,
        timeline,
        promise=promise,
        between=[call],
        seen=seen,
        why=Why(cause=why.cause, because=because),
        sentence=f"{where(seen)} found {timeline.named} alive after a logout everywhere was acked: {how}.",
        observations=len(alive),
    )


def _not_listed(timelines: Timelines, timeline: Timeline, call: Operation, listed: StepEffect) -> Why:
    """Why a list lacked what had been entered: an old node answered, or the entry was lost."""
    by_us = FOREVER
    for step in call.steps:
        if step.does is not StepKind.INDEX_READ:
            continue
        read = nothing_seen(call, step)
        if watcher(timelines, read).standing in STALE:
            return of_old_answer(timelines, read, listed)
        by_us = min(by_us, read.done_us)
    return of_lost_entry(timelines, timeline, listed, None, by_us)


def _as_promise(call: Operation, timeline: Timeline) -> StepEffect | None:
    """The call itself, where no delete of it took effect on the session."""
    steps = [one for one in call.steps if one.session == timeline.session and one.does is StepKind.DESTROY]
    step = steps[0] if steps else call.steps[0] if call.steps else None
    if step is None or call.sent_us is None or call.done_us is None:
        return None
    return StepEffect(
        operation=call,
        step=step,
        certain=True,
        first_us=call.sent_us,
        sent_us=call.sent_us,
        done_us=call.done_us,
        until_us=FOREVER,
        extra=0,
    )


CHECK = Check(
    promise="After a logout the session never works again.",
    kinds=(ESCAPED_LOGOUT, FIXATED_SESSION, RESURRECTED_SESSION, UNDONE_BY_OWN_WRITE),
    find=judge_destroys,
)
