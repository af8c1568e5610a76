"""What is measured and judged, at these seconds: expectations, and runs in outline.

An `outline` is a `Past` in which nobody does anything: baseline from 0 s, the fault's effect at 10 s, recovered at
15 s, audit from 20 s, all evidence in order. Tests add operations and take evidence away.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from harness.model.history import History
from harness.model.inventory import NodePlan
from harness.model.plan import PlannedBound
from harness.model.records import AuditEntry
from harness.model.scenario import Expectation, FaultStep, Term
from harness.model.words import NodePurpose, NodeRole, OperationKind, Phase
from lab.past import Past
from lab.records import fault_step, us

BASELINE_S, FAULT_S, RECOVERY_S, SETTLED_S, AUDIT_S, END_S = 0.0, 10.0, 13.0, 15.0, 20.0, 21.0
PHASES = (
    (Phase.BASELINE, BASELINE_S),
    (Phase.FAULT, FAULT_S),
    (Phase.RECOVERY, RECOVERY_S),
    (Phase.SETTLED, SETTLED_S),
    (Phase.AUDIT, AUDIT_S),
)
AUDITED = AuditEntry(
    pass_n=1,
    session="s0",
    node="redis-2",
    role="primary",
    sent_us=us(20.1),
    done_us=us(20.2),
    key_type="none",
    saw={},
)


def expect(
    text: str,
    value: float,
    *,
    unit: str = "",
    arguments: tuple[str, ...] = (),
    comparison: str = "==",
    metric: str = "",
    phase: Phase | None = None,
    on: str | None = None,
    timing: bool = False,
    setting: str | None = None,
    engine: str | None = None,
) -> tuple[Expectation, PlannedBound]:
    """An expectation and its bound; `text` as in a file, its metric read off its beginning."""
    left = text.partition(":")[0]
    return (
        Expectation(
            text=text,
            metric=metric or left.partition("(")[0].partition(" in ")[0].partition(" on ")[0].strip(),
            arguments=arguments,
            phase=phase,
            on=on,
            engine=engine,
            comparison=comparison,
            bound=(Term(factor=1.0, setting=setting), Term(factor=value))
            if setting
            else (Term(factor=value),),
            unit=unit,
            timing=timing,
        ),
        PlannedBound(text=text, value=value),
    )


NODES = (
    NodePlan(name="redis-1", role=NodeRole.PRIMARY),
    NodePlan(name="redis-2", role=NodeRole.REPLICA, replica_of="redis-1"),
    NodePlan(name="redis-3", role=NodeRole.REPLICA, replica_of="redis-1"),
    NodePlan(name="sentinel-1", role=NodeRole.SENTINEL),
    NodePlan(name="cache-1", role=NodeRole.PRIMARY, purpose=NodePurpose.CACHE, shard=2),
)


def outline(*, fault_kinds: Iterable[str] = ("kill",), **changes: Any) -> Past:
    """A run without a story, in which each record is put there by hand: complete and healthy until told
    otherwise. Its faults come at 10 s."""
    fields: dict[str, Any] = {
        "nodes": NODES,
        "mix": {"log-in": 1.0},
        "faults": struck_by(*fault_kinds),
        "effect_s": FAULT_S,
        "recovers": False,
        "eviction_events": True,
        "loop_lag_s": 0.01,
        "canary_lag_s": 0.01,
        "pressure": 0.3,
        "end_s": AUDIT_S,
        "phase_starts": PHASES[:-1],
        "samples_per_s": 0,
        "seen": [AUDITED],
    }
    return Past(**(fields | changes))


def struck_by(*kinds: str) -> tuple[FaultStep, ...]:
    return tuple(fault_step(kind, at=FAULT_S, number=number) for number, kind in enumerate(kinds, 1))


def healthy(past: Past) -> Past:
    """Traffic in every phase, nothing of it ever late or refused."""
    past.steady(OperationKind.LOGIN, 0.0, 20.0)
    past.steady(OperationKind.WRITE, 0.05, 20.0)
    past.steady(OperationKind.READ, 0.02, 20.0)
    return past


def without(history: History, **evidence: Any) -> History:
    return replace(history, **evidence)
