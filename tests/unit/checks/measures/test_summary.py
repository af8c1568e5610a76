"""The numbers beside the findings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.measures.scope import Scope
from harness.checks.measures.summary import (
    loss_window_s,
    lost_operations,
    measure,
    recovery_point_s,
    share,
    unread_evictions,
)
from harness.model.judgement import Finding, Interval, LossBudget, Metrics, SessionCounts
from harness.model.words import Cause, FindingSide, OperationKind, Outcome, Phase
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline

LOGIN, WRITE = OperationKind.LOGIN, OperationKind.WRITE


def measured(past: Past, findings: Sequence[Finding] = ()) -> Metrics:
    history = past.history()
    return measure(facts_of(history), findings, SessionCounts(total=7))


def test_operations_are_counted_by_outcome_behaviour_and_second() -> None:
    """Every outcome has its place, also where it is zero; seconds run from the run's start."""
    past = outline()
    past.do(LOGIN, 0.5)
    past.do(WRITE, 0.6, outcome=Outcome.REJECTED)
    past.do(WRITE, 2.9, took_s=0.2, outcome=Outcome.UNKNOWN)
    past.do(WRITE, 1.5, outcome=Outcome.NOT_SENT)
    metrics = measured(past)
    assert metrics.operations == {"acked": 1, "rejected": 1, "unknown": 1, "not_sent": 1}
    assert metrics.by_behaviour["change-field"] == {
        "acked": 0,
        "rejected": 1,
        "unknown": 1,
        "not_sent": 1,
    }
    assert metrics.by_second == {
        "acked": (1, 0, 0, 0),
        "rejected": (1, 0, 0, 0),
        "unknown": (0, 0, 0, 1),
        "not_sent": (0, 1, 0, 0),
    }
    assert metrics.sessions.total == 7


def test_lag_at_fault_is_the_slowest_replica_in_the_last_look() -> None:
    """Looks after the effect, and at other shards, do not count."""
    past = outline()
    past.sample("redis-1", 9.0, role="primary", offset=500, replicas={"redis-2": 0})
    past.sample("redis-1", 9.9, role="primary", offset=1000, replicas={"redis-2": 990, "redis-3": 400})
    past.sample("redis-2", 10.4, role="primary", offset=9000, replicas={"redis-3": 0})
    past.sample("cache-1", 9.95, role="primary", offset=9, replicas={"x": 0})
    assert measured(past).lag_at_fault_bytes == 600


def test_lag_falls_back_to_the_replicas_own_offsets() -> None:
    """A primary that lists no replica is compared with what its replicas say of themselves."""
    past = outline()
    past.sample("redis-1", 9.9, role="primary", offset=1000)
    assert measured(past).lag_at_fault_bytes is None
    past.sample("redis-2", 9.8, role="replica", offset=930)
    assert measured(past).lag_at_fault_bytes == 70


def test_loss_window_carries_the_effects_error() -> None:
    """The effect began up to its error earlier, so the window may be longer by that."""
    past = outline()
    past.event("effect", 10.0, error=0.2, fault=1, node="redis-1")
    lost = Finding(name="lost-write", side=FindingSide.CLOSED, operations=(1,), t_us=us(12.0))
    window = measured(past, [lost]).loss_window_s
    assert window == Interval(low=2.0, high=2.2)
    assert measured(past).loss_window_s is None


def test_lost_of_acked_after_the_fault() -> None:
    """Distinct writes; one that two findings speak of is one write."""
    past = outline(fault_kinds=("isolate",))
    past.event("effect", 10.0, fault=1, node="redis-1")
    past.event("healed", 13.0, fault=1)
    past.steady(WRITE, 9.0, 15.0, every_s=0.5)
    findings = [
        Finding(name=name, side=FindingSide.CLOSED, operations=(5,), t_us=us(11.0))
        for name in ("lost-write", "lost-update")
    ]
    metrics = measured(past, findings)
    assert (metrics.writes_lost, metrics.writes_acked_after_fault) == (1, 6)


def test_could_not_log_in_for_the_worst_groups_time() -> None:
    """The sum of the windows in which the worst-off group could not log in."""
    past = outline()
    past.steady(LOGIN, 0.0, 10.0)
    past.steady(LOGIN, 10.0, 12.0, outcome=Outcome.REJECTED)
    past.steady(LOGIN, 12.0, 20.0)
    assert measured(past).refused_login_s == pytest.approx(1.902)


# ---------------------------------------------------------------- each number on its edge

READ, LOGOUT, TOUCH = OperationKind.READ, OperationKind.LOGOUT, OperationKind.TOUCH


def _lost(
    name: str = "lost-write", *, t_s: float | None = 11.0, operations: tuple[int, ...] = (1,)
) -> Finding:
    return Finding(
        name=name,
        side=FindingSide.CLOSED,
        session="s1",
        operations=operations,
        t_us=None if t_s is None else us(t_s),
        web_server="web-1",
        shard=1,
    )


@pytest.mark.parametrize(
    ("how", "failed"),
    [
        ({"outcome": Outcome.REJECTED}, 1),
        ({"outcome": Outcome.UNKNOWN}, 1),
        ({"outcome": Outcome.NOT_SENT}, 0),
        ({"outcome": Outcome.UNKNOWN, "result": "cancelled"}, 0),
        ({}, 0),
    ],
)
def test_user_who_was_not_told_that_the_logout_was_done_is_still_logged_in(
    how: dict[str, object], failed: int
) -> None:
    """Refused, or without an answer; what was never sent, or was cut off by the end of the run, is not."""
    past = outline()
    past.do(LOGOUT, 12.0, session="a", **how)  # type: ignore[arg-type]
    past.do(LOGOUT, 20.5, session="b", outcome=Outcome.REJECTED)  # in the audit
    past.do(LOGOUT, -0.5, session="c", outcome=Outcome.REJECTED)  # in the seed
    past.do(WRITE, 12.0, session="d", outcome=Outcome.REJECTED)
    assert measured(past).logouts_failed == failed


def test_logout_that_was_done_after_all_did_not_fail() -> None:
    """Of the same session; each session counts once."""
    past = outline()
    for session in ("a", "a", "b", "c"):
        past.do(LOGOUT, 12.0, session=session, outcome=Outcome.REJECTED)
    past.do(LOGOUT, 13.0, session="b")
    assert measured(past).logouts_failed == 2


def test_lost_writes_are_those_that_were_acked_as_writes() -> None:
    """A lost log-in is a lost session; a finding without an operation counts none."""
    findings = [
        _lost(operations=(3, 9)),
        _lost("lost-update", operations=(3,)),
        _lost("lost-update", operations=(4, 9)),
        _lost("lost-session", operations=(5,)),
        _lost("doubled-update", operations=(6,)),
        _lost(operations=()),
    ]
    assert lost_operations(findings) == {3, 4}
    assert measured(outline(), findings).writes_lost == 2


@pytest.mark.parametrize(
    ("acked", "before_s", "low", "high"),
    [
        ((11.0, 12.0), 0.0, 2.0, 2.25),
        ((9.0, 11.0), 1.0, 1.0, 1.25),
        ((9.0,), 1.0, 0.0, 0.0),
        ((9.9,), 0.1, 0.0, 0.15),
        ((10.0,), 0.0, 0.0, 0.25),
    ],
)
def test_loss_window_ends_with_the_last_and_begins_with_the_first(
    acked: tuple[float, ...], before_s: float, low: float, high: float
) -> None:
    """After the effect, which may have come its error earlier; and how long before it the first was acked."""
    past = outline()
    past.event("effect", 10.0, error=0.25, fault=1, node="redis-1")
    metrics = measured(
        past, [*(_lost(t_s=one) for one in acked), _lost(t_s=None), _lost("stale-read", t_s=19.0)]
    )
    assert metrics.loss_window_s == Interval(low=pytest.approx(low), high=pytest.approx(high))  # type: ignore[arg-type]
    assert metrics.lost_before_s == pytest.approx(before_s)


def test_recovery_point_is_known_as_well_as_the_effect() -> None:
    """It took effect between 9.75 and 10 s."""
    past = outline()
    past.event("effect", 10.0, error=0.25, fault=1, node="redis-1")
    landmarks = facts_of(past.history()).landmarks
    assert recovery_point_s([_lost(t_s=9.5), _lost(t_s=12.0)], landmarks) == Interval(low=0.25, high=0.5)
    assert recovery_point_s([_lost(t_s=9.875)], landmarks) == Interval(low=0, high=0.125)
    assert recovery_point_s([], landmarks) is None


def test_ack_that_another_clock_told_may_have_been_earlier() -> None:
    """So users were put back further than that, and a write after the fault was lost earlier."""
    past = Past()
    past.fault(10.0)
    exact = facts_of(past.history()).landmarks
    apart = replace(exact, clocks_apart_us=us(0.25))
    lost = [_lost(t_s=9.5), _lost(t_s=12.0)]
    assert recovery_point_s(lost, exact) == Interval(low=0.5, high=0.5)
    assert recovery_point_s(lost, apart) == Interval(low=0.5, high=0.75)
    assert loss_window_s(lost, exact) == Interval(low=2.0, high=2.0)
    assert loss_window_s(lost, apart) == Interval(low=1.75, high=2.0)


BACK = Interval(low=8.0, high=8.5)


@pytest.mark.parametrize(
    ("cause", "promoted_s", "point"),
    [
        (Cause.OLDER_SNAPSHOT, None, BACK),
        (Cause.RESTARTED_EMPTY, None, BACK),
        (Cause.NOT_ON_DISK, None, BACK),
        (Cause.FLUSHED, None, BACK),
        (Cause.NOT_YET_REPLICATED, 21.0, BACK),
        (Cause.AT_PROMOTION, 21.0, BACK),
        (Cause.NOT_YET_REPLICATED, 19.5, BACK),
        (Cause.NOT_YET_REPLICATED, 19.499, Interval(low=0, high=0)),
        (Cause.NOT_YET_REPLICATED, None, Interval(low=0, high=0)),
        (Cause.SPLIT_BRAIN, 21.0, Interval(low=0, high=0)),
        (Cause.APPLICATION_RACE, None, Interval(low=0, high=0)),
        (Cause.NOT_DETERMINED, None, Interval(low=0, high=8.5)),
    ],
)
def test_recovery_point_of_what_a_later_fault_took_away(
    cause: Cause, promoted_s: float | None, point: Interval
) -> None:
    """A slow replica from 10 s on, and the primary killed between 19.5 and 20 s: what was acked at 11.5 s is
    8 s back. What was lost with a promotion before the kill, the kill did not take."""
    past = outline(fault_kinds=("slow", "kill"))
    past.event("effect", 10.0, fault=1, node="redis-1")
    past.event("effect", 20.0, error=0.5, fault=2, node="redis-1")
    landmarks = facts_of(past.history()).landmarks
    taken = {1: (us(11.0), us(promoted_s)) if promoted_s else (us(11.0),), 2: (us(25.0),)}
    lost = replace(_lost(t_s=11.5), cause=cause, shard=1)
    assert recovery_point_s([lost], replace(landmarks, taken_over_us=taken)) == point


@pytest.mark.parametrize(
    ("bounds", "point"),
    [
        ({1: 0.0, 2: 5.0}, Interval(low=0.5, high=10.5)),
        ({1: 0.0, 2: 0.0}, Interval(low=0.5, high=0.5)),
        ({1: None, 2: 5.0}, Interval(low=0.5, high=0.5)),
        ({}, Interval(low=0.5, high=0.5)),
    ],
)
def test_a_fault_that_cannot_cost_anything_ends_no_recovery_point(
    bounds: dict[int, float | None], point: Interval
) -> None:
    """Monitored at 10 s, killed at 20 s: what was acked at 9.5 s and is lost went with the kill."""
    past = outline(fault_kinds=("monitor", "kill"))
    past.event("effect", 10.0, fault=1, node="redis-1")
    past.event("effect", 20.0, fault=2, node="redis-1")
    landmarks = facts_of(past.history()).landmarks
    budgets = [
        LossBudget(fault=fault, what="", shard=1, bound_s=bound, derivation="")
        for fault, bound in bounds.items()
    ]
    assert recovery_point_s([_lost(t_s=9.5)], landmarks, budgets) == point


def test_landmarks_know_all_effects_and_who_took_over() -> None:
    """In their order; a node that stays primary takes nothing over."""
    told = Past(guarded_by_sentinels=True)
    told.log_in("ann", 1.0)
    told.fault(2.0, "redis-1: gone")
    told.fault(8.0, "redis-2: gone", target="replica")
    told.events[-1].error_us = us(0.5)
    told.fail_over("redis-2", 4.0)
    landmarks = facts_of(told.history()).landmarks
    assert landmarks.effects_us == ((us(2.0), us(2.0)), (us(7.5), us(8.0)))
    assert {shard: len(taken) for shard, taken in landmarks.taken_over_us.items()} == {1: 1}
    assert landmarks.taken_over_us[1][0] == pytest.approx(us(4.0), abs=us(0.02))


def test_run_without_a_fault_has_no_loss_window() -> None:
    """There is nothing to count from."""
    metrics = measured(outline(fault_kinds=()), [_lost()])
    assert (metrics.loss_window_s, metrics.lost_before_s, metrics.lag_at_fault_bytes) == (None, 0.0, None)


def _lagging(**primary: Any) -> Past:
    past = outline()
    past.event("effect", 10.0, error=0.25, fault=1, node="redis-1")
    known: dict[str, object] = {"role": "primary", "offset": 1000, "replicas": {"redis-2": 990}, **primary}
    past.sample("redis-1", 9.75, **known)
    return past


def test_lag_is_that_of_the_last_look_before_the_effect() -> None:
    """At its earliest; of whoever answered and called itself primary."""
    assert measured(_lagging()).lag_at_fault_bytes == 10
    late = _lagging()
    late.samples[0].done_us += 1
    assert measured(late).lag_at_fault_bytes is None
    assert measured(_lagging(role="replica")).lag_at_fault_bytes is None
    assert measured(_lagging(reachable=False)).lag_at_fault_bytes is None
    assert measured(_lagging(replicas={"redis-2": 1001})).lag_at_fault_bytes == 0


def test_lag_is_that_of_the_primary_by_right() -> None:
    """A deposed primary goes on calling itself primary, and may be the last that was looked at."""
    deposed = _lagging()
    deposed.sample("redis-3", 9.0, role="primary", offset=1000, replicas={"redis-2": 1})
    assert measured(deposed).lag_at_fault_bytes == 999
    untimely = _lagging()
    untimely.sample("redis-3", 11.0, role="primary", offset=1000, replicas={"redis-2": 1})
    assert measured(untimely).lag_at_fault_bytes == 10


def test_evicted_keys_add_up_over_processes() -> None:
    """Each counts from nought; of each its highest count; sentinels evict nothing."""
    past = outline()
    for node, at, run_id, keys in (
        ("redis-1", 1.0, "a", 3),
        ("redis-1", 2.0, "a", 5),
        ("redis-1", 3.0, "b", 2),
        ("redis-2", 3.0, "c", 1),
        ("cache-1", 3.0, "d", 40),
        ("sentinel-1", 3.0, "e", 9),
    ):
        past.sample(node, at, run_id=run_id, evicted_keys=keys)
    found = measured(past).evicted_keys
    assert list(found.items()) == [("cache", 40), ("sessions", 8)]  # by name
    past.samples[1].reachable = False
    assert measured(past).evicted_keys == {"cache": 40, "sessions": 6}
    nothing = outline()
    nothing.sample("redis-1", 1.0)
    assert measured(nothing).evicted_keys == {"cache": 0, "sessions": 0}


def _read(
    last_s: float = 19.9, *, limit: int = 100, run_id: str = "a", reachable: bool = True
) -> frozenset[str]:
    """Every node is looked at until 19.9 s; redis-1 for the last time then, after one look at process `a`."""
    past = outline()
    for node in ("redis-2", "redis-3", "cache-1"):
        past.sample(node, 19.9, run_id="x")
    past.sample("redis-1", 1.0, run_id="a", memory_limit_bytes=limit)
    past.sample("redis-1", last_s, run_id=run_id, memory_limit_bytes=limit, reachable=reachable)
    return unread_evictions(facts_of(past.history()))


@pytest.mark.parametrize(
    ("unread", "purposes"),
    [
        (_read(), frozenset()),
        (_read(18.0005), frozenset()),
        (_read(18.000499), frozenset({"sessions"})),
        (_read(18.0, limit=0), frozenset()),
        (_read(run_id="b"), frozenset({"sessions"})),
        (_read(run_id="b", limit=0), frozenset()),
        (_read(reachable=False), frozenset({"sessions"})),
        (_read(reachable=False, limit=0), frozenset()),
    ],
)
def test_what_was_evicted_after_the_last_look_is_not_known(
    unread: frozenset[str], purposes: frozenset[str]
) -> None:
    """Of a process with a memory limit that ended, that nobody read in the last two seconds, or that did not
    answer in the end."""
    assert unread == purposes


@pytest.mark.parametrize(("last_s", "purposes"), [(20.9, frozenset()), (10.0, frozenset({"sessions"}))])
def test_run_that_broke_off_before_its_audit_was_read_until_its_end(
    last_s: float, purposes: frozenset[str]
) -> None:
    """Its traffic was over when the run was; who was last read long before may have evicted since."""
    past = outline()
    for node in ("redis-2", "redis-3", "cache-1"):
        past.sample(node, 20.9)
    past.sample("redis-1", last_s, memory_limit_bytes=100)
    history = past.history()
    phases = tuple(one for one in history.phases if one.phase is not Phase.AUDIT)
    assert unread_evictions(facts_of(replace(history, phases=phases))) == purposes


def test_instances_that_nobody_ever_read_are_not_known() -> None:
    """Not even whether they had a limit."""
    past = outline()
    past.sample("redis-1", 19.9)
    assert unread_evictions(facts_of(past.history())) == {"cache"}


@pytest.mark.parametrize(
    ("finding", "kind", "how", "could"),
    [
        ("lost-write", WRITE, {}, 1),
        ("lost-write", LOGIN, {}, 0),
        ("lost-write", LOGOUT, {}, 0),
        ("lost-write", WRITE, {"outcome": Outcome.REJECTED}, 0),
        ("lost-write", WRITE, {"effective": False}, 0),
        ("lost-update", WRITE, {}, 1),
        ("doubled-update", WRITE, {}, 1),
        ("torn-state", WRITE, {}, 1),
        ("ghost-retry", WRITE, {}, 1),
        ("stale-read", READ, {}, 1),
        ("stale-read", TOUCH, {}, 1),
        ("stale-read", WRITE, {}, 0),
        ("stale-read", READ, {"outcome": Outcome.UNKNOWN}, 0),
        ("foreign-session", READ, {}, 1),
        ("unwritten-value", READ, {}, 1),
        ("reply-mixed-up", READ, {}, 1),
        ("resurrected-session", LOGOUT, {}, 1),
        ("resurrected-session", WRITE, {}, 0),
        ("resurrected-session", LOGOUT, {"outcome": Outcome.REJECTED}, 0),
        ("undone-by-own-write", LOGOUT, {}, 1),
        ("escaped-logout", LOGOUT, {}, 1),
        ("refused-login", LOGIN, {"outcome": Outcome.REJECTED}, 1),
        ("refused-login", LOGIN, {}, 1),
        ("refused-login", WRITE, {}, 0),
    ],
)
def test_share_is_of_what_could_have_had_the_finding(
    finding: str, kind: OperationKind, how: dict[str, object], could: int
) -> None:
    """Acked ones, but for log-ins, which are refused."""
    past = outline()
    past.do(kind, 9.998, **how)  # type: ignore[arg-type]
    history = past.history()
    assert share(finding, facts_of(history), [], Scope()) == (0, could)


@pytest.mark.parametrize(("done_s", "could"), [(9.749999, 0), (9.75, 1), (12.0, 1), (12.000001, 0)])
def test_share_is_of_what_was_acked_in_danger(done_s: float, could: int) -> None:
    """From the earliest of the effect to the promotion; what had the finding counts wherever it was."""
    past = outline()
    past.event("effect", 10.0, error=0.25, fault=1, node="redis-1")
    past.event("promoted", 12.0, node="redis-2")
    past.do(WRITE, done_s, took_s=0.0)
    past.do(WRITE, 19.0)
    history = past.history()
    facts = facts_of(history)
    assert share("lost-write", facts, [], Scope()) == (0, could)
    assert share("lost-write", facts, [_lost(operations=(2, 1))], Scope()) == (1, could + 1)
    assert share("lost-write", facts, [_lost("lost-update", operations=(2,))], Scope()) == (
        0,
        could,
    )
    assert share("lost-write", facts, [_lost(operations=(2,))], Scope(on="web-2")) == (0, 0)


def test_operation_that_had_the_finding_is_the_first_or_the_last_of_it() -> None:
    """The promise of a write or a logout, the look of a read, every refused log-in."""
    past = outline()
    history = past.history()
    facts = facts_of(history)
    for name, had in (("lost-write", 1), ("stale-read", 1), ("escaped-logout", 1), ("refused-login", 3)):
        assert share(name, facts, [_lost(name, operations=(7, 8, 9))], Scope())[0] == had
    both = [_lost("stale-read", operations=(7, 9)), _lost("stale-read", operations=(8, 9))]
    assert share("stale-read", facts, both, Scope()) == (1, 1)
    both = [_lost("lost-write", operations=(7, 9)), _lost("lost-write", operations=(8, 9))]
    assert share("lost-write", facts, both, Scope()) == (2, 2)


def test_behaviours_that_nobody_showed_are_not_listed() -> None:
    """Those that are, in their order, with every outcome."""
    past = outline()
    past.do(WRITE, 1.0, behaviour="zebra")
    past.do(WRITE, 1.0, behaviour="ape", outcome=Outcome.UNKNOWN)
    assert list(measured(past).by_behaviour) == ["ape", "zebra"]
    assert measured(outline()).by_behaviour == {}
    assert measured(outline()).by_second == dict.fromkeys(("acked", "rejected", "unknown", "not_sent"), ())


def test_operation_of_before_the_run_counts_in_its_first_second() -> None:
    """Seconds begin with the run."""
    past = outline()
    past.do(WRITE, -3.0)
    past.do(WRITE, 0.997)
    assert measured(past).by_second["acked"] == (2,)


def test_last_stale_reader_of_a_failover_is_one_of_a_stale_read() -> None:
    """Another finding that was seen then ends no step."""
    past = outline()
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    past.event("promoted", 11.5, node="redis-2")
    history = past.history()

    def last_s(name: str) -> float | None:
        found = Finding(name=name, side=FindingSide.CLOSED, shard=1, seen_us=us(12.0))
        metrics = measure(facts_of(history), [found], SessionCounts())
        return next(one.t_s for one in metrics.failover_steps if one.step == "last stale read")

    assert last_s("stale-read") == pytest.approx(2.0)
    assert last_s("lost-update") is None
