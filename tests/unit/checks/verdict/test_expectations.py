"""Expectations: whole intervals satisfy, violate, or leave it open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.judge import judge_checked
from harness.checks.verdict.expectations import compare
from harness.model.history import History
from harness.model.judgement import INFINITE, ExpectationResult, Finding, Interval, SessionCounts
from harness.model.records import AuditSummary, Closing, Event
from harness.model.words import FindingSide, OperationKind, Outcome, Phase, TopologyKind, Verdict
from lab.past import Past
from lab.records import us
from tests.builders_metrics import END_S, expect, healthy, outline

READ, WRITE, LOGIN = OperationKind.READ, OperationKind.WRITE, OperationKind.LOGIN
AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)


def lost(operation: int, t_s: float = 11.0, name: str = "lost-write", **where: Any) -> Finding:
    known = {"shard": 1, "web_server": "web-1", **where}
    return Finding(
        name=name,
        side=FindingSide.CLOSED,
        session=f"s{operation}",
        operations=(operation,),
        t_us=us(t_s),
        **known,
    )


def results(
    history: History, *findings: Finding, undecidable: int = 0, sessions: SessionCounts = AT_RISK
) -> list[ExpectationResult]:
    names = {one.name for one in findings} | {"lost-write", "lost-session"}
    counts = {}
    for name in names:
        proved = sum(one.name == name for one in findings)
        counts[name] = Interval(low=proved, high=proved + undecidable)
    return list(judge_checked(history, (findings, counts, sessions, ())).expectations)


@pytest.mark.parametrize(
    ("low", "high", "comparison", "bound", "met"),
    [
        (1, 2, "<", 3, True),
        (1, 3, "<", 3, None),
        (3, 4, "<", 3, False),
        (1, INFINITE, "<", 3, None),
        (3, INFINITE, "<", 3, False),
        (3, 3, "<=", 3, True),
        (2, 4, "<=", 3, None),
        (3.1, 4, "<=", 3, False),
        (1, INFINITE, ">", 0, True),
        (0, 5, ">", 0, None),
        (0, 0, ">", 0, False),
        (3, 4, ">=", 3, True),
        (2, 3, ">=", 3, None),
        (0, 0, "==", 0, True),
        (0, 2, "==", 0, None),
        (1, 2, "==", 0, False),
        (2, INFINITE, "==", 0, False),
    ],
)
def test_compare(low: float, high: float, comparison: str, bound: float, met: bool | None) -> None:
    """Met if all of the interval satisfies, unmet if none of it does, else undecided."""
    assert compare(Interval(low=low, high=high), comparison, bound) is met


def test_compare_refuses_unknown_words() -> None:
    """A comparison that nobody defined is no silent False."""
    with pytest.raises(ValueError, match="!="):
        compare(Interval(low=0, high=0), "!=", 0)


def outage(value: float, **how: Any) -> tuple[Any, ...]:
    return expect(
        f"outage(write): < {value:g}s",
        value,
        unit="s",
        arguments=("write",),
        comparison="<",
        timing=True,
        **how,
    )


def out_for(seconds: float, **past: Any) -> Past:
    made = outline(**past)
    made.steady(READ, 0.02, 20.0)
    made.steady(WRITE, 0.0, 10.0)
    made.steady(WRITE, 10.0, 10.0 + seconds, outcome=Outcome.REJECTED)
    made.steady(WRITE, 10.0 + seconds, 20.0)
    return made


def test_outage_is_the_longest_window() -> None:
    """Measured with its unit, met below the bound and unmet above."""
    met, unmet = results(out_for(2.0, expectations=[outage(5), outage(1.8)]).history())
    assert (met.met, met.measured, met.low) == (True, "1.90 s to 2.10 s", pytest.approx(1.902))
    assert (unmet.met, unmet.measured) == (False, "1.90 s to 2.10 s")


def test_outage_that_never_ended_says_so() -> None:
    """Censored: unmet once it is longer than the bound, undecided before."""
    past = out_for(10.0, expectations=[outage(5), outage(30)])
    unmet, open_ended = results(past.history())
    assert unmet.met is False
    assert unmet.measured == "≥ 9.90 s, still failing at the end of the run"
    assert open_ended.met is None


def test_lateness_decides_nothing_within_its_reach_and_safety_is_not_touched() -> None:
    """A slow machine says nothing about times that it may have made itself; what was lost is lost."""
    expectations = [outage(1), expect("lost-write: 0", 0)]
    past = out_for(3.0, expectations=expectations, loop_lag_s=0.9)
    timing, safety = results(past.history(), lost(5))
    assert timing.met is None
    assert timing.why == "delayed by 8100 ms, which is too much to judge a limit of 1 s"
    assert (safety.met, safety.measured) == (False, "1")


def late_once(history: History, late_s: float) -> History:
    """The machine stood still for so long, once, during the fault."""
    return replace(
        history,
        clocks=tuple(
            msgspec.structs.replace(pair, loop_lag_us=us(late_s) if pair.t_us == us(12) else 0)
            for pair in history.clocks
        ),
    )


def above(value: float) -> tuple[Any, ...]:
    return expect(f"outage(write): > {value:g}s", value, unit="s", arguments=("write",), comparison=">")


@pytest.mark.parametrize(
    ("expected", "late_s", "met"),
    [
        # Measured: 2.902 s to 3.1 s.
        (outage(2.5), 0.403, None),
        (outage(2.5), 0.402, False),
        (outage(3.5), 0.4, None),
        (outage(3.5), 0.399, True),
        (above(2.5), 0.402, None),
        (above(2.5), 0.401, True),
        (above(3.5), 0.401, None),
        (above(3.5), 0.4, False),
        (outage(2.5), 0.1, False),
    ],
)
def test_lateness_widens_by_itself_and_no_more(
    expected: tuple[Any, ...], late_s: float, met: bool | None
) -> None:
    """It may have made an outage longer, and it may have hidden a part of it; by so much, not by more."""
    (result,) = results(late_once(out_for(3.0, expectations=[expected]).history(), late_s))
    assert result.met is met
    if met is None:
        bound = expected[1].value
        assert (
            result.why
            == f"delayed by {1000 * late_s:.0f} ms, which is too much to judge a limit of {bound:g} s"
        )
    assert (result.low, result.high) == (pytest.approx(2.902), pytest.approx(3.1))


def test_outage_far_beyond_its_bound_fails_on_a_late_machine() -> None:
    """Nine seconds were not two because the machine stood still for 2.9 s."""
    (result,) = results(late_once(out_for(9.0, expectations=[outage(2)]).history(), 2.9))
    assert result.met is False


def behind(history: History, worst_s: float, behind_s: float, *seconds: int) -> History:
    """The load engine's loop was behind in these seconds: so late at worst, and for so long in all of each."""
    return replace(
        history,
        clocks=tuple(
            msgspec.structs.replace(
                pair,
                loop_lag_us=us(worst_s) if pair.t_us in map(us, seconds) else 0,
                loop_behind_us=us(behind_s) if pair.t_us in map(us, seconds) else 0,
            )
            for pair in history.clocks
        ),
    )


@pytest.mark.parametrize(
    ("out_s", "behind_s", "seconds", "met"),
    [
        (9.0, 0.9, range(11, 18), None),  # late by 200 ms with everything for seven seconds
        (9.0, 0.9, range(11, 16), False),  # ... for five: 9 s - 4.5 s are more than 4 s
        (9.0, 0.2, range(11, 18), False),  # late by 200 ms once a second
        (9.0, 2.9, (12,), False),
    ],
)
def test_outage_is_nobodys_where_the_loop_was_behind_for_as_long(
    out_s: float, behind_s: float, seconds: Sequence[int], met: bool | None
) -> None:
    """Seen with every core busy: the failover took 2 s, the clients came back after 9 s, since each of their
    steps waited 200 ms for its turn. What the loop does not explain stays unmet."""
    history = out_for(out_s, expectations=[outage(4)]).history()
    (result,) = results(behind(history, 0.2, behind_s, *seconds))
    assert result.met is met


@pytest.mark.parametrize(
    ("node_wait_s", "read_from_replicas", "met"),
    [(0.0, False, False), (0.4, False, None), (0.0, True, None)],
)
def test_outage_without_a_primary_is_no_late_clients(
    node_wait_s: float, read_from_replicas: bool, met: bool | None
) -> None:
    """Whatever the loop was behind: the process was gone, and for 6.4 s its replicas said that they were replicas.
    Only what held up the nodes may have made that longer."""
    past = out_for(9.0, expectations=[outage(4)])
    for n in range(40):
        at_s = 0.5 * n
        for node in ("redis-2", "redis-3"):
            past.sample(node, at_s, role="replica" if at_s <= 16.5 else "primary", run_id=node)
        past.sample("redis-1", at_s, role="primary" if at_s < 10 else "", reachable=at_s < 10)
    history = behind(past.history(), 0.0, 1.0, *range(10, 20))
    clocks = tuple(
        msgspec.structs.replace(pair, node_wait_us=us(node_wait_s), nodes_waited_us=us(2 * node_wait_s))
        for pair in history.clocks
    )
    scenario = history.plan.scenario
    client = replace(scenario.deployment.client, read_from_replicas=read_from_replicas)
    deployment = replace(scenario.deployment, client=client)
    plan = replace(history.plan, scenario=replace(scenario, deployment=deployment))
    (result,) = results(replace(history, clocks=clocks, plan=plan))
    assert result.met is met


@pytest.mark.parametrize(
    ("said_at_s", "node_wait_s", "met"),
    [(None, 0.06, False), (13.0, 0.0, False), (13.0, 0.06, None), (8.0, 0.06, False)],
)
def test_election_that_failed_on_a_late_machine_may_be_its_doing(
    said_at_s: float | None, node_wait_s: float, met: bool | None
) -> None:
    """Seen with every core busy: three sentinels, each late by a tenth of a second, asked for votes at once, got none,
    and tried again 12 s later. Without a failed election after the fault, or without a delay, it is what it is."""
    history = out_for(9.0, expectations=[outage(4)]).history()
    clocks = tuple(
        msgspec.structs.replace(pair, node_wait_us=us(node_wait_s), nodes_waited_us=us(4 * node_wait_s))
        for pair in history.clocks
    )
    events = history.events
    if said_at_s is not None:
        said = Event(source="sentinel-2", name="-failover-abort-not-elected", t_us=us(said_at_s), shard=1)
        events = tuple(sorted((*events, said), key=lambda one: one.t_us))
    (result,) = results(replace(history, clocks=clocks, events=events))
    assert result.met is met
    assert ("sentinel-2: -failover-abort-not-elected" in result.why) is (met is None)


@pytest.mark.parametrize(
    ("expected", "met", "measured"),
    [(outage(4), False, "≥ 8.90 s"), (outage(12), None, "≥ 8.90 s"), (above(4), True, "≥ 8.90 s")],
)
def test_outage_that_one_of_two_faults_caused_is_proved(
    expected: tuple[Any, ...], met: bool | None, measured: str
) -> None:
    """The second one never started: it could have made it longer, and makes nothing of it undone."""
    history = out_for(9.0, expectations=[expected], fault_kinds=("kill", "restart")).history()
    (result,) = results(history)
    assert result.met is met
    assert result.measured.startswith(measured)
    verdict = judge_checked(history, ((), {}, AT_RISK, ())).verdict
    assert verdict is (Verdict.FAIL if met is False else Verdict.INCONCLUSIVE), "and nothing passes"


def test_latency_is_lengthened_and_never_hidden() -> None:
    """It counts from when an operation was due, so a machine that stands still only adds to it."""
    fast = expect("latency(read, max): < 300ms", 0.3, unit="s", arguments=("read", "max"), comparison="<")
    slow = expect("latency(read, max): > 300ms", 0.3, unit="s", arguments=("read", "max"), comparison=">")
    past = healthy(outline(expectations=[fast, slow]))
    past.do(READ, 12.31, took_s=0.25)
    assert [one.met for one in results(late_once(past.history(), 0.2))] == [True, False]
    past.do(READ, 12.32, took_s=0.45)
    assert [one.met for one in results(late_once(past.history(), 0.2))] == [None, None]


def test_nothing_says_how_late_the_machine_was() -> None:
    """Without clock records a time may be anything, in either direction; a count is what it is."""
    history = out_for(
        3.0, expectations=[outage(1), above(1), expect("rejected(write): 30", 30, arguments=("write",))]
    ).history()
    history = replace(history, clocks=())
    shorter, longer, counted = results(history)
    assert (shorter.met, longer.met) == (None, None)
    assert "no clock records" in shorter.why
    assert counted.met is True


def test_outage_of_a_kind_that_was_never_due_is_undecided() -> None:
    """No touches, no outage of touches: there was nothing to see."""
    touches = expect("outage(touch): < 1s", 1, unit="s", arguments=("touch",), comparison="<", timing=True)
    (result,) = results(healthy(outline(expectations=[touches])).history())
    assert result.met is None
    assert result.why == "no touch was due there"
    assert result.measured == "not measured"


def test_outage_on_a_shard_and_in_a_phase() -> None:
    """Scopes cut what is measured, and nothing else."""
    past = outline(
        expectations=[
            outage(1, on="shard 1"),
            outage(1, on="shard 2"),
            outage(1, phase=Phase.BASELINE),
            outage(1, phase=Phase.FAULT),
            outage(1, on="web-1"),
        ]
    )
    for shard in (1, 2):
        for kind in (WRITE, READ):
            past.steady(kind, 0.0, 10.0, shard=shard, web=f"web-{shard}")
            outcome = Outcome.REJECTED if (shard, kind) == (2, WRITE) else Outcome.ACKED
            past.steady(kind, 10.0, 14.0, shard=shard, web=f"web-{shard}", outcome=outcome)
            past.steady(kind, 14.0, 20.0, shard=shard, web=f"web-{shard}")
    assert [one.met for one in results(past.history())] == [True, False, True, False, True]


def test_latency_and_counts_of_operations() -> None:
    """Percentiles in seconds; outcomes by kind or behaviour; the seed does not count."""
    past = outline(
        expectations=[
            expect("latency(read, p99): < 50ms", 0.05, unit="s", arguments=("read", "p99"), comparison="<"),
            expect("latency(read, max): < 50ms", 0.05, unit="s", arguments=("read", "max"), comparison="<"),
            expect("latency(logout, p50): < 1s", 1.0, unit="s", arguments=("logout", "p50"), comparison="<"),
            expect("rejected(login): 1", 1, arguments=("login",)),
            expect("rejected(log-in) in fault: 0", 0, arguments=("log-in",), phase=Phase.FAULT),
        ]
    )
    healthy(past)
    past.do(READ, 12.34, took_s=0.08)
    past.do(LOGIN, -1.0, outcome=Outcome.REJECTED)
    past.do(LOGIN, 16.0, outcome=Outcome.REJECTED)
    fast, slow, nobody, rejected, in_fault = results(past.history())
    assert (fast.met, fast.measured) == (True, "2.0 ms")
    assert (slow.met, slow.measured) == (False, "80 ms")
    assert (nobody.met, nobody.why) == (None, "no logout was acked there")
    assert (rejected.met, in_fault.met) == (True, True)


def share(value: float, finding: str = "lost-write", **how: Any) -> tuple[Any, ...]:
    return expect(
        f"share({finding}): > {value:g}%", value, unit="%", arguments=(finding,), comparison=">", **how
    )


def dangerous(**past: Any) -> Past:
    """Isolated from 10 to 13 s: 30 writes through web-1, 30 through web-2."""
    made = outline(fault_kinds=("isolate",), **past)
    made.steady(WRITE, 10.0, 13.0, web="web-1", side="with-primary")
    made.steady(WRITE, 10.05, 13.05, web="web-2", side="rest")
    made.steady(WRITE, 0.0, 10.0)
    made.steady(WRITE, 13.5, 20.0)
    made.event("healed", 13.0, source="fault 1", fault=1)
    made.event("effect", 10.0, source="fault 1", fault=1, node="redis-1")
    return made


def test_share_is_of_what_was_in_danger() -> None:
    """27 of the 60 writes between effect and heal; on the cut-off web server 27 of 30."""
    past = dangerous(expectations=[share(50), share(50, on="web-1"), share(50, phase=Phase.BASELINE)])
    gone = [lost(n, 10 + n / 10) for n in range(1, 28)]
    everywhere, there, before = results(past.history(), *gone)
    assert (everywhere.measured, everywhere.met) == ("27 of 60 (45 %)", False)
    assert (there.measured, there.met) == ("27 of 30 (90 %)", True)
    assert (before.measured, before.met) == ("0 of 100 (0 %)", False)


def test_share_never_falls_with_one_more_loss() -> None:
    """A loss outside of the danger joins both sides of the fraction."""
    history = dangerous(expectations=[share(50)]).history()
    inside = [lost(n) for n in range(1, 5)]
    (fewer,) = results(history, *inside)
    (more,) = results(history, *inside, lost(100, 5.0))
    assert more.low > fewer.low
    assert more.measured == "5 of 61 (8 %)"


def test_share_of_sessions_counts_those_alive_at_the_effect() -> None:
    """All were lost when the only node forgot them, however many logged in again afterwards."""
    past = outline(expectations=[share(99, "lost-session")])
    for n in range(4):
        past.do(LOGIN, -1.0 - n, session=f"s{n}")
    past.do(OperationKind.LOGOUT, 5.0, session="s3")
    past.steady(LOGIN, 14.0, 20.0)
    past.steady(WRITE, 0.0, 20.0)
    (result,) = results(past.history(), *(lost(n, -1.0, "lost-session") for n in range(3)))
    assert result.measured == "3 of 3 (100 %)"


def test_loss_window_runs_to_the_last_lost_write() -> None:
    """From the first effect; nothing lost is zero, and met."""
    bound = expect("loss window: <= 4s", 4, unit="s", comparison="<=")
    history = dangerous(expectations=[bound]).history()
    (none,) = results(history)
    assert (none.met, none.measured) == (True, "nothing lost")
    (some,) = results(history, lost(1, 10.5), lost(2, 12.5))
    assert (some.met, some.measured) == (True, "2.50 s")
    (many,) = results(history, lost(1, 10.5), lost(2, 14.5))
    assert (many.met, many.measured) == (False, "4.50 s")


def test_recovery_point_lies_at_the_earliest_lost_write() -> None:
    """How long before the first effect it was acked; what was lost after it alone puts nobody back."""
    bound = expect("recovery point: <= 1s", 1, unit="s", comparison="<=")
    history = dangerous(expectations=[bound]).history()
    (none,) = results(history)
    assert (none.met, none.measured) == (True, "nothing lost")
    (some,) = results(history, lost(1, 9.5), lost(2, 9.75), lost(3, 12.0))
    assert (some.met, some.measured) == (True, "500 ms")
    (many,) = results(history, lost(1, 8.5), lost(2, 12.0))
    assert (many.met, many.measured) == (False, "1.50 s")
    (later,) = results(history, lost(1, 12.0))
    assert (later.met, later.measured) == (True, "0 s")


@pytest.mark.parametrize("metric", ["loss window", "recovery point"])
def test_when_losses_were_is_open_where_it_is_undecided_whether_there_were_more(metric: str) -> None:
    """The report says that it is not known; so nothing is met by it. What is proved may be too much already."""
    bound = expect(f"{metric}: <= 1s", 1, unit="s", comparison="<=")
    history = dangerous(expectations=[bound]).history()
    (none,) = results(history, undecidable=2)
    assert (none.met, none.low, none.high) == (None, 0, INFINITE)
    assert "4 losses cannot be decided" in none.why
    (some,) = results(history, lost(1, 9.5), lost(2, 10.5), undecidable=1)
    assert (some.met, some.low) == (None, 0.5)
    (much,) = results(history, lost(1, 8.5), lost(2, 11.5), undecidable=1)
    assert (much.met, much.low) == (False, 1.5)


def test_undecidable_findings_widen_upwards() -> None:
    """Zero proved with two undecidable is no zero; more than zero proved is no less for it."""
    none = expect("lost-write: 0", 0)
    some = expect("lost-session: > 0", 0, comparison=">")
    zero, seen = results(
        healthy(outline(expectations=[none, some])).history(),
        lost(1, name="lost-session"),
        undecidable=2,
    )
    assert (zero.met, zero.measured) == (None, "0 to 2")
    assert (seen.met, seen.measured) == (True, "1 to 3")


def test_loss_expectations_alone_suffer_when_nobody_was_at_risk() -> None:
    """Without sessions at risk `0 lost` means nothing; a proved loss and an outage still do."""
    expectations = [expect("lost-write: 0", 0), outage(5), expect("lost-session: 0", 0)]
    past = healthy(outline(expectations=expectations))
    zero, timing, proved = results(
        past.history(), lost(1, name="lost-session"), sessions=SessionCounts(total=300)
    )
    assert zero.met is None
    assert "no session was at risk" in zero.why
    assert timing.met is True
    assert proved.met is False


@pytest.mark.parametrize(
    ("name", "decided"),
    [
        ("lost-write", False),
        ("lost-session", False),
        ("lost-update", False),
        ("partial-session", False),
        ("evicted-session", False),
        ("expired-early", False),
        ("stale-read", True),
        ("resurrected-session", True),
        ("outlived-timeout", True),
    ],
)
def test_only_losses_need_somebody_at_risk(name: str, decided: bool) -> None:
    """What nobody could lose was not kept. Who sees something old, or gets in, needs no danger."""
    history = healthy(outline(expectations=[expect(f"{name}: 0", 0)])).history()
    (result,) = results(history, sessions=SessionCounts(total=300))
    assert result.met is (True if decided else None)


@pytest.mark.parametrize("name", ["expired-early", "outlived-timeout"])
def test_clocks_that_moved_apart_decide_no_deadline(name: str) -> None:
    """Both are about when a timeout ran out."""
    past = healthy(outline(expectations=[expect(f"{name}: 0", 0), share(5, name)], drift_ms=1000))
    assert [one.met for one in results(past.history(), lost(1, name=name))] == [None, None]


def test_percentile_is_of_a_hundred() -> None:
    """The 99th of 200 is the 198th, and the maximum the last."""
    expected = [
        expect(f"latency(read, {which}): < 1s", 1.0, unit="s", arguments=("read", which), comparison="<")
        for which in ("p50", "p99", "max")
    ]
    past = outline(expectations=expected, fault_kinds=())
    for n in range(200):
        past.do(READ, n / 20, took_s=(n + 1) / 1000)
    assert [one.low for one in results(past.history())] == [0.1, 0.198, 0.2]


def test_without_a_valid_audit_losses_are_open_ended() -> None:
    """What was proved before the audit stays; the rest may be anything."""
    expectations = [
        expect("lost-write: 0", 0),
        expect("lost-session: > 0", 0, comparison=">"),
        expect("refused-login: 0", 0),
        share(50),
    ]
    history = replace(
        healthy(outline(expectations=expectations)).history(), audit_summary=AuditSummary(passes=3)
    )
    zero, seen, not_audited, of = results(history, lost(1, name="lost-session"))
    assert (zero.met, zero.measured) == (None, "not known (none seen)")
    assert (seen.met, seen.measured) == (True, "≥ 1")
    assert not_audited.met is True
    assert (of.met, of.high) == (None, 100)


def test_fault_without_effect_voids_what_was_measured() -> None:
    """An outage that the fault cannot have caused neither meets nor fails anything."""
    past = out_for(8.0, expectations=[outage(5), expect("failovers: 1", 1)])
    past.event("no-effect", 10.5, source="fault 1", fault=1, detail="still answers")
    timing, failovers = results(past.history())
    assert (timing.met, failovers.met) == (None, None)
    assert "still answers" in timing.why


@pytest.mark.parametrize(
    ("name", "met"),
    [("refused-login", None), ("logged-out-by-outage", None), ("no-recovery", None), ("stale-read", False)],
)
def test_fault_without_effect_leaves_what_was_proved(name: str, met: bool | None) -> None:
    """What only says that something did not work means nothing then; a wrong answer was wrong all the same."""
    past = healthy(outline(expectations=[expect(f"{name}: 0", 0)]))
    past.event("no-effect", 10.5, source="fault 1", fault=1)
    (result,) = results(past.history(), lost(1, name=name))
    assert result.met is met


def test_killed_harness_leaves_violations_proved() -> None:
    """A history that stops early can still prove an outage too long, never one short enough."""
    history = out_for(8.0, expectations=[outage(5), outage(10)]).history()
    unmet, undecided = results(replace(history, closing=None, incomplete="the harness died"))
    assert (unmet.met, undecided.met) == (False, None)


def test_moved_wall_clock_spoils_deadline_findings_even_proved_ones() -> None:
    """With the clocks apart, expired early may be the clock's doing."""
    early = expect("expired-early: 0", 0)
    past = healthy(outline(expectations=[early], drift_ms=1000))
    (result,) = results(past.history(), lost(1, name="expired-early"))
    assert result.met is None


def test_finding_on_a_group_counts_unknown_members_at_the_upper_end() -> None:
    """A finding whose shard is not known may belong to this shard."""
    there = expect("lost-write on shard 2: 0", 0, on="shard 2")
    history = healthy(outline(expectations=[there])).history()
    assert results(history, lost(1, shard=1))[0].met is True
    assert results(history, lost(1, shard=None))[0].met is None
    assert results(history, lost(1, shard=2))[0].met is False


def test_evicted_keys_failovers_and_at_risk() -> None:
    """By purpose of the instance, from the counters of each process."""
    past = outline(
        expectations=[
            expect("evicted keys on cache: > 0", 0, comparison=">", on="cache"),
            expect("evicted keys on sessions: 0", 0, on="sessions"),
            expect("failovers: 1", 1),
            expect("at risk: >= 100", 100, comparison=">="),
        ],
        topology=TopologyKind.SPLIT,
    )
    past.sample("cache-1", 5.0, role="primary", run_id="c1", evicted_keys=7)
    past.sample("cache-1", 6.0, role="primary", run_id="c1", evicted_keys=40)
    past.sample("cache-1", 9.0, role="primary", run_id="c2", evicted_keys=2)
    past.sample("redis-1", 9.0, role="primary", run_id="old")
    past.event("promoted", 12.0, node="redis-2")
    past.event("effect", 10.0, fault=1, node="redis-1")
    cache, sessions, failovers, at_risk = results(healthy(past).history())
    assert (cache.measured, cache.met) == ("42", True)
    assert (sessions.met, failovers.met) == (True, True)
    assert (at_risk.measured, at_risk.met) == ("200", True)


def test_loss_budget_is_undecided() -> None:
    """A bound that nothing computes decides nothing."""
    expectation, bound = expect("loss window: <= loss budget", 0, unit="s", comparison="<=")
    past = healthy(outline(expectations=[(expectation, replace(bound, value=None))]))
    (result,) = results(past.history())
    assert result.met is None
    assert "loss budget" in result.why


def test_interrupted_run_is_open_ended() -> None:
    """Ctrl-C: what was not reached may have happened."""
    history = healthy(outline(expectations=[expect("lost-write: 0", 0)])).history()
    stopped = replace(history, closing=Closing(t_us=us(END_S), interrupted=True))
    assert results(stopped)[0].met is None
