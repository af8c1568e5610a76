"""Leases (locks, the lead of a job): whoever holds one holds it alone, and for as long as it was promised.

When a lease is certain, and who may hold one, `harness.objects.lease` says. Here each breach becomes a
finding: the object's own (lock-held-twice, two-leaders) where two certain leases overlap; lost-update where
the holder's own token was gone while the lease was certain, or somebody was told that it was taken after its
release was acked; lease-overrun where the holder wrote on after its lease had run out at the latest, which no
server promised.

Trap: a plain DEL removes whoever's lock is there, so what a naive application released explains no loss.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.checks.columns.traffic import MUTATING_STEPS
from harness.checks.facts.causes import Why, acker, of_lost_key, of_old_answer, watcher
from harness.checks.facts.ownership import Standing
from harness.checks.facts.replayed_timeouts import replayed_us
from harness.checks.facts.step_effects import Sight, StepEffect, effect_of, nothing_seen, seen_at
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding
from harness.checks.promises.kinds import LOST_UPDATE, STALE_READ, UNEXPLAINED
from harness.model.finding_kind import FindingKind, FindingTrait
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.times import FOREVER
from harness.model.words import Cause, FindingSide, Outcome, StepKind
from harness.objects import LEASES, lease_of
from harness.objects.kind import owner_of
from harness.objects.lease import Held, Holders, MayHold, held_at_once
from harness.objects.lease import Lease as LeaseKind

PLAIN_RELEASE = "DEL"
"""Whoever holds it: the other way to release compares first, in a script."""

LEASE_OVERRUN = FindingKind(
    name="lease-overrun",
    side=FindingSide.CLOSED,
    sentence="a request wrote to the session after its lock had expired",
    traits=(FindingTrait.TIMED, FindingTrait.ABOUT_LOCK),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """An acked acquisition, with what its holder did about it."""

    kind: LeaseKind
    key: str
    operation: Operation
    acquired: StepEffect
    given_up: tuple[Step, ...]
    """Renewals and the release: steps that go by the holder's token."""
    from_us: float
    until_us: float
    """Certain within [from, until): at the latest until its release was sent."""
    ends_us: float
    """Certain to end by itself after this at the earliest."""
    over_us: float
    """Certain to have ended by itself after this."""

    def held(self) -> Held:
        return Held(n=self.operation.id, from_us=self.from_us, until_us=self.until_us)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """An acquisition that took a lease or may have, acked or not."""

    taken: tuple[StepEffect, ...]
    """The acquisition and its renewals: each makes it last."""
    from_us: float
    lasts_us: float
    """Its lease, with what cannot be measured of it."""
    over_us: float
    """By now it had ended by itself at the latest."""
    released: StepEffect | None
    """The acked release that found it there and ended it before."""

    def may_hold(self) -> MayHold:
        ended_us = FOREVER if self.released is None else self.released.done_us
        return MayHold(from_us=self.from_us, until_us=min(self.over_us, ended_us))


@dataclass(frozen=True, slots=True, kw_only=True)
class OfOneKey:
    """What was done to one key, in the order of `from_us`."""

    leases: list[Lease]
    holdings: list[Holding]
    taken: list[tuple[Operation, Step]]
    """Who was told that somebody else has it."""
    plain: list[tuple[Operation, Step]]
    """What may have deleted it whoever held it: the releases of a naive application."""


def judge_leases(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    stuck: list[Finding] = []
    for done in _read(timelines).values():
        findings += _of_leases(timelines, done)
        stuck += _stuck(timelines, done.holdings, done.taken)
    if not timelines.history.complete:  # who held it may not have come to be written down
        return Counted(findings=findings, undecidable={UNEXPLAINED.name: len(stuck)})
    findings += stuck
    if timelines.clocks_known:
        return Counted(findings=findings)
    names = [one.name for one in findings]
    return Counted(undecidable={name: names.count(name) for name in names})


def _of_leases(timelines: Timelines, done: OfOneKey) -> list[Finding]:
    findings: list[Finding] = []
    of = {one.operation.id: one for one in done.leases}
    broken = held_at_once(one.held() for one in done.leases)
    intruders = {one.n for others in broken.values() for one in others}
    for lease in done.leases:
        others = [of[one.n] for one in broken.get(lease.operation.id, ())]
        if others:
            findings.append(_held_twice(timelines, done, lease, others))
        elif lease.operation.id not in intruders and (gone := _found_gone(done, lease)) is not None:
            findings.append(_lost(timelines, lease, gone))
        findings += _overrun(timelines, lease, done.leases)
    return findings


def _read(timelines: Timelines) -> Mapping[str, OfOneKey]:
    found: dict[str, OfOneKey] = defaultdict(lambda: OfOneKey(leases=[], holdings=[], taken=[], plain=[]))
    for operation, step in timelines.locking:
        done = found[step.key]
        if step.does is StepKind.RELEASE:
            if step.command == PLAIN_RELEASE and step.outcome is not Outcome.REJECTED:
                done.plain.append((operation, step))
        elif step.does is StepKind.ACQUIRE:
            if step.outcome is Outcome.ACKED and step.effective is False:
                done.taken.append((operation, step))
            if (holding := _holding(timelines, operation, step)) is not None:
                done.holdings.append(holding)
            if (lease := _lease(timelines, operation, step)) is not None:
                done.leases.append(lease)
    for one in found.values():
        one.leases.sort(key=lambda lease: lease.from_us)
        one.holdings.sort(key=lambda holding: holding.from_us)
    return found


def _holding(timelines: Timelines, operation: Operation, step: Step) -> Holding | None:
    effect = effect_of(operation, step, timelines.gone_us)
    if effect is None or step.ttl_ms is None:
        return None
    taken = (effect, *_renewals(timelines, operation, step))
    released = next((one for one in _by_token(operation, step) if one.does is StepKind.RELEASE), None)
    ended = None
    if effect.certain and not any(one.extra for one in taken) and released is not None and released.effective:
        ended = effect_of(operation, released, timelines.gone_us)
    lasts_us = step.ttl_ms * 1000 + timelines.epsilon_us
    return Holding(
        taken=taken,
        from_us=effect.first_us,
        lasts_us=lasts_us,
        over_us=max(one.until_us for one in taken) + lasts_us,
        released=ended,
    )


def _renewals(timelines: Timelines, operation: Operation, acquired: Step) -> list[StepEffect]:
    effects = [
        effect_of(operation, one, timelines.gone_us)
        for one in _by_token(operation, acquired)
        if one.does is StepKind.RENEW
    ]
    return [one for one in effects if one is not None]


def _by_token(operation: Operation, acquired: Step) -> tuple[Step, ...]:
    return tuple(
        one
        for one in operation.steps
        if one.key == acquired.key and one.does in {StepKind.RENEW, StepKind.RELEASE}
    )


def _lease(timelines: Timelines, operation: Operation, step: Step) -> Lease | None:
    kind = lease_of(step.key)
    if step.outcome is not Outcome.ACKED or not step.effective or step.ttl_ms is None or kind is None:
        return None
    effect = effect_of(operation, step, timelines.gone_us)
    assert effect is not None  # it was acked, and changed something
    sent_us, done_us = seen_at(operation, step)
    renewed = _renewals(timelines, operation, step)
    begun_us = max((one.sent_us for one in renewed if one.certain), default=sent_us)
    begun_by_us = max((one.until_us for one in renewed), default=done_us)
    given_up = _by_token(operation, step)
    gave_up_us = [one.sent_us for one in given_up if _gives_up(one) and one.sent_us is not None]
    ends_us = begun_us + step.ttl_ms * 1000 - timelines.epsilon_us
    return Lease(
        kind=kind,
        key=step.key,
        operation=operation,
        acquired=effect,
        given_up=given_up,
        from_us=done_us,
        until_us=min((ends_us, *gave_up_us)),
        ends_us=ends_us,
        over_us=max(done_us, begun_by_us) + step.ttl_ms * 1000 + timelines.epsilon_us,
    )


def _gives_up(step: Step) -> bool:
    """After this its holder does not count on it any more."""
    return step.does is StepKind.RELEASE or (step.outcome is Outcome.ACKED and step.effective is False)


def _held_twice(timelines: Timelines, done: OfOneKey, lease: Lease, others: list[Lease]) -> Finding:
    timeline = _timeline(timelines, lease.operation)
    other = others[0]
    seconds = (lease.until_us - other.from_us) / 1e6
    return finding(
        timelines,
        lease.kind.held_twice,
        timeline,
        promise=lease.acquired,
        between=[other.operation],
        seen=_sight(other.operation, other.acquired.step),
        why=_why(timelines, done, lease, other),
        sentence=f"{other.operation.web_server} got {_named(lease.kind, lease.key, timeline)} (operation"
        f" {other.operation.id}) while {lease.operation.web_server} held it (operation"
        f" {lease.operation.id}) for another {seconds:.2f} s or more.",
        observations=len(others),
    )


def _why(timelines: Timelines, done: OfOneKey, lease: Lease, other: Lease) -> Why:
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
    robber = _robber(done, lease, other)
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
    return of_lost_key(timelines, promise, seen, shard, "the eviction of the lock")


def _lost_or_old(timelines: Timelines, promise: StepEffect, seen: Sight) -> tuple[FindingKind, Why]:
    """Another node than the one that made the promise contradicts it: if that is no primary any more,
    the promise may well be kept where it was made."""
    looked = watcher(timelines, seen)
    if looked.node != acker(timelines, promise).node and looked.standing is not Standing.PRIMARY:
        return STALE_READ, of_old_answer(timelines, seen, promise)
    return LOST_UPDATE, _of_loss(timelines, promise, seen)


def _robber(done: OfOneKey, lease: Lease, other: Lease) -> Operation | None:
    """Whose plain DEL came after the lock was taken, and was over before it was taken again."""
    asked_us, _ = seen_at(other.operation, other.acquired.step)
    for operation, step in done.plain:
        if operation is lease.operation or step.sent_us is None or not step.effective:
            continue
        if lease.from_us <= step.sent_us and step.done_us is not None and step.done_us <= asked_us:
            return operation
    return None


def _found_gone(done: OfOneKey, lease: Lease) -> Step | None:
    """The holder's own renewal or release, if it proves that its token was gone before its time."""
    for step in lease.given_up:
        if step.outcome is Outcome.ACKED and step.effective is False:
            others = [one for operation, one in done.plain if operation is not lease.operation]
            _, done_us = seen_at(lease.operation, step)
            robbed = any(one.effective is not False for one in others)
            return None if robbed or done_us >= lease.ends_us else step
    return None


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
        sentence=f"{lease.operation.web_server} held {_named(lease.kind, lease.key, timeline)} (operation"
        f" {lease.operation.id}) and found it gone {(lease.ends_us - seen.done_us) / 1e6:.2f} s or more"
        " before its lease expired.",
    )


def _stuck(
    timelines: Timelines, holdings: list[Holding], nils: list[tuple[Operation, Step]]
) -> list[Finding]:
    """Found taken when nobody can have held it: its release came undone, or its time did not end it."""
    holders = Holders([one.may_hold() for one in holdings])
    found: dict[int, tuple[StepEffect | None, list[Sight]]] = {}
    for operation, step in nils:
        sight = _sight(operation, step)
        count = holders.begun_by(sight.done_us)
        if holders.any_within(sight.sent_us, sight.done_us) or _held_anew(timelines, holdings[:count], sight):
            continue
        undone = next(
            (one.released for one in reversed(holdings[:count]) if one.over_us >= sight.sent_us), None
        )
        found.setdefault(0 if undone is None else undone.operation.id, (undone, []))[1].append(sight)
    return [_taken(timelines, released, sights) for released, sights in found.values()]


def _held_anew(timelines: Timelines, holdings: list[Holding], sight: Sight) -> bool:
    """Whether the node that answered may have counted a lease anew that nobody released."""
    return any(
        replayed_us(timelines, effect, sight) + one.lasts_us >= sight.sent_us
        for one in holdings
        if one.released is None
        for effect in one.taken
    )


def _taken(timelines: Timelines, released: StepEffect | None, sights: list[Sight]) -> Finding:
    seen = sights[0]
    assert seen.operation is not None
    assert seen.step is not None
    timeline = _timeline(timelines, seen.operation)
    lease = lease_of(seen.step.key)
    assert lease is not None
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
        sentence=f"{seen.operation.web_server} (operation {seen.operation.id}) found"
        f" {_named(lease, seen.step.key, timeline)} taken although {because}.",
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


def _named(kind: LeaseKind, key: str, timeline: Timeline) -> str:
    of = owner_of(key)
    return f"{kind.what} {timeline.named if of == timeline.session else of}"


CHECK = Check(
    promise="Only one request at a time holds a lock or leads a job, until its lease expires.",
    kinds=(*(one.held_twice for one in LEASES.values()), LEASE_OVERRUN, LOST_UPDATE, STALE_READ, UNEXPLAINED),
    find=judge_leases,
)
