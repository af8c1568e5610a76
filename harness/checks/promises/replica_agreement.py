"""The finding replica-divergence: after recovery a replica holds other data than its primary."""

from __future__ import annotations

from harness.checks.facts.back_door import apart, keys_on_nodes
from harness.checks.facts.causes import Why
from harness.checks.facts.replayed_timeouts import expires_relatively
from harness.checks.facts.step_effects import Sight, State
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding
from harness.checks.promises.lifetimes import Deadlines
from harness.model.finding_kind import BY_SHARD, FindingKind, Premise
from harness.model.judgement import Finding
from harness.model.records import AuditEntry
from harness.model.times import NEVER
from harness.model.words import FindingSide, NodeRole

# Between nodes, after recovery: no web server and no phase has a part in it.
REPLICA_DIVERGENCE = FindingKind(
    name="replica-divergence",
    side=FindingSide.CLOSED,
    sentence="after recovery a replica holds other data than its primary",
    parts=BY_SHARD,
    premises=frozenset({Premise.REPLICA}),
)

PTTL_TOLERANCE_MS = 1000
"""Between two looks of one audit pass a time-out may shrink by the time that passed; more is drift."""


def judge_replicas(timelines: Timelines) -> Counted:
    findings = []
    undecidable = 0
    settled = _settled(timelines)
    for timeline in timelines.sessions.values():
        primary = timeline.primary
        if primary is None:
            continue
        differing: list[tuple[AuditEntry, str]] = []
        for entry in timeline.audit:
            if entry is primary:
                continue
            if entry.saw is None:
                undecidable += 1
            elif (how := differs(primary, entry)) is None or _counted_anew(
                timelines, timeline, primary, entry
            ):
                continue
            elif settled and entry.role == NodeRole.REPLICA:
                differing.append((entry, how))
            else:
                undecidable += 1
        if differing:
            findings.append(_diverged(timelines, timeline, primary, differing))
    of_keys, unsettled = _at_the_back_door(timelines, settled=settled)
    return Counted(
        findings=[*findings, *of_keys], undecidable={REPLICA_DIVERGENCE.name: undecidable + unsettled}
    )


def _at_the_back_door(timelines: Timelines, *, settled: bool) -> tuple[list[Finding], int]:
    """The same of an application's keys; and how many answers decide nothing."""
    findings, undecidable = [], 0
    for one in keys_on_nodes(timelines):
        differing = [(other, how) for other in one.others if (how := apart(one.primary, other))]
        undecidable += sum(other.saw is None for other in one.others)
        if not differing:
            continue
        replica, how = differing[0]
        if not settled or replica.role != NodeRole.REPLICA:
            undecidable += 1
            continue
        findings.append(
            finding(
                timelines,
                REPLICA_DIVERGENCE,
                one.timeline,
                promise=one.timeline.created,
                why=Why(because=how),
                sentence=f"After recovery {replica.node} and its primary {one.primary.node} hold different"
                f" data of {one.timeline.named}: {how}.",
                observations=len(differing),
            )
        )
    return findings, undecidable


def _settled(timelines: Timelines) -> bool:
    """Whether the topology was seen recovered, by a harness that did its work to the end. Otherwise the
    audit may have met it before anything was promised, and a second primary is no replica."""
    closing = timelines.history.closing
    return closing is not None and not closing.interrupted and not timelines.facts.landmarks.given_up


def _counted_anew(timelines: Timelines, timeline: Timeline, primary: AuditEntry, other: AuditEntry) -> bool:
    """Whether they differ only in the time to live, because each counted the timeout from when it executed
    the command, as nodes before Redis 7.0 do: no look has less than was promised, or more than a late
    execution gives."""
    if not expires_relatively(timelines.history.opening.engine) or _content(primary, other) is not None:
        return False
    deadlines = Deadlines(timelines, timeline)
    return deadlines.known and all(_within(timelines, deadlines, one) for one in (primary, other))


def _within(timelines: Timelines, deadlines: Deadlines, entry: AuditEntry) -> bool:
    look = Sight(
        state=State.PRESENT,
        sent_us=entry.sent_us,
        done_us=entry.done_us,
        saw=entry.saw or {},
        pttl_ms=entry.pttl_ms,
        entry=entry,
    )
    if entry.pttl_ms is None or entry.pttl_ms < 0:
        return False
    touch = deadlines.last_touch(look.sent_us)
    earliest_us = NEVER if touch is None else deadlines.earliest_us(touch)
    left_us = entry.pttl_ms * 1000
    return look.done_us + left_us >= earliest_us and (
        look.sent_us + left_us <= deadlines.latest_anew_us(timelines, look)
    )


def differs(primary: AuditEntry, other: AuditEntry) -> str | None:
    """How a replica's answer differs from its primary's; None: it does not, or may have expired."""
    if _may_have_expired(primary) or _may_have_expired(other):
        return None
    if (content := _content(primary, other)) is not None:
        return content
    mine, theirs = primary.pttl_ms, other.pttl_ms
    if mine is None or theirs is None:
        return None
    passed_ms = (max(other.done_us, primary.done_us) - min(other.sent_us, primary.sent_us)) / 1000
    if (mine < 0) != (theirs < 0) or abs(mine - theirs) > passed_ms + PTTL_TOLERANCE_MS:
        return f"time to live {mine} ms and {theirs} ms"
    return None


def _content(primary: AuditEntry, other: AuditEntry) -> str | None:
    if other.saw != primary.saw:
        if not (other.saw and primary.saw):
            return "only one of them has it"
        apart = other.saw.items() ^ primary.saw.items()
        return f"{', '.join(sorted({name for name, _ in apart}))} differ"
    if None not in {other.witnesses, primary.witnesses} and other.witnesses != primary.witnesses:
        return "the lists of executed writes differ"
    return None


def _may_have_expired(entry: AuditEntry) -> bool:
    """So close to its end that one of two looks may have come too late."""
    return entry.pttl_ms is not None and 0 <= entry.pttl_ms < 2 * PTTL_TOLERANCE_MS


def _diverged(
    timelines: Timelines, timeline: Timeline, primary: AuditEntry, differing: list[tuple[AuditEntry, str]]
) -> Finding:
    entry, how = differing[0]
    return finding(
        timelines,
        REPLICA_DIVERGENCE,
        timeline,
        promise=timeline.created,
        seen=next(one for one in timeline.sights if one.entry is not None),
        why=Why(because=how),
        sentence=f"After recovery {entry.node} and its primary {primary.node} hold different data of"
        f" {timeline.named}: {how}.",
        observations=len(differing),
    )


CHECK = Check(
    promise="After recovery every replica holds what its primary holds.",
    kinds=(REPLICA_DIVERGENCE,),
    find=judge_replicas,
)
