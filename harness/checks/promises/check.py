"""How a check says what it found: one constructor for findings, one shape for its answer.

Trap: a check must not count what it could not decide as if it were nothing. `Counted.undecidable`
widens the upper end of the count; it never shrinks what was proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from harness.checks.columns.arrays import Words
from harness.checks.facts.causes import Acker, Why, acker
from harness.checks.facts.step_effects import Sight, StepEffect
from harness.checks.facts.timelines import Timeline, Timelines
from harness.costly import np
from harness.model.finding_kind import FindingKind
from harness.model.judgement import Finding
from harness.model.records import Operation, Step
from harness.model.times import FOREVER
from harness.model.words import FindingSide


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """What a check found, and by the finding's name how many more it could not rule out."""

    findings: list[Finding] = field(default_factory=list)
    undecidable: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One promise, and how a history is searched for its breaches."""

    promise: str
    """In the words of who runs the service."""
    kinds: tuple[FindingKind, ...]
    """The findings that it makes, and answers for when it crashes."""
    find: Callable[[Timelines], Counted]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequel:
    """The same for a check that goes by what the others found."""

    promise: str
    kinds: tuple[FindingKind, ...]
    find: Callable[[Timelines, Sequence[Finding]], Counted]


def finding(
    timelines: Timelines,
    kind: FindingKind,
    timeline: Timeline,
    *,
    promise: StepEffect | None = None,
    seen: Sight | None = None,
    between: Iterable[Operation] = (),
    why: Why | None = None,
    sentence: str,
    observations: int = 1,
    side: FindingSide | None = None,
) -> Finding:
    """A finding about one session: the promise (what was acked), what broke it, what saw it."""
    why = why or Why()
    by = Acker() if promise is None else acker(timelines, promise)
    told = [] if promise is None else [promise.operation.id]
    told += [one.id for one in between]
    if seen is not None and seen.operation is not None:
        told.append(seen.operation.id)
    about = promise.operation if promise is not None else None if seen is None else seen.operation
    acked = promise is not None and promise.certain and promise.done_us < FOREVER
    return Finding(
        name=kind.name,
        side=side or kind.side,
        session=timeline.session,
        user=timeline.user or None,
        cause=why.cause,
        because=why.because,
        sentence=_capital(sentence) + _warned(promise),
        operations=tuple(dict.fromkeys(told)),
        node=by.node,
        node_role=by.role,
        run_id=by.run_id,
        web_server=None if about is None else about.web_server,
        client_side="all" if about is None else about.client_side,
        shard=timeline.shard,
        t_us=int(promise.done_us) if acked and promise is not None else None,
        sent_us=int(promise.sent_us) if acked and promise is not None else None,
        seen_us=None if seen is None else int(seen.done_us),
        observations=observations,
        waited=None if promise is None else _waited(promise),
    )


def _waited(promise: StepEffect) -> bool | None:
    needed = promise.step.wait_needed
    return (promise.step.wait_got or 0) >= needed if needed else None


def _warned(promise: StepEffect | None) -> str:
    """Where the application asked for replicas, and had fewer: it need not have said that it was done."""
    if promise is None or not promise.certain or _waited(promise) is not False:
        return ""
    step = promise.step
    return f" WAIT had counted {step.wait_got or 0} of {step.wait_needed} replicas by then."


def _capital(sentence: str) -> str:
    """Names of web servers and nodes stay as they are spelled."""
    first, _, _ = sentence.partition(" ")
    return sentence[0].upper() + sentence[1:] if first in {"session", "the"} else sentence


def where(sight: Sight) -> str:
    """Who saw it, for a sentence."""
    if sight.entry is not None:
        return f"the audit of {sight.entry.node}"
    assert sight.operation is not None
    return f"{sight.operation.web_server} (operation {sight.operation.id})"


def requests_told(timelines: Timelines, told: str) -> Sequence[Operation]:
    """Those whose user was told this, in their order."""
    table = timelines.facts.history.table
    rows = np.flatnonzero(Words(table.operations, "told").equal(told))
    return table.take(rows).records() if len(rows) else ()


def number_and_time(timelines: Timelines, requests: Sequence[Operation]) -> tuple[str, str]:
    """How many requests, and when, for a sentence: `2 requests`, `from +3.00 s to +4.50 s`."""
    first, last = requests[0], requests[-1]
    zero_us = timelines.facts.landmarks.zero_us
    begun, over = (((one.sent_us or one.due_us) - zero_us) / 1e6 for one in (first, last))
    if len(requests) == 1:
        return "a request", f"at {begun:+.2f} s"
    return f"{len(requests)} requests", f"from {begun:+.2f} s to {over:+.2f} s"


def unanswered(step: Step) -> str:
    """For a sentence."""
    error = f" ({step.error[:60]})" if step.error else ""
    return f"Redis did not answer {step.command}{error}"
