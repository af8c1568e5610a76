"""The finding refused-login: a node answers reads and refuses log-ins."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from harness.checks.facts.causes import Why
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Check, Counted
from harness.model.finding_kind import BY_SHARD, FindingKind, FindingTrait, Need, OutOf
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.words import Cause, FindingSide, OperationKind, Outcome, StepKind
from harness.redis_wire.refusals import REFUSALS, cannot_write

# One for all log-ins that a shard refused, however many web servers and phases they cover.
REFUSED_LOGIN = FindingKind(
    name="refused-login",
    side=FindingSide.CLOSED,
    sentence="new users cannot log in, while logged-in users can work",
    needs=frozenset[Need](),
    parts=BY_SHARD,
    out_of=OutOf.LOGINS,
    traits=(FindingTrait.OF_AVAILABILITY, FindingTrait.SURE_AT_THE_END),
)


SAME_WINDOW_US = 2_000_000
"""Refusals of one shard closer together than this are one window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusals:
    """A window in which one shard refused log-ins while it answered reads."""

    shard: int
    from_us: int
    to_us: int
    operations: tuple[Operation, ...]
    error: str


def refused_logins(timelines: Timelines) -> list[Refusals]:
    """Windows, per shard, in order."""
    refused: dict[int, list[tuple[Operation, Step]]] = defaultdict(list)
    for operation in timelines.history.operations:
        if operation.kind is OperationKind.LOGIN and operation.outcome is Outcome.REJECTED:
            step = next((one for one in operation.steps if one.does is StepKind.CREATE), None)
            if step is not None and cannot_write(step.error or ""):
                refused[operation.shard].append((operation, step))
    found = []
    for shard, items in refused.items():
        for window in _windows(items):
            from_us, to_us = _span(window)
            if _answered_reads(timelines, shard, from_us - SAME_WINDOW_US, to_us + SAME_WINDOW_US):
                operations = tuple(operation for operation, _ in window)
                error = window[0][1].error or ""
                found.append(
                    Refusals(shard=shard, from_us=from_us, to_us=to_us, operations=operations, error=error)
                )
    return sorted(found, key=lambda one: one.from_us)


def _answered_reads(timelines: Timelines, shard: int, from_us: int, to_us: int) -> bool:
    traffic = timelines.facts.traffic
    reads = traffic.of_kind(OperationKind.READ) | traffic.of_kind(OperationKind.TOUCH)
    reads &= traffic.with_outcome(Outcome.ACKED) & (traffic.shard == shard) & traffic.done
    done_us = traffic.where(reads).ended_us
    return bool(((done_us >= from_us) & (done_us <= to_us)).any())


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


def judge_refusals(timelines: Timelines) -> Counted:
    findings = []
    for window in refused_logins(timelines):
        seconds = (window.to_us - window.from_us) / 1e6
        first = window.operations[0]
        code = cannot_write(window.error) or ""
        why = Why(cause=REFUSALS[code].cannot_write or Cause.NOT_DETERMINED, because=window.error)
        findings.append(
            Finding(
                name=REFUSED_LOGIN.name,
                side=REFUSED_LOGIN.side,
                session=first.session,
                user=first.user,
                cause=why.cause,
                because=why.because,
                sentence=f"For {seconds:.1f} s no new user could log in on shard {window.shard} while reads"
                f" worked: {len(window.operations)} log-ins were refused ({code}).",
                operations=tuple(one.id for one in window.operations),
                node=_node_of(timelines, first),
                web_server=first.web_server,
                client_side=first.client_side,
                shard=window.shard,
                t_us=window.from_us,
                seen_us=window.from_us,
                observations=len(window.operations),
            )
        )
    return Counted(findings=findings)


def _node_of(timelines: Timelines, operation: Operation) -> str | None:
    step = next((one for one in operation.steps if one.does is StepKind.CREATE), None)
    connection = None if step is None else timelines.connection_for(operation, step)
    return None if connection is None else connection.node


CHECK = Check(
    promise="While sessions can be read, new users can log in.",
    kinds=(REFUSED_LOGIN,),
    find=judge_refusals,
)
