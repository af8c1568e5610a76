"""What a run did not record, or could not tell apart, is never none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.failovers import promotions
from harness.checks.facts.of_run import facts_of
from harness.checks.judge import judge_checked
from harness.checks.measures.scope import Membership, Scope
from harness.checks.measures.summary import logouts_failed, memory_bytes, unread_evictions
from harness.checks.verdict.conclusion import why_clause
from harness.model.history import History
from harness.model.judgement import INFINITE, Finding, Interval, Judgement, SessionCounts
from harness.model.records import AuditSummary
from harness.model.words import (
    FindingSide,
    NodePurpose,
    OperationKind,
    Outcome,
    Phase,
    Shows,
    TopologyKind,
    Verdict,
)
from harness.report.words import lost_over
from lab.past import Past
from lab.records import us
from tests.builders_metrics import END_S, expect, healthy, outline

READ, WRITE, LOGIN, LOGOUT = (
    OperationKind.READ,
    OperationKind.WRITE,
    OperationKind.LOGIN,
    OperationKind.LOGOUT,
)
AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)
NO_LOST_WRITE = expect("lost-write: 0", 0)
NO_LOST_SESSION = expect("lost-session: 0", 0)


def found(name: str, n: int = 1, **known: Any) -> Finding:
    values = {"web_server": "web-1", "shard": 1, "t_us": us(11.0), **known}
    return Finding(name=name, side=FindingSide.CLOSED, session=f"s{n}", operations=(n,), **values)


def judged(history: History, *findings: Finding, undecidable: int = 0) -> Judgement:
    counts = {}
    for name in ("lost-write", "lost-session", "lost-update", "unexplained", "evicted-session"):
        proved = sum(one.name == name for one in findings)
        counts[name] = Interval(low=proved, high=proved + (undecidable if name == "lost-write" else 0))
    return judge_checked(history, (findings, counts, AT_RISK, ()))


def run(*expectations: tuple[Any, ...], **past: Any) -> History:
    return healthy(outline(expectations=expectations, **past)).history()


@pytest.mark.parametrize(
    ("expected", "high"),
    [
        (NO_LOST_WRITE, INFINITE),
        (expect("share(lost-write): < 5%", 5, unit="%", arguments=("lost-write",), comparison="<"), 100),
        (expect("loss window: <= 3s", 3, unit="s", comparison="<="), INFINITE),
    ],
)
def test_saved_run_without_witnesses_says_nothing_of_lost_writes(
    expected: tuple[Any, ...], high: float
) -> None:
    """603 were lost, and "0" was met. Who left no trace cannot be counted."""
    judgement = judged(run(expected, witnesses=False))
    (result,) = judgement.expectations
    assert (result.met, result.low, result.high) == (None, 0, high)
    assert result.measured == "not measured"
    assert "needs witnesses, and the workload says `witnesses: false`" in result.why
    assert judgement.verdict is Verdict.INCONCLUSIVE


def test_what_a_scenario_does_without_is_said_and_demanded_of_nobody() -> None:
    """An eviction scenario leaves witnesses out and names no lost writes: it decides, its pass says what it
    is no pass of, and the count has no upper end."""
    with_them, without = judged(run()), judged(run(witnesses=False))
    assert (with_them.verdict, without.verdict) == (Verdict.PASS, Verdict.PASS)
    said = (
        "lost-write, ghost-retry, doubled-update, over-budget: not looked for, as this run has no witnesses"
    )
    assert without.reasons == (f"no findings; {said}",)
    assert without.evidence == (said,)
    assert with_them.evidence == ()
    assert (with_them.counts["lost-write"].high, without.counts["lost-write"].high) == (0, INFINITE)
    assert without.counts["lost-session"].high == 0
    assert why_clause(with_them) == "nothing lost, 200 sessions at risk"
    assert why_clause(without) == "no loss seen, 200 sessions at risk"


def test_what_was_proved_stays_proved() -> None:
    """Nobody looked everywhere, and what was found by looking elsewhere is found."""
    none = expect("unexplained: 0", 0)
    assert judged(run(none, guarded=False)).expectations[0].met is None
    judgement = judged(run(none, guarded=False), found("unexplained"))
    assert (judgement.expectations[0].met, judgement.expectations[0].measured) == (False, "≥ 1")
    assert judgement.verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("evicted", "events", "verdict"),
    [(0, False, Verdict.PASS), (1, True, Verdict.PASS), (1, False, Verdict.INCONCLUSIVE)],
)
@pytest.mark.parametrize("named", [True, False])
def test_evictions_that_nobody_named(evicted: int, events: bool, verdict: Verdict, named: bool) -> None:
    """Keys were evicted and which was not recorded: whether a session was among them is not known."""
    none = expect("evicted-session: 0", 0)
    limit = {"redis-1": {"maxmemory": "24mb", "maxmemory-policy": "allkeys-lru"}}
    past = healthy(outline(settings=limit, expectations=[none] if named else [], eviction_events=events))
    past.sample("redis-1", 19.0, role="primary", run_id="a", evicted_keys=evicted)
    judgement = judged(past.history())
    assert judgement.verdict is verdict
    if verdict is Verdict.INCONCLUSIVE:
        assert any("keys were evicted, and the run did not record which" in one for one in judgement.reasons)


def test_eviction_elsewhere_says_nothing_of_sessions() -> None:
    """A cache of its own evicts nobody's session."""
    past = healthy(outline(eviction_events=False))
    past.sample("cache-1", 19.0, role="primary", run_id="c", evicted_keys=9)
    assert judged(past.history()).verdict is Verdict.PASS


def test_keys_evicted_after_the_last_look_are_not_known() -> None:
    """A process with a memory limit that ended took its counter along; one without a limit evicts nothing, and
    one that was silent for a while still has it."""

    def seen(limit: int, *later: Mapping[str, object]) -> set[str]:
        past = outline()
        past.sample("redis-3", 5.0, reachable=False)
        past.sample("redis-1", 5.0, role="primary", run_id="a", memory_limit_bytes=limit)
        past.sample("cache-1", 5.0, role="primary", run_id="c")
        for n, one in enumerate(later):
            past.sample("redis-1", 6.0 + n, **one)
        return set(unread_evictions(facts_of(past.history())))

    same, other, gone = {"run_id": "a"}, {"run_id": "b"}, {"reachable": False}
    assert seen(100, same, same) == set()
    assert seen(100, other) == {NodePurpose.SESSIONS}
    assert seen(100, gone, other) == {NodePurpose.SESSIONS}
    assert seen(100, gone) == {NodePurpose.SESSIONS}
    assert seen(100, gone, same) == set()
    limited = {**same, "memory_limit_bytes": 9}
    assert seen(100, limited, other, other) == {NodePurpose.SESSIONS}
    assert seen(0, other) == set()
    assert seen(0, gone) == set()


def test_upper_end_of_evicted_keys_is_open_where_a_node_ended() -> None:
    """None seen is no zero."""
    none = expect("evicted keys: 0", 0)
    past = healthy(outline(expectations=[none]))
    past.sample("cache-1", END_S, role="primary", run_id="c")
    past.sample("redis-1", END_S, role="primary", run_id="a", memory_limit_bytes=9)
    assert judged(past.history()).expectations[0].met is True
    past.sample("redis-1", 9.0, role="primary", run_id="b", memory_limit_bytes=9)
    (result,) = judged(past.history()).expectations
    assert (result.met, result.measured) == (None, "not known (none seen)")
    assert result.why.startswith("a node ended or was not observed, so it is not known what it evicted")


def test_memory_is_that_of_all_data_nodes_at_their_highest() -> None:
    """A node that was never sampled has none; without any sample it is not known."""
    past = healthy(outline())
    assert memory_bytes(past.history()) is None
    for node, used in (("redis-1", 5), ("redis-1", 9), ("redis-1", 7), ("redis-2", 20), ("stranger", 99)):
        past.sample(node, END_S, role="primary", run_id="a", memory_bytes=used)
    assert memory_bytes(past.history()) == 29


@pytest.mark.parametrize("looked_s", [5.0, None])
def test_evictions_are_not_known_where_nobody_looked(looked_s: float | None) -> None:
    """The counter of one instance was never read, or no more after the traffic: another's zero is not its own."""
    none = expect("evicted keys on sessions: 0", 0, on="sessions")
    past = outline(expectations=[none], topology=TopologyKind.SPLIT)
    past.sample("cache-1", END_S, role="primary", run_id="c", memory_limit_bytes=9)
    if looked_s is not None:
        past.sample("redis-1", looked_s, role="primary", run_id="a", memory_limit_bytes=9)
    judgement = judged(healthy(past).history())
    assert (judgement.expectations[0].met, judgement.verdict) == (None, Verdict.INCONCLUSIVE)


def test_failover_in_a_run_without_faults_counts() -> None:
    """Nobody asked for it, and it happened."""
    past = healthy(outline(expectations=[expect("failovers: 0", 0)], fault_kinds=()))
    past.sample("redis-1", 1.0, role="primary", run_id="a")
    past.sample("redis-2", 1.0, role="replica", run_id="b")
    assert promotions(facts_of(past.history())) == 0
    past.event("promoted", 12.0, node="redis-2")
    past.sample("redis-2", 12.1, role="primary", run_id="b")
    assert promotions(facts_of(past.history())) == 1
    assert judged(past.history()).expectations[0].met is False


def test_share_that_nobody_can_count_is_anything_from_none_to_all() -> None:
    """One finding for many writes: no share of them is known, and none is more than all."""
    of = expect("share(over-budget): < 5%", 5, unit="%", arguments=("over-budget",), comparison="<")
    (result,) = judged(run(of)).expectations
    assert (result.met, result.low, result.high) == (None, 0, 100)


def outage(kind: str, value: float, **where: Any) -> tuple[Any, ...]:
    return expect(
        f"outage({kind}): < {value:g}s",
        value,
        unit="s",
        arguments=(kind,),
        comparison="<",
        timing=True,
        **where,
    )


def sparse(*expectations: tuple[Any, ...]) -> Past:
    """A read every two seconds; whoever writes does it elsewhere."""
    past = outline(expectations=expectations)
    past.steady(READ, 0.5, 20.0, every_s=2.0)
    return past


def test_outage_that_nobody_was_due_in_is_not_none() -> None:
    """From the effect at 10 s to recovery at 15 s reads were due every two seconds: an outage of nearly two
    seconds may have hidden between them."""
    short, long = judged(sparse(outage("read", 1.9), outage("read", 2.1)).history()).expectations
    assert (short.met, short.measured) == (None, "0 s to 2.00 s")
    assert short.why == "read was not tried often enough to say when it worked and when it failed"
    assert long.met is True


def test_stretches_count_where_trouble_is_to_be_expected_or_where_it_is_asked_for() -> None:
    """Before the fault and after recovery nobody did anything to anybody; an expectation about such a phase
    is about all of it, and about nothing else."""
    past = outline(
        expectations=[
            outage("read", 1),
            outage("read", 1, phase=Phase.BASELINE),
            outage("read", 1, phase=Phase.FAULT),
            outage("read", 1, phase=Phase.SETTLED),
        ]
    )
    past.do(READ, 0.0)
    past.steady(READ, 9.9, 15.2)
    past.do(READ, 19.9)
    assert [one.met for one in judged(past.history()).expectations] == [True, None, True, None]


def test_downtime_has_room_for_every_stretch() -> None:
    """Two gaps of two seconds in five: either may have been an outage."""
    together = expect("downtime(read): < 3s", 3, unit="s", arguments=("read",), comparison="<", timing=True)
    (result,) = judged(sparse(together).history()).expectations
    assert (result.met, result.low, result.high) == (None, 0, pytest.approx(5.0 - 0.0, abs=0.01))


def test_either_end_is_of_the_group_that_is_worst_there() -> None:
    """One shard is proved to be out, another was hardly tried: the longest may have been on either."""
    past = outline(expectations=[outage("write", 3)])
    for second in range(20):
        past.steady(WRITE, second, second + 1.0, shard=1, outcome=Outcome.ACKED)
    past.do(WRITE, 12.05, shard=1, outcome=Outcome.REJECTED)
    past.do(WRITE, 0.5, shard=2)
    past.do(WRITE, 19.5, shard=2)
    (result,) = judged(past.history()).expectations
    assert result.low == pytest.approx(0.002)
    assert result.high == pytest.approx(5.0)
    assert result.met is None


def test_outcomes_of_what_was_never_due_are_not_none() -> None:
    """Nothing was refused, and nothing asked. That none was acked is certain all the same."""
    expected = [expect(f"{name}(logout): 0", 0, arguments=("logout",)) for name in Outcome]
    results = judged(run(*expected)).expectations
    assert {one.text.partition("(")[0]: one.met for one in results} == {
        "acked": True,
        "rejected": None,
        "unknown": None,
        "not_sent": None,
    }
    assert results[1].why == "no logout was due there"


def test_loss_that_may_belong_elsewhere_counts_at_the_upper_end() -> None:
    """Which shard it was on is not known, so the window there is from none to all of it."""
    there = expect("loss window on shard 1: <= 3s", 3, unit="s", comparison="<=", on="shard 1")
    history = run(there)
    certain = judged(history, found("lost-write", t_us=us(12.0))).expectations[0]
    assert (certain.low, certain.high) == (2.0, 2.0)
    maybe = judged(history, found("lost-write", t_us=us(14.0), shard=None)).expectations[0]
    assert (maybe.low, maybe.high, maybe.met) == (0.0, 4.0, None)
    elsewhere = judged(history, found("lost-write", t_us=us(14.0), shard=2)).expectations[0]
    assert elsewhere.measured == "nothing lost"
    both = [found("lost-write", t_us=us(12.0)), found("lost-write", 2, t_us=us(14.0), shard=None)]
    assert judged(history, *both).expectations[0].low == 2.0


@pytest.mark.parametrize(
    ("finding", "scope", "member"),
    [
        (found("lost-write", web_server=None), Scope(on="rest"), Membership.UNKNOWN),
        (found("lost-write", client_side="rest"), Scope(on="rest"), Membership.IN),
        (found("lost-write", client_side="with-primary"), Scope(on="rest"), Membership.OUT),
        (found("stale-read"), Scope(on="web-2"), Membership.OUT),
        (found("stale-read", observations=2), Scope(on="web-2"), Membership.UNKNOWN),
        (found("expired-early", observations=2), Scope(phase=Phase.SETTLED), Membership.UNKNOWN),
        (found("lost-write", observations=2), Scope(on="web-2"), Membership.OUT),
        (found("stale-read", observations=2), Scope(on="web-1"), Membership.IN),
    ],
)
def test_finding_whose_place_is_not_known_is_not_elsewhere(
    finding: Finding, scope: Scope, member: Membership
) -> None:
    """One that stands for several, or that no web server has, may lie where it was not seen first."""
    assert scope.finding(finding, facts_of(run()).landmarks) is member


VALKEY = expect("lost-write with Valkey: > 0", 0, comparison=">", metric="lost-write", engine="Valkey")
VALKEY_NONE = expect("lost-session with Valkey: 0", 0, metric="lost-session", engine="Valkey")
ALLOWED = expect("lost-write: >= 0", 0, comparison=">=")
ACKED = expect("acked(read): > 0", 0, comparison=">", arguments=("read",))
SLOW = expect("latency(read, max): > 0s", 0, unit="s", comparison=">", arguments=("read", "max"))


@pytest.mark.parametrize(
    ("shows", "expected", "verdict"),
    [
        (Shows.WEAKNESS, [VALKEY, ALLOWED], Verdict.SKIPPED),
        (Shows.WEAKNESS, [VALKEY, expect("failovers: >= 0", 0, comparison=">=")], Verdict.SKIPPED),
        (Shows.WEAKNESS, [VALKEY, ACKED], Verdict.SKIPPED),
        (Shows.WEAKNESS, [VALKEY, SLOW], Verdict.PASS),
        (Shows.PROMISE, [VALKEY_NONE], Verdict.SKIPPED),
        (Shows.PROMISE, [VALKEY_NONE, NO_LOST_WRITE], Verdict.PASS),
        (Shows.PROMISE, [], Verdict.PASS),
    ],
)
def test_nothing_demanded_of_this_engine_is_skipped(
    shows: Shows, expected: Sequence[tuple[Any, ...]], verdict: Verdict
) -> None:
    """A weakness is not shown by not looking for it, a promise not kept that nobody gave for this engine."""
    judgement = judged(run(*expected, shows=shows, engine="Redis 7.0.15"))
    assert judgement.verdict is verdict
    for one, result in zip(expected, judgement.expectations, strict=True):
        assert result.aside is (one[0].engine is not None)
        assert result.met is (None if result.aside else True)
    if verdict is Verdict.SKIPPED:
        assert judgement.reasons == (f"no expectation applies to Redis 7.0.15: {expected[0][0].text}",)
    on_valkey = judged(run(*expected, shows=shows, engine="Valkey 8.1.1"), found("lost-write"))
    assert on_valkey.verdict is not Verdict.SKIPPED


def test_skipped_hides_no_failure_and_no_gap() -> None:
    """What no expectation allows fails such a run all the same; what else is missing is listed."""
    history = run(VALKEY_NONE, engine="Redis 7.0.15")
    assert judged(history, found("lost-session")).verdict is Verdict.FAIL
    judgement = judged(replace(history, audit_summary=AuditSummary(passes=3)))
    assert judgement.verdict is Verdict.SKIPPED
    assert any("no audit is valid" in one for one in judgement.reasons[1:])


def test_no_acked_write_lost_needs_an_audit() -> None:
    """Without one it is not known, and the reason is said; an undecided write is a reason as well."""
    history = run()
    assert lost_over(judged(history).metrics) == "no acked write lost"
    blind = judged(replace(history, audit_summary=AuditSummary(passes=3))).metrics
    assert lost_over(blind) == "it is not known whether acked writes were lost"
    assert blind.losses_unknown == "no audit is valid: the topology changed during each of 3 passes"
    assert blind.sessions_unknown == blind.losses_unknown
    assert judged(history, undecidable=2).metrics.losses_unknown == "2 cannot be decided"
    unwitnessed = judged(run(witnesses=False)).metrics
    assert "no witnesses" in unwitnessed.losses_unknown
    assert unwitnessed.sessions_unknown == ""
    nobody = judge_checked(history, ((), {}, SessionCounts(total=9), ())).metrics
    assert "no session was at risk" in nobody.losses_unknown
    assert nobody.sessions_unknown == ""


def test_refused_logout_leaves_its_user_logged_in() -> None:
    """Refused or without an answer, and never acked later. One that the run's end cut off is nobody's
    trouble, nor one of the seed."""
    past = outline()
    past.do(LOGOUT, 5.0, session="fine")
    past.do(LOGOUT, 5.0, session="refused", outcome=Outcome.REJECTED)
    past.do(LOGOUT, 6.0, session="refused", outcome=Outcome.UNKNOWN)
    past.do(LOGOUT, 5.0, session="unanswered", outcome=Outcome.UNKNOWN)
    past.do(LOGOUT, 5.0, session="again", outcome=Outcome.REJECTED)
    past.do(LOGOUT, 6.0, session="again")
    past.do(LOGOUT, 6.0, session="never sent", outcome=Outcome.NOT_SENT)
    past.do(LOGOUT, 19.9, took_s=0.1, session="cut off", outcome=Outcome.UNKNOWN, result="cancelled")
    past.do(LOGOUT, -1.0, session="seed", outcome=Outcome.REJECTED)
    past.do(READ, 5.0, session="reader", outcome=Outcome.REJECTED)
    assert logouts_failed(facts_of(past.history())) == 2


def test_longest_outage_is_of_the_worst_kind_and_web_server() -> None:
    """It says which, and a web server is judged by its own users alone."""
    past = healthy(outline())
    assert judged(past.history()).metrics.worst_outage is None
    past.steady(WRITE, 0.01, 20.0, web="web-2")
    for due_s in (12.05, 12.55):
        past.do(READ, due_s, web="web-2", outcome=Outcome.REJECTED)
    past.do(WRITE, 14.0, web="web-3", outcome=Outcome.REJECTED, took_s=0.2)
    worst = judged(past.history()).metrics.worst_outage
    assert worst is not None
    assert (worst.kind, worst.group, worst.failed) == (READ, "web-2", 2)
    assert worst.duration_s.low == pytest.approx(0.502)


def test_longest_outage_names_the_shard_where_there_are_several() -> None:
    """A web server may reach one shard and not the other."""
    past = healthy(outline())
    past.steady(WRITE, 0.0, 20.0, shard=2)
    past.do(WRITE, 12.03, shard=2, outcome=Outcome.REJECTED)
    worst = judged(past.history()).metrics.worst_outage
    assert worst is not None
    assert worst.group == "web-1, shard 2"
