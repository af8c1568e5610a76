"""What is judged by shard or run rather than by session: refusals, replicas, recovery.

refused-login: a node answers reads and refuses log-ins. replica-divergence: a replica holds something
else than its primary. no-recovery: no single settled primary within the limit.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from harness.checks.causes import Why
from harness.checks.columns import NONE
from harness.checks.failover import triggers
from harness.checks.findings import FINDINGS, Counted, finding
from harness.checks.index import Index, Timeline
from harness.checks.last_words import LastWord, last_word
from harness.checks.nodes import Nodes
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import AuditEntry, Operation, Step
from harness.model.words import Cause, OperationKind, Outcome, StepKind

REFUSED_FOR_NOW = ("OOM", "NOREPLICAS", "MISCONF")
"""The primary itself refuses to write. Others (READONLY, LOADING, CLUSTERDOWN) say: not here, not
yet; those are outages, measured as such."""

REFUSED_BECAUSE = {"OOM": Cause.OUT_OF_MEMORY, "NOREPLICAS": Cause.TOO_FEW_REPLICAS}

SAME_WINDOW_US = 2_000_000
"""Refusals of one shard closer together than this are one window."""

PTTL_TOLERANCE_MS = 1000
"""Between two looks of one audit pass a time-out may shrink by the time that passed; more is drift."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """A window in which one shard refused log-ins while it answered reads."""

    shard: int
    from_us: int
    to_us: int
    operations: tuple[Operation, ...]
    error: str


def refused_logins(index: Index) -> list[Refusals]:
    """Windows, per shard, in order."""
    refused: dict[int, list[tuple[Operation, Step]]] = defaultdict(list)
    for operation in index.history.operations:
        if operation.kind is OperationKind.LOGIN and operation.outcome is Outcome.REJECTED:
            step = next((one for one in operation.steps if one.does is StepKind.CREATE), None)
            if step is not None and _refused_by_the_node(step.error or ""):
                refused[operation.shard].append((operation, step))
    found = []
    for shard, items in refused.items():
        for window in _windows(items):
            from_us, to_us = _span(window)
            if _answered_reads(index, shard, from_us - SAME_WINDOW_US, to_us + SAME_WINDOW_US):
                operations = tuple(operation for operation, _ in window)
                error = window[0][1].error or ""
                found.append(
                    Refusals(shard=shard, from_us=from_us, to_us=to_us, operations=operations, error=error)
                )
    return sorted(found, key=lambda one: one.from_us)


def _answered_reads(index: Index, shard: int, from_us: int, to_us: int) -> bool:
    traffic = index.traffic
    reads = traffic.of_kind(OperationKind.READ) | traffic.of_kind(OperationKind.TOUCH)
    reads &= traffic.with_outcome(Outcome.ACKED) & (traffic.shard == shard) & (traffic.done_us != NONE)
    return bool((reads & (traffic.done_us >= from_us) & (traffic.done_us <= to_us)).any())


def _refused_by_the_node(error: str) -> bool:
    if error.startswith(REFUSED_FOR_NOW):
        return True
    return error.startswith("EXECABORT") and any(word in error for word in REFUSED_FOR_NOW)


def _windows(items: list[tuple[Operation, Step]]) -> list[list[tuple[Operation, Step]]]:
    items = sorted(items, key=lambda item: item[0].due_us)
    windows: list[list[tuple[Operation, Step]]] = []
    for item in items:
        if windows and item[0].due_us - windows[-1][-1][0].due_us <= SAME_WINDOW_US:
            windows[-1].append(item)
        else:
            windows.append([item])
    return windows


def _span(window: list[tuple[Operation, Step]]) -> tuple[int, int]:
    ends = [operation.done_us or operation.due_us for operation, _ in window]
    return min(operation.due_us for operation, _ in window), max(ends)


def judge_refusals(index: Index) -> Counted:
    findings = []
    for window in refused_logins(index):
        seconds = (window.to_us - window.from_us) / 1e6
        first = window.operations[0]
        prefix = next((word for word in REFUSED_FOR_NOW if word in window.error), "")
        why = Why(cause=REFUSED_BECAUSE.get(prefix, Cause.NOT_DETERMINED), because=window.error)
        findings.append(
            Finding(
                name="refused-login",
                side=FINDINGS["refused-login"],
                session=first.session,
                user=first.user,
                cause=why.cause,
                because=why.because,
                sentence=f"For {seconds:.1f} s nobody new could log in on shard {window.shard} while reads"
                f" worked: {len(window.operations)} log-ins were refused ({prefix}).",
                operations=tuple(one.id for one in window.operations),
                node=_node_of(index, first),
                web_server=first.web_server,
                client_side=first.client_side,
                shard=window.shard,
                t_us=window.from_us,
                seen_us=window.from_us,
                observations=len(window.operations),
            )
        )
    return Counted(findings=findings)


def _node_of(index: Index, operation: Operation) -> str | None:
    step = next((one for one in operation.steps if one.does is StepKind.CREATE), None)
    connection = None if step is None else index.connection_for(operation, step)
    return None if connection is None else connection.node


def judge_replicas(index: Index) -> Counted:
    findings = []
    undecidable = 0
    settled = _settled(index.history)
    for timeline in index.sessions.values():
        primary = timeline.primary
        if primary is None:
            continue
        differing: list[tuple[AuditEntry, str]] = []
        for entry in timeline.audit:
            if entry is primary:
                continue
            if entry.saw is None:
                undecidable += 1
            elif (how := differs(primary, entry)) is None:
                continue
            elif settled and entry.role == "replica":
                differing.append((entry, how))
            else:
                undecidable += 1
        if differing:
            findings.append(_diverged(index, timeline, primary, differing))
    return Counted(findings=findings, undecidable={"replica-divergence": undecidable})


def _settled(history: History) -> bool:
    """Whether the topology was seen recovered, by a harness that did its work to the end. Otherwise the
    audit may have met it before anything was promised, and a second primary is no replica."""
    closing = history.closing
    return closing is not None and not closing.interrupted and not closing.not_recovered


def differs(primary: AuditEntry, other: AuditEntry) -> str | None:
    """How a replica's answer differs from its primary's; None: it does not, or may have expired."""
    if _may_have_expired(primary) or _may_have_expired(other):
        return None
    if other.saw != primary.saw:
        if not (other.saw and primary.saw):
            return "one has it, the other has not"
        apart = other.saw.items() ^ primary.saw.items()
        return f"{', '.join(sorted({name for name, _ in apart}))} differ"
    if None not in {other.witnesses, primary.witnesses} and other.witnesses != primary.witnesses:
        return "the lists of executed writes differ"
    mine, theirs = primary.pttl_ms, other.pttl_ms
    if mine is None or theirs is None:
        return None
    passed_ms = (max(other.done_us, primary.done_us) - min(other.sent_us, primary.sent_us)) / 1000
    if (mine < 0) != (theirs < 0) or abs(mine - theirs) > passed_ms + PTTL_TOLERANCE_MS:
        return f"{mine} ms and {theirs} ms to live"
    return None


def _may_have_expired(entry: AuditEntry) -> bool:
    """So close to its end that one of two looks may have come too late."""
    return entry.pttl_ms is not None and 0 <= entry.pttl_ms < 2 * PTTL_TOLERANCE_MS


def _diverged(
    index: Index, timeline: Timeline, primary: AuditEntry, differing: list[tuple[AuditEntry, str]]
) -> Finding:
    entry, how = differing[0]
    return finding(
        index,
        "replica-divergence",
        timeline,
        promise=timeline.created,
        seen=next(one for one in timeline.sights if one.entry is not None),
        why=Why(because=how),
        sentence=f"After recovery {entry.node} and its primary {primary.node} disagree about {timeline.named}"
        f": {how}.",
        observations=len(differing),
    )


def judge_recovery(index: Index) -> Counted:
    closing = index.history.closing
    if closing is None or closing.interrupted:
        return Counted(undecidable={"no-recovery": 1 if index.effect_us is not None else 0})
    if not closing.not_recovered:
        return Counted()
    missing = closing.not_recovered
    word = _word_of(index.history)
    last = "" if word is None else f" The last word on it: {word.told}."
    return Counted(
        findings=[
            Finding(
                name="no-recovery",
                side=FINDINGS["no-recovery"],
                cause=Cause.NOT_DETERMINED if word is None else word.cause,
                because=missing if word is None else word.told,
                sentence=f"The topology did not recover within its limit: {missing}.{last}",
                t_us=None if index.effect_us is None else int(index.effect_us),
                seen_us=closing.t_us,
            )
        ]
    )


def _word_of(history: History) -> LastWord | None:
    """Why a shard whose primary was struck got no other; None: each got one, or has the old one back."""
    restarts = history.once(Nodes).restarts
    for trigger in triggers(history):
        back = any(one.node == trigger.old.node and one.by_us > trigger.begin_us for one in restarts)
        if trigger.taken is None and not back:
            return last_word(history, trigger.shard, trigger.begin_us, trigger.until_us)
    return None
