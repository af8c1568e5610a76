"""What nodes had to bear: known, open at one end, or not recorded, and never 0 for want of a record."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.measures.node_use import (
    ALL_THE_TIME,
    Known,
    Span,
    cluster_down,
    connections,
    memory,
    new_connections,
    uses_of_nodes,
)
from harness.model.history import History
from harness.model.judgement import INFINITE, Interval
from harness.model.records import Connection, NodeSample
from lab.records import us
from tests.builders_metrics import outline

Said = list[tuple[float, Any]]


def past(*, of: str = "memory_bytes", quiet: Any = 1, **said: Said) -> History:
    """What nodes said (`redis_1=[(second, value)]`), the others `quiet` all the time; None is silence, a pair
    is of another process."""
    history = outline().history()
    samples = []
    for node in (one.name for one in history.plan.data_nodes()):
        for at_s, of_process in said.get(node.replace("-", "_"), every(0, 12, quiet)):
            value, run_id = of_process if isinstance(of_process, tuple) else (of_process, "a")
            about = {"reachable": False} if value is None else {of: value}
            one = NodeSample(node=node, sent_us=us(at_s), done_us=us(at_s) + 1000, run_id=run_id, **about)
            samples.append(one)
    return replace(history, samples=tuple(samples))


def every(from_s: float, to_s: float, value: Any, step_s: float = 0.5) -> Said:
    return [(from_s + n * step_s, value) for n in range(round((to_s - from_s) / step_s))]


def opened(*spans: tuple[float, float | None], node: str = "redis-1", web: str = "web-1") -> list[Connection]:
    return [
        Connection(
            id=n, web_server=web, node=node, opened_us=us(begin), closed_us=None if end is None else us(end)
        )
        for n, (begin, end) in enumerate(spans)
    ]


def seconds(known: Known) -> tuple[float, float]:
    assert known.interval is not None
    return round(known.interval.low, 2), round(known.interval.high, 2)


def test_memory_is_that_of_the_node_that_used_the_most() -> None:
    """At its highest sample; a purpose looks at its own nodes only."""
    there = past(
        redis_1=[*every(0, 5, 100), *every(5, 10, 300)],
        cache_1=every(0, 10, 900),
    )
    assert memory(there).interval == Interval(low=900, high=900)
    assert memory(there, "sessions").interval == Interval(low=300, high=300)
    assert memory(there, "sessions", (us(0), us(5))).interval == Interval(low=100, high=100)


@pytest.mark.parametrize(
    ("said", "high"),
    [
        ([(0, 10), (1.0, 20), (1.9, 10)], 20),
        ([(0, 10), (1.0, 20), (2.1, 10)], INFINITE),
        ([(0, 10), (1.0, 20), (1.5, None), (2.1, 10)], INFINITE),
        ([(0, 10), (1.0, 20), (2.5, (10, "b"))], 20),
        ([(0, 10), (1.0, 20), (1.5, None), (2.5, None)], INFINITE),
    ],
)
def test_memory_of_a_node_that_was_silent_is_open_above(said: Said, high: float) -> None:
    """Unless another process answers then: the old one was gone."""
    assert memory(past(redis_1=said)).interval == Interval(low=20, high=high)


def test_silence_counts_in_every_phase_that_it_is_in() -> None:
    """Also where the samples of the phase itself are close together."""
    there = past(redis_1=[*every(0, 4, 20), *every(9, 12, 20)], cache_1=every(0, 12, 1))
    assert memory(there, "sessions", (us(0), us(4))).interval == Interval(low=20, high=20)
    assert memory(there, "sessions", (us(3), us(6))).interval == Interval(low=20, high=INFINITE)
    assert memory(there, "sessions", (us(6), us(12))).interval == Interval(low=20, high=INFINITE)
    assert memory(there, "sessions", (us(9), us(12))).interval == Interval(low=20, high=20)


def test_process_that_a_fault_ended_is_not_silent() -> None:
    """The fault of the outline ends redis-1 at 10 s. Who is not heard of for no such reason is."""
    said = [*every(8, 10, 20), *every(10, 15, None)]
    assert memory(past(redis_1=said)).interval == Interval(low=20, high=20)
    assert memory(past(redis_2=said)).interval == Interval(low=20, high=INFINITE)
    earlier = [*every(6, 8, 20), *every(8, 15, None)]
    assert memory(past(redis_1=earlier)).interval == Interval(low=20, high=INFINITE)


@pytest.mark.parametrize(
    ("span_s", "later", "high"),
    [
        ((11, 15), [], 1),
        ((9.8, 15), [], 20),
        ((10, 15), every(15, 17, (30, "b")), 1),
        ((11, 15), every(15, 17, 20), INFINITE),
        ((8.5, 9.7), [], INFINITE),
    ],
)
def test_node_that_a_fault_had_ended_bears_nothing(span_s: Span, later: Said, high: float) -> None:
    """The fault of the outline ends redis-1 at 10 s. If the same process answers later, it was not gone."""
    said = [(8.4, 20), (9.8, 20), *every(10, 15, None), *later]
    found = memory(past(redis_1=said), span=(us(span_s[0]), us(span_s[1]))).interval
    assert found is not None
    assert found.high == high


def test_what_nobody_sampled_is_unknown_and_not_zero() -> None:
    """Of one node of several it leaves the upper end open; of all nothing is known."""
    nothing = past(quiet=None)
    assert memory(nothing) == Known(None, "redis-1 was never asked for its memory there")
    assert cluster_down(nothing) == Known(None, "redis-1 was never asked for its cluster_state")
    assert cluster_down(past()).interval is None, "nobody says so outside of a cluster"
    some = past(quiet=None, redis_2=every(0, 5, 10))
    assert memory(some) == Known(
        Interval(low=10, high=INFINITE), "redis-1 was never asked for its memory there"
    )
    assert connections(nothing) == new_connections(nothing) == Known(None, "no connection was recorded")
    use = uses_of_nodes(nothing)[0]
    assert (use.memory_bytes, use.connections, use.new_connections, use.cluster_down_s) == (None,) * 4


def test_connections_are_counted_for_each_node_and_clipped_to_a_phase() -> None:
    """Open before a phase is open in it, and no new one there."""
    there = replace(
        past(),
        connections=(
            *opened((1.0, 5.0), (1.2, None), (4.0, 6.0)),
            *opened((1.0, 9.0), (2.1, 9.0), node="redis-2", web="web-2"),
        ),
    )
    assert connections(there).interval == Interval(low=3, high=3)
    assert connections(there, web_server="web-2").interval == Interval(low=2, high=2)
    assert connections(there, span=(us(5.0), us(8.0))).interval == Interval(low=2, high=2)
    assert new_connections(there).interval == Interval(low=2, high=2)
    assert new_connections(there, web_server="web-2").interval == Interval(low=1, high=1)
    assert new_connections(there, span=(us(1.1), us(2.0))).interval == Interval(low=1, high=1)
    assert connections(there, "redis-3").interval == Interval(low=0, high=0)


def test_new_connections_are_those_within_any_second() -> None:
    """What comes a second later belongs to the next one."""
    spans = [(1.0, None), (1.5, None), (1.999, None), (2.0, None)]
    there = replace(past(), connections=tuple(opened(*spans)))
    assert new_connections(there, span=ALL_THE_TIME).interval == Interval(low=3, high=3)


OK, FAIL = True, False


@pytest.mark.parametrize(
    ("said", "low", "high"),
    [
        (every(0, 10, OK), 0.0, 0.0),
        ([*every(0, 2, OK), *every(2, 4, FAIL), *every(4, 6, OK)], 1.5, 2.5),
        ([*every(0, 2, OK), *every(2, 4, FAIL)], 1.5, INFINITE),
        ([*every(0, 2, FAIL), *every(2, 6, OK)], 1.5, 2.0),
        ([*every(0, 2, OK), *every(6, 8, OK)], 0.0, 4.5),
        ([*every(0, 2, FAIL), *every(6, 8, FAIL), (8, OK)], 1.5, 8.0),
        ([*every(0, 2, OK), (2.2, None), (2.6, None)], 0.0, INFINITE),
        ([*every(0, 2, OK), *every(6, 8, (OK, "b"))], 0.0, 0.0),
        ([*every(0, 2, FAIL), *every(6, 8, (FAIL, "b")), *every(8, 9, (OK, "b"))], 1.5, 2.0),
    ],
)
def test_cluster_is_down_as_long_as_one_node_says_so(said: Said, low: float, high: float) -> None:
    """From the last sample before to the first after; a new process begins anew."""
    known = cluster_down(past(redis_1=said, of="cluster_ok", quiet=OK))
    assert seconds(known) == (low, high)


def test_cluster_down_is_that_of_the_node_that_says_so_longest() -> None:
    """Or of those of one shard."""
    down = [*every(0, 2, OK), *every(2, 5, FAIL), *every(5, 8, OK)]
    there = past(of="cluster_ok", quiet=OK, redis_2=down)
    assert seconds(cluster_down(there)) == seconds(cluster_down(there, shard=1)) == (2.5, 3.5)
    assert seconds(cluster_down(there, shard=2)) == (0, 0)
