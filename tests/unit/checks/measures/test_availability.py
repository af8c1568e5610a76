"""Windows: when a kind of operation got nothing through, and for whom."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest

from harness.checks.columns.arrays import NONE
from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.of_run import facts_of
from harness.checks.measures.availability import Gap, in_service, longest, outages, total, unprobed
from harness.checks.measures.latency import latency
from harness.model.judgement import INFINITE, Interval, Window
from harness.model.records import ClockReading
from harness.model.words import OperationKind, Outcome
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline

READ, WRITE, LOGIN = OperationKind.READ, OperationKind.WRITE, OperationKind.LOGIN


def windows(past: Past, group: str = "worst", kind: OperationKind = WRITE) -> list[Window]:
    history = past.history()
    return [one for one in outages(facts_of(history)) if one.kind == kind and one.group == group]


def broken(*, until_s: float = 12.3, **how: Any) -> Past:
    """Writes every 100 ms that fail from 10.0 s on."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0, **how)
    past.steady(WRITE, 10.0, until_s, outcome=Outcome.UNKNOWN, took_s=0.5, **how)
    if until_s < 20.0:
        past.steady(WRITE, until_s, 20.0, **how)
    return past


def durations(found: list[Window]) -> list[Interval]:
    return [one.duration_s for one in found]


def test_window_lasts_at_most_from_last_success_to_first() -> None:
    """It is proved from the first due operation that failed until the first success; it may have begun
    right after the last success before, and where nothing was due nobody knows."""
    (window,) = windows(broken())
    assert window.duration_s.low == pytest.approx(12.302 - 10.0)
    assert window.duration_s.high == pytest.approx(12.302 - 9.902)
    assert window.start_s == pytest.approx(-0.098)
    assert window.failed == 23


def test_window_open_at_the_end_is_censored() -> None:
    """Still out at the end: at least so long, no upper end."""
    (window,) = windows(broken(until_s=20.0))
    assert window.duration_s.low == pytest.approx(20.0 - 10.0)
    assert window.duration_s.high == INFINITE


def test_window_needs_a_failed_operation_however_long_the_gap() -> None:
    """A group that sees an operation every few seconds has gaps, and no outage."""
    past = outline()
    past.steady(LOGIN, 0.0, 20.0, every_s=4.0)
    assert windows(past, kind=LOGIN) == []


def test_window_opens_when_a_success_came_too_late() -> None:
    """An operation that hung and then succeeded was an outage for its user."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0)
    past.do(WRITE, 10.0, took_s=1.5)
    past.steady(WRITE, 11.6, 20.0)
    (window,) = windows(past)
    assert window.duration_s.low == pytest.approx(1.5)
    assert window.duration_s.high == pytest.approx(11.5 - 9.902)


def test_late_means_ten_times_what_the_baseline_needed() -> None:
    """On a machine with a slow baseline, waits that are slow everywhere are no outage."""
    past = outline()
    past.steady(WRITE, 0.0, 20.0, every_s=0.5, took_s=0.03)
    past.do(WRITE, 12.2, took_s=0.2)
    assert windows(past) == []


def test_slow_answer_in_the_baseline_hides_no_outage() -> None:
    """A third of a second in which everybody waited and got an answer in the end, after a baseline in which
    one answer of forty took 82 ms."""
    past = outline()
    past.steady(WRITE, 0.0, 12.0, every_s=0.25)
    past.do(WRITE, 5.1, took_s=0.082)
    for begin in (12.05, 12.15, 12.25):
        past.do(WRITE, begin, took_s=12.4 - begin)
    past.steady(WRITE, 12.5, 20.0, every_s=0.25)
    (window,) = windows(past)
    assert window.duration_s.low == pytest.approx(12.4 - 12.05)
    assert window.duration_s.high == pytest.approx(12.4 - 11.752)


def test_seed_is_not_judged() -> None:
    """Log-ins before the baseline may wait for whatever they like."""
    past = outline()
    past.do(LOGIN, -3.0, outcome=Outcome.REJECTED)
    past.steady(LOGIN, 0.0, 20.0)
    assert windows(past, kind=LOGIN) == []


def test_dead_shard_does_not_hide_behind_the_others() -> None:
    """The worst group's window is that of the dead shard; `all` has none as long."""
    past = broken(shard=2)
    past.steady(WRITE, 0.03, 20.0, shard=1)
    assert longest(durations(windows(past))).high == pytest.approx(2.4)
    assert longest(durations(windows(past, "shard 2"))).high == pytest.approx(2.4)
    assert windows(past, "shard 1") == []
    assert longest(durations(windows(past, "all"))).high < 0.2


def test_client_left_with_the_old_primary_is_judged_apart() -> None:
    """A web server belongs to its side of the partition from beginning to end, so that its window
    closes with its own first success after the heal."""
    past = outline()
    for web, side in (("web-1", "with-primary"), ("web-2", "rest")):
        past.steady(WRITE, 0.0, 10.0, web=web)
        failing = Outcome.REJECTED if web == "web-1" else Outcome.ACKED
        past.steady(WRITE, 10.0, 13.0, web=web, side=side, outcome=failing)
        past.steady(WRITE, 13.0, 20.0, web=web)
    (window,) = windows(past, "with-primary")
    assert window.duration_s.low == pytest.approx(12.902 - 10.0)
    assert window.duration_s.high == pytest.approx(3.1)
    assert windows(past, "rest") == []
    assert windows(past) == [
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
    past = broken(until_s=14.0)
    past.do(WRITE, 12.0, effective=False)
    (window,) = windows(past)
    assert window.duration_s.high == pytest.approx(4.1)


def test_not_sent_counts_by_how_long_it_was_due() -> None:
    """Due for seconds and never sent: failed. Due a moment before its phase ended: nothing happened."""
    past = outline()
    past.steady(WRITE, 0.0, 19.9)
    past.do(WRITE, 19.95, outcome=Outcome.NOT_SENT)
    assert windows(past) == []
    past.do(WRITE, 16.05, outcome=Outcome.NOT_SENT)
    assert len(windows(past)) == 1


def test_cut_off_by_the_end_of_the_run_is_no_failure() -> None:
    """What was on its way when the workload ended must not make an open-ended outage."""
    past = outline()
    past.steady(WRITE, 0.0, 19.9)
    past.do(WRITE, 19.96, took_s=0.06, outcome=Outcome.UNKNOWN, result="cancelled")
    assert windows(past) == []
    past.do(WRITE, 19.97, took_s=0.01, outcome=Outcome.UNKNOWN, result="connection-lost")
    assert len(windows(past)) == 1


def test_downtime_is_the_sum_and_outage_the_longest() -> None:
    """Two windows: one answer each."""
    past = broken(until_s=11.0)
    past.do(WRITE, 15.05, outcome=Outcome.REJECTED)
    two = durations(windows(past))
    assert len(two) == 2
    assert longest(two).high == pytest.approx(1.1)
    assert total(two).high == pytest.approx(1.2)
    assert total(two).low == pytest.approx(1.002 + 0.002)


def gap(from_s: float, to_s: float | None, proved_s: tuple[float, float] | None = None) -> Gap:
    return Gap(
        from_us=us(from_s),
        to_us=None if to_s is None else us(to_s),
        proved=None if proved_s is None else (us(proved_s[0]), us(proved_s[1])),
        failed=1,
    )


LAST_US = us(20.0)


@pytest.mark.parametrize(
    ("span_s", "left"),
    [
        ((0.0, 20.0), gap(5.0, 9.0, (6.0, 8.0))),
        ((5.0, 9.0), gap(5.0, 9.0, (6.0, 8.0))),
        ((5.5, 7.0), gap(5.5, 7.0, (6.0, 7.0))),
        ((6.5, 8.5), gap(6.5, 8.5, (6.5, 8.0))),
        ((5.0, 6.0), gap(5.0, 6.0)),
        ((8.0, 9.0), gap(8.0, 9.0)),
        ((4.0, 5.0), None),
        ((9.0, 10.0), None),
    ],
)
def test_part_of_a_window_within_a_span(span_s: tuple[float, float], left: Gap | None) -> None:
    """What is proved and what is possible are cut alike; outside of it nothing is left."""
    whole = gap(5.0, 9.0, (6.0, 8.0))
    assert whole.within(us(span_s[0]), us(span_s[1]), LAST_US) == left


@pytest.mark.parametrize(("until_s", "is_open"), [(19.9, False), (20.0, True), (21.0, True)])
def test_endless_outage_has_a_length_within_a_span_that_is_over(until_s: float, is_open: bool) -> None:
    """Still out at the end of the run is still out only in the phase that the run ended in."""
    part = gap(10.0, None, (11.0, 20.0)).within(us(10.0), us(until_s), LAST_US)
    assert part is not None
    assert (part.to_us is None) is is_open
    assert part.duration_s.low == pytest.approx(min(until_s, 20.0) - 11.0)


def test_window_that_nobody_proved_may_be_none() -> None:
    """No operation in it was due: from nothing to all of it."""
    assert gap(5.0, 9.0).duration_s == Interval(low=0.0, high=4.0)
    assert gap(5.0, None, (6.0, 7.5)).duration_s == Interval(low=1.5, high=INFINITE)


def test_stretch_that_nobody_tried_in_is_longer_than_late() -> None:
    """Exactly as long as what counts as late is nothing; edges of the span count as known."""
    known = np.array([us(one) for one in (9.0, 11.0, 11.1, 12.0, 14.5)], np.int64)
    span = (us(10.0), us(15.0))
    assert unprobed(known, [], span, late=us(0.9)) == [
        Gap(from_us=us(10.0), to_us=us(11.0), proved=None, failed=0),
        Gap(from_us=us(12.0), to_us=us(14.5), proved=None, failed=0),
    ]
    assert unprobed(known, [], (us(20.0), us(20.0)), late=us(0.9)) == []


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (gap(12.0, 14.5), 0),
        (gap(11.1, 14.6), 0),
        (gap(12.1, 14.5), 1),
        (gap(12.0, 14.4), 1),
        (gap(12.0, None), 0),
        (gap(12.1, None), 1),
    ],
)
def test_stretch_within_a_window_is_part_of_it(found: Gap, left: int) -> None:
    """What a window covers from end to end is counted there already."""
    known = np.array([us(12.0), us(14.5)], np.int64)
    assert len(unprobed(known, [found], (us(12.0), us(14.5)), late=us(1.0))) == left


def test_last_success_of_any_phase_opens_a_window() -> None:
    """At one request a second the first judged one met an outage. It began after the last log-in of the
    seed at the earliest, not when somebody first noticed."""
    past = outline()
    past.do(LOGIN, -0.4)
    past.do(LOGIN, 0.1, took_s=0.306)
    past.steady(LOGIN, 1.0, 20.0, every_s=1.0)
    (window,) = windows(past, kind=LOGIN)
    assert window.duration_s.low == pytest.approx(0.306)
    assert window.duration_s.high == pytest.approx(0.406 + 0.398)


def test_who_never_succeeded_may_have_been_out_since_the_run_began() -> None:
    """Nothing is known before the first success."""
    past = outline()
    past.do(WRITE, 2.0, outcome=Outcome.REJECTED)
    past.steady(WRITE, 3.0, 20.0)
    (window,) = windows(past)
    assert window.duration_s.high == pytest.approx(3.002)


TOUCH, LOGOUT = OperationKind.TOUCH, OperationKind.LOGOUT
PROVED = {
    READ: {READ, TOUCH, WRITE, LOGIN, LOGOUT},
    TOUCH: {TOUCH, WRITE, LOGIN},
    LOGOUT: {LOGOUT, WRITE, LOGIN},
    WRITE: {WRITE, LOGIN},
    LOGIN: {WRITE, LOGIN},
}


@pytest.mark.parametrize(("kind", "other"), list(product(OperationKind, repeat=2)))
def test_success_of_another_kind_may_tell_when_a_window_began_and_ended(
    kind: OperationKind, other: OperationKind
) -> None:
    """Where somebody could log in, others could have written; who reads or touches proves nothing of it. In
    between it proves nothing at all: a window is not cut in two."""
    past = outline()
    past.steady(kind, 0.0, 10.0)
    past.do(other, 10.1, took_s=0.0)
    past.do(kind, 10.5, outcome=Outcome.REJECTED)
    if other is not kind:
        past.do(other, 10.7, took_s=0.0)
    past.do(kind, 11.0, outcome=Outcome.REJECTED)
    past.do(other, 12.2, took_s=0.0)
    past.steady(kind, 12.3, 20.0)
    (window,) = windows(past, kind=kind)
    assert window.duration_s.low == pytest.approx(11.002 - 10.5)
    high_s = 12.2 - 10.1 if other in PROVED[kind] else 12.302 - 9.902
    assert window.duration_s.high == pytest.approx(high_s)


def test_kind_with_a_single_group_has_only_all_and_worst() -> None:
    """Its one group is everybody, and is not listed twice."""
    history = broken().history()
    assert [one.group for one in outages(facts_of(history))] == ["all", "worst"]


def test_read_from_a_replica_is_not_proved_by_a_write() -> None:
    """Who takes changes is not who answers there."""
    past = outline()
    past.do(READ, 9.0)
    past.do(WRITE, 9.9)
    past.do(READ, 10.5, outcome=Outcome.REJECTED)
    past.steady(READ, 12.0, 20.0)
    history = past.history()
    scenario = history.plan.scenario
    client = replace(scenario.deployment.client, read_from_replicas=True)
    plan = replace(
        history.plan, scenario=replace(scenario, deployment=replace(scenario.deployment, client=client))
    )
    for one, high_s in ((history, 12.002 - 9.902), (replace(history, plan=plan), 12.002 - 9.002)):
        (window,) = [w for w in outages(facts_of(one)) if (w.kind, w.group) == (READ, "worst")]
        assert window.duration_s.high == pytest.approx(high_s)


def killed(web: str = "web-1", back_s: float | None = None) -> Past:
    """A web server out of service from 12 s on; what it had in hand failed."""
    past = outline(fault_kinds=("kill web server",))
    past.event("effect", 12.0, source="fault 1", node=web, fault=1)
    past.steady(WRITE, 0.0, 11.9, web=web)
    past.do(WRITE, 11.98, took_s=0.02, outcome=Outcome.UNKNOWN, web=web, result="connection-lost")
    if back_s is not None:
        past.event("healed", back_s, source="fault 1", fault=1)
        past.steady(WRITE, back_s + 0.5, 20.0, web=web)
    return past


def test_paused_web_server_is_in_service() -> None:
    """Its balancer goes on sending requests there, so what they wait is an outage of its users."""
    past = outline(fault_kinds=("pause web server",))
    past.event("effect", 12.0, source="fault 1", node="web-1", fault=1)
    past.steady(WRITE, 0.0, 20.0, web="web-1")
    assert in_service(facts_of(past.history()), ["web-1"]) == ((NONE, us(20.0)),)


def test_web_server_out_of_service_is_no_outage() -> None:
    """Its window ends with its service. The time until it is back belongs to nobody; from then on it may
    have been out again until its first success."""
    gone = killed()
    (window,) = windows(gone)
    assert window.duration_s.high == pytest.approx(12.0 - 11.802)
    assert window.duration_s.low == pytest.approx(0.02)
    assert in_service(facts_of(gone.history()), ["web-1"]) == ((NONE, us(12.0)),)
    back = killed(back_s=15.0).history()
    assert in_service(facts_of(back), ["web-1"]) == ((NONE, us(12.0)), (us(15.0), us(20.0)))
    assert in_service(facts_of(back), ["web-1", "web-2"]) == (
        (NONE, us(12.0)),
        (us(12.0), us(15.0)),
        (us(15.0), us(20.0)),
    )
    assert in_service(facts_of(back), ["web-2"]) == ((NONE, us(20.0)),)


def test_latency_counts_from_due_by_kind_and_phase() -> None:
    """Percentiles are measured waits from the due time, acked operations only."""
    past = outline()
    for n in range(100):
        past.do(READ, n / 20, took_s=(n + 1) / 1000)
    past.do(READ, 11.0, took_s=0.4)
    past.do(READ, 11.5, took_s=9.0, outcome=Outcome.UNKNOWN)
    baseline, fault = latency(traffic_of(past.history()))
    assert (baseline.phase, baseline.count, baseline.p50_ms, baseline.p95_ms) == ("baseline", 100, 50, 95)
    assert (baseline.p99_ms, baseline.max_ms) == (99, 100)
    assert (fault.phase, fault.count, fault.max_ms) == ("fault", 1, 400)


def test_window_that_several_clocks_told_is_longer_and_shorter_by_what_they_are_apart() -> None:
    """What is proved shrinks by both ends' error, what is possible grows: the truth stays inside."""
    history = broken().history()
    apart = replace(
        history, clock_readings=(ClockReading(clock="worker-1", sent_us=0, theirs_us=0, done_us=4_000),)
    )
    (exact,), (wide,) = (
        [one for one in outages(facts_of(past)) if one.kind == WRITE and one.group == "worst"]
        for past in (history, apart)
    )
    assert exact.duration_s.low - wide.duration_s.low == pytest.approx(0.008002)
    assert wide.duration_s.high - exact.duration_s.high == pytest.approx(0.004001)
