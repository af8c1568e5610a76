"""How many sessions came through: at risk, intact, broken, undecidable, put out, back in.

At risk: what the fault could have hurt (`at_risk`), every session that was found broken, and what was
made after the fault and cannot be decided. Each of them is exactly one of intact, broken, undecidable.

Trap: a session may be absent and all is well (its user logged out, or left). It is undecidable only
while that may or may not be so; and one that had run out by the audit may have been lost before.
"""

from __future__ import annotations

from collections.abc import Iterable

from harness.checks.facts.causes import carried_over, discarded
from harness.checks.facts.step_effects import Sight, State
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.lifetimes import Deadlines, may_have_ended
from harness.checks.promises.presence import may_be_gone
from harness.checks.promises.table import having
from harness.checks.screen.screening import NOBODY, Clean
from harness.model.finding_kind import FindingTrait
from harness.model.judgement import Finding, SessionCounts
from harness.model.times import FOREVER
from harness.model.words import Outcome


def count_sessions(
    timelines: Timelines, findings: Iterable[Finding], at_risk: set[str], clean: Clean = NOBODY
) -> SessionCounts:
    """`clean`: the sessions that have no timeline because nothing can be wrong with them."""
    findings = list(findings)
    breaking = having(FindingTrait.BREAKS_SESSION)
    broken = {one.session for one in findings if one.name in breaking and one.session is not None}
    danger_us = timelines.facts.landmarks.danger_us
    first_us = FOREVER if danger_us is None else danger_us[0]
    out = _put_out(timelines, findings)
    total = intact = undecidable = hurt = maybe_out = 0
    for timeline in timelines.sessions.values():
        if timeline.created is None:
            continue
        total += 1
        if timeline.session in broken:
            hurt += 1
        elif _decided(timelines, timeline):
            intact += timeline.session in at_risk
        elif timeline.session in at_risk or timeline.created.done_us >= first_us:
            undecidable += 1
            maybe_out += timeline.session not in out
    beside = broken - timelines.sessions.keys()  # by another object: nothing is wrong with the session itself
    hurt += len(beside)
    intact += len(at_risk - timelines.sessions.keys() - beside)  # the clean ones
    return SessionCounts(
        total=total + clean.sessions,
        at_risk=hurt + intact + undecidable,
        intact=intact,
        broken=hurt,
        undecidable=undecidable,
        logged_out=len(out),
        maybe_logged_out=maybe_out,
        got_back_in=sum(_back(timelines, clean, session, out_us) for session, out_us in out.items()),
    )


def _decided(timelines: Timelines, timeline: Timeline) -> bool:
    """Whether the audit settles that the session is as it should be."""
    entry = timeline.primary
    if entry is None:
        return timeline.destroyed is not None and timelines.audited
    destroyed = timeline.destroyed
    if entry.saw:
        return True
    if destroyed is not None and destroyed.done_us < entry.sent_us:
        return True
    deadlines = Deadlines(timelines, timeline)
    look = next(one for one in timeline.sights if one.entry is entry)
    if timelines.clocks_known and may_have_ended(deadlines, look):
        return _came_through(timelines, timeline, deadlines, look)
    return not may_be_gone(timeline, deadlines, look.sent_us, look.done_us)


def _came_through(timelines: Timelines, timeline: Timeline, deadlines: Deadlines, look: Sight) -> bool:
    """Whether a session that may have run out by now is known to have outlived recovery. Otherwise it may
    have been lost before it ran out, and nobody looked in between."""
    assert timeline.created is not None
    left = None if timeline.primary is None else timeline.primary.witnesses
    recovered_us, touch = timelines.facts.landmarks.recovered_us, deadlines.last_touch(look.sent_us)
    if left and timeline.created.step.witness in left:
        # Written in one group with the session, and kept for longer. It tells of no touch, which may be lost.
        promised_us = recovered_us if touch is None else min(recovered_us, deadlines.earliest_us(touch))
        lives_on = (
            one.step.ttl_ms is None or deadlines.earliest_us(one) >= promised_us
            for one in (timeline.created, *timeline.setters)
            if one is timeline.created or (one.certain and carried_over(timelines, one, timeline.shard))
        )
        if any(lives_on):
            return True
    return any(
        one.state is State.PRESENT and one.sent_us > recovered_us and not discarded(timelines, one)
        for one in timeline.sights
    )


def _put_out(timelines: Timelines, findings: list[Finding]) -> dict[str, int]:
    """Session -> when its user first stood before a closed door without having asked for it."""
    out: dict[str, int] = {}
    ends, may_end = having(FindingTrait.ENDS_SESSION), having(FindingTrait.MAY_END_SESSION)
    for one in findings:
        if one.session is None or one.seen_us is None:
            continue
        if one.name in ends or (one.name in may_end and _turned_away(timelines, one)):
            out[one.session] = min(out.get(one.session, one.seen_us), one.seen_us)
    return out


def _turned_away(timelines: Timelines, one: Finding) -> bool:
    """Other findings that put somebody out: the session was not found when it was asked for."""
    if not one.operations or one.session is None:
        return False
    timeline = timelines.sessions.get(one.session)
    if timeline is None:
        return False
    return any(sight.state is State.ABSENT and int(sight.done_us) == one.seen_us for sight in timeline.sights)


def _back(timelines: Timelines, clean: Clean, session: str, out_us: int) -> bool:
    user = timelines.sessions[session].user
    return clean.logged_in_since(user, out_us) or any(
        one.certain and one.sent_us >= out_us and one.operation.outcome is Outcome.ACKED
        for one in timelines.logins[user]
        if one.operation.session != session
    )
