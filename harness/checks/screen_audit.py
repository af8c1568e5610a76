"""Where the audit disagrees with what the steps left behind: part of the screen.

The audit is a few records a session, so it is walked one by one; only what the primaries hold is
summed up as the looks are (`contents`). Trap: no answer is no agreement. A replica that did not answer
leaves something open, and so makes a suspect.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import msgspec
import numpy as np
import pyarrow as pa

from harness.checks.columns import NONE, Flags, Integers, Words
from harness.checks.contents import contents_of
from harness.checks.others import differs
from harness.checks.screen_course import Course, in_time
from harness.checks.screen_steps import Steps
from harness.checks.traffic import WRITING_STEPS, Traffic
from harness.model.history import History
from harness.model.records import AuditEntry
from harness.model.table import OperationTable
from harness.model.words import StepKind


def contradicted(history: History, names: Words, steps: Steps, course: Course, traffic: Traffic) -> Integers:
    """Sessions (codes of `names`) of which the audit does not confirm everything."""
    begun = steps.begin.tolist()
    sessions: list[int] = steps.session[steps.begin].tolist()
    shards = traffic.shard[steps.row[steps.begin]].tolist()
    shard_of = {node.name: node.shard for node in history.plan.data_nodes()}
    answers = _answers(history, names, sessions)
    left = _left_behind(steps, history.table)
    wrong: list[int] = []
    groups: list[int] = []
    primaries: list[AuditEntry] = []
    for group in range(len(begun)):
        said = answers[group]
        mine = [one for one in said if shard_of.get(one.node) == shards[group]]
        primary = _agreed_on(mine)
        if primary is None or not _leaves(primary, left[group], said):
            wrong.append(sessions[group])
        else:
            groups.append(group)
            primaries.append(primary)
    held = _held(primaries, np.array(groups, np.int64), steps, course, traffic)
    return np.concatenate(
        [np.array(wrong, np.int64), steps.session[steps.begin][np.array(groups, np.int64)[~held]]]
    )


def _answers(history: History, names: Words, sessions: Sequence[int]) -> list[list[AuditEntry]]:
    """The entries of the valid pass about each of these sessions."""
    summary, texts = history.audit_summary, names.names()
    answers: list[list[AuditEntry]] = [[] for _ in sessions]
    about = {texts[session]: answers[n] for n, session in enumerate(sessions)}
    for entry in history.audit:
        said = about.get(entry.session)
        if said is not None and summary is not None and entry.pass_n == summary.valid_pass:
            said.append(entry)
    return answers


def _left_behind(steps: Steps, table: OperationTable) -> list[tuple[str, ...]]:
    """The witnesses that each session's steps must have left, in their order."""
    leaving = np.flatnonzero(steps.are(StepKind.CREATE, *WRITING_STEPS))
    witness = steps.words(table, "witness", leaving)
    leaving = leaving[witness.known]
    texts = witness.texts.take(pa.array(witness.codes[witness.known])).to_pylist()
    bounds = np.searchsorted(leaving, np.append(steps.begin, len(steps))).tolist()
    return [tuple(texts[first:end]) for first, end in pairwise(bounds)]


def _agreed_on(entries: Iterable[AuditEntry]) -> AuditEntry | None:
    """The answer of the shard's only primary, if all of its replicas answered the same."""
    primary: AuditEntry | None = None
    others = []
    for entry in entries:
        if entry.saw is None:
            return None
        if entry.role != "primary":
            others.append(entry)
        elif primary is not None:
            return None
        else:
            primary = entry
    if primary is None or not all(_same(primary, other) for other in others):
        return None
    return primary


def _same(primary: AuditEntry, other: AuditEntry) -> bool:
    """Quick where both say the same to the letter, which is what nearly all do."""
    equal = other.saw == primary.saw and other.witnesses == primary.witnesses
    return (equal and other.pttl_ms == primary.pttl_ms) or differs(primary, other) is None


def _leaves(primary: AuditEntry, left: tuple[str, ...], said: Iterable[AuditEntry]) -> bool:
    """Every witness once and in order, and the user's index as the session is."""
    if (primary.witnesses or ()) != left or len(set(left)) != len(left):
        return False
    return all(
        one.indexed is bool(primary.saw) for one in said if one.indexed is not None and one.role == "primary"
    )


def _held(
    primaries: Sequence[AuditEntry], groups: Integers, steps: Steps, course: Course, traffic: Traffic
) -> Flags:
    """Whether each primary held what the steps left, after the last of them, and as long as they said."""
    after = steps.end[groups]
    texts = pa.array([msgspec.json.encode(one.saw).decode() for one in primaries], pa.string())
    contents = contents_of([texts])
    seen = course.tokens.sums(contents)[contents.codes]
    sent_us = np.array([one.sent_us for one in primaries], np.int64)
    done_us = np.array([one.done_us for one in primaries], np.int64)
    pttl_ms = np.array([NONE if one.pttl_ms is None else one.pttl_ms for one in primaries], np.int64)
    over_us = np.maximum.reduceat(traffic.done_us[steps.row], steps.begin)[groups] if len(steps) else sent_us
    held: Flags = (seen == course.sums[after]) & (sent_us > over_us)
    held &= course.gone[after] | in_time(steps, course, after, sent_us, done_us, pttl_ms)
    return held
