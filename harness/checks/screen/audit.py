"""Where the audit disagrees with what the steps left behind: part of the screen.

The audit is a few records a session, so it is walked one by one; only what the primaries hold is
summed up as the looks are (`contents`). Trap: no answer is no agreement. A replica that did not answer
leaves something open, and so makes a suspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

import msgspec

from harness.checks.columns.arrays import NONE, Codes, Flags, Integers, Words
from harness.checks.columns.traffic import WRITING_STEPS, Traffic
from harness.checks.facts.of_run import facts_of
from harness.checks.promises.replica_agreement import differs
from harness.checks.screen.contents import Sums
from harness.checks.screen.course import Course, in_time
from harness.checks.screen.steps import Steps
from harness.costly import np, pa, pc
from harness.model.history import History
from harness.model.records import AuditEntry
from harness.model.table import OperationTable
from harness.model.words import NodeRole, StepKind


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Audited:
    """What the audit says of each session in `Steps.begin`: whom to doubt, and the primaries' answers."""

    doubted: Integers
    """Sessions (codes) on which the nodes do not agree, or that lack a witness."""
    groups: Integers
    """All others, by their place in `Steps.begin`."""
    numbers: Integers
    """Of the answer of each one's primary, among the audit's entries."""
    sent_us: Integers
    done_us: Integers
    pttl_ms: Integers


def said(audit: Sequence[AuditEntry]) -> pa.Array:
    """What each entry shows of its session, as a step's `saw` does; null unless it speaks for a primary."""
    return pa.array(
        [msgspec.json.encode(one.saw).decode() if one.role == NodeRole.PRIMARY else None for one in audit],
        pa.string(),
    )


def agreed_on(history: History, names: Words, steps: Steps, traffic: Traffic) -> Audited:
    """Which sessions all nodes that hold them agree on, and every step has left its witness on."""
    audit, sessions = history.audit, steps.session[steps.begin]
    shards = traffic.shard[steps.row[steps.begin]].tolist()
    where = facts_of(history).shards
    groups: list[int] = []
    numbers: list[int] = []
    for group, answers in enumerate(_answers(history, names, sessions.tolist())):
        mine = [n for n in answers if where.of(audit[n].node, audit[n].sent_us) == shards[group]]
        number = _primary(audit, mine)
        if number is not None and _indexed(audit[number], (audit[n] for n in answers)):
            groups.append(group)
            numbers.append(number)
    primaries = [audit[n] for n in numbers]
    good = _witnessed(np.array(groups, np.int64), primaries, steps, history.table)
    doubted = np.ones(len(sessions), np.bool_)
    doubted[np.array(groups, np.int64)[good]] = False
    return Audited(
        doubted=sessions[doubted].astype(np.int64),
        groups=np.flatnonzero(~doubted),
        numbers=np.array(numbers, np.int64)[good],
        sent_us=np.array([one.sent_us for one in primaries], np.int64)[good],
        done_us=np.array([one.done_us for one in primaries], np.int64)[good],
        pttl_ms=np.array([NONE if one.pttl_ms is None else one.pttl_ms for one in primaries], np.int64)[good],
    )


def contradicted(audited: Audited, steps: Steps, course: Course, traffic: Traffic, shown: Sums) -> Codes:
    """Sessions whose primary did not hold what the steps left, after the last of them, and as long as they
    said; `shown`: the sum of what each of the audit's entries shows."""
    after = steps.end[audited.groups]
    over_us = np.zeros(len(after), np.int64)
    if len(after):
        over_us = np.maximum.reduceat(traffic.done_us[steps.row], steps.begin)[audited.groups]
    held = (shown[audited.numbers] == course.sums[after]) & (audited.sent_us > over_us)
    held &= course.gone[after] | in_time(
        steps, course, after, audited.sent_us, audited.done_us, audited.pttl_ms
    )
    found: Codes = steps.session[after[~held]]
    return found


def _answers(history: History, names: Words, sessions: Sequence[int]) -> list[list[int]]:
    """The numbers of the valid pass's entries about each of these sessions."""
    valid_pass, texts = history.valid_pass, names.names()
    answers: list[list[int]] = [[] for _ in sessions]
    about = {texts[session]: answers[n] for n, session in enumerate(sessions)}
    for number, entry in enumerate(history.audit):
        mine = about.get(entry.session)
        if mine is not None and entry.pass_n == valid_pass:
            mine.append(number)
    return answers


def _witnessed(
    groups: Integers, primaries: Sequence[AuditEntry], steps: Steps, table: OperationTable
) -> Flags:
    """Whether each of these primaries shows what the session's steps must have left: every witness once
    and in order."""
    leaving = np.flatnonzero(steps.are(StepKind.CREATE, *WRITING_STEPS))
    witness = steps.words(table, "witness", leaving)
    leaving, codes = leaving[witness.known], witness.codes[witness.known]
    left = np.bincount(steps.group[leaving], minlength=len(steps.begin))
    repeated = np.zeros(len(steps.begin), np.bool_)
    repeated[steps.group[leaving[np.bincount(codes)[codes] > 1]]] = True
    counts = np.array([len(one.witnesses or ()) for one in primaries], np.int64)
    good: Flags = (counts == left[groups]) & ~repeated[groups]
    compared = np.zeros(len(steps.begin), np.bool_)
    compared[groups[good]] = True
    codes = codes[compared[steps.group[leaving]]]
    shown = chain.from_iterable(
        one.witnesses or () for one, fine in zip(primaries, good, strict=True) if fine
    )
    differ = pc.not_equal(witness.texts.take(pa.array(codes)), pa.array(list(shown), pa.string()))
    wrong = np.zeros(len(steps.begin), np.bool_)
    wrong[np.repeat(groups[good], counts[good])[differ.to_numpy(zero_copy_only=False)]] = True
    good &= ~wrong[groups]
    return good


def _primary(audit: Sequence[AuditEntry], numbers: Iterable[int]) -> int | None:
    """The answer of the shard's only primary, if all of its replicas answered the same."""
    primary: int | None = None
    others = []
    for number in numbers:
        entry = audit[number]
        if entry.saw is None or (not entry.saw and entry.key_type not in {None, "hash", "none"}):
            return None
        if entry.role != NodeRole.PRIMARY:
            others.append(entry)
        elif primary is not None:
            return None
        else:
            primary = number
    if primary is None or not all(_same(audit[primary], other) for other in others):
        return None
    return primary


def _same(primary: AuditEntry, other: AuditEntry) -> bool:
    """Quick where both say the same to the letter, which is what nearly all do."""
    equal = other.saw is primary.saw or other.saw == primary.saw
    equal = equal and (other.witnesses is primary.witnesses or other.witnesses == primary.witnesses)
    return (equal and other.pttl_ms == primary.pttl_ms) or differs(primary, other) is None


def _indexed(primary: AuditEntry, answers: Iterable[AuditEntry]) -> bool:
    """The user's index says of the session what its primary says."""
    return all(
        one.indexed is bool(primary.saw)
        for one in answers
        if one.indexed is not None and one.role == NodeRole.PRIMARY
    )
