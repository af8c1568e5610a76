"""How far a deadline must be off before it is a finding: what nobody notices, and what is counted anew."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from harness.checks.facts.offsets import Offsets, Span
from harness.checks.facts.replayed_timeouts import expires_relatively, replayed_us
from harness.checks.facts.timelines import Timelines
from harness.checks.run import run_checks
from harness.model.history import History
from harness.model.records import NodeSample
from harness.model.times import FOREVER
from lab.past import Past

OLD, NEW = "Redis 6.2.14", "Redis 7.0.15"


def _names(history: History) -> list[str]:
    return [one.name for one in run_checks(history)[0]]


def _given(engine: str, pttl_ms: int, drift_ms: float = 0.0) -> list[str]:
    """A touch in [2.0, 2.001] with a timeout of 4 s, then a look in [3.0, 3.001] that was told this."""
    past = Past(idle_s=4.0, engine=engine, drift_ms=drift_ms)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    past.read(ann, 3.0, forge=lambda step: setattr(step, "pttl_ms", pttl_ms))
    past.logout(ann, 3.5)
    return _names(past.history())


@pytest.mark.parametrize("engine", [OLD, NEW])
def test_time_to_live_too_long_by_more_than_anybody_notices(engine: str) -> None:
    """50 ms beyond the promise are none, one more is; 100 ms are seen on every engine."""
    assert not _given(engine, 3051)
    assert _given(engine, 3052) == ["outlived-timeout"]
    assert _given(engine, 3101) == ["outlived-timeout"]


@pytest.mark.parametrize("engine", [OLD, NEW])
def test_time_to_live_too_short_by_more_than_anybody_notices(engine: str) -> None:
    """The same for what is taken away."""
    assert not _given(engine, 2949)
    assert _given(engine, 2948) == ["expired-early"]


def test_what_cannot_be_measured_counts_where_it_is_more() -> None:
    """49 ms of drift between the clocks and 2 of rounding: 51 ms prove nothing, 52 do."""
    assert not _given(NEW, 3052, drift_ms=49.0)
    assert _given(NEW, 3053, drift_ms=49.0) == ["outlived-timeout"]


def _seen_at(engine: str, read_s: float) -> list[str]:
    past = Past(idle_s=4.0, engine=engine)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, read_s, forge=lambda step: setattr(step, "pttl_ms", None))
    return _names(past.history())


def test_seen_after_its_end() -> None:
    """The last touch ends at 5.001 s: seen 50 ms later is nothing, later than that is a finding."""
    assert not _seen_at(NEW, 5.051)
    assert _seen_at(NEW, 5.0511) == ["outlived-timeout"]


def test_seen_after_its_end_while_it_is_touched() -> None:
    """A touch finds nothing to touch once the session is over, so it excuses no look that began before it."""
    past = Past(idle_s=4.0)
    ann = past.log_in("ann", 1.0)
    past.edit(ann, 2.0, lambda found: setattr(found, "ends_us", 9e6))
    past.read(ann, 6.0, took=0.01)
    past.touch(ann, 6.005)
    past.logout(ann, 6.5)
    assert "outlived-timeout" in _names(past.history())


def test_absent_before_its_end_by_no_more_than_anybody_notices() -> None:
    """A session is not lost by 50 ms."""
    for gone_s, expected in ((4.949, []), (4.9489, ["lost-session"])):
        past = Past(idle_s=4.0)
        ann = past.log_in("ann", 1.0)
        past.lose(ann, 4.0)
        past.read(ann, gone_s)
        assert _names(past.history()) == expected


# Before Redis 7.0 each replica counts a timeout from when it executes the command itself.


def _moved(engine: str, *, late_ms: int, followed_s: float = FOREVER, promoted_s: float = 4.0) -> History:
    """A touch of 4 s in [2.0, 2.001] on redis-1; redis-2 is promoted, and at 4.5 s says `late_ms` more than was
    promised. Samples of redis-2 show from `followed_s` on that it had followed past the touch."""
    past = Past(idle_s=4.0, engine=engine)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0)
    past.fault(3.0)
    past.fail_over("redis-2", promoted_s)
    past.read(ann, 4.5, forge=lambda step: setattr(step, "pttl_ms", 1501 + late_ms))
    past.logout(ann, 4.6)
    history = past.history()
    samples = tuple(
        changed(
            one,
            replid="stream",
            offset=one.offset if one.role == "primary" or one.done_us >= followed_s * 1e6 else 0,
        )
        for one in history.samples
    )
    return replace(history, samples=samples)


def test_promoted_replica_counted_anew_at_its_promotion_at_the_latest() -> None:
    """The promotion is known to [3.99, 4.0] s: 1.999 s after the touch, and then what nobody notices."""
    assert not _names(_moved(OLD, late_ms=1999 + 50))
    assert _names(_moved(OLD, late_ms=1999 + 51)) == ["outlived-timeout"]


def test_promoted_replica_counted_anew_before_a_sample_that_shows_it() -> None:
    """A sample of 2.5 s shows that it had executed the touch: 0.4995 s after the ack at most."""
    assert not _names(_moved(OLD, late_ms=499 + 50, followed_s=2.5))
    assert _names(_moved(OLD, late_ms=499 + 51, followed_s=2.5)) == ["outlived-timeout"]


def test_newer_engines_count_nothing_anew() -> None:
    """From Redis 7.0 on a deadline is a moment, the same on every node."""
    assert not _names(_moved(NEW, late_ms=50, followed_s=2.5))
    assert _names(_moved(NEW, late_ms=51, followed_s=2.5)) == ["outlived-timeout"]


def test_node_that_acked_it_counts_nothing_anew() -> None:
    """A look there, before anybody else is promoted, is held to the promise itself, on any engine."""
    past = Past(idle_s=4.0, engine=OLD)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0)
    past.fault(3.0)
    past.fail_over("redis-2", 4.0)
    past.read(ann, 4.2)
    past.read(ann, 4.4, node="redis-1")
    timelines = Timelines(past.history())
    timeline = timelines.sessions[ann]
    made, (before, after, old) = timeline.creations[0], [one for one in timeline.sights if one.step]
    assert replayed_us(timelines, made, before) == made.until_us
    assert replayed_us(timelines, made, after) == 4.0e6
    assert replayed_us(timelines, made, old) == 4.0e6


def test_whoever_answered_had_executed_it() -> None:
    """No later than its answer, whatever else is not known of it."""
    past = Past(idle_s=4.0, engine=OLD)
    ann = past.log_in("ann", 1.0)
    past.read(ann, 2.0, node="redis-2")
    timelines = Timelines(past.history())
    timeline = timelines.sessions[ann]
    assert replayed_us(timelines, timeline.creations[0], timeline.sights[0]) == timeline.sights[0].done_us


def test_unanswered_touch_may_have_been_executed_by_whoever_answered() -> None:
    """Of an effect with several attempts nobody knows which node executed it, and when."""
    past = Past(idle_s=4.0, engine=OLD)
    ann = past.log_in("ann", 1.0)
    past.touch(ann, 2.0, outcome="unknown", executed=2.1)
    past.read(ann, 3.0)
    timelines = Timelines(past.history())
    timeline = timelines.sessions[ann]
    touch = timeline.setters[-1]
    assert replayed_us(timelines, touch, timeline.sights[-2]) >= timeline.sights[-2].done_us


@pytest.mark.parametrize(
    ("engine", "relative"),
    [
        ("Redis 6.2.14", True),
        ("Redis 7.0.15", False),
        ("Redis 8.0.2", False),
        ("Valkey 8.1.1", False),
        ("", False),
        ("Redis 7.0.15, Redis 6.2.14", True),
    ],
)
def test_engines_that_replicate_timeouts_relatively(engine: str, relative: bool) -> None:
    """Redis before 7.0, and no other."""
    assert expires_relatively(engine) is relative


@pytest.mark.parametrize(
    ("role", "stream", "offset", "high", "reached_us"),
    [
        ("replica", "s", 100, 100, 7.0),
        ("replica", "s", 99, 100, FOREVER),
        ("replica", "other", 100, 100, FOREVER),
        ("primary", "s", 100, 100, FOREVER),
        ("replica", "s", 100, None, FOREVER),
    ],
)
def test_replica_had_executed_what_lies_below_its_offset(
    role: str, stream: str, offset: int, high: int | None, reached_us: float
) -> None:
    """Of the same stream, as somebody's replica, at that offset or past it; else nothing is known."""
    sample = NodeSample(node="redis-2", sent_us=5, done_us=7, role=role, replid=stream, offset=offset)
    assert Offsets({"redis-2": [sample]}).reached_us("redis-2", Span("s", 0, high), 9) == reached_us


@pytest.mark.parametrize(
    ("by_us", "run_id", "reached_us"),
    [(15, "", 7.0), (45, "", 37.0), (45, "first", 7.0), (15, "second", 37.0), (6, "", FOREVER)],
)
def test_process_that_was_started_again_executes_it_once_more(
    by_us: float, run_id: str, reached_us: float
) -> None:
    """It goes on from its snapshot, so what the one before it had reached says nothing."""
    samples = [
        NodeSample(
            node="redis-2", sent_us=at, done_us=at + 7, role="replica", replid="s", run_id=life, offset=to
        )
        for at, life, to in [(0, "first", 100), (10, "first", 120), (20, "second", 50), (30, "second", 130)]
    ]
    asked = Offsets({"redis-2": samples}).reached_us("redis-2", Span("s", 0, 100), by_us, run_id)
    assert asked == reached_us
