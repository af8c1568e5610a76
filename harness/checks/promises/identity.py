"""Each read judged alone: is it this user's session, and did somebody write these values?

foreign-session: another identity than the one asked for. unwritten-value: a value that nobody had
written by then, or that cannot be decoded. reply-mixed-up: a reply of a type that its command never
gives (recorded by the load engine), which is how swapped replies show first.

Trap: values of operations with an unknown outcome were written by somebody. Only a refused write
certainly was not.
"""

from __future__ import annotations

from harness.checks.facts.causes import Why
from harness.checks.facts.step_effects import IDENTITY, Sight, State
from harness.checks.facts.timelines import Timeline, Timelines
from harness.checks.promises.check import Check, Counted, finding, where
from harness.checks.promises.fields import Register, is_total, registers_of
from harness.model.finding_kind import FindingKind, Need, OutOf
from harness.model.judgement import Finding
from harness.model.words import Cause, FindingSide

FOREIGN_SESSION = FindingKind(
    name="foreign-session",
    side=FindingSide.OPEN,
    sentence="a user asked for a session and got another user's session",
    out_of=OutOf.READS,
)

REPLY_MIXED_UP = FindingKind(
    name="reply-mixed-up",
    side=FindingSide.OPEN,
    sentence="the client library returned the reply of another command",
    needs=frozenset[Need](),
    out_of=OutOf.READS,
)

UNWRITTEN_VALUE = FindingKind(
    name="unwritten-value",
    side=FindingSide.CLOSED,
    sentence="a read got a value that was never written",
    out_of=OutOf.READS,
)


def judge_identity(timelines: Timelines) -> Counted:
    findings: list[Finding] = []
    mixed = {
        connection.id
        for timeline in timelines.sessions.values()
        for operation, step in timeline.mixed_up
        if (connection := timelines.connection_for(operation, step)) is not None
    }
    for timeline in timelines.sessions.values():
        findings += _mixed_up(timelines, timeline)
        if timeline.sights and timeline.creations:
            findings += _values(timelines, timeline, mixed)
    return Counted(findings=findings)


def _mixed_up(timelines: Timelines, timeline: Timeline) -> list[Finding]:
    return [
        finding(
            timelines,
            REPLY_MIXED_UP,
            timeline,
            between=[operation],
            why=Why(cause=Cause.MIXED_REPLIES, because=step.error or ""),
            sentence=f"{operation.web_server} got a reply to {step.command} for {timeline.user} that"
            f" this command never gives (operation {operation.id}).",
        )
        for operation, step in timeline.mixed_up
    ]


def _values(timelines: Timelines, timeline: Timeline, mixed: set[int]) -> list[Finding]:
    registers = registers_of(timeline)
    generations = {str(one.operation.id) for one in timeline.creations}
    foreign: list[Sight] = []
    unwritten: dict[str, list[Sight]] = {}
    begun_us = min(one.first_us for one in timeline.creations)
    for sight in timeline.sights:
        if not sight.saw:
            continue
        generation = sight.saw.get("generation")
        if sight.state is State.FOREIGN or (generation and generation not in generations):
            foreign.append(sight)
            continue
        if sight.done_us < begun_us:
            unwritten.setdefault("sid", []).append(sight)
            continue
        for name, value in sight.saw.items():
            if name not in IDENTITY and not _written(registers.get(name), value, sight):
                unwritten.setdefault(name, []).append(sight)
    found = []
    if foreign:
        found.append(_foreign(timelines, timeline, foreign, mixed))
    for name, sights in unwritten.items():
        value = sights[0].saw[name]
        found.append(
            finding(
                timelines,
                UNWRITTEN_VALUE,
                timeline,
                promise=timeline.created,
                seen=sights[0],
                sentence=f"{where(sights[0])} read {value[:60]!r} as {name} of {timeline.named}"
                f", which was never written.",
                observations=len(sights),
            )
        )
    return found


def _written(register: Register | None, value: str, sight: Sight) -> bool:
    if register is None:
        return False
    effect = register.values.get(value)
    if effect is not None:
        return effect.first_us <= sight.done_us
    return register.counts and is_total(value)


def _foreign(timelines: Timelines, timeline: Timeline, foreign: list[Sight], mixed: set[int]) -> Finding:
    seen = foreign[0]
    why = Why()
    if seen.operation is not None and seen.step is not None:
        connection = timelines.connection_for(seen.operation, seen.step)
        if connection is not None and connection.id in mixed:
            why = Why(
                cause=Cause.MIXED_REPLIES, because=f"connection {connection.id} also got an impossible reply"
            )
    whose = seen.saw.get("user_id", "nobody")
    return finding(
        timelines,
        FOREIGN_SESSION,
        timeline,
        promise=timeline.created,
        seen=seen,
        why=why,
        sentence=f"{where(seen)} asked for {timeline.named} and got the session"
        f" of {whose} ({seen.saw.get('sid', '?')[:8]}).",
        observations=len(foreign),
    )


CHECK = Check(
    promise="A request for a session gets that session, with only the values that were written to it.",
    kinds=(FOREIGN_SESSION, UNWRITTEN_VALUE, REPLY_MIXED_UP),
    find=judge_identity,
)
