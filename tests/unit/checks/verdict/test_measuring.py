"""What an expectation measures, where and when, and what its result says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harness.checks.facts.of_run import facts_of
from harness.checks.judge import judge_checked
from harness.checks.verdict.expectations import compare
from harness.model.history import History
from harness.model.judgement import INFINITE, ExpectationResult, Finding, Interval, SessionCounts
from harness.model.pacing import GRACE_S
from harness.model.records import ClockReading, Connection, Event
from harness.model.words import FindingSide, OperationKind, Outcome, Phase, TopologyKind
from lab.past import Past
from lab.records import us
from tests.builders_metrics import expect, healthy, outline

READ, WRITE, LOGIN, LOGOUT = (
    OperationKind.READ,
    OperationKind.WRITE,
    OperationKind.LOGIN,
    OperationKind.LOGOUT,
)
AT_RISK = SessionCounts(total=300, at_risk=200, intact=200)


def result(
    history: History, *findings: Finding, undecidable: dict[str, float] | None = None
) -> ExpectationResult:
    counts = {}
    for name in {one.name for one in findings} | set(undecidable or {}):
        proved = sum(one.name == name for one in findings)
        counts[name] = Interval(low=proved, high=proved + (undecidable or {}).get(name, 0))
    (found,) = judge_checked(history, (findings, counts, AT_RISK, ())).expectations
    return found


def run(expectation: tuple[Any, ...], **past: Any) -> Past:
    return healthy(outline(expectations=[expectation], **past))


def lost(t_s: float | None = 11.0, *, operation: int = 1, **about: Any) -> Finding:
    known: dict[str, object] = {"name": "lost-write", "shard": 1, "web_server": "web-1", **about}
    return Finding(
        side=FindingSide.CLOSED,
        session=f"s{operation}",
        operations=(operation,),
        t_us=None if t_s is None else us(t_s),
        **known,  # type: ignore[arg-type]
    )


# ---------------------------------------------------------------- comparing


@pytest.mark.parametrize(
    ("low", "high", "comparison", "met"),
    [
        (3, 3, "==", True),
        (2, 2, "==", False),
        (3, 4, "==", None),
        (2, 3, "==", None),
        (4, 5, "==", False),
        (1, 2, "==", False),
        (3, 3, "<", False),
        (2.9, 2.9, "<", True),
        (3, 3, "<=", True),
        (3.1, 3.1, "<=", False),
        (3, 3, ">", False),
        (3.1, 3.1, ">", True),
        (3, 3, ">=", True),
        (2.9, 2.9, ">=", False),
        (2.9, 3, "<", None),
        (3, 3.1, ">", None),
    ],
)
def test_measure_meets_a_bound_of_three(low: float, high: float, comparison: str, met: bool | None) -> None:
    """All of the interval, none of it, or a part."""
    assert compare(Interval(low=low, high=high), comparison, 3) is met


# ---------------------------------------------------------------- counts


def test_count_of_what_nobody_found_is_none() -> None:
    """And is said as a number."""
    found = result(run(expect("lost-write: 0", 0)).history())
    assert (found.measured, found.low, found.high, found.met, found.why) == ("0", 0, 0, True, "")


def test_count_in_a_group_has_those_that_are_known_to_be_there() -> None:
    """Those of which nobody knows where they belong, and those that cannot be decided, may be there."""
    in_fault = run(expect("lost-write in fault on web-1: 0", 0, phase=Phase.FAULT, on="web-1")).history()
    seen = [
        lost(),
        lost(5.0, operation=2),
        lost(operation=3, web_server="web-2"),
        lost(operation=4, web_server=None),
    ]
    found = result(in_fault, *seen)
    assert (found.low, found.high, found.met) == (1, 2, False)
    found = result(in_fault, *seen, undecidable={"lost-write": 3})
    assert (found.low, found.high) == (1, 5)


def test_undecided_says_that_the_evidence_allows_both() -> None:
    """Where no gap says more."""
    found = result(run(expect("lost-write: 0", 0)).history(), undecidable={"lost-write": 2})
    assert (found.met, found.measured, found.why) == (None, "0 to 2", "the evidence allows both answers")


# ---------------------------------------------------------------- outcomes and latencies


def _mixed(expectation: tuple[Any, ...]) -> Past:
    past = run(expectation)
    for at, shard, web in ((11.0, 1, "web-1"), (12.0, 2, "web-1"), (16.0, 1, "web-2"), (-0.5, 1, "web-1")):
        past.do(LOGOUT, at, outcome=Outcome.REJECTED, shard=shard, web=web)
    past.do(LOGOUT, 12.0, outcome=Outcome.UNKNOWN, behaviour="logout-everywhere")
    return past


@pytest.mark.parametrize(
    ("text", "how", "measured"),
    [
        ("rejected(logout)", {}, "3"),
        ("rejected(logout) in fault", {"phase": Phase.FAULT}, "2"),
        ("rejected(logout) in seed", {"phase": Phase.SEED}, "1"),
        ("rejected(logout) on shard 2", {"on": "shard 2"}, "1"),
        ("rejected(logout) on web-2", {"on": "web-2"}, "1"),
        ("unknown(logout)", {}, "1"),
        ("acked(logout)", {}, "0"),
        ("not_sent(logout)", {}, "0"),
        ("acked(touch)", {"arguments": ("touch",)}, "0"),
    ],
)
def test_outcomes_are_counted_where_they_were(text: str, how: dict[str, object], measured: str) -> None:
    """By kind, phase and group; the seed only where it is asked for."""
    arguments = how.pop("arguments", ("logout",))
    expectation = expect(f"{text}: 0", 0, arguments=arguments, **how)  # type: ignore[arg-type]
    assert result(_mixed(expectation).history()).measured == measured


def test_outcome_of_what_nobody_did_is_not_measured() -> None:
    """But that none was acked is certain."""
    found = result(run(expect("rejected(touch): 0", 0, arguments=("touch",))).history())
    assert (found.measured, found.met, found.why) == ("not measured", None, "no touch was due there")


@pytest.mark.parametrize(
    ("which", "seconds"), [("p50", "1.00 s"), ("p95", "3.00 s"), ("p99", "4.00 s"), ("max", "5.00 s")]
)
def test_latency_is_the_wait_of_an_acked_one(which: str, seconds: str) -> None:
    """Those of its kind, phase and group; not of the seed."""
    bound = expect(
        f"latency(logout, {which}) on web-1: < 9s",
        9,
        unit="s",
        arguments=("logout", which),
        comparison="<",
        on="web-1",
    )
    past = run(bound)
    for n in range(100):
        took = 5.0 if n == 99 else 4.0 if n in {95, 96, 97, 98} else 3.0 if n == 94 else 1.0
        past.do(LOGOUT, n / 10, took_s=took)
    past.do(LOGOUT, 5.0, took_s=8.0, outcome=Outcome.UNKNOWN)
    past.do(LOGOUT, 5.0, took_s=8.0, web="web-2")
    past.do(LOGOUT, -9.0, took_s=8.0)
    assert result(past.history()).measured == seconds


def test_longest_wait_is_that_of_one_request_whatever_became_of_it() -> None:
    """Of its kind and group; not of the seed, and not of what never left."""
    bound = expect(
        "longest wait(logout) on web-1: < 9s", 9, unit="s", arguments=("logout",), comparison="<", on="web-1"
    )
    past = run(bound)
    past.do(LOGOUT, 3.0, took_s=2.0)
    past.do(LOGOUT, 5.0, took_s=6.0, outcome=Outcome.UNKNOWN)
    past.do(LOGOUT, 5.0, took_s=8.0, web="web-2")
    past.do(LOGOUT, 5.0, took_s=8.0, outcome=Outcome.NOT_SENT)
    past.do(LOGOUT, -9.0, took_s=8.0)
    assert result(past.history()).measured == "6.00 s"


def test_longest_wait_of_a_request_that_the_end_cut_off_has_no_upper_end() -> None:
    """It was still waiting, and nobody knows how long it would have: until the audit, or until the load had waited
    for it longer than a client does. One that ended with its web server, while the run went on, has an end."""
    bound = expect("longest wait(read): < 9s", 9, unit="s", arguments=("read",), comparison="<")
    past = run(bound)
    past.do(READ, 3.0, took_s=2.0)
    patience_s = past.history().plan.longest_client_wait_s + GRACE_S
    past.do(READ, 4.0, took_s=patience_s - 0.1, outcome=Outcome.UNKNOWN, result="cancelled")
    assert result(past.history()).met is True
    ends_s = facts_of(past.history()).landmarks.workload_ends_us / 1e6
    past.do(READ, ends_s - 8.3, took_s=8.0, outcome=Outcome.UNKNOWN, result="cancelled")
    found = result(past.history())
    assert (found.met, found.low, found.high) == (None, pytest.approx(8.0), INFINITE)
    assert found.why == "the run ended while one was still waiting"
    past.do(READ, ends_s - 9.5, took_s=9.5, outcome=Outcome.UNKNOWN, result="cancelled")
    assert result(past.history()).met is False


@pytest.mark.parametrize(
    ("what", "of"), [("longest wait(read)", ("read",)), ("latency(read, max)", ("read", "max"))]
)
def test_wait_that_several_clocks_told_is_not_longer_than_was_measured(
    what: str, of: tuple[str, ...]
) -> None:
    """Its beginning is told too early and its end too late, so it can only be shorter."""
    past = run(expect(f"{what}: <= 1.998s", 1.998, unit="s", arguments=of, comparison="<="))
    past.do(READ, 3.0, took_s=2.0)
    assert result(past.history()).met is False
    reading = ClockReading(clock="worker-1", sent_us=0, theirs_us=0, done_us=1_000)
    found = result(replace(past.history(), clock_readings=(reading,)))
    assert (found.met, found.high) == (None, 2.0)
    assert found.low == pytest.approx(1.998, abs=1e-5)


def test_longest_wait_of_what_nobody_asked_for_is_not_measured() -> None:
    """None was due there."""
    past = run(expect("longest wait(logout): < 9s", 9, unit="s", arguments=("logout",), comparison="<"))
    assert result(past.history()).why == "no logout was due there"


# ---------------------------------------------------------------- shares and windows


def test_share_says_how_many_of_how_many() -> None:
    """Exact where all is known; else from what is proved to what may be."""
    bound = expect("share(lost-write): > 1%", 1, unit="%", arguments=("lost-write",), comparison=">")
    past = run(bound, fault_kinds=("isolate",))
    past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
    past.event("healed", 13.0, source="fault 1", fault=1)
    inside = [
        one.id for one in past.operations if one.kind is WRITE and us(10) <= (one.done_us or 0) <= us(13)
    ]
    history = past.history()
    found = result(history, lost(operation=inside[0]), lost(operation=inside[1]))
    assert found.measured == f"2 of {len(inside)} ({round(200 / len(inside))} %)"
    found = result(history, lost(operation=inside[0]), undecidable={"lost-write": 2})
    assert (found.low, found.high) == (100 / len(inside), 300 / len(inside))
    found = result(history, lost(operation=inside[0]), undecidable={"lost-write": 999})
    assert found.high == 100


def test_share_of_nothing_is_not_measured() -> None:
    """Nobody could have had it."""
    bound = expect("share(escaped-logout): > 1%", 1, unit="%", arguments=("escaped-logout",), comparison=">")
    found = result(run(bound).history())
    assert (found.measured, found.met) == ("not measured", None)
    assert found.why == "nothing here could have the finding escaped-logout"


@pytest.mark.parametrize(
    ("findings", "low", "high", "measured"),
    [
        ([], 0.0, 0.0, "nothing lost"),
        ([lost(12.0)], 2.0, 2.0, "2.00 s"),
        ([lost(12.0), lost(13.0, operation=2)], 3.0, 3.0, "3.00 s"),
        ([lost(12.0, shard=2)], 0.0, 0.0, "nothing lost"),
        ([lost(12.0), lost(13.0, operation=2, shard=None)], 2.0, 3.0, "2.00 s to 3.00 s"),
        ([lost(13.0, shard=None)], 0.0, 3.0, "0 s to 3.00 s"),
    ],
)
def test_loss_window_of_a_shard(findings: list[Finding], low: float, high: float, measured: str) -> None:
    """What may belong elsewhere counts at the upper end only."""
    bound = expect("loss window on shard 1: < 9s", 9, unit="s", comparison="<", on="shard 1")
    found = result(run(bound).history(), *findings)
    assert (found.low, found.high, found.measured) == (low, high, measured)


def test_loss_budget_says_why_there_is_none() -> None:
    """No fault took effect, or what it did has no bound."""
    expectation, bound = expect(
        "loss window: <= loss budget", 1, unit="s", comparison="<=", setting="loss budget"
    )
    expectation = replace(expectation, bound=expectation.bound[:1])
    planned = (expectation, replace(bound, value=None))
    history = run(planned).history()
    never = replace(history, events=())
    assert result(never).why == "its limit is a loss budget, and there is none: no fault took effect"
    flushed = run(planned, fault_kinds=("flush",)).history()
    assert result(flushed).why == (
        "its limit is a loss budget, and there is none: a flush removes keys of any age"
    )
    assert result(flushed).met is None


# ---------------------------------------------------------------- promotions, evictions, lateness


def test_failovers_of_a_shard() -> None:
    """Those of another are not its own."""
    for on, count in (("shard 1", "1"), ("shard 2", "0"), (None, "1")):
        past = run(expect("failovers: 0", 0, on=on))
        past.event("effect", 10.0, source="fault 1", node="redis-1", fault=1)
        past.event("promoted", 12.0, node="redis-2")
        assert result(past.history()).measured == count


def test_evicted_keys_of_all_instances_together() -> None:
    """Unless one purpose is named; what was evicted after the last look is open."""
    for on, measured in ((None, "12"), ("sessions", "5"), ("cache", "7")):
        past = run(expect("evicted keys: > 0", 0, comparison=">", on=on), topology=TopologyKind.SPLIT)
        for node, keys in (("redis-1", 5), ("redis-2", 0), ("redis-3", 0), ("cache-1", 7)):
            past.sample(node, 19.9, run_id="x", evicted_keys=keys)
        assert result(past.history()).measured == measured
    past = run(expect("evicted keys: > 20", 20, comparison=">"))
    past.sample("redis-1", 19.9, run_id="x", evicted_keys=5)
    found = result(past.history())
    assert (found.low, found.high, found.met) == (5, INFINITE, None)
    assert found.why == (
        "a node ended or was not observed, so it is not known what it evicted after the last observation"
    )


@pytest.mark.parametrize(
    ("metric", "about", "measured"),
    [
        ("memory", {"unit": "B"}, "12.5 MB"),
        ("memory", {"unit": "B", "on": "sessions"}, "1.0 MB"),
        ("memory", {"unit": "B", "phase": Phase.SETTLED}, "not measured"),
        ("connections", {}, "3"),
        ("new connections", {"on": "web-1"}, "2"),
    ],
)
def test_what_nodes_had_to_bear(metric: str, about: dict[str, Any], measured: str) -> None:
    """With its unit; what was not recorded is not measured, and never 0."""
    expectation = expect(f"{metric}: < 9", 20e6, comparison="<", metric=metric, **about)
    past = run(expectation, topology=TopologyKind.SPLIT)
    for at in (1.0, 1.5):
        for node in ("redis-1", "redis-2", "redis-3"):
            past.sample(node, at, run_id="x", memory_bytes=1_000_000)
        past.sample("cache-1", at, run_id="x", memory_bytes=12_500_000)
    opened = [(0, "web-1", 1.0), (1, "web-1", 1.5), (2, "web-2", 3.0)]
    there = [Connection(id=n, web_server=web, node="redis-1", opened_us=us(at)) for n, web, at in opened]
    assert result(replace(past.history(), connections=tuple(there))).measured == measured


@pytest.mark.parametrize(
    ("lag_s", "bound_s", "met", "why"),
    [
        (0.0, 2.0, False, ""),
        (0.3, 2.0, None, "delayed by 1500 ms, which is too much to judge a limit of 2 s"),
        (0.3, 0.5, False, ""),
        (0.3, 2.5, None, "delayed by 1500 ms, which is too much to judge a limit of 2.5 s"),
        (0.3, 2.7, True, ""),
    ],
)
def test_lateness_widens_a_window_both_ways(lag_s: float, bound_s: float, met: bool | None, why: str) -> None:
    """An outage of 2.10 to 2.30 s: what the machine added may be taken away, what it hid may be added."""
    bound = expect(
        f"outage(write): < {bound_s:g}s", bound_s, unit="s", arguments=("write",), comparison="<", timing=True
    )
    past = outline(expectations=[bound], canary_lag_s=lag_s)
    past.steady(READ, 0.02, 20.0)
    past.steady(WRITE, 0.0, 10.0)
    past.steady(WRITE, 10.0, 12.2, outcome=Outcome.REJECTED)
    past.steady(WRITE, 12.2, 20.0)
    found = result(past.history())
    assert (found.met, found.why) == (met, why)
    assert found.measured == "2.10 s to 2.30 s"


def test_count_is_no_time() -> None:
    """Whatever the machine did."""
    past = run(expect("failovers: 0", 0), canary_lag_s=5.0)
    assert result(past.history()).met is True
    assert result(replace(past.history(), clocks=())).met is True


def test_recovered_is_no_event_of_an_outcome() -> None:
    """An event that nothing asks for changes no measure."""
    history = run(expect("failovers: 0", 0)).history()
    more = (*history.events, Event(source="x", name="recovered", t_us=us(14.0)))
    assert result(history) == result(replace(history, events=more))
