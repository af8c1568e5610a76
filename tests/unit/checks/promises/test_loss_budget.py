"""What a fault may cost, and whether a run lost more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.judge import judge
from harness.checks.measures.bounds import bounds_of
from harness.checks.promises.loss_budget import loss_budgets
from harness.checks.promises.loss_rules import RULES
from harness.checks.run import run_checks
from harness.faults import FAULTS
from harness.model.history import History
from harness.model.judgement import Finding, Interval, Judgement, LossBudget, governing
from harness.model.plan import PlannedBound
from harness.model.records import ClockReading
from harness.model.scenario import Expectation, Term
from harness.model.words import Discovery, NodePurpose, Phase, TopologyKind, Verdict
from lab.past import Past
from lab.records import us
from tests.unit.checks import stories
from tests.unit.checks.stories import guests

CLUSTER, SENTINEL, SINGLE = TopologyKind.CLUSTER, TopologyKind.SENTINEL, TopologyKind.SINGLE
WINDOW = Expectation(
    text="loss window: <= loss budget",
    metric="loss window",
    comparison="<=",
    bound=(Term(factor=1.0, setting="loss budget"),),
    unit="s",
    timing=True,
)


def _with(history: History, *, client: Discovery = Discovery.ON_ERROR, **directives: str) -> History:
    """The same run, with other settings of all its nodes."""
    plan = history.plan
    nodes = tuple(
        replace(node, directives={name.replace("_", "-"): value for name, value in directives.items()})
        for node in plan.nodes
    )
    deployment = plan.scenario.deployment
    deployment = replace(deployment, client=replace(deployment.client, discovery=client))
    return replace(
        history, plan=replace(plan, nodes=nodes, scenario=replace(plan.scenario, deployment=deployment))
    )


def _expecting(history: History, *expected: Expectation, value: float | None = None) -> History:
    plan = history.plan
    bounds = tuple(PlannedBound(text=one.text, value=value) for one in expected)
    return replace(
        history, plan=replace(plan, scenario=replace(plan.scenario, expect=expected), bounds=bounds)
    )


def _timely(history: History, *, canary_lag_s: float = 0.0, loop_lag_s: float = 0.0) -> History:
    """With traffic before and under the fault, and a host that was so late."""
    begun = next(one.t_us for one in history.events if one.name == "effect")
    operations = tuple(
        msgspec.structs.replace(one, phase=Phase.FAULT if (one.sent_us or 0) > begun else Phase.BASELINE)
        for one in history.operations
    )
    clocks = tuple(
        msgspec.structs.replace(one, canary_lag_us=us(canary_lag_s), loop_lag_us=us(loop_lag_s))
        for one in history.clocks
    )
    return replace(history, operations=operations, clocks=clocks)


def _budgets(history: History) -> tuple[LossBudget, ...]:
    return loss_budgets(facts_of(history))


def _struck(
    kind: str, topology: TopologyKind, *, over: str | None = None, by: float = 4.0, **options: Any
) -> Past:
    """One fault at 2 s on redis-1; another is promoted where `over` names it."""
    past = Past(topology=topology, guarded_by_sentinels=True)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: done", kind, **options)
    if over is not None:
        past.fail_over(over, by)
    return past


def _healed(past: Past, at: float) -> Past:
    past.event("healed", at, source="fault 1", fault=1, node="redis-1")
    return past


def _again(past: Past, kind: str, at: float) -> Past:
    past.fault(at, "redis-1: again", kind, target="killed")
    return past


def test_every_fault_has_a_rule() -> None:
    """A new fault comes with what it may cost, or with why nobody can say."""
    assert RULES.keys() == FAULTS.keys()


BOUNDS: dict[str, tuple[Callable[[], History], float | None, str]] = {
    "cluster, isolated": (
        lambda: _struck("isolate", CLUSTER, over="redis-2").history(),
        3.3,
        "1.5 × cluster-node-timeout 2 s + 0.3 s",
    ),
    "cluster, isolated, with another node-timeout": (
        lambda: _with(_struck("isolate", CLUSTER).history(), cluster_node_timeout="3000"),
        4.8,
        "1.5 × cluster-node-timeout 3 s",
    ),
    "min-replicas bounds sooner than healing": (
        lambda: _with(
            _healed(_struck("isolate", SENTINEL, over="redis-2"), 9.0).history(),
            min_replicas_to_write="1",
            min_replicas_max_lag="1",
        ),
        3.7,
        "min-replicas-max-lag 1 s + 2 s + 0.7 s",
    ),
    "min-replicas bounds later than a cluster does": (
        lambda: _with(_struck("isolate", CLUSTER).history(), min_replicas_to_write="1"),
        3.3,
        "cluster-node-timeout",
    ),
    "sentinel, isolated": (
        lambda: _healed(_struck("isolate", SENTINEL, over="redis-2"), 9.0).history(),
        27.0,
        "7.00 s until the network healed + 20 s",
    ),
    "sentinel, isolated for good": (
        lambda: _struck("isolate", SENTINEL, over="redis-2").history(),
        None,
        "not healed",
    ),
    "sentinel, paused and resumed": (
        lambda: _healed(_struck("pause", SENTINEL, over="redis-2"), 8.0).history(),
        26.0,
        "6.00 s until it was resumed + 20 s",
    ),
    "sentinel, promoted after the resume": (
        lambda: _healed(_struck("pause", SENTINEL, over="redis-2", by=5.0), 4.5).history(),
        23.0,
        "20 s until Sentinel has demoted redis-1",
    ),
    "cluster, paused and resumed": (
        lambda: _healed(_struck("pause", CLUSTER, over="redis-2"), 8.0).history(),
        9.3,
        "6.00 s until it was resumed + 1.5 × cluster-node-timeout 2 s",
    ),
    "paused, then killed": (
        lambda: _again(_struck("pause", SENTINEL, over="redis-2"), "kill", 6.0).history(),
        0.1,
        "how far its successor may have been behind redis-1 when that stopped",
    ),
    "single, paused": (
        lambda: _struck("pause", SINGLE).history(),
        0.0,
        "no replica can take the place of redis-1",
    ),
    "killed, its replica promoted": (
        lambda: _struck("kill", SENTINEL, over="redis-2").history(),
        0.1,
        "how far its successor may have been behind redis-1 when that stopped",
    ),
    "stopped, its replica promoted": (
        lambda: _struck("stop", CLUSTER, over="redis-2").history(),
        0.1,
        "how far its successor may have been behind redis-1 when that stopped",
    ),
    "killed, came back first, without persistence": (
        lambda: _again(_struck("kill", SENTINEL), "restart", 3.0).history(),
        None,
        "comes back empty",
    ),
    "killed, came back first, with an append-only file": (
        lambda: _with(
            _again(_struck("kill", SINGLE), "restart", 3.0).history(), appendonly="yes", appendfsync="always"
        ),
        0.0,
        "append-only file",
    ),
    "killed, came back first, with a file that is synced each second": (
        lambda: _with(_again(_struck("kill", SINGLE), "restart", 3.0).history(), appendonly="yes"),
        2.0,
        "waits for a sync",
    ),
    "killed, with snapshots": (
        lambda: _with(_healed(_struck("kill", SINGLE), 3.0).history(), save="60 1"),
        None,
        "last snapshot",
    ),
    "stopped, with snapshots": (
        lambda: _with(_healed(_struck("stop", SINGLE), 3.0).history(), save="60 1"),
        0.0,
        "saves its data when it is stopped",
    ),
    "killed for good": (lambda: _struck("kill", SINGLE).history(), None, "stayed down"),
    "restarted empty": (
        lambda: _with(_struck("restart", SENTINEL, data="empty").history(), appendonly="yes"),
        None,
        "empty on purpose",
    ),
    "restarted with its data, and failed over all the same": (
        lambda: _with(_struck("restart", SENTINEL, over="redis-2").history(), appendonly="yes"),
        22.0,
        "2.00 s until its failover to redis-2 + 20 s",
    ),
    "replication cut": (lambda: _struck("cut replication", SENTINEL).history(), 0.0, "keeps what it has"),
    "CLUSTER FAILOVER": (
        lambda: _struck("planned failover", CLUSTER, over="redis-2", by=2.0).history(),
        0.0,
        "waits until the replica has all data",
    ),
    "CLUSTER FAILOVER TAKEOVER": (
        lambda: _struck("planned failover", CLUSTER, over="redis-2", by=2.0, form="takeover").history(),
        3.3,
        "1.5 × cluster-node-timeout",
    ),
    "SENTINEL FAILOVER": (
        lambda: _struck("planned failover", SENTINEL, over="redis-2", by=2.0).history(),
        20.0,
        "20 s from the promotion until Sentinel has demoted redis-1",
    ),
    "flush": (lambda: _struck("flush", SINGLE, target="sessions").history(), None, "of any age"),
    "cache filled under an evicting policy": (
        lambda: _with(
            _struck("fill cache", TopologyKind.SHARED, target="cache").history(),
            maxmemory_policy="volatile-ttl",
        ),
        None,
        "volatile-ttl evicts sessions of any age",
    ),
    "cache filled under noeviction": (
        lambda: _struck("fill cache", TopologyKind.SHARED, target="cache").history(),
        0.0,
        "noeviction",
    ),
    "nothing": (lambda: _struck("nothing", SENTINEL).history(), 0.0, "nothing was done"),
}


@pytest.mark.parametrize("case", BOUNDS)
def test_budget_of_each_fault(case: str) -> None:
    """The bound and its derivation, or the reason why there is none."""
    make, bound_s, said = BOUNDS[case]
    budget = _budgets(make())[0]
    assert budget.bound_s == pytest.approx(bound_s)
    assert said in budget.derivation


def test_fault_on_a_replica_costs_nothing() -> None:
    """What it held, its primary has."""
    past = Past()
    past.fault(2.0, "redis-2: gone")
    (budget,) = _budgets(past.history())
    assert budget.bound_s == 0
    assert "redis-2 was no primary" in budget.derivation


def test_fault_on_a_cache_of_its_own_costs_nothing() -> None:
    """The sessions are elsewhere."""
    history = _struck("kill", TopologyKind.SPLIT).history()
    nodes = tuple(replace(node, purpose=NodePurpose.CACHE) for node in history.plan.nodes)
    (budget,) = _budgets(replace(history, plan=replace(history.plan, nodes=nodes)))
    assert budget.derivation == "redis-1 holds no sessions"


def test_web_server_holds_nothing() -> None:
    """The fault is about no shard, and costs nothing on any."""
    past = Past()
    past.fault(2.0, "web-2: 50 connections reset", "kill web server", target="web-2")
    history = past.history()
    events = tuple(
        msgspec.structs.replace(one, node="web-2", shard=None) if one.name == "effect" else one
        for one in history.events
    )
    (budget,) = _budgets(replace(history, events=events))
    assert (budget.shard, budget.bound_s) == (None, 0.0)


@pytest.mark.parametrize(
    ("client", "bound_s"),
    [(Discovery.ON_ERROR, 0.0), (Discovery.FOLLOW_EVENTS, 0.0), (Discovery.RESOLVE_ONCE, 20.0)],
)
def test_reborn_primary_costs_only_those_who_never_ask(client: Discovery, bound_s: float) -> None:
    """Whoever asks the sentinels is not sent to a primary that was replaced while it was down."""
    past = _again(_struck("kill", SENTINEL, over="redis-2"), "restart", 6.0)
    assert _budgets(_with(past.history(), client=client))[1].bound_s == bound_s


def test_reborn_cluster_primary_costs_nothing_after_two_seconds() -> None:
    """It hears who replaced it before it answers anybody."""
    past = _again(_struck("kill", CLUSTER, over="redis-2"), "restart", 6.0)
    budget = _budgets(past.history())[1]
    assert (budget.effect_s, budget.from_s, budget.until_s) == (4.0, 4.0, 6.0)


def test_lag_of_the_successor_is_what_a_kill_may_cost() -> None:
    """The replica had fallen behind 0.8 s before: so much and one look may be lost."""
    past = Past()
    past.cut_off("redis-2", 1.2)
    past.fault(2.0)
    past.fail_over("redis-2", 4.0)
    (budget,) = _budgets(past.history())
    assert budget.bound_s == pytest.approx(0.8)
    assert budget.from_s == pytest.approx(-0.8)
    assert budget.until_s == 0


def test_failover_that_nobody_asked_for_has_a_budget_of_its_own() -> None:
    """A busy machine deposes a primary without any fault; what that costs is no surprise."""
    past = _struck("kill", SENTINEL, over="redis-2")
    past.fail_over("redis-3", 9.0)
    asked, unasked = _budgets(past.history())
    assert (asked.fault, unasked.fault) == (1, None)
    assert unasked.until_s == pytest.approx(7.0 + 20.0)


@pytest.mark.parametrize(
    ("kind", "topology", "options"),
    [
        ("kill", CLUSTER, {}),  # it came back with its file, when its replica already had the votes
        ("restart", CLUSTER, {}),
        ("fill volume", CLUSTER, {}),  # which ended it
        ("cut", SENTINEL, {"from": "clients"}),  # which sentinels do not notice
    ],
)
def test_failover_under_a_fault_that_may_cost_nothing_has_a_budget_of_its_own(
    kind: str, topology: TopologyKind, options: dict[str, str]
) -> None:
    """Whoever was promoted may have been behind all the same."""
    past = Past(topology=topology, guarded_by_sentinels=True)
    past.fault(2.0, "redis-1: done", kind, **options)
    past.fail_over("redis-2", 4.0)
    past.behind["redis-2"] = 1.9
    history = _healed(past, 3.0).history()
    fault, unasked = _budgets(_with(history, appendonly="yes", appendfsync="always"))
    assert (fault.bound_s, fault.until_s, unasked.fault) == (0.0, None, None)
    assert unasked.from_s == pytest.approx(-0.1)


def test_failover_that_was_asked_for_waits_for_the_replica_and_costs_nothing() -> None:
    (asked,) = _budgets(_struck("planned failover", CLUSTER, over="redis-2", by=2.0).history())
    assert (asked.bound_s, asked.until_s) == (0.0, None)


def test_governing_budget_is_the_one_that_ends_last() -> None:
    """A loss window counts from the first effect, so a later fault's budget is moved by its time."""
    past = _struck("cut replication", SENTINEL)
    past.fault(5.0, "redis-1: gone")
    past.fail_over("redis-2", 7.0)
    chosen = governing(_budgets(past.history()))
    assert chosen is not None
    assert chosen.fault == 2
    assert chosen.window_s == pytest.approx(3.0)


def test_no_bound_governs_all_others() -> None:
    """A window that nothing bounds has no budget, whatever else was done."""
    past = _struck("isolate", CLUSTER, over="redis-2")
    past.fault(9.0, "redis-1: flushed", "flush", target="sessions")
    chosen = governing(_budgets(past.history()))
    assert chosen is not None
    assert chosen.window_s is None
    assert governing(_budgets(past.history()), shard=2) is None


def _over(judgement: Judgement) -> list[Finding]:
    return [one for one in judgement.findings if one.name == "over-budget"]


def test_loss_within_the_budget_is_no_finding() -> None:
    """Asynchronous replication may lose this much."""
    judged = judge(stories.cut_off_in_a_cluster(until=5.2).history())
    assert {one.name for one in judged.findings} == {"lost-write", "lost-update"}
    assert judged.metrics.loss_window_s == Interval(low=3.201, high=3.201)


def test_loss_before_a_kill_is_over_budget_beyond_the_lag() -> None:
    """A write that the successor had received before its primary was killed cannot be lost by that."""
    past = Past()
    ann = past.log_in("ann", 0.5)
    past.change(ann, 1.0, lost=True)
    past.fault(2.0)
    past.fail_over("redis-2", 4.0)
    (found,) = _over(judge(past.history()))
    assert "999 ms before the first fault's effect" in found.sentence


@pytest.mark.parametrize("told", [Past, guests.GuestPast])
@pytest.mark.parametrize(("sent_s", "over"), [(1.9, 0), (2.0, 0), (2.1, 1)])
def test_write_that_was_answered_after_the_kill_may_have_been_stored_before(
    told: type[Past], sent_s: float, over: int
) -> None:
    """A client reads its ack when it comes to it, and an application answers when its page is made. What was
    sent after the kill the killed node cannot have stored."""
    past = told()
    past.log_in("bob", 0.5)
    past.cut_off("redis-2", 1.0)
    ann = past.log_in("ann", sent_s, attempts=[(sent_s, sent_s, 2.6)])
    past.fault(2.0)
    past.fail_over("redis-2", 3.0)
    past.read(ann, 4.0)
    judged = judge(past.history())
    assert {one.name for one in judged.findings} - {"over-budget"} == {"lost-session"}
    assert len(_over(judged)) == over


def test_loop_that_was_late_elsewhere_excuses_nothing() -> None:
    """One late second of a run says nothing of what was sent in the others; nor does the one in which the ack
    was read."""
    history = _timely(stories.over_budget().history())
    for late_at in range(len(history.clocks)):
        clocks = tuple(
            msgspec.structs.replace(one, loop_lag_us=us(1.3 if n == late_at else 0))
            for n, one in enumerate(history.clocks)
        )
        judged = judge(replace(history, clocks=clocks))
        meanwhile = 2 <= late_at <= 8  # it may have been the timer that was late
        assert judged.counts["over-budget"] == Interval(low=int(not meanwhile), high=1)


def test_error_of_a_load_workers_clock_counts_for_the_run() -> None:
    """It may be off to both sides."""
    history = stories.over_budget().history()

    def apart(width_s: float) -> History:
        told = ClockReading(clock="worker-1", sent_us=0, theirs_us=0, done_us=us(width_s))
        return replace(history, clock_readings=(told,))

    assert _over(judge(apart(1.1)))
    assert _over(judge(apart(1.3))) == []
    past = Past()
    past.change(past.log_in("ann", 0.5), 1.0, lost=True)
    past.fault(2.0)
    past.fail_over("redis-2", 4.0)
    history = past.history()
    assert _over(judge(apart(0.8)))
    assert _over(judge(apart(1.2))) == []


def test_unbounded_fault_leaves_its_shard_unjudged() -> None:
    """Nothing can be over a budget that does not exist."""
    past = stories.over_budget()
    past.fault(20.0, "redis-1: flushed", "flush", target="sessions")
    assert _over(judge(past.history())) == []


def test_loss_without_any_fault_on_the_shard_is_over_budget() -> None:
    """A web server that dies takes no acked write along."""
    past = Past()
    ann = past.log_in("ann", 1.0)
    past.fault(2.0, "web-2: reset", "nothing")
    past.change(ann, 3.0, lost=True)
    (found,) = _over(judge(past.history()))
    assert "may cost nothing" in found.sentence


def test_over_budget_on_a_late_host_is_undecided() -> None:
    """Nodes that get no processor are late with what bounds a loss: neither broken nor kept."""
    past = _timely(stories.over_budget().history())
    wanted = [
        Expectation(text=f'{name}: ">= 0"', metric=name, comparison=">=", bound=(Term(factor=0.0),))
        for name in ("lost-write", "lost-update")
    ]
    history = _expecting(past, *wanted, value=0.0)
    judged = judge(history)
    assert judged.verdict is Verdict.FAIL
    assert "1 over-budget" in judged.reasons[0]
    judged = judge(_timely(history, canary_lag_s=2.0))
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert any(
        "over-budget: 1 cannot be decided, and none is allowed: delayed by" in reason
        for reason in judged.reasons
    )


def test_fault_without_a_rule_decides_nothing() -> None:
    """Nobody has said what it may cost, so a loss is neither within a budget nor over one."""
    past = Past(topology=CLUSTER)
    ann = past.log_in("ann", 1.0)
    past.fault(2.0, "redis-2: struck", "storm")
    past.change(ann, 3.0, lost=True)
    lost = [
        Expectation(text=f'{name}: ">= 0"', metric=name, comparison=">=", bound=(Term(factor=0.0),))
        for name in ("lost-write", "lost-update")
    ]
    judged = judge(_expecting(_timely(past.history()), *lost, value=0.0))
    assert _over(judged) == []
    assert judged.verdict is Verdict.INCONCLUSIVE
    assert any("over-budget: 1 cannot be decided" in reason for reason in judged.reasons)
    (budget,) = judged.metrics.loss_budgets
    assert (budget.shard, budget.bound_s) == (None, None)
    (window,) = judge(_expecting(past.history(), WINDOW)).expectations
    assert window.met is None
    assert "the kit has no rule for what `storm` may cost" in window.why


def test_fault_without_a_rule_spoils_nothing_where_nothing_was_lost() -> None:
    """There is nothing that could be over a budget."""
    past = Past()
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: struck", "storm")
    _, counts, _, _ = run_checks(past.history())
    assert counts["over-budget"] == Interval(low=0, high=0)


def test_loss_budget_as_a_bound() -> None:
    """`loss window: <= loss budget` is a number once the run is judged, and decides."""
    history = _expecting(_timely(stories.over_budget().history()), WINDOW)
    assert bounds_of(facts_of(history)) == (3.3,)
    (result,) = judge(history).expectations
    assert result.met is False
    twice = replace(WINDOW, bound=(Term(factor=2.0, setting="loss budget"), Term(factor=-0.1)))
    assert bounds_of(facts_of(_expecting(history, twice))) == (6.5,)


@pytest.mark.parametrize(
    ("kind", "topology", "terms", "bound"),
    [
        ("isolate", CLUSTER, (Term(factor=1.0, setting="node_timeout"),), 5.3),
        ("isolate", CLUSTER, (Term(factor=0.0000014),), 3.300001),
        ("kill", SENTINEL, (Term(factor=1.0, setting="node_timeout"),), None),
    ],
)
def test_bound_of_several_terms_needs_each_of_their_settings(
    kind: str, topology: TopologyKind, terms: tuple[Term, ...], bound: float | None
) -> None:
    """It is a number to the microsecond; a deployment that lacks one of the settings has no such number."""
    history = _struck(kind, topology, over="redis-2").history()
    (alone,) = bounds_of(facts_of(_expecting(history, WINDOW)))
    assert alone is not None
    more = replace(WINDOW, bound=(*WINDOW.bound, *terms))
    assert bounds_of(facts_of(_expecting(history, more))) == (bound,)


def test_loss_budget_that_does_not_exist_decides_nothing() -> None:
    """An expectation against it is undecided, with the reason."""
    past = _struck("flush", SINGLE, target="sessions")
    (result,) = judge(_expecting(past.history(), WINDOW)).expectations
    assert result.met is None
    assert "a flush removes keys of any age" in result.why
