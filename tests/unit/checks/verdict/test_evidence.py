"""What is missing from a run, and what it leaves undecided."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.facts.host_lateness import Lateness, Waits
from harness.checks.facts.of_run import facts_of
from harness.checks.verdict.evidence import Affects, Evidence, weigh
from harness.model.history import History
from harness.model.judgement import SessionCounts
from harness.model.plan import PlannedBound
from harness.model.records import AuditSummary, Closing
from harness.model.scenario import Expectation
from harness.model.words import OperationKind, Outcome
from lab.records import us
from tests.builders_metrics import END_S, expect, healthy, outline

AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)
SHORT = expect("outage(write): < 500ms", 0.5, unit="s", arguments=("write",), comparison="<", timing=True)
LONG = expect("outage(write): < 5s", 5.0, unit="s", arguments=("write",), comparison="<", timing=True)


def weighed(history: History, sessions: SessionCounts = AT_RISK, crashed: tuple[str, ...] = ()) -> Evidence:
    return weigh(facts_of(history), sessions, crashed)


def affected(evidence: Evidence) -> set[Affects]:
    return {gap.affects for gap in evidence.gaps}


def test_complete_run_has_no_gaps() -> None:
    """Nothing is missing where everything was recorded, on a machine that is merely busy."""
    past = healthy(outline(expectations=[SHORT], loop_lag_s=0.08, canary_lag_s=0.09, pressure=0.9))
    assert weighed(past.history()).gaps == ()


def _died(history: History) -> History:
    return replace(history, closing=None, incomplete="the harness died")


def _interrupted(history: History) -> History:
    return replace(history, closing=Closing(t_us=us(END_S), interrupted=True, reason="SIGTERM"))


def _blind(history: History) -> History:
    return replace(history, samples=())


def _unaudited(history: History) -> History:
    return replace(history, audit_summary=None)


def _unsettled(history: History) -> History:
    return replace(history, audit_summary=AuditSummary(passes=3, reason="redis-2 changed its role"))


def _empty_audit(history: History) -> History:
    return replace(history, audit=())


def _unrecovered(history: History) -> History:
    return replace(history, closing=Closing(t_us=us(END_S), not_recovered="two primaries"))


def _clockless(history: History) -> History:
    return replace(history, clocks=())


def _crashed(history: History) -> History:
    crash = replace_event(history, name="behaviour-crashed", detail="operation 7, cart: KeyError")
    return replace(history, events=(*history.events, crash))  # type: ignore[arg-type]


def _no_effect(history: History) -> History:
    events = (replace_event(history, name="no-effect", detail="redis-1 still answers"),)
    return replace(history, events=events)  # type: ignore[arg-type]


def _no_fault(history: History) -> History:
    return replace(history, events=())


def _deaf(history: History) -> History:
    return replace(history, operations=tuple(one for one in history.operations if one.due_us >= us(10)))


def _silent(history: History) -> History:
    return replace(
        history, operations=tuple(one for one in history.operations if not us(10) <= one.due_us < us(15))
    )


def replace_event(history: History, **changes: Any) -> object:
    event = history.events[0]
    return event.__class__(**{**{name: getattr(event, name) for name in event.__struct_fields__}, **changes})


@pytest.mark.parametrize(
    ("take", "affects", "said"),
    [
        (_died, {Affects.UPPER}, "the harness died"),
        (_interrupted, {Affects.UPPER}, "SIGTERM"),
        (_blind, {Affects.UPPER}, "sampled"),
        (_unaudited, {Affects.AUDIT}, "ended before its audit"),
        (_unsettled, {Affects.AUDIT}, "redis-2 changed its role"),
        (_empty_audit, {Affects.AUDIT}, "read no session"),
        (_unrecovered, {Affects.RECOVERY}, "two primaries"),
        (_clockless, {Affects.TIMING, Affects.TTL}, "no clock records"),
        (_crashed, {Affects.UPPER}, "crashed in 1 operations: operation 7, cart: KeyError"),
        (_no_effect, {Affects.ALL}, "redis-1 still answers"),
        (_no_fault, {Affects.ALL}, "fault 1 (kill primary) did not take effect: it did not start"),
        (_deaf, {Affects.ALL}, "no operation succeeded before the fault"),
        (_silent, {Affects.ALL}, "between the fault and recovery"),
    ],
)
def test_gap_is_named_with_what_it_affects(take: object, affects: set[Affects], said: str) -> None:
    """Each missing piece of evidence is said in one sentence, and affects what rests on it."""
    evidence = weighed(take(healthy(outline()).history()))  # type: ignore[operator]
    assert affected(evidence) == affects
    assert any(said in gap.sentence for gap in evidence.gaps)


def test_crashed_check_leaves_upper_ends_open() -> None:
    """A check that crashed found nothing, which is not the same as nothing being there."""
    evidence = weighed(healthy(outline()).history(), crashed=("stale_reads: KeyError 'x'",))
    assert evidence.about(Affects.UPPER) == ("a check crashed: stale_reads: KeyError 'x'",)


@pytest.mark.parametrize(
    ("sessions", "gap"),
    [
        (SessionCounts(at_risk=200, undecidable=4), False),
        (SessionCounts(at_risk=200, undecidable=5), True),
        (SessionCounts(at_risk=0), True),
    ],
)
def test_losses_need_sessions_at_risk_that_can_be_decided(sessions: SessionCounts, gap: bool) -> None:
    """None at risk, or more than 2 % of them undecidable, and losses are not judged; nothing else."""
    evidence = weighed(healthy(outline()).history(), sessions)
    assert affected(evidence) == ({Affects.LOSS} if gap else set())


def test_nobody_is_at_risk_without_a_fault() -> None:
    """A scenario without faults measures, and its losses need no danger."""
    assert weighed(healthy(outline(fault_kinds=())).history(), SessionCounts()).gaps == ()


@pytest.mark.parametrize("lag", ["loop_lag_us", "canary_lag_us"])
def test_late_is_measured_against_the_tightest_bound(lag: str) -> None:
    """400 ms of lateness are too much for a bound of 500 ms, and for one of 5 s they are not."""
    short = weighed(_late_at([11], 400_000, lag, expectations=[LONG, SHORT]))
    assert short.lateness.starved == "delayed by 400 ms, which is too much to judge a limit of 0.5 s"
    assert affected(short) == set()
    assert weighed(_late_at([11], 400_000, lag, expectations=[LONG])).lateness.starved == ""


def test_bound_that_is_no_bound_is_not_the_tightest() -> None:
    """A loss budget that nothing computes, and nothing at all, leave the others; without any it is a second.
    Bounds from below hold nobody to a time."""
    unknown, none, longer = (
        expect(f"loss window: {sign} {value:g}s", value, unit="s", comparison=sign, timing=sign == "<=")
        for sign, value in (("<=", 1.0), ("<=", 0.0), (">", 2.0))
    )
    unknown = (unknown[0], replace(unknown[1], value=None))
    assert weighed(_late_at([], 0, expectations=[unknown, none, longer, LONG])).lateness.bound_s == 5.0
    assert weighed(_late_at([], 0, expectations=[unknown, none, longer])).lateness.bound_s == 1.0


@pytest.mark.parametrize(
    ("late_s", "bound_s", "starved"),
    [(0.1, 0.1, False), (0.101, 0.1, True), (0.5, 2.0, False), (0.501, 2.0, True)],
)
def test_too_late_is_a_quarter_of_the_bound_and_noticed(late_s: float, bound_s: float, starved: bool) -> None:
    """What nobody notices is never too late, and a quarter of the bound is not yet."""
    assert bool(Lateness(delays_s=(late_s,), bound_s=bound_s).starved) is starved


def test_delays_that_nobody_notices_are_none() -> None:
    """100 ms happen on every shared machine, however often; more counts in full."""
    assert weighed(_late_at(range(30), 100_000)).lateness.within_s(5.0) == 0.0
    assert weighed(_late_at(range(30), 100_001)).lateness.hides_s == pytest.approx(0.100001)


def test_lateness_adds_up_over_what_it_lengthens() -> None:
    """Half a second late again and again delays each step of a failover. What takes 1 s lies within 2
    seconds, and being 0.5 s late in the first two makes it reach into the next."""
    once = Lateness(delays_s=(0.0, 0.5, 0.0, 0.0, 0.5))
    assert once.within_s(1.0) == 0.5
    assert once.within_s(2.0) == 1.0
    assert Lateness(delays_s=(0.5, 0.5, 0.0, 0.5)).within_s(1.0) == 1.0
    assert Lateness(delays_s=(0.5, 0.6, 0.5, 0.0, 0.4)).within_s(1.0) == pytest.approx(1.6)
    assert Lateness(delays_s=(0.2, 0.5, 0.0)).hides_s == 0.5


def test_longest_of_delays_waits_and_answers_counts() -> None:
    """Each is a view of the same lateness: they are not added."""
    waits = Waits(0.3, 0.3), Waits(), Waits(0.4, 0.4)
    assert Lateness(delays_s=(0.2,), waits=waits, answers_s=0.1).within_s(0.5) == 0.4
    assert Lateness(delays_s=(0.2,), waits=waits, answers_s=0.1).within_s(2.0) == 0.7
    assert Lateness(delays_s=(0.2,), waits=waits, answers_s=0.9).within_s(1.0) == 0.9


def test_waiting_for_a_processor_counts_where_it_was_noticed() -> None:
    """Half of a second in which something was late may have been late; other seconds were not."""
    pressed = _late_at(range(40), 0.5, "cpu_pressure")
    assert weighed(pressed).lateness.within_s(5.0) == 0.0
    noticed = [
        msgspec.structs.replace(pair, canary_lag_us=120_000 if number == 11 else 0)
        for number, pair in enumerate(pressed.clocks)
    ]
    assert weighed(replace(pressed, clocks=tuple(noticed))).lateness.within_s(5.0) == 0.5


@pytest.mark.parametrize(
    ("pressure", "canary_us", "late_s"),
    [(0.95, 50_000, 0.6), (0.949, 50_000, 0.0), (0.95, 49_999, 0.0), (None, 60_000, 0.0)],
)
def test_full_cores_count_only_together_with_a_late_thread(
    pressure: float | None, canary_us: int, late_s: float
) -> None:
    """Full cores do no harm while everybody gets a turn in time."""
    history = healthy(outline()).history()
    clocks = tuple(
        msgspec.structs.replace(
            pair, cpu_pressure=pressure if pair.t_us == us(12) else 0.2, canary_lag_us=canary_us
        )
        for pair in history.clocks
    )
    assert weighed(replace(history, clocks=clocks)).lateness.within_s(5.0) == pytest.approx(late_s)


def _late_at(
    seconds: Iterable[int],
    lag_us: float,
    lag: str = "loop_lag_us",
    expectations: Sequence[tuple[Expectation, PlannedBound]] = (LONG,),
) -> History:
    """A healthy run on a machine that was late in some of its seconds."""
    history = healthy(outline(expectations=expectations)).history()
    late = {us(second) // 1_000_000 for second in seconds}
    clocks = [
        msgspec.structs.replace(pair, **{lag: lag_us}) if pair.t_us // 1_000_000 in late else pair
        for pair in history.clocks
    ]
    return replace(history, clocks=tuple(clocks))


def test_slow_answers_after_recovery_are_the_machines() -> None:
    """With everything mended, answers take as long as the machine needs. A client that ran into a time-out
    waited for the topology; during the fault everybody did."""
    slow = [SHORT, LONG]
    assert weighed(_answers(0.2, slow)).lateness.within_s(0.5) == pytest.approx(0.2)
    assert weighed(_answers(0.1, slow)).lateness.answers_s == 0.0
    assert weighed(_answers(0.2, slow, at_s=10.5)).lateness.answers_s == 0.0
    assert weighed(_answers(0.2, slow, first="timeout")).lateness.answers_s == 0.0


def _answers(
    took_s: float,
    expectations: list[tuple[Expectation, PlannedBound]],
    *,
    at_s: float = 18.0,
    first: str = "",
) -> History:
    """A healthy run in which some writes took longer, perhaps because a first attempt failed."""
    past = healthy(outline(expectations=expectations))
    for n in range(20):
        operation = past.do(OperationKind.WRITE, at_s + n / 100, took_s)
        if first:
            (answered,) = operation.attempts
            again = msgspec.structs.replace(answered, n=2)
            failed = msgspec.structs.replace(answered, result=first)
            past.operations[-1] = msgspec.structs.replace(operation, attempts=(failed, again))
    return past.history()


def test_lateness_before_the_fault_does_not_starve() -> None:
    """Only fault and recovery are timed."""
    history = healthy(outline(expectations=[SHORT])).history()
    slow_start = tuple(
        pair.__class__(t_us=pair.t_us, wall_us=pair.wall_us, loop_lag_us=900_000 if pair.t_us < us(9) else 0)
        for pair in history.clocks
    )
    assert weighed(replace(history, clocks=slow_start)).lateness.within_s(0.5) == 0.0


def test_moving_wall_clock_spoils_deadlines() -> None:
    """TTLs are kept in wall time: more than 50 ms of drift and they cannot be judged."""
    assert affected(weighed(healthy(outline(drift_ms=40)).history())) == set()
    assert affected(weighed(healthy(outline(drift_ms=60)).history())) == {Affects.TTL}


def test_refused_traffic_is_traffic() -> None:
    """Operations that were sent and refused during the fault are evidence, too."""
    past = outline()
    past.steady(OperationKind.WRITE, 0.0, 10.0)
    past.steady(OperationKind.WRITE, 10.0, 15.0, outcome=Outcome.REJECTED)
    assert weighed(past.history()).gaps == ()


@pytest.mark.parametrize("kept", [slice(0, 11), slice(14, None), slice(0, None, 5)])
def test_times_are_not_judged_where_the_clocks_stopped(kept: slice) -> None:
    """Whether the machine was late in a part of fault and recovery is not known, so no time is certain there."""
    history = healthy(outline(expectations=[SHORT])).history()
    assert affected(weighed(replace(history, clocks=history.clocks[kept]))) == {Affects.TIMING}
