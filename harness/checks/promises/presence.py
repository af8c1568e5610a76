"""Sessions that should be there and are not: lost, evicted, expired early, or just out of sight.

Starts from every look that found no session after its acked log-in. What a destroy or a deadline
may explain is no breach. What a later look refutes is an old answer (stale-read). The rest gets the
first name that fits: evicted, flushed, expired early, lost.

Trap: a logout that found nothing destroyed nothing. It is a look like any other, and does not
excuse the absence that it met.
"""

from __future__ import annotations

from harness.checks.facts.causes import STALE, Why, discarded, of_loss, of_old_answer, watcher
from harness.checks.facts.step_effects import Sight, State, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.front_door import (
    ANONYMOUS_PAGE,
    COOKIE_DELETED,
    TOLD_OK_THEN_LOST,
    never_there,
    out_of_sight,
)
from harness.checks.promises.kinds import EXPIRED_EARLY, STALE_READ
from harness.checks.promises.lifetimes import Deadlines, may_have_ended, shortened
from harness.model.finding_kind import FindingKind, FindingTrait, Limit, Need, Premise
from harness.model.judgement import Finding
from harness.model.told import AS_NOBODY
from harness.model.words import Cause, FindingSide, StepKind

LOST_SESSION = FindingKind(
    name="lost-session",
    side=FindingSide.CLOSED,
    sentence="a user is logged out without a logout or a timeout",
    traits=(
        FindingTrait.LOST_WRITE,
        FindingTrait.LOSS,
        FindingTrait.BREAKS_SESSION,
        FindingTrait.ENDS_SESSION,
    ),
)

PARTIAL_SESSION = FindingKind(
    name="partial-session",
    side=FindingSide.CLOSED,
    sentence="parts of a session exist, but not its user",
    traits=(
        FindingTrait.LOSS,
        FindingTrait.BREAKS_SESSION,
        FindingTrait.ENDS_SESSION,
        FindingTrait.EITHER_SIDE,
    ),
)

EVICTED_SESSION = FindingKind(
    name="evicted-session",
    side=FindingSide.CLOSED,
    sentence="the session was evicted to free memory",
    needs=frozenset({Need.AUDIT, Need.EVICTION_EVENTS}),
    traits=(FindingTrait.LOSS, FindingTrait.BREAKS_SESSION, FindingTrait.ENDS_SESSION),
    premises=frozenset({Premise.EVICTION}),
)

LOGGED_OUT_BY_OUTAGE = FindingKind(
    name="logged-out-by-outage",
    side=FindingSide.CLOSED,
    sentence="the session expired because the user's requests did not reach Redis",
    needs=frozenset[Need](),
    traits=(FindingTrait.ENDS_SESSION, FindingTrait.OF_AVAILABILITY, FindingTrait.TIMED),
    limit=Limit.IDLE_TIMEOUT,
)

ABSENCE = frozenset({State.ABSENT, State.PARTIAL})


def judge_existence(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    budget, end_us = _Budget(timelines), timelines.facts.landmarks.end_us
    unanswered = early = 0
    for timeline in timelines.sessions.values():
        findings += _partial(timelines, timeline)
        created = timeline.created
        if created is None:
            continue
        deadlines = Deadlines(timelines, timeline)
        unexplained = [
            sight
            for sight in timeline.sights
            if sight.state in ABSENCE
            and sight.sent_us > created.done_us
            and not _explained(timelines, timeline, deadlines, sight)
        ]
        if unexplained:
            found = _name(timelines, timeline, created, deadlines, unexplained, budget)
            if found is not None and found.name == EXPIRED_EARLY.name and not timelines.clocks_known:
                early += 1
            elif found is not None:
                findings.append(found)
        elif timeline.primary is None and not may_be_gone(timeline, deadlines, end_us, end_us):
            unanswered += 1
        findings += _outage(timelines, timeline, deadlines)
    return Counted(
        findings=findings, undecidable={LOST_SESSION.name: unanswered + early, EXPIRED_EARLY.name: early}
    )


def may_be_gone(timeline: Timeline, deadlines: Deadlines, sent_us: float, done_us: float) -> bool:
    """Whether a destroy or a deadline may explain an absence seen between these moments."""
    if any(_may_have_done_it(timeline, one, done_us) for one in timeline.destroys):
        return True
    if not deadlines.known:
        return False
    touch = deadlines.last_touch(sent_us)
    return touch is None or done_us >= deadlines.earliest_us(touch)


def _may_have_done_it(timeline: Timeline, destroy: StepEffect, done_us: float) -> bool:
    """Whether this logout may be why a session was gone at a moment. One without an answer is out of
    the question once the session was seen alive when it could no longer be executed."""
    if destroy.first_us > done_us:
        return False
    return destroy.certain or not any(
        one.state is State.PRESENT and destroy.until_us < one.sent_us and one.sent_us <= done_us
        for one in timeline.sights
    )


def _explained(timelines: Timelines, timeline: Timeline, deadlines: Deadlines, absent: Sight) -> bool:
    """A logout without an answer does not explain what a replica or a deposed primary did not have, if the
    session was there again afterwards."""
    if not may_be_gone(timeline, deadlines, absent.sent_us, absent.done_us):
        return False
    answered_rightly = watcher(timelines, absent).standing not in STALE and not timelines.of_guest
    if answered_rightly or may_have_ended(deadlines, absent):
        return True
    if any(one.certain and one.first_us <= absent.done_us for one in timeline.destroys):
        return True
    return timeline.last_presence_us() <= absent.done_us


def _name(  # noqa: PLR0917 - all of what names an absence
    timelines: Timelines,
    timeline: Timeline,
    created: StepEffect,
    deadlines: Deadlines,
    unexplained: list[Sight],
    budget: _Budget,
) -> Finding | None:
    last_us = timeline.last_presence_us()
    final = [one for one in unexplained if last_us <= one.done_us and not discarded(timelines, one)]
    if not final:
        return _out_of_sight(timelines, timeline, created, unexplained)
    seen = min(final, key=lambda one: one.done_us)
    who = f"{timeline.named}"
    logged_in = f"logged in {(seen.done_us - created.done_us) / 1e6:.1f} s before"
    evicted = budget.take(timeline, created, seen)
    if evicted is not None:
        kind, why = EVICTED_SESSION, Why(cause=Cause.EVICTED, because=evicted)
        sentence = f"{who}, {logged_in}, was evicted: {where(seen)} found nothing."
    else:
        why = of_loss(timelines, created, seen, timeline.shard)
        touch = deadlines.last_touch(seen.sent_us)
        if (
            why.cause is not Cause.FLUSHED
            and touch is not None
            and _early(timeline, deadlines, seen, created)
        ):
            kind, why = EXPIRED_EARLY, of_loss(timelines, touch, seen, timeline.shard)
            short_s = (deadlines.earliest_us(touch) - seen.done_us) / 1e6
            sentence = f"{who} was gone {short_s:.2f} s or more before the deadline of its last acked touch."
            return finding(
                timelines,
                kind,
                timeline,
                promise=touch,
                seen=seen,
                why=why,
                sentence=sentence,
                observations=_looks(unexplained),
            )
        kind = TOLD_OK_THEN_LOST if never_there(timelines, timeline, why) else LOST_SESSION
        sentence = f"{who}, {logged_in}, is gone without a logout or a timeout: {where(seen)} found nothing."
    return finding(
        timelines,
        kind,
        timeline,
        promise=created,
        seen=seen,
        why=why,
        sentence=sentence,
        observations=_looks(unexplained),
    )


def _looks(sights: list[Sight]) -> int:
    """A touch reads and touches: two steps, one look."""
    return len({None if one.operation is None else one.operation.id for one in sights})


def _early(timeline: Timeline, deadlines: Deadlines, seen: Sight, created: StepEffect) -> bool:
    """Whether the loss of touches alone explains the absence: the key lived, and then ran out."""
    if any(one.ends_us <= seen.done_us + deadlines.tolerance_us for one in shortened(timeline, deadlines)):
        return True
    before = [
        one.sent_us for one in timeline.sights if one.state is State.PRESENT and one.done_us < seen.sent_us
    ]
    return deadlines.earlier_explains(max(before, default=created.sent_us), seen)


def _out_of_sight(
    timelines: Timelines, timeline: Timeline, created: StepEffect, missed: list[Sight]
) -> Finding | None:
    """The session was there all along; whoever answered did not have it. Logouts that met such an
    answer are judged as undone logouts, not here."""
    looks = [one for one in missed if one.step is None or one.step.does is not StepKind.DESTROY]
    if not looks:
        return None
    seen = looks[0]
    return finding(
        timelines,
        out_of_sight(timelines, looks) or STALE_READ,
        timeline,
        promise=created,
        seen=seen,
        why=of_old_answer(timelines, seen, created),
        sentence=f"{where(seen)} {_missed(seen)} {timeline.named}, though it"
        " was logged in before and existed again later.",
        observations=_looks(looks),
    )


def _missed(seen: Sight) -> str:
    """What an answer did that had no session to show."""
    if seen.operation is None or seen.operation.told != AS_NOBODY:
        return "did not find"
    forgot = any(step.does is StepKind.FORGET for step in seen.operation.steps)
    return f"showed a page for nobody{', and deleted the cookie,' if forgot else ''} in the place of"


class _Budget:
    """Evictions: by key where events were recorded, else at most as many as the node counted. Under which
    key an application of somebody's own keeps a session nobody knows, so there it is always the count."""

    def __init__(self, timelines: Timelines) -> None:
        self._index = timelines
        self._spent: dict[str, int] = {}

    def take(self, timeline: Timeline, created: StepEffect, seen: Sight) -> str | None:
        """What shows that this session was evicted; None: nothing does."""
        nodes = self._index.ownership
        event = nodes.evicted_at.get((timeline.key, timeline.shard))
        if (
            event is not None
            and created.sent_us <= event.t_us
            and event.t_us - event.error_us <= seen.done_us
        ):
            return f"{event.node} reported the eviction of its key"
        if nodes.evictions_by_key(timeline.shard) and not self._index.of_guest:
            return None
        before = [
            one.sent_us
            for one in timeline.sights
            if one.state is State.PRESENT and one.done_us < seen.sent_us
        ]
        since_us = max(before, default=created.sent_us)
        run_id, evicted = nodes.evicted_between(timeline.shard, since_us, seen.done_us)
        if self._spent.get(run_id, 0) >= evicted:
            return None
        self._spent[run_id] = self._spent.get(run_id, 0) + 1
        return f"its node evicted {evicted} keys at its memory limit in that time, with no change of roles"


def _partial(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    pieces = [one for one in timeline.sights if one.state is State.PARTIAL]
    if not pieces:
        return []
    seen = next((one for one in pieces if _accepted(one)), pieces[0])
    writers = [] if timelines.guarded else [one for one in timeline.writes if one.first_us <= seen.done_us]
    why = Why()
    if writers:
        last = max(writers, key=lambda one: one.first_us)
        because = f"operation {last.operation.id} wrote a field without asking whether the session existed"
        why = Why(cause=Cause.APPLICATION_RACE, because=because)
    ttl = "no time-out" if seen.pttl_ms == -1 else f"{(seen.pttl_ms or 0) / 1000:.1f} s to live"
    return [
        finding(
            timelines,
            PARTIAL_SESSION,
            timeline,
            promise=timeline.created,
            seen=seen,
            between=[one.operation for one in writers[-1:]],
            why=why,
            sentence=f"{where(seen)} found a piece of {timeline.named}:"
            f" {', '.join(sorted(seen.saw))} without its user, with {ttl}.",
            observations=len(pieces),
            side=FindingSide.OPEN if _accepted(seen) else None,
        )
    ]


def _accepted(sight: Sight) -> bool:
    return (
        sight.operation is not None
        and sight.operation.told == "ok"
        and sight.step is not None
        and bool(sight.step.saw)
    )


def _outage(timelines: Timelines, timeline: Timeline, deadlines: Deadlines) -> list[Finding]:
    """Timed out although its user was there: the touches that would have kept it did not get through."""
    if not timeline.missed_touches or not deadlines.known or timeline.destroys:
        return []
    last_us = timeline.last_presence_us()
    gone = [one for one in timeline.sights if one.state is State.ABSENT and one.done_us > last_us]
    if not gone:
        return []
    seen = gone[0]
    touch = deadlines.last_touch(seen.sent_us)
    if touch is None or seen.done_us < deadlines.earliest_us(touch):
        return []
    if seen.done_us >= timeline.ends_us - deadlines.tolerance_us:  # over by its age
        return []
    missed = [
        one
        for one in timeline.missed_touches
        if touch.sent_us < (begun := one.due_us if one.sent_us is None else one.sent_us)
        and begun <= touch.done_us + deadlines.longest_us
        and begun + deadlines.longest_us > seen.sent_us
    ]
    if not missed:
        return []
    kinds = ", ".join(sorted({str(one.outcome) for one in missed}))
    because = f"{len(missed)} requests did not succeed ({kinds}) before the session expired"
    return [
        finding(
            timelines,
            LOGGED_OUT_BY_OUTAGE,
            timeline,
            promise=touch,
            seen=seen,
            between=missed[-1:],
            why=Why(cause=Cause.EXPIRED, because=because),
            sentence=f"The user of {timeline.named} was logged out by the outage: {because}.",
            observations=len(missed),
        )
    ]


CHECK = Check(
    promise="A user stays logged in until a logout or the idle timeout.",
    kinds=(
        LOST_SESSION,
        EVICTED_SESSION,
        EXPIRED_EARLY,
        PARTIAL_SESSION,
        STALE_READ,
        LOGGED_OUT_BY_OUTAGE,
        COOKIE_DELETED,
        ANONYMOUS_PAGE,
        TOLD_OK_THEN_LOST,
    ),
    find=judge_existence,
)
