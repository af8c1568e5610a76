"""Windows: when a kind of operation got nothing through, and for whom."""

from __future__ import annotations

import pytest

from harness.checks.availability import clipped, longest, outages, total
from harness.checks.latency import latency
from harness.checks.moments import moments_of
from harness.checks.traffic import traffic_of
from harness.model.judgement import INFINITE, Window
from harness.model.words import OperationKind, Outcome, Phase
from tests.builders_metrics import Sketch

READ, WRITE, LOGIN = OperationKind.READ, OperationKind.WRITE, OperationKind.LOGIN


def windows(sketch: Sketch, group: str = "worst", kind: OperationKind = WRITE) -> list[Window]:
    history = sketch.history()
    return [one for one in outages(history, moments_of(history)) if one.kind == kind and one.group == group]


def broken(*, until_s: float = 12.3, **how: object) -> Sketch:
    """Writes every 100 ms that fail from 10.0 s on."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 10.0, **how)
    sketch.steady(WRITE, 10.0, until_s, outcome=Outcome.UNKNOWN, took_s=0.5, **how)
    if until_s < 20.0:
        sketch.steady(WRITE, until_s, 20.0, **how)
    return sketch


def test_window_lasts_from_last_success_to_first() -> None:
    """A window opens at the last ack before and closes at the first ack after, not at a failure."""
    (window,) = windows(broken())
    assert window.duration_s.low == pytest.approx(12.302 - 9.902)
    assert window.duration_s.exact
    assert window.start_s == pytest.approx(-0.098)
    assert window.failed == 23


def test_window_open_at_the_end_is_censored() -> None:
    """Still out at the end: at least so long, no upper end."""
    (window,) = windows(broken(until_s=20.0))
    assert window.duration_s.low == pytest.approx(20.0 - 9.902)
    assert window.duration_s.high == INFINITE


def test_window_needs_a_failed_operation_however_long_the_gap() -> None:
    """A group that sees an operation every few seconds has gaps, and no outage."""
    sketch = Sketch()
    sketch.steady(LOGIN, 0.0, 20.0, every_s=4.0)
    assert windows(sketch, kind=LOGIN) == []


def test_window_opens_when_a_success_came_too_late() -> None:
    """An operation that hung and then succeeded was an outage for its user."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 10.0)
    sketch.do(WRITE, 10.0, took_s=1.5)
    sketch.steady(WRITE, 11.6, 20.0)
    (window,) = windows(sketch)
    assert window.duration_s.low == pytest.approx(11.5 - 9.902)


def test_late_means_ten_times_what_the_baseline_needed() -> None:
    """On a machine with a slow baseline, waits that are slow everywhere are no outage."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 20.0, every_s=0.5, took_s=0.03)
    sketch.do(WRITE, 12.2, took_s=0.2)
    assert windows(sketch) == []


def test_slow_answer_in_the_baseline_hides_no_outage() -> None:
    """A third of a second in which everybody waited and got an answer in the end, after a baseline in which
    one answer of forty took 82 ms."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 12.0, every_s=0.25)
    sketch.do(WRITE, 5.1, took_s=0.082)
    for begin in (12.05, 12.15, 12.25):
        sketch.do(WRITE, begin, took_s=12.4 - begin)
    sketch.steady(WRITE, 12.5, 20.0, every_s=0.25)
    (window,) = windows(sketch)
    assert window.duration_s.low == pytest.approx(12.4 - 11.752)


def test_seed_is_not_judged() -> None:
    """Log-ins before the baseline may wait for whatever they like."""
    sketch = Sketch()
    sketch.do(LOGIN, -3.0, outcome=Outcome.REJECTED)
    sketch.steady(LOGIN, 0.0, 20.0)
    assert windows(sketch, kind=LOGIN) == []


def test_dead_shard_does_not_hide_behind_the_others() -> None:
    """The worst group's window is that of the dead shard; `all` has none as long."""
    sketch = broken(shard=2)
    sketch.steady(WRITE, 0.03, 20.0, shard=1)
    assert longest(windows(sketch)).low == pytest.approx(2.4)
    assert longest(windows(sketch, "shard 2")).low == pytest.approx(2.4)
    assert windows(sketch, "shard 1") == []
    assert longest(windows(sketch, "all")).low < 0.2


def test_client_left_with_the_old_primary_is_judged_apart() -> None:
    """A web server belongs to its side of the partition from beginning to end, so that its window
    closes with its own first success after the heal."""
    sketch = Sketch()
    for web, side in (("web-1", "with-primary"), ("web-2", "rest")):
        sketch.steady(WRITE, 0.0, 10.0, web=web)
        failing = Outcome.REJECTED if web == "web-1" else Outcome.ACKED
        sketch.steady(WRITE, 10.0, 13.0, web=web, side=side, outcome=failing)
        sketch.steady(WRITE, 13.0, 20.0, web=web)
    (window,) = windows(sketch, "with-primary")
    assert window.duration_s.exact
    assert window.duration_s.low == pytest.approx(3.1)
    assert windows(sketch, "rest") == []
    assert windows(sketch) == [
        Window(
            kind="write",
            group="worst",
            start_s=window.start_s,
            duration_s=window.duration_s,
            failed=window.failed,
        )
    ]


def test_acked_without_effect_neither_opens_nor_closes_a_window() -> None:
    """A touch of an absent session was answered, and nobody was served."""
    sketch = broken(until_s=14.0)
    sketch.do(WRITE, 12.0, effective=False)
    (window,) = windows(sketch)
    assert window.duration_s.low == pytest.approx(4.1)


def test_not_sent_counts_by_how_long_it_was_due() -> None:
    """Due for seconds and never sent: failed. Due a moment before its phase ended: nothing happened."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 19.9)
    sketch.do(WRITE, 19.95, outcome=Outcome.NOT_SENT)
    assert windows(sketch) == []
    sketch.do(WRITE, 16.05, outcome=Outcome.NOT_SENT)
    assert len(windows(sketch)) == 1


def test_cut_off_by_the_end_of_the_run_is_no_failure() -> None:
    """What was on its way when the workload ended must not make an open-ended outage."""
    sketch = Sketch()
    sketch.steady(WRITE, 0.0, 19.9)
    sketch.do(WRITE, 19.96, took_s=0.06, outcome=Outcome.UNKNOWN, result="cancelled")
    assert windows(sketch) == []
    sketch.do(WRITE, 19.97, took_s=0.01, outcome=Outcome.UNKNOWN, result="connection-lost")
    assert len(windows(sketch)) == 1


def test_downtime_is_the_sum_and_outage_the_longest() -> None:
    """Two windows: one answer each."""
    sketch = broken(until_s=11.0)
    sketch.do(WRITE, 15.05, outcome=Outcome.REJECTED)
    two = windows(sketch)
    assert len(two) == 2
    assert longest(two).low == pytest.approx(1.1)
    assert total(two).low == pytest.approx(1.2)


def test_windows_are_cut_to_a_phase() -> None:
    """Within a phase that is over, even an endless outage has a length."""
    sketch = broken(until_s=20.0)
    moments = moments_of(sketch.history())
    (fault,) = clipped(windows(sketch), Phase.FAULT, moments)
    assert (fault.start_s, fault.duration_s.low, fault.duration_s.high) == (0.0, 3.0, 3.0)
    (settled,) = clipped(windows(sketch), Phase.SETTLED, moments)
    assert settled.duration_s.high == INFINITE
    assert clipped(windows(sketch), Phase.BASELINE, moments)[0].duration_s.low == pytest.approx(0.098)


def test_latency_counts_from_due_by_kind_and_phase() -> None:
    """Percentiles are measured waits from the due time, acked operations only."""
    sketch = Sketch()
    for n in range(100):
        sketch.do(READ, n / 20, took_s=(n + 1) / 1000)
    sketch.do(READ, 11.0, took_s=0.4)
    sketch.do(READ, 11.5, took_s=9.0, outcome=Outcome.UNKNOWN)
    baseline, fault = latency(traffic_of(sketch.history()))
    assert (baseline.phase, baseline.count, baseline.p50_ms, baseline.p95_ms) == ("baseline", 100, 50, 95)
    assert (baseline.p99_ms, baseline.max_ms) == (99, 100)
    assert (fault.phase, fault.count, fault.max_ms) == ("fault", 1, 400)
