"""The numbers beside the findings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.checks.facts.landmarks import moments_of
from harness.checks.measures.summary import measure
from harness.model.judgement import Finding, Interval, Metrics, SessionCounts
from harness.model.words import FindingSide, OperationKind, Outcome
from lab.records import us
from tests.builders_metrics import Sketch

LOGIN, WRITE = OperationKind.LOGIN, OperationKind.WRITE


def measured(sketch: Sketch, findings: Sequence[Finding] = ()) -> Metrics:
    history = sketch.history()
    return measure(history, moments_of(history), findings, SessionCounts(total=7))


def test_operations_are_counted_by_outcome_behaviour_and_second() -> None:
    """Every outcome has its place, also where it is zero; seconds run from the run's start."""
    sketch = Sketch()
    sketch.do(LOGIN, 0.5)
    sketch.do(WRITE, 0.6, outcome=Outcome.REJECTED)
    sketch.do(WRITE, 2.9, took_s=0.2, outcome=Outcome.UNKNOWN)
    sketch.do(WRITE, 1.5, outcome=Outcome.NOT_SENT)
    metrics = measured(sketch)
    assert metrics.operations == {"acked": 1, "rejected": 1, "unknown": 1, "not_sent": 1}
    assert metrics.by_behaviour["change-field"] == {
        "acked": 0,
        "rejected": 1,
        "unknown": 1,
        "not_sent": 1,
    }
    assert metrics.by_second == {
        "acked": (1, 0, 0, 0),
        "rejected": (1, 0, 0, 0),
        "unknown": (0, 0, 0, 1),
        "not_sent": (0, 1, 0, 0),
    }
    assert metrics.sessions.total == 7


def test_lag_at_fault_is_the_slowest_replica_in_the_last_look() -> None:
    """Looks after the effect, and at other shards, do not count."""
    sketch = Sketch()
    sketch.sample("redis-1", 9.0, role="primary", offset=500, replicas={"redis-2": 0})
    sketch.sample("redis-1", 9.9, role="primary", offset=1000, replicas={"redis-2": 990, "redis-3": 400})
    sketch.sample("redis-2", 10.4, role="primary", offset=9000, replicas={"redis-3": 0})
    sketch.sample("cache-1", 9.95, role="primary", offset=9, replicas={"x": 0})
    assert measured(sketch).lag_at_fault_bytes == 600


def test_lag_falls_back_to_the_replicas_own_offsets() -> None:
    """A primary that lists no replica is compared with what its replicas say of themselves."""
    sketch = Sketch()
    sketch.sample("redis-1", 9.9, role="primary", offset=1000)
    assert measured(sketch).lag_at_fault_bytes is None
    sketch.sample("redis-2", 9.8, role="replica", offset=930)
    assert measured(sketch).lag_at_fault_bytes == 70


def test_loss_window_carries_the_effects_error() -> None:
    """The effect began up to its error earlier, so the window may be longer by that."""
    sketch = Sketch()
    sketch.event("effect", 10.0, error_s=0.2, fault=1, node="redis-1")
    lost = Finding(name="lost-write", side=FindingSide.CLOSED, operations=(1,), t_us=us(12.0))
    window = measured(sketch, [lost]).loss_window_s
    assert window == Interval(low=2.0, high=2.2)
    assert measured(sketch).loss_window_s is None


def test_lost_of_acked_after_the_fault() -> None:
    """Distinct writes; one that two findings speak of is one write."""
    sketch = Sketch(fault_kinds=("isolate",))
    sketch.event("effect", 10.0, fault=1, node="redis-1")
    sketch.event("healed", 13.0, fault=1)
    sketch.steady(WRITE, 9.0, 15.0, every_s=0.5)
    findings = [
        Finding(name=name, side=FindingSide.CLOSED, operations=(5,), t_us=us(11.0))
        for name in ("lost-write", "lost-update")
    ]
    metrics = measured(sketch, findings)
    assert (metrics.writes_lost, metrics.writes_acked_after_fault) == (1, 6)


def test_could_not_log_in_for_the_worst_groups_time() -> None:
    """The sum of the windows in which the worst-off group could not log in."""
    sketch = Sketch()
    sketch.steady(LOGIN, 0.0, 10.0)
    sketch.steady(LOGIN, 10.0, 12.0, outcome=Outcome.REJECTED)
    sketch.steady(LOGIN, 12.0, 20.0)
    assert measured(sketch).refused_login_s == pytest.approx(1.902)
