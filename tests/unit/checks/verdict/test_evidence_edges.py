"""From which number on something is missing, and the sentence that says so."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from harness.checks.facts.clock_drift import drift_of
from harness.checks.facts.host_lateness import Lateness, Waits
from harness.checks.facts.of_run import facts_of
from harness.checks.verdict.evidence import (
    Affects,
    Evidence,
    Gap,
    start_that_never_came,
    weigh,
    without_effect,
)
from harness.model.finding_kind import Limit
from harness.model.history import History
from harness.model.judgement import SessionCounts
from harness.model.records import AuditSummary, ClockPair, Closing, Event
from harness.model.words import OperationKind, Outcome
from lab.records import us
from tests.builders_metrics import END_S, healthy, outline
from tests.unit.checks.stories import guests

FINE = SessionCounts(total=300, at_risk=200, intact=200)


def gaps(history: History, sessions: SessionCounts = FINE, crashed: tuple[str, ...] = ()) -> list[Gap]:
    return list(weigh(facts_of(history), sessions, crashed).gaps)


def run(**how: object) -> History:
    return healthy(outline(**how)).history()  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("sessions", "said"),
    [
        (SessionCounts(at_risk=200, undecidable=4), None),
        (
            SessionCounts(at_risk=200, undecidable=5),
            "5 sessions cannot be decided, more than 2 % of the 200 at risk",
        ),
        (
            SessionCounts(at_risk=0),
            "no session was at risk: no session existed while the fault could do harm",
        ),
        (SessionCounts(at_risk=1), None),
    ],
)
def test_losses_need_sessions_at_risk_that_can_be_decided(sessions: SessionCounts, said: str | None) -> None:
    """Up to two of a hundred may be open."""
    assert gaps(run(), sessions) == ([] if said is None else [Gap(Affects.LOSS, said)])
    assert gaps(run(fault_kinds=()), sessions) == []


@pytest.mark.parametrize(("until", "blind"), [(13.0, False), (13.1, True)])
def test_stretch_without_clock_records(until: float, blind: bool) -> None:
    """More than two seconds of fault and recovery of which nothing is known."""
    history = run()
    clocks = tuple(one for one in history.clocks if one.t_us <= us(10.0) or one.t_us >= us(until))
    first = next(one for one in clocks if one.t_us >= us(until))
    moved = msgspec.structs.replace(first, t_us=us(until), loop_lag_us=0, canary_lag_us=0)
    clocks = tuple(moved if one is first else one for one in clocks)
    found = [one.sentence for one in gaps(replace(history, clocks=clocks)) if one.affects is Affects.TIMING]
    assert bool(found) is blind
    if blind:
        assert found == ["it is not known how busy this machine was for 2 s: no clock records"]


@pytest.mark.parametrize(("drift_us", "apart"), [(50_000, False), (50_001, True)])
def test_clocks_that_moved_apart(drift_us: int, apart: bool) -> None:
    """More than fifty milliseconds over the run, in whichever direction."""
    history = run()
    for sign in (1, -1):
        clocks = tuple(msgspec.structs.replace(one, wall_us=one.t_us) for one in history.clocks)
        clocks = (
            *clocks[:-1],
            msgspec.structs.replace(clocks[-1], wall_us=clocks[-1].t_us + sign * drift_us),
        )
        found = gaps(replace(history, clocks=clocks))
        assert bool(found) is apart
        assert drift_of(clocks) == drift_us
    assert drift_of([]) is None
    assert drift_of([ClockPair(t_us=1, wall_us=5)]) == 0


def test_every_gap_says_what_is_missing() -> None:
    """And why, where that is known."""
    history = run()

    def said(**parts: object) -> list[str]:
        return [one.sentence for one in gaps(replace(history, **parts))]  # type: ignore[arg-type]

    assert said(closing=None) == ["the history is incomplete: it has no closing line"]
    assert said(incomplete="killed") == ["the history is incomplete: killed"]
    assert said(closing=Closing(t_us=us(END_S), interrupted=True)) == ["the run was interrupted: by its user"]
    assert said(closing=Closing(t_us=us(END_S), interrupted=True, reason="x")) == [
        "the run was interrupted: x"
    ]
    assert said(closing=Closing(t_us=us(END_S), not_recovered="y")) == ["the topology did not recover: y"]
    assert said(samples=()) == ["no node was sampled, so roles, offsets and evictions are not known"]
    assert said(audit_summary=None) == ["the run ended before its audit"]
    assert said(audit_summary=AuditSummary(passes=3)) == [
        "no audit is valid: the topology changed during each of 3 passes"
    ]
    assert said(audit_summary=AuditSummary(passes=3, reason="z")) == ["no audit is valid: z"]
    assert said(audit_summary=AuditSummary(passes=2, valid_pass=2)) == ["the audit read no session"]
    crash = Event(source="web-1", name="behaviour-crashed", t_us=us(12.0), detail="cart: KeyError")
    assert said(events=(*history.events, crash, crash)) == [
        "the load engine crashed in 2 operations: cart: KeyError"
    ]
    stuck = Event(source="fault 1", name="heal-failed", t_us=us(12.0), detail="no route")
    assert said(events=(*history.events, stuck)) == ["fault 1 could not be healed: no route"]
    assert said(clocks=()) == [
        "it is not known how busy this machine was: no clock records",
        "it is not known whether the clocks were right: no clock records",
    ]
    assert gaps(history, crashed=("judge_x: y",)) == [Gap(Affects.UPPER, "a check crashed: judge_x: y")]


def test_fault_without_a_target_is_named_by_its_kind() -> None:
    """There is nothing else to say of it."""
    history = run()
    scenario = history.plan.scenario
    aimless = tuple(replace(one, target="") for one in scenario.faults)
    plan = replace(history.plan, scenario=replace(scenario, faults=aimless))
    (gap,) = gaps(replace(history, plan=plan, events=()))
    assert gap.sentence == "fault 1 (kill) did not take effect: it did not start"


def test_run_without_phases_says_so() -> None:
    """What belongs to the fault is not known then."""
    found = gaps(replace(run(), phases=()))
    assert (
        Gap(Affects.UPPER, "no phase was recorded, so it is not known which operations belong to the fault")
        in found
    )


@pytest.mark.parametrize(
    ("details", "why"),
    [
        ((), "it did not start"),
        (("",), "its effect was not observed"),
        (("first", "last"), "last"),
    ],
)
def test_fault_without_an_effect_says_why(details: tuple[str, ...], why: str) -> None:
    """By its own last word; another fault's is not its own."""
    history = run(fault_kinds=("kill", "kill"))
    more = tuple(
        Event(source="fault 2", name="no-effect", t_us=us(12.0), fault=2, detail=detail) for detail in details
    )
    other = Event(source="fault 1", name="no-effect", t_us=us(11.0), fault=1, detail="other")
    found = gaps(replace(history, events=(*history.events, *more, other)))
    assert found == [Gap(Affects.UPPER, f"fault 2 (kill primary) did not take effect: {why}")]


def test_run_means_nothing_only_if_no_fault_took_effect() -> None:
    """What one of several did is proved; the others might have done more."""
    history = run(fault_kinds=("kill", "kill", "kill"))
    (first,) = [event for event in history.events if event.name == "effect"]
    second = msgspec.structs.replace(first, fault=2)
    stranger = msgspec.structs.replace(first, fault=9)
    for events, affects in (
        ((), [Affects.ALL] * 3),
        ((first,), [Affects.UPPER] * 2),
        ((second,), [Affects.UPPER] * 2),
        ((first, second), [Affects.UPPER]),
        ((stranger,), [Affects.ALL] * 3),
    ):
        found = gaps(replace(history, events=events))
        assert [one.affects for one in found if "did not take effect" in one.sentence] == affects


@pytest.mark.parametrize(
    ("events", "in_vain"),
    [
        ("1 effect, 2 effect, 3 effect", ""),
        ("1 effect, 2 no-effect, 3 no-effect", "fault 2 (kill primary) did not take effect: 2 no-effect"),
        ("1 effect, 2 requested, 2 no-effect, 3 no-effect", ""),  # it was tried, and may work next time
        ("1 effect, 2 no-effect, 3 requested, 3 no-effect", ""),
        (
            "1 effect, 2 no-effect, 3 requested, 3 effect",
            "fault 2 (kill primary) did not take effect: 2 no-effect",
        ),
        ("1 effect", ""),  # an older record, or one that breaks off
    ],
)
def test_start_that_never_came(events: str, in_vain: str) -> None:
    """Only if nothing else is missing is it known beforehand what the same plan would do."""
    history = run(fault_kinds=("kill", "kill", "kill"))
    said = tuple(
        Event(source="fault", name=one.split()[1], t_us=us(11.0), fault=int(one[0]), detail=one)
        for one in events.split(", ")
    )
    past = replace(history, events=said)
    assert start_that_never_came(past) == in_vain
    assert [step.number for step in without_effect(past)] == [
        n for n in (1, 2, 3) if f"{n} effect" not in events
    ]


def test_traffic_must_have_got_through_before_and_been_sent_under_the_fault() -> None:
    """Acked in the baseline; sent, with whatever outcome, in fault or recovery."""
    before = "no operation succeeded before the fault"
    under = "no operation was sent between the fault and recovery"
    for at, outcome, said in (
        (5.0, Outcome.ACKED, [under]),
        (5.0, Outcome.UNKNOWN, [before, under]),
        (11.0, Outcome.ACKED, [before]),
        (11.0, Outcome.UNKNOWN, [before]),
        (14.0, Outcome.UNKNOWN, [before]),
        (11.0, Outcome.NOT_SENT, [before, under]),
        (16.0, Outcome.ACKED, [before, under]),
    ):
        past = outline()
        past.do(OperationKind.WRITE, at, outcome=outcome)
        assert [one.sentence for one in gaps(past.history())] == said
    quiet = outline(fault_kinds=())
    quiet.do(OperationKind.WRITE, 5.0)
    assert gaps(quiet.history()) == []


def test_recovery_is_not_held_up_by_a_loop_that_is_behind() -> None:
    """Nodes agree without it; whoever was logged out by an outage had to pass through it."""
    limits_s = {Limit.RECOVERY: 8.0, Limit.IDLE_TIMEOUT: 8.0}
    machine = Lateness(delays_s=(0.2,) * 4, behind_s=(0.9,) * 4)
    crowded = Evidence(lateness=machine, limits_s=limits_s)
    assert crowded.about_delays("no-recovery") == ()
    assert crowded.about_delays("logged-out-by-outage") == (
        "delayed by 3600 ms, which is too much to judge a limit of 8 s",
    )
    starved = Evidence(lateness=replace(machine, node_waits=(Waits(0.4, 0.8),)), limits_s=limits_s)
    assert starved.about_delays("no-recovery") == (
        "delayed by 1600 ms, which is too much to judge a limit of 8 s",
    )


def test_what_is_judged_one_by_one_is_not_void_on_a_late_machine() -> None:
    """Each write that is over a budget is held against the machine by itself; what that left open has a reason."""
    late = Evidence(lateness=Lateness(delays_s=(9.0,)), excused={Limit.LOSS_BUDGET: ("late", "later")})
    assert late.about_delays("over-budget") == ()
    assert [late.why_undecidable(one) for one in ("over-budget", "no-recovery", "lost-write", "what")] == [
        "late",
        "",
        "",
        "",
    ]
    assert Evidence(gaps=(Gap(Affects.TIMING, "t"),)).about_delays("over-budget") == ("t",)


def test_delay_is_held_against_the_findings_own_limit() -> None:
    """Else against the tightest bound of the scenario."""
    late = Evidence(lateness=Lateness(delays_s=(1.0,), bound_s=4.0), limits_s={Limit.RECOVERY: 9.0})
    assert late.about_delays("no-recovery") == ()
    assert late.about_delays("lease-overrun") == (
        "delayed by 1000 ms, which is too much to judge a limit of 4 s",
    )
    unknown = Evidence(gaps=(Gap(Affects.TIMING, "t"), Gap(Affects.TTL, "u")))
    assert unknown.about_delays("no-recovery") == ("t",)
    history = run()
    found = weigh(facts_of(history), FINE)
    assert found.limits_s == {
        Limit.RECOVERY: history.plan.scenario.settle_within_s,
        Limit.IDLE_TIMEOUT: history.plan.scenario.workload.idle_timeout_s,
    }


@pytest.mark.parametrize(("late_s", "decided"), [(0.2, True), (1.2, True), (1.3, False)])
def test_a_request_that_hung_is_held_against_what_its_browser_waits(late_s: float, decided: bool) -> None:
    """Of ten seconds a machine that was late by a fifth of one took nothing that counts."""
    found = weigh(facts_of(guests.hung_request().history()), FINE)
    late = replace(found, lateness=Lateness(delays_s=(late_s,)))
    said = f"delayed by {1000 * late_s:.0f} ms, which is too much to judge a limit of 10 s"
    assert late.about_delays("hung-request") == (() if decided else (said,))
