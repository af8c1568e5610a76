"""Locks: whoever holds one holds it alone, and for as long as the lease was promised.

The lease of an acked acquisition is *certain* from its reply until its release was sent or, counted
from when it was asked for, its time ran out. lock-held-twice: two certain leases of one lock overlap.
lost-update: the holder's own compare-and-delete found the lock gone while the lease was certain, or
somebody found it taken after its release was acked. lease-overrun: the holder wrote on after its lease
had run out at the latest, which no server promised.

Traps: an acquisition without an answer is no lease, and yet it may hold the lock. And a plain DEL
removes whoever's lock is there, so what a naive application released explains no loss.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import accumulate

from harness.checks.columns.traffic import MUTATING_STEPS
from harness.checks.facts.causes import Why, acker, of_loss, of_old_answer, watcher
from harness.checks.facts.ownership import Standing
from harness.checks.facts.replayed_timeouts import replayed_us
from harness.checks.facts.step_effects import FOREVER, Sight, StepEffect, effect_of, nothing_seen, seen_at
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding
from harness.checks.promises.kinds import LOST_UPDATE, STALE_READ, UNEXPLAINED
from harness.model.finding_kind import FindingKind, FindingTrait
from harness.model.judgement import Finding
from harness.model.records import Attempt, Operation, Step
from harness.model.words import Cause, FindingSide, Outcome, StepKind

PLAIN_RELEASE = "DEL"
"""Whoever holds it: the other way to release compares first, in a script."""

LOCK_HELD_TWICE = FindingKind(
    name="lock-held-twice",
    side=FindingSide.OPEN,
    sentence="two requests held the same lock at the same time",
    traits=(FindingTrait.ABOUT_LOCK,),
)

LEASE_OVERRUN = FindingKind(
    name="lease-overrun",
    side=FindingSide.CLOSED,
    sentence="a request wrote to the session after its lock had expired",
    traits=(FindingTrait.TIMED, FindingTrait.ABOUT_LOCK),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An acked acquisition of a lock."""

    key: str
    operation: Operation
    acquired: StepEffect
    released: Step | None
    from_us: float
    until_us: float
    """Certain within [from, until): at the latest until its release was sent."""
    ends_us: float
    """Certain to end by itself after this at the earliest."""
    over_us: float
    """Certain to have ended by itself after this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An acquisition that took a lock or may have, acked or not."""

    taken: StepEffect
    from_us: float
    lasts_us: float
    """Its lease, with what cannot be measured of it."""
    over_us: float
    """By now it had ended by itself at the latest."""
    released: StepEffect | None
    """The acked release that found it there and ended it before."""

    @property
    def until_us(self) -> float:
        return self.over_us if self.released is None else min(self.over_us, self.released.done_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Locks:
    """What was done to every lock of a run."""

    leases: Mapping[str, list[Lease]]
    """Lock -> its leases in the order of `from_us`."""
    holdings: Mapping[str, list[Holding]]
    """In the order of `from_us`."""
    taken: Mapping[str, list[tuple[Operation, Step]]]
    """Who was told that somebody else has the lock."""
    plain: Mapping[str, list[tuple[Operation, Step]]]
    """Lock -> what may have deleted it whoever held it: the releases of a naive application."""


def judge_locks(timelines: Timelines) -> Counted:
    locks = _read(timelines)
    findings: list[Finding] = []
    for leases in locks.leases.values():
        broken = _overlaps(leases)
        intruders = {one.operation.id for others in broken.values() for one in others}
        for lease in leases:
            others = broken.get(lease.operation.id)
            if others:
                findings.append(_held_twice(timelines, locks, lease, others))
            elif lease.operation.id not in intruders and (gone := _found_gone(locks, lease)) is not None:
                findings.append(_lost(timelines, lease, gone))
            findings += _overrun(timelines, lease, leases)
    stuck = [
        one
        for key, nils in locks.taken.items()
        for one in _stuck(timelines, locks.holdings.get(key, []), nils)
    ]
    if not timelines.history.complete:  # who held it may not have come to be written down
        return Counted(findings=findings, undecidable={UNEXPLAINED.name: len(stuck)})
    findings += stuck
    if timelines.clocks_known:
        return Counted(findings=findings)
    names = [one.name for one in findings]
    return Counted(undecidable={name: names.count(name) for name in names})


def _read(timelines: Timelines) -> Locks:
    leases: dict[str, list[Lease]] = defaultdict(list)
    holdings: dict[str, list[Holding]] = defaultdict(list)
    taken: dict[str, list[tuple[Operation, Step]]] = defaultdict(list)
    plain: dict[str, list[tuple[Operation, Step]]] = defaultdict(list)
    for operation, step in timelines.locking:
        if step.does is StepKind.RELEASE:
            if step.command == PLAIN_RELEASE and step.outcome is not Outcome.REJECTED:
                plain[step.key].append((operation, step))
            continue
        if step.outcome is Outcome.ACKED and step.effective is False:
            taken[step.key].append((operation, step))
        if (holding := _holding(timelines, operation, step)) is not None:
            holdings[step.key].append(holding)
        if (lease := _lease(timelines, operation, step)) is not None:
            leases[step.key].append(lease)
    for one in leases.values():
        one.sort(key=lambda lease: lease.from_us)
    for held in holdings.values():
        held.sort(key=lambda holding: holding.from_us)
    return Locks(leases=leases, holdings=holdings, taken=taken, plain=plain)


def _gone(timelines: Timelines) -> Callable[[Attempt], float]:
    return lambda attempt: timelines.facts.request_ends.over_us(attempt.connection, attempt.sent_us)


def _holding(timelines: Timelines, operation: Operation, step: Step) -> Holding | None:
    effect = effect_of(operation, step, _gone(timelines))
    if effect is None or step.ttl_ms is None:
        return None
    released = _release_of(operation)
    ended = None
    if effect.certain and not effect.extra and released is not None and released.effective:
        ended = effect_of(operation, released, _gone(timelines))
    lasts_us = step.ttl_ms * 1000 + timelines.epsilon_us
    return Holding(
        taken=effect,
        from_us=effect.first_us,
        lasts_us=lasts_us,
        over_us=effect.until_us + lasts_us,
        released=ended,
    )


def _release_of(operation: Operation) -> Step | None:
    return next((one for one in operation.steps if one.does is StepKind.RELEASE), None)


def _lease(timelines: Timelines, operation: Operation, step: Step) -> Lease | None:
    if step.outcome is not Outcome.ACKED or not step.effective or step.ttl_ms is None:
        return None
    effect = effect_of(operation, step, _gone(timelines))
    assert effect is not None  # it was acked, and changed something
    sent_us, done_us = seen_at(operation, step)
    released = _release_of(operation)
    gave_up_us = FOREVER if released is None or released.sent_us is None else released.sent_us
    ends_us = sent_us + step.ttl_ms * 1000 - timelines.epsilon_us
    return Lease(
        key=step.key,
        operation=operation,
        acquired=effect,
        released=released,
        from_us=done_us,
        until_us=min(gave_up_us, ends_us),
        ends_us=ends_us,
        over_us=done_us + step.ttl_ms * 1000 + timelines.epsilon_us,
    )


def _overlaps(leases: Iterable[Lease]) -> dict[int, list[Lease]]:
    """Operation -> the leases that began while its own was certain, in their order."""
    broken: dict[int, list[Lease]] = defaultdict(list)
    held: list[Lease] = []
    for lease in leases:
        held = [one for one in held if one.until_us > lease.from_us]
        if lease.until_us > lease.from_us:
            for one in held:
                broken[one.operation.id].append(lease)
            held.append(lease)
    return broken


def _held_twice(timelines: Timelines, locks: Locks, lease: Lease, others: list[Lease]) -> Finding:
    timeline = _timeline(timelines, lease.operation)
    other = others[0]
    seconds = (lease.until_us - other.from_us) / 1e6
    return finding(
        timelines,
        LOCK_HELD_TWICE,
        timeline,
        promise=lease.acquired,
        between=[other.operation],
        seen=_sight(other.operation, other.acquired.step),
        why=_why(timelines, locks, lease, other),
        sentence=f"{other.operation.web_server} got the lock of {timeline.named} (operation"
        f" {other.operation.id}) while {lease.operation.web_server} held it (operation"
        f" {lease.operation.id}) for another {seconds:.2f} s or more.",
        observations=len(others),
    )


def _why(timelines: Timelines, locks: Locks, lease: Lease, other: Lease) -> Why:
    """Why the lock was not there, or not seen, when the other one asked for it."""
    first, second = acker(timelines, lease.acquired), acker(timelines, other.acquired)
    if second.node != first.node and second.standing is Standing.DEPOSED:
        return Why(
            cause=Cause.SPLIT_BRAIN,
            because=f"{second.node} granted it after {first.node} had been promoted",
        )
    if second.node != first.node and second.standing is Standing.CHANGING:
        because = f"{second.node} granted it while {first.node} was being promoted"
        return Why(cause=Cause.AT_PROMOTION, because=because)
    why = _of_loss(timelines, lease.acquired, _sight(other.operation, other.acquired.step))
    robber = _robber(locks, lease, other)
    if robber is None:
        return why
    because = f"operation {robber.id} released the lock with a plain DEL, after its lease had ended"
    if why.cause is Cause.NOT_DETERMINED:
        return Why(cause=Cause.APPLICATION_RACE, because=because)
    return Why(because=f"two causes are possible: {why.because}; or {because}")


def _of_loss(timelines: Timelines, promise: StepEffect, seen: Sight) -> Why:
    shard = (
        timelines.ownership.shards.of(acker(timelines, promise).node, promise.done_us)
        or promise.operation.shard
    )
    for event in timelines.history.events:
        within = promise.sent_us <= event.t_us and event.t_us - event.error_us <= seen.done_us
        if event.name == "evicted" and event.key == promise.step.key and within:
            return Why(cause=Cause.EVICTED, because=f"{event.node} reported the eviction of the lock")
    return of_loss(timelines, promise, seen, shard)


def _lost_or_old(timelines: Timelines, promise: StepEffect, seen: Sight) -> tuple[FindingKind, Why]:
    """Another node than the one that made the promise contradicts it: if that is no primary any more,
    the promise may well be kept where it was made."""
    looked = watcher(timelines, seen)
    if looked.node != acker(timelines, promise).node and looked.standing is not Standing.PRIMARY:
        return STALE_READ, of_old_answer(timelines, seen, promise)
    return LOST_UPDATE, _of_loss(timelines, promise, seen)


def _robber(locks: Locks, lease: Lease, other: Lease) -> Operation | None:
    """Whose plain DEL came after the lock was taken, and was over before it was taken again."""
    asked_us, _ = seen_at(other.operation, other.acquired.step)
    for operation, step in locks.plain.get(lease.key, ()):
        if operation is lease.operation or step.sent_us is None or not step.effective:
            continue
        if lease.from_us <= step.sent_us and step.done_us is not None and step.done_us <= asked_us:
            return operation
    return None


def _found_gone(locks: Locks, lease: Lease) -> Step | None:
    """The holder's own release, if it proves that the lock was gone before its time."""
    step = lease.released
    if step is None or step.outcome is not Outcome.ACKED or step.effective is not False:
        return None
    _, done_us = seen_at(lease.operation, step)
    if done_us >= lease.ends_us:
        return None
    others = [one for operation, one in locks.plain.get(lease.key, ()) if operation is not lease.operation]
    return None if any(one.effective is not False for one in others) else step


def _lost(timelines: Timelines, lease: Lease, step: Step) -> Finding:
    timeline = _timeline(timelines, lease.operation)
    seen = _sight(lease.operation, step)
    kind, why = _lost_or_old(timelines, lease.acquired, seen)
    return finding(
        timelines,
        kind,
        timeline,
        promise=lease.acquired,
        seen=seen,
        why=why,
        sentence=f"{lease.operation.web_server} held the lock of {timeline.named} (operation"
        f" {lease.operation.id}) and found it gone {(lease.ends_us - seen.done_us) / 1e6:.2f} s or more"
        " before its lease expired.",
    )


def _stuck(
    timelines: Timelines, holdings: list[Holding], nils: list[tuple[Operation, Step]]
) -> list[Finding]:
    """Found taken when nobody can have held it: its release came undone, or its time did not end it."""
    begun = [one.from_us for one in holdings]
    until = list(accumulate((one.until_us for one in holdings), max))
    found: dict[int, tuple[StepEffect | None, list[Sight]]] = {}
    for operation, step in nils:
        sight = _sight(operation, step)
        count = bisect_right(begun, sight.done_us)
        if count and (until[count - 1] >= sight.sent_us or _held_anew(timelines, holdings[:count], sight)):
            continue
        undone = next(
            (one.released for one in reversed(holdings[:count]) if one.over_us >= sight.sent_us), None
        )
        found.setdefault(0 if undone is None else undone.operation.id, (undone, []))[1].append(sight)
    return [_taken(timelines, released, sights) for released, sights in found.values()]


def _held_anew(timelines: Timelines, holdings: list[Holding], sight: Sight) -> bool:
    """Whether the node that answered may have counted a lease anew that nobody released."""
    return any(
        one.released is None and replayed_us(timelines, one.taken, sight) + one.lasts_us >= sight.sent_us
        for one in holdings
    )


def _taken(timelines: Timelines, released: StepEffect | None, sights: list[Sight]) -> Finding:
    seen = sights[0]
    assert seen.operation is not None
    timeline = _timeline(timelines, seen.operation)
    kind, why = UNEXPLAINED, Why()
    because = "every lease of it had expired"
    if released is not None:
        kind, why = _lost_or_old(timelines, released, seen)
        because = f"operation {released.operation.id} had released it"
    return finding(
        timelines,
        kind,
        timeline,
        promise=released,
        seen=seen,
        why=why,
        sentence=f"{seen.operation.web_server} (operation {seen.operation.id}) found the lock of"
        f" {timeline.named} taken although {because}.",
        observations=len(sights),
    )


def _overrun(timelines: Timelines, lease: Lease, leases: Iterable[Lease]) -> list[Finding]:
    """Writes that were handed over when the lease had run out at the latest."""
    late = [
        (sent_us, step)
        for step in lease.operation.steps
        if step.does in MUTATING_STEPS
        and step.outcome is not Outcome.REJECTED
        and (sent_us := _last_sent_us(lease.operation, step)) > lease.over_us
    ]
    if not late:
        return []
    sent_us, step = late[0]
    taken = next((one for one in leases if one is not lease and one.from_us <= sent_us < one.until_us), None)
    held_by = "" if taken is None else f"; by then operation {taken.operation.id} held it"
    timeline = _timeline(timelines, lease.operation)
    assert lease.acquired.step.ttl_ms is not None
    took_s, lease_s = (sent_us - lease.from_us) / 1e6, lease.acquired.step.ttl_ms / 1000
    return [
        finding(
            timelines,
            LEASE_OVERRUN,
            timeline,
            promise=lease.acquired,
            seen=_sight(lease.operation, step),
            why=Why(
                cause=Cause.APPLICATION_RACE,
                because=f"it wrote {took_s:.2f} s after it had got a lease of {lease_s:g} s",
            ),
            sentence=f"{lease.operation.web_server} (operation {lease.operation.id}) changed {timeline.named}"
            f" {(sent_us - lease.over_us) / 1e6:.2f} s or more after its lock had expired{held_by}.",
            observations=len(late),
        )
    ]


def _last_sent_us(operation: Operation, step: Step) -> float:
    sent = (one.sent_us for one in operation.attempts if one.handed_over and one.n in step.attempts)
    return max(sent, default=float("-inf"))


def _sight(operation: Operation, step: Step) -> Sight:
    """Whoever gets a lock, or finds nothing to release, has seen that nobody else's is there."""
    return nothing_seen(operation, step)


def _timeline(timelines: Timelines, operation: Operation) -> Timeline:
    known = timelines.sessions.get(operation.session)
    return known or Timeline(operation.session, operation.user, operation.shard, operation.key)


CHECK = Check(
    promise="Only one request at a time holds a lock, until its lease expires.",
    kinds=(LOCK_HELD_TWICE, LEASE_OVERRUN, LOST_UPDATE, STALE_READ, UNEXPLAINED),
    find=judge_locks,
)
