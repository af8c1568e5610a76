"""The steps of a failover, and what is said where one was not seen."""

from __future__ import annotations

import pytest

from harness.checks.failover import STEPS, failover_steps, promotions
from harness.model.judgement import FailoverStep, Finding
from harness.model.records import Connection
from harness.model.words import FindingSide, OperationKind, Outcome
from tests.builders_metrics import Sketch
from tests.builders_records import us

WRITE = OperationKind.WRITE


def steps(sketch: Sketch, *findings: Finding, shard: int = 1) -> dict[str, FailoverStep]:
    return {one.step: one for one in failover_steps(sketch.history(), findings) if one.shard == shard}


def failed_over() -> Sketch:
    """redis-1 (process `old`) is killed at 10 s, redis-2 (`new`) promoted at 11.5 s."""
    sketch = Sketch()
    sketch.connections = [
        Connection(id=1, web_server="web-1", node="redis-1", run_id="old", role="primary", opened_us=0),
        Connection(
            id=2, web_server="web-2", node="redis-2", run_id="new", role="primary", opened_us=us(11.9)
        ),
    ]
    sketch.sample("redis-1", 9.9, role="primary", run_id="old", offset=100, replicas={"redis-2": 90})
    sketch.event("effect", 10.0, source="fault 1", node="redis-1", error_s=0.05, fault=1)
    sketch.event("suspected", 11.0, node="redis-1")
    sketch.event("suspected", 11.1, source="sentinel-2", node="redis-1")
    sketch.event("suspected-by-quorum", 11.2)
    sketch.event("agreed", 11.25)
    sketch.event("elected", 11.3)
    sketch.event("promoted", 11.5, node="redis-2", error_s=0.1)
    sketch.event("promoted", 11.6, source="sentinel-2", node="redis-2")
    sketch.event("published", 11.8)
    sketch.do(WRITE, 9.5, connection=1)
    sketch.do(WRITE, 10.1, 0.4, connection=1, outcome=Outcome.UNKNOWN)
    sketch.do(WRITE, 11.95, connection=2)
    return sketch


def test_every_step_is_timed_from_the_effect() -> None:
    """The steps in their order, each with its time, and both errors added up."""
    found = steps(failed_over())
    assert tuple(found) == STEPS
    assert {name: step.t_s for name, step in found.items() if step.t_s is not None} == {
        "fault effect": 0.0,
        "suspected first": pytest.approx(1.0),
        "suspected by quorum": pytest.approx(1.2),
        "agreed": pytest.approx(1.25),
        "elected": pytest.approx(1.3),
        "promoted": pytest.approx(1.5),
        "topology published": pytest.approx(1.8),
        "client's first error": pytest.approx(0.5),
        "client redirected": pytest.approx(1.9),
        "first write acked by the new primary": pytest.approx(1.952),
    }
    assert found["promoted"].error_s == pytest.approx(0.15)
    assert found["suspected first"].source == "sentinel-1"


def test_step_not_seen_says_why() -> None:
    """Nothing is left out and nothing invented: each missing step has a reason."""
    found = steps(failed_over())
    assert found["last ack by the deposed primary"].t_s is None
    assert found["last ack by the deposed primary"].reason == "it acked nothing after the promotion"
    assert found["last stale read"].reason == "no stale read was seen"


def test_last_ack_by_the_deposed_is_told_by_the_process() -> None:
    """A zombie's acks after the promotion count, whatever the node is called now."""
    sketch = failed_over()
    sketch.do(WRITE, 12.5, connection=1)
    sketch.do(WRITE, 13.5, connection=2)
    assert steps(sketch)["last ack by the deposed primary"].t_s == pytest.approx(2.502)


def test_last_stale_read_comes_from_the_findings() -> None:
    """The last client that saw the past ends the failover."""
    stale = [
        Finding(name="stale-read", side=FindingSide.CLOSED, shard=1, seen_us=us(seen), web_server="web-2")
        for seen in (12.0, 14.0)
    ]
    found = steps(failed_over(), *stale)["last stale read"]
    assert (found.t_s, found.source) == (pytest.approx(4.0), "web-2")


def test_steps_count_from_the_effect_that_set_the_failover_off() -> None:
    """Replication cut, then the primary killed: the kill is what the sentinels noticed."""
    sketch = failed_over()
    sketch.event("effect", 7.0, source="fault 1", fault=1)
    sketch.events = [
        event if event.t_us != us(10.0) else event.__class__(**{**_fields(event), "source": "fault 2"})
        for event in sketch.events
    ]
    found = steps(sketch)
    assert found["fault effect"].source == "fault 2"
    assert found["promoted"].t_s == pytest.approx(1.5)


def _fields(event: object) -> dict[str, object]:
    return {name: getattr(event, name) for name in event.__struct_fields__}  # type: ignore[attr-defined]


def test_restart_without_failover_still_tells_the_first_new_write() -> None:
    """A node reborn is another process: its first ack ends the outage though nobody was promoted."""
    sketch = Sketch()
    sketch.connections = [
        Connection(id=1, web_server="web-1", node="redis-1", run_id="old", opened_us=0),
        Connection(id=2, web_server="web-1", node="redis-1", run_id="reborn", opened_us=us(11)),
    ]
    sketch.sample("redis-1", 9.9, role="primary", run_id="old")
    sketch.do(WRITE, 9.99, took_s=0.02, connection=1)
    sketch.do(WRITE, 12.0, connection=2)
    found = steps(sketch)
    assert found["first write acked by the new primary"].t_s == pytest.approx(2.002)
    assert found["promoted"].reason == "not reported by any sentinel"
    assert found["last ack by the deposed primary"].reason == "no promotion was seen"


def test_promotion_reported_by_three_is_one_failover() -> None:
    """Promotions are counted per shard, not per reporter; none of before the fault."""
    sketch = failed_over()
    sketch.event("promoted", 3.0, node="redis-1")
    assert promotions(sketch.history()) == 1
    sketch.event("promoted", 14.0, node="redis-3")
    sketch.event("promoted", 12.0, node="redis-9", shard=2)
    assert promotions(sketch.history()) == 3
    assert promotions(sketch.history(), shard=2) == 1


def test_no_fault_no_steps() -> None:
    """Without an effect there is nothing to count from."""
    assert failover_steps(Sketch(faulty=False).history()) == ()


def test_suspicion_of_another_node_is_no_step() -> None:
    """A replica that is taken for dead at the same time says nothing about this failover."""
    sketch = failed_over()
    sketch.event("suspected", 10.2, node="redis-3")
    assert steps(sketch)["suspected first"].t_s == pytest.approx(1.0)
