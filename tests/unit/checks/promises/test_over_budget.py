"""Which lost write is over a budget, by how much it is, and how the finding says it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from harness.checks.facts.causes import OR_RACE
from harness.checks.facts.of_run import facts_of
from harness.checks.facts.timelines import Timelines
from harness.checks.promises.check import Counted
from harness.checks.promises.loss_budget import OVER_BUDGET, excuses, loss_budgets
from harness.checks.promises.table import SEQUELS
from harness.model.history import History
from harness.model.judgement import Finding
from harness.model.records import NodeSample
from harness.model.words import FindingSide, TopologyKind
from lab.past import Past
from lab.records import us


def _past(topology: TopologyKind = TopologyKind.CLUSTER) -> Past:
    """Isolated at 2 s with a node-timeout of 2 s: what was acked from 1.9 s to 5.3 s may be lost."""
    past = Past(topology=topology, guarded_by_sentinels=True)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: cut off", "isolate")
    past.fail_over("redis-2", 4.0)
    return past


def _lost(
    t_s: float | None,
    *,
    name: str = "lost-write",
    shard: int | None = 1,
    operation: int = 1,
    took_s: float = 0.0,
) -> Finding:
    """Acked then, and sent so long before."""
    return Finding(
        name=name,
        side=FindingSide.CLOSED,
        session=f"s{operation}",
        shard=shard,
        operations=(operation, 99),
        t_us=None if t_s is None else us(t_s),
        sent_us=None if t_s is None else us(t_s - took_s),
    )


def _judged(*lost: Finding, past: Past | History | None = None) -> Counted:
    history = past if isinstance(past, History) else (past or _past()).history()
    (check,) = (one for one in SEQUELS if OVER_BUDGET in one.kinds)
    return check.find(Timelines(history), lost)


@pytest.mark.parametrize(
    ("t_s", "took_s", "over"),
    [
        (5.3, 0.0, False),
        (5.300001, 0.0, True),
        (5.599, 0.3, False),
        (5.601, 0.3, True),
        (1.9, 0.0, False),
        (1.899999, 0.0, True),
        (1.899999, 0.3, True),
        (2.1, 0.3, False),
        (9.0, 8.0, False),
        (3.0, 0.0, False),
    ],
)
def test_write_is_over_budget_if_it_was_carried_out_outside_of_the_stretch(
    t_s: float, took_s: float, over: bool
) -> None:
    """From what the successor certainly had to the end of the danger; whenever it may have been carried out
    between its sending and its ack."""
    assert bool(_judged(_lost(t_s, took_s=took_s)).findings) is over


def test_ack_of_a_finding_that_does_not_say_when_it_was_sent_is_all_there_is() -> None:
    unsent = replace(_lost(5.4), sent_us=None)
    assert _judged(unsent).findings
    assert _judged(replace(_lost(5.2), sent_us=None)).findings == []


@pytest.mark.parametrize("late_at", [0, 6, 20])
def test_loop_that_was_late_excuses_no_write_that_was_sent_too_late(late_at: int) -> None:
    """Its ack was read late, and it was not carried out before it was sent. When else the loop was late says
    nothing of it at all."""
    history = _past().history()
    clocks = tuple(
        msgspec.structs.replace(one, loop_lag_us=us(1.0 if n == late_at else 0))
        for n, one in enumerate(history.clocks)
    )
    counted = _judged(_lost(6.9, took_s=0.4), past=replace(history, clocks=clocks))
    assert [one.observations for one in counted.findings] == [1]


def test_finding_says_the_furthest_of_them() -> None:
    """How many, how far after the effect, and what would have explained it."""
    counted = _judged(_lost(6.0, operation=1), _lost(7.5, operation=2), _lost(3.0, operation=3))
    (found,) = counted.findings
    assert found.sentence == (
        "On shard 1 2 acked writes that are lost were acked beyond the loss budget, the worst 5.50 s after the"
        " first fault's effect, while fault 1 (isolate redis-1) explains losses from -0.10 s to +3.30 s"
        " (1.5 × cluster-node-timeout 2 s + 0.3 s); measured to 0 s."
    )
    assert (found.name, found.operations, found.observations) == ("over-budget", (2,), 2)
    (found,) = _judged(_lost(1.0)).findings
    assert found.sentence.startswith(
        "On shard 1 an acked write that is lost was acked beyond the loss budget, the worst 1.00 s before the"
    )


@pytest.mark.parametrize(
    ("node", "t_s", "took_s", "over"),
    [
        ("redis-1", 4.5, 0.0, False),
        ("redis-2", 4.5, 0.0, True),
        ("redis-2", 4.5, 0.6, False),  # it may have been carried out before
        ("redis-2", 3.9, 0.0, False),
        ("redis-3", 4.5, 0.0, False),
        (None, 4.5, 0.0, False),
    ],
)
def test_what_the_successor_acked_the_fault_cannot_have_cost(
    node: str | None, t_s: float, took_s: float, over: bool
) -> None:
    """A fault of a node takes along what that one acked. From its promotion on, another one's writes are safe."""
    found = _judged(replace(_lost(t_s, took_s=took_s), node=node)).findings
    assert bool(found) is over
    if found:
        assert "by redis-2, which had taken over: fault 1 (isolate redis-1) cannot have" in found[0].sentence


@pytest.mark.parametrize("undone_s", [None, 5.2])
def test_what_an_undone_failover_takes_along_is_within_the_budget(undone_s: float | None) -> None:
    """The sentinel that led it died before it told the others: these have the new primary follow the old one,
    which never followed anybody."""
    history = _past().history()
    samples = tuple(
        msgspec.structs.replace(
            one,
            role="primary"
            if one.node == "redis-1"
            else "replica"
            if undone_s is not None and one.sent_us > us(undone_s)
            else one.role,
        )
        for one in history.samples
    )
    found = _judged(replace(_lost(4.5), node="redis-2"), past=replace(history, samples=samples)).findings
    assert bool(found) is (undone_s is None)


def test_what_somebody_else_acked_too_late_is_said_of_the_window() -> None:
    """It had not taken over, so it is the time that is wrong."""
    (found,) = _judged(replace(_lost(6.0), node="redis-1")).findings
    assert "while fault 1 (isolate redis-1) explains losses from -0.10 s to +3.30 s" in found.sentence
    (early,) = _judged(replace(_lost(1.0), node="redis-2")).findings
    assert "while fault 1 (isolate redis-1) explains" in early.sentence


@pytest.mark.parametrize("struck", ["redis-1", "redis-1, redis-2"])
def test_successor_that_the_same_fault_restarts_in_its_turn_may_lose_what_it_confirmed(struck: str) -> None:
    past = Past(topology=TopologyKind.SENTINEL, guarded_by_sentinels=True)
    past.log_in("ann", 1.0)
    past.fault(2.0, f"{struck}: again", "restart", target="all nodes")
    past.fail_over("redis-2", 5.0)
    history = past.history()
    nodes = tuple(replace(one, directives={"appendonly": "yes"}) for one in history.plan.nodes)
    history = replace(history, plan=replace(history.plan, nodes=nodes))
    found = _judged(replace(_lost(6.9), node="redis-2"), past=history).findings
    assert bool(found) is (struck == "redis-1")


def _late(past: Past, late_s: float, *, at: int = 4) -> History:
    """On a machine of which one second was late by so much."""
    history = past.history()
    clocks = tuple(
        msgspec.structs.replace(one, canary_lag_us=us(late_s) if n == at else 0)
        for n, one in enumerate(history.clocks)
    )
    return replace(history, clocks=clocks)


@pytest.mark.parametrize(
    ("t_s", "node", "late_s", "answer"),
    [
        (5.9, None, 1.0, "open"),
        (6.4, None, 1.0, "over"),
        (5.31, None, 0.11, "open"),  # what is measured counts, however little that is
        (5.42, None, 0.11, "over"),
        (1.8, None, 1.0, "over"),  # the successor had it, by its offsets
        (4.5, "redis-2", 1.0, "over"),  # acked by whoever had taken over, at whatever time
        (5.4, "redis-2", 1.0, "over"),
    ],
)
def test_late_machine_excuses_what_a_timer_was_late_with(
    t_s: float, node: str | None, late_s: float, answer: str
) -> None:
    """By as much as it was late, and nothing that is no question of time."""
    history = _late(_past(), late_s)
    lost = replace(_lost(t_s), node=node)
    counted = _judged(lost, past=history)
    assert len(counted.findings) == (answer == "over")
    assert counted.undecidable == ({"over-budget": 1} if answer == "open" else {})
    said = excuses(facts_of(history), [lost])
    assert [one.partition(",")[0] for one in said] == (
        [f"delayed by {1000 * late_s:.0f} ms"] if answer == "open" else []
    )


@pytest.mark.parametrize(
    ("kind", "healed_s", "t_s", "answer"),
    [
        ("isolate", 22.0, 42.0, "within"),
        ("isolate", 22.0, 45.7, "3750"),  # each of 25 s was late by 150 ms: 20 s, and what it is over
        ("isolate", 22.0, 46.2, "over"),  # within the 40 s since the effect all of them are more
        ("isolate", 5.0, 25.3, "3300"),
        ("isolate", 5.0, 29.2, "over"),
        ("kill", 22.0, 2.01, "over"),  # no timer ends what it may cost
    ],
)
def test_late_machine_excuses_only_as_much_as_it_was_late_while_the_timer_ran(
    kind: str, healed_s: float, t_s: float, answer: str
) -> None:
    """That of Sentinel, which begins when the primary is reached again."""
    past = Past(topology=TopologyKind.SENTINEL, guarded_by_sentinels=True, end_s=60.0)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: cut off", kind)
    past.fail_over("redis-2", 4.0)
    past.event("healed", healed_s, source="fault 1", fault=1, node="redis-1")
    history = past.history()
    clocks = tuple(msgspec.structs.replace(one, canary_lag_us=us(0.15)) for one in history.clocks)
    lost, history = replace(_lost(t_s), node="redis-1"), replace(history, clocks=clocks)
    counted = _judged(lost, past=history)
    late_ms = [
        one.removeprefix("delayed by ").partition(" ms")[0] for one in excuses(facts_of(history), [lost])
    ]
    assert (len(counted.findings), sum(counted.undecidable.values())) == (answer == "over", len(late_ms))
    assert late_ms == ([answer] if answer.isdigit() else [])


@pytest.mark.parametrize(("late_from", "answer"), [(0, "open"), (1, "over")])
def test_sync_that_a_late_machine_put_off_ran_two_seconds(late_from: int, answer: str) -> None:
    """Not since the process was frozen, which was long before it was killed."""
    past = Past(topology=TopologyKind.SINGLE)
    past.log_in("ann", 1.0)
    past.fault(4.0, "redis-1: frozen", "pause")
    past.fault(24.0, "redis-1: gone", "kill")
    past.event("healed", 25.0, source="fault 2", fault=2, node="redis-1")
    past.reborn.append((25.0, "redis-1", 100))
    history = past.history()
    nodes = tuple(replace(one, directives={"appendonly": "yes"}) for one in history.plan.nodes)
    asleep = (us(4.0), us(25.0))
    history = replace(
        history,
        plan=replace(history.plan, nodes=nodes),
        samples=tuple(one for one in history.samples if not asleep[0] < one.sent_us < asleep[1]),
        clocks=tuple(
            msgspec.structs.replace(one, canary_lag_us=us(0.15 if n % 4 >= late_from else 0))
            for n, one in enumerate(history.clocks)
        ),
    )
    counted = _judged(replace(_lost(1.45), node="redis-1"), past=history)
    assert (len(counted.findings), sum(counted.undecidable.values())) == (answer == "over", answer == "open")


@pytest.mark.parametrize(
    ("at", "answer"), [(21, "over"), (22, "open"), (43, "open"), (44, "open"), (45, "over")]
)
def test_machine_that_is_late_before_or_after_the_timer_runs_excuses_nothing(at: int, answer: str) -> None:
    """That of Sentinel runs from 22 s on. A record speaks for the second before it, and for as long as it was
    late."""
    past = Past(topology=TopologyKind.SENTINEL, guarded_by_sentinels=True, end_s=60.0)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: cut off", "isolate")
    past.fail_over("redis-2", 4.0)
    past.event("healed", 22.0, source="fault 1", fault=1, node="redis-1")
    counted = _judged(replace(_lost(42.5), node="redis-1"), past=_late(past, 1.0, at=at))
    assert (len(counted.findings), sum(counted.undecidable.values())) == (answer == "over", answer == "open")


def test_excuse_of_one_write_is_none_of_another() -> None:
    """Of its shard, or of another shard."""
    history = _late(_past(), 1.0)
    near, far, elsewhere = _lost(5.9), _lost(9.0, operation=2), _lost(3.0, shard=2, operation=3)
    counted = _judged(near, elsewhere, past=history)
    assert [one.shard for one in counted.findings] == [2]
    assert counted.undecidable == {"over-budget": 1}
    counted = _judged(near, far, past=history)
    assert [(one.operations, one.observations) for one in counted.findings] == [((2,), 1)]
    assert counted.undecidable == {}


def test_write_that_two_requests_may_have_taken_from_each_other_is_undecided() -> None:
    """Unless another finding about it is sure."""
    race = replace(_lost(6.0), because=f"acked by redis-1, {OR_RACE}")
    assert _judged(race) == Counted(undecidable={"over-budget": 1})
    sure = _lost(6.0, name="lost-update")
    assert [one.observations for one in _judged(race, sure).findings] == [1]
    (found,) = _judged(race, _lost(5.9, operation=2)).findings
    assert found.operations == (2,)


def test_any_budget_may_be_the_one_that_a_late_machine_overran() -> None:
    """Not only the nearest: that of the second fault had not begun, and nothing stretches its beginning."""
    past = _past()
    past.fault(6.2, "redis-2: cut off", "isolate")
    past.fail_over("redis-3", 8.2)
    counted = _judged(_lost(6.0), past=_late(past, 1.0))
    assert (counted.findings, counted.undecidable) == ([], {"over-budget": 1})
    assert len(_judged(_lost(6.0), past=_late(past, 0.5)).findings) == 1


@pytest.mark.parametrize(
    ("t_s", "late_s", "answer"),
    [(2.0, 0.0, "within"), (1.5, 0.0, "over"), (1.5, 1.0, "open"), (0.5, 1.0, "over")],
)
def test_sync_that_a_late_machine_put_off_takes_more_along(t_s: float, late_s: float, answer: str) -> None:
    """What a file lacks counts back by a timer of the node: two seconds before it was killed."""
    past = Past(topology=TopologyKind.SINGLE)
    past.log_in("ann", 1.0)
    past.fault(4.0, "redis-1: gone", "kill")
    past.event("healed", 5.0, source="fault 1", fault=1, node="redis-1")
    history = _late(past, late_s)
    nodes = tuple(replace(one, directives={"appendonly": "yes"}) for one in history.plan.nodes)
    history = replace(history, plan=replace(history.plan, nodes=nodes))
    counted = _judged(_lost(t_s), past=history)
    assert (len(counted.findings), sum(counted.undecidable.values())) == (answer == "over", answer == "open")


@pytest.mark.parametrize(
    ("t_s", "late_s", "answer"),
    [
        (5.9, 1.0, "over"),
        (6.0, 0.0, "within"),
        (8.0, 0.0, "within"),
        (8.5, 0.0, "over"),
        (8.5, 1.0, "open"),
        (9.5, 1.0, "over"),
    ],
)
def test_node_of_a_cluster_that_is_started_again_has_two_seconds_to_learn_who_replaced_it(
    t_s: float, late_s: float, answer: str
) -> None:
    past = Past(topology=TopologyKind.CLUSTER)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: gone", "kill")
    past.fail_over("redis-2", 4.0)
    past.fault(6.0, "redis-1: again", "restart", target="killed")
    counted = _judged(replace(_lost(t_s), node="redis-1"), past=_late(past, late_s, at=7))
    assert (len(counted.findings), sum(counted.undecidable.values())) == (answer == "over", answer == "open")


def test_write_that_two_findings_speak_of_is_one() -> None:
    """By its operation; a finding of another kind, or without a time, is none of them."""
    twice = (_lost(6.0), _lost(6.0, name="lost-update"))
    (found,) = _judged(*twice).findings
    assert found.observations == 1
    assert _judged(_lost(6.0, name="stale-read"), _lost(None)).findings == []
    (found,) = _judged(_lost(6.0, name="lost-session")).findings
    assert found.name == "over-budget"


def test_shard_that_no_fault_hit_has_no_budget() -> None:
    """Whatever is lost there is over it."""
    (found,) = _judged(_lost(3.0, shard=2)).findings
    assert (
        "acked beyond the loss budget, the worst 1.00 s after the first fault's effect, and no fault hit"
        in (found.sentence)
    )


def test_write_of_a_shard_that_nobody_knows_may_belong_to_any_budget() -> None:
    """Inside of one it is explained."""
    assert _judged(_lost(3.0, shard=None)).findings == []
    assert len(_judged(_lost(9.0, shard=None)).findings) == 1


def test_fault_that_costs_nothing_explains_nothing() -> None:
    """And says why."""
    past = Past()
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: nothing", "nothing")
    (found,) = _judged(_lost(3.0), past=past).findings
    assert found.sentence == (
        "On shard 1 an acked write that is lost was acked beyond the loss budget, the worst 1.00 s after the"
        " first fault's effect, and fault 1 (nothing redis-1) may cost nothing: nothing was done to redis-1;"
        " measured to 0 s."
    )


@pytest.mark.parametrize(
    ("t_s", "shard", "took_s", "over"),
    [
        (0.1, 1, 0.0, False),
        (7.0, 1, 0.0, False),
        (7.0, 2, 0.0, True),
        (9.0, 1, 0.0, False),
        (9.000001, 1, 0.0, True),
        (9.2, 1, 0.3, False),  # it may have been carried out before
    ],
)
def test_fault_without_a_bound_leaves_its_shard_alone_while_it_may_take_something(
    t_s: float, shard: int, took_s: float, over: bool
) -> None:
    """What was acked after a flush, the flush cannot have taken; and other shards are judged."""
    past = _past()
    past.fault(9.0, "redis-1: flushed", "flush", target="sessions")
    found = _judged(_lost(t_s, shard=shard, took_s=took_s), past=past).findings
    assert bool(found) is over


@pytest.mark.parametrize(
    ("kind", "options"),
    [("kill", {}), ("restart", {"data": "empty"}), ("recreate", {}), ("lose power", {})],
)
@pytest.mark.parametrize(
    ("t_s", "node", "over"),
    [(0.1, "redis-1", False), (2.0, "redis-1", False), (2.1, "redis-1", True), (3.0, "redis-1", True)],
)
def test_process_that_comes_back_with_less_has_lost_nothing_of_what_it_acks_then(
    kind: str, options: dict[str, str], t_s: float, node: str, over: bool
) -> None:
    """However old that is which it lacks."""
    past = Past(topology=TopologyKind.SINGLE)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: gone", kind, **options)
    past.event("healed", 2.5, source="fault 1", fault=1, node="redis-1")
    assert bool(_judged(replace(_lost(t_s), node=node), past=past).findings) is over


@pytest.mark.parametrize(
    ("t_s", "node", "over"),
    [
        (0.1, "redis-1", False),
        (6.0, "redis-1", False),  # until it is demoted
        (24.9, "redis-1", False),
        (25.1, "redis-1", True),
        (6.0, "redis-2", True),
    ],
)
@pytest.mark.parametrize("kind", ["restart", "recreate"])
def test_process_that_comes_back_empty_and_is_replaced_may_lose_until_it_is_demoted(
    kind: str, t_s: float, node: str, over: bool
) -> None:
    past = Past(topology=TopologyKind.SENTINEL, guarded_by_sentinels=True)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: again", kind, data="empty")
    past.fail_over("redis-2", 5.0)
    assert bool(_judged(replace(_lost(t_s), node=node), past=past).findings) is over


@pytest.mark.parametrize(
    ("evicted_s", "silent_s", "t_s", "over"),
    [
        (None, None, 4.9, False),
        (None, None, 5.1, True),
        (7.0, None, 5.1, False),
        (7.0, None, 7.2, True),
        (3.0, None, 4.9, False),
        (3.0, None, 5.1, True),
        (3.0, 8.0, 5.1, True),  # who does not answer has not evicted less
    ],
)
def test_evicting_policy_takes_what_it_is_seen_to_take(
    evicted_s: float | None, silent_s: float | None, t_s: float, over: bool
) -> None:
    """While the fault lasts, and after it, as others fill the memory as well."""
    past = Past(topology=TopologyKind.SHARED)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: filled", "fill cache", target="cache")
    past.event("healed", 5.0, source="fault 1", fault=1, node="redis-1")
    if evicted_s is not None:
        past.evicted.append((evicted_s, "redis-1", 3))
    history = past.history()
    nodes = tuple(replace(one, directives={"maxmemory-policy": "allkeys-lru"}) for one in history.plan.nodes)
    history = replace(history, plan=replace(history.plan, nodes=nodes))
    if silent_s is not None:
        silent = NodeSample(node="redis-1", sent_us=us(silent_s), done_us=us(silent_s), reachable=False)
        samples = sorted((*history.samples, silent), key=lambda one: one.done_us)
        history = replace(history, samples=tuple(samples))
    assert bool(_judged(_lost(t_s), past=history).findings) is over


@pytest.mark.parametrize(("shard", "over"), [(1, False), (2, True)])
def test_what_another_shard_evicts_is_none_of_this_ones_sessions(shard: int, over: bool) -> None:
    """A cache of its own evicts all the time."""
    past = Past(topology=TopologyKind.SPLIT)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: filled", "fill")
    past.event("healed", 5.0, source="fault 1", fault=1, node="redis-1")
    past.evicted.append((12.0, "redis-3", 3))
    history = past.history()
    nodes = tuple(
        replace(
            one,
            directives={"maxmemory-policy": "allkeys-lru"},
            shard=shard if one.name == "redis-3" else one.shard,
        )
        for one in history.plan.nodes
    )
    history = replace(history, plan=replace(history.plan, nodes=nodes))
    assert bool(_judged(_lost(8.0), past=history).findings) is over


@pytest.mark.parametrize(
    ("kind", "healed_s", "t_s", "node", "over"),
    [
        ("isolate", None, 29.0, "redis-1", False),
        ("isolate", None, 1.8, "redis-1", True),  # the successor had it
        ("isolate", None, 6.0, "redis-2", True),
        ("pause", None, 29.0, "redis-1", False),
        ("slow", None, 29.0, "redis-1", False),
        ("slow", 5.0, 24.9, "redis-1", False),
        ("slow", 3.0, 23.1, "redis-1", True),
        ("slow", 3.0, 22.9, "redis-1", False),
        ("slow", 5.0, 25.1, "redis-1", True),
        ("slow", 5.0, 1.8, "redis-1", True),
        ("slow", 5.0, 6.0, "redis-2", True),
        ("slow in a cluster", 5.0, 8.2, "redis-1", False),
        ("slow in a cluster", 5.0, 8.4, "redis-1", True),
    ],
)
def test_partition_without_an_end_leaves_alone_what_it_may_have_cost(
    kind: str, healed_s: float | None, t_s: float, node: str, over: bool
) -> None:
    """From what the successor had, until the old primary hears of it, if ever; and nothing of the successor's."""
    kind, _, clustered = kind.partition(" in ")
    topology = TopologyKind.CLUSTER if clustered else TopologyKind.SENTINEL
    past = Past(topology=topology, guarded_by_sentinels=True)
    past.log_in("ann", 1.0)
    past.fault(2.0, "redis-1: struck", kind)
    if healed_s is not None:
        past.event("healed", healed_s, source="fault 1", fault=1, node="redis-1")
    past.fail_over("redis-2", 2.9 if healed_s == 3.0 else 4.0)
    found = _judged(replace(_lost(t_s), node=node), past=past).findings
    assert bool(found) is over
    if found and healed_s is None and node == "redis-1":
        assert "explains losses from -0.10 s to the end (the partition was not healed)" in found[0].sentence


@pytest.mark.parametrize(
    ("directive", "value", "t_s", "node", "over"),
    [
        ("min-replicas-to-write", "0", 28.9, "redis-1", False),
        ("min-replicas-to-write", "0", 29.1, "redis-1", True),
        ("min-replicas-to-write", "0", 6.0, "redis-2", True),
        ("min-replicas-to-write", "0", 1.5, "redis-1", True),
        ("appendonly", "no", 7.6, "redis-1", False),
        ("appendonly", "no", 7.8, "redis-1", True),
    ],
)
def test_setting_that_was_weakened_leaves_what_other_faults_may_cost_with_it(
    directive: str, value: str, t_s: float, node: str, over: bool
) -> None:
    """By itself it costs nothing: without its guard a primary that was cut off goes on until it is demoted."""
    past = Past(topology=TopologyKind.SENTINEL, guarded_by_sentinels=True, end_s=40.0)
    past.settings = {
        "redis-1": {"min-replicas-to-write": "1", "min-replicas-max-lag": "3", "appendonly": "yes"}
    }
    past.log_in("ann", 1.0)
    past.fault(1.2, "redis-1: set", "config set", directive=directive, value=value)
    past.fault(2.0, "redis-1: cut off", "isolate")
    past.fail_over("redis-2", 4.0)
    past.event("healed", 9.0, source="fault 2", fault=2, node="redis-1")
    assert bool(_judged(replace(_lost(t_s), node=node), past=past).findings) is over


@pytest.mark.parametrize(("t_s", "over"), [(4.9, True), (5.1, False), (7.9, False), (8.1, True)])
def test_append_only_file_that_was_switched_off_lacks_what_was_acked_since(t_s: float, over: bool) -> None:
    """Until the process ended that had been told so."""
    past = Past(topology=TopologyKind.SINGLE)
    past.settings = {"redis-1": {"appendonly": "yes"}}
    past.log_in("ann", 1.0)
    past.fault(5.0, "redis-1: set", "config set", directive="appendonly", value="no")
    past.fault(8.0, "redis-1: again", "restart")
    past.reborn.append((8.05, "redis-1", 100))
    assert bool(_judged(replace(_lost(t_s), node="redis-1"), past=past).findings) is over


def test_fault_without_a_rule_leaves_every_shard_open() -> None:
    """Each with something lost counts once."""
    past = _past()
    past.fault(9.0, "redis-1: struck", "storm")
    counted = _judged(_lost(7.0), _lost(8.0, operation=2), _lost(7.0, shard=2, operation=3), past=past)
    assert (counted.findings, counted.undecidable) == ([], {"over-budget": 2})


def test_run_without_an_effect_has_no_budget() -> None:
    """Nothing can be over it."""
    past = Past()
    past.log_in("ann", 1.0)
    assert _judged(_lost(3.0), past=past) == Counted()


def test_failover_that_nobody_asked_for_explains_losses_as_well() -> None:
    """The nearest budget is the one that is named."""
    past = _past()
    past.fail_over("redis-3", 10.0)
    assert _judged(_lost(13.0), past=past).findings == []
    (found,) = _judged(_lost(14.0), past=past).findings
    assert (
        "while a failover to redis-3 that no fault requested explains losses from +7.90 s to +11.30 s"
        in found.sentence
    )


def test_budget_whose_beginning_nobody_saw_begins_with_the_run() -> None:
    """Without a look at the offsets nobody knows what the successor had: any earlier ack may be lost."""
    unseen = replace(_past().history(), samples=())
    assert _judged(_lost(0.1), past=unseen).findings == []
    (found,) = _judged(_lost(6.0), past=unseen).findings
    assert "explains losses from the beginning to +3.30 s" in found.sentence


def test_effect_that_belongs_to_no_fault_explains_nothing() -> None:
    """Its record names no step of the list, so it has no budget."""
    past = _past()
    past.event("effect", 8.0, source="fault 9", fault=9, node="redis-1", shard=1, detail="redis-1: gone")
    assert [one.fault for one in loss_budgets(facts_of(past.history()))] == [1]
