"""Windows on their edges: what is late, who is out of service, which side and group, and who is worst."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from harness.checks.columns.arrays import NONE, percentile
from harness.checks.columns.traffic import traffic_of
from harness.checks.facts.of_run import facts_of
from harness.checks.measures.availability import (
    in_service,
    late_us,
    longest,
    outages,
    sides,
    total,
    windows_from,
    worst_for_users,
    worst_of,
)
from harness.model.judgement import Interval, Window
from harness.model.words import OperationKind, Outcome
from lab.past import Past
from lab.records import us
from tests.builders_metrics import outline

READ, WRITE, LOGIN = OperationKind.READ, OperationKind.WRITE, OperationKind.LOGIN


def windows(past: Past, group: str = "all", kind: OperationKind = WRITE) -> list[Window]:
    history = past.history()
    return [one for one in outages(facts_of(history)) if one.kind == kind and one.group == group]


def baseline(*took_s: float) -> int:
    """From which wait on a write counts as late, after these in the baseline."""
    past = outline()
    for n, took in enumerate(took_s):
        past.do(WRITE, 1.0 + n / 100, took)
    past.do(WRITE, 12.0, 0.2)
    past.do(WRITE, 2.0, 0.2, outcome=Outcome.UNKNOWN)
    return late_us(traffic_of(past.history()))


@pytest.mark.parametrize(
    ("took_s", "late"),
    [
        ((), 100_000),
        ((0.002,), 100_000),
        ((0.010,), 100_000),
        ((0.011,), 110_000),
        ((0.025,), 250_000),
        ((0.026,), 250_000),
        ((*[0.002] * 99, 0.02), 100_000),
        ((*[0.002] * 98, 0.02, 0.02), 200_000),
    ],
)
def test_late_is_ten_times_what_the_baseline_needed_within_limits(
    took_s: tuple[float, ...], late: int
) -> None:
    """Never less than a tenth of a second, never more than a quarter; by the acked ones of the baseline."""
    assert baseline(*took_s) == late


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1), (0.01, 1), (0.011, 2), (0.5, 50), (0.501, 51), (0.99, 99), (1.0, 100)]
)
def test_percentile_was_measured(share: float, value: int) -> None:
    """The nearest rank of a hundred; of nothing there is none."""
    assert percentile(range(1, 101), share) == value
    with pytest.raises(ValueError, match="a percentile of nothing"):
        percentile([], share)


@pytest.mark.parametrize(("took_s", "count"), [(0.1, 0), (0.100001, 1)])
def test_wait_is_late_beyond_the_limit(took_s: float, count: int) -> None:
    """Exactly as long is not."""
    past = outline()
    past.steady(WRITE, 0.0, 12.0)
    past.do(WRITE, 12.0, took_s)
    past.steady(WRITE, 12.2, 20.0)
    assert len(windows(past)) == count


@pytest.mark.parametrize(
    ("due_s", "took_s", "result", "count"),
    [
        (19.95, 0.05, "cancelled", 0),  # cut off as the workload ended
        (19.95, 0.049999, "cancelled", 1),  # somebody gave it up before
        (19.85, 0.15, "cancelled", 1),  # it had waited too long by then
        (19.9, 0.1, "cancelled", 0),
        (19.95, 0.05, "timeout", 1),
    ],
)
def test_what_the_end_cut_off_failed_only_if_it_had_waited(
    due_s: float, took_s: float, result: str, count: int
) -> None:
    """By the end of the workload, at 20 s."""
    past = outline()
    past.steady(WRITE, 0.0, 19.8)
    past.do(WRITE, due_s, took_s, outcome=Outcome.UNKNOWN, result=result)
    assert len(windows(past)) == count


def test_operation_that_was_never_sent_waited_until_its_phase_ended() -> None:
    """Due 100 ms before the fault phase, it had not waited too long in its own."""
    for due_s, count in ((9.9, 0), (9.899999, 1)):
        past = outline()
        past.steady(WRITE, 0.0, 20.0)
        past.do(WRITE, due_s, outcome=Outcome.NOT_SENT)
        assert len(windows(past)) == count


def test_window_counts_what_failed_in_it() -> None:
    """From the first that was due until the last was over, or until the first success."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0)
    for due_s, took_s in ((10.5, 0.2), (10.6, 0.9), (10.7, 0.1)):
        past.do(WRITE, due_s, took_s, outcome=Outcome.UNKNOWN)
    past.steady(WRITE, 12.0, 20.0)
    (window,) = windows(past)
    assert window.failed == 3
    assert window.duration_s.low == pytest.approx(1.0)
    assert window.duration_s.high == pytest.approx(12.002 - 9.902)
    past.do(WRITE, 11.0, took_s=0.0)
    first = windows(past)[0]
    assert first.duration_s.low == pytest.approx(0.5)
    assert first.duration_s.high == pytest.approx(11.0 - 9.902)


# ---------------------------------------------------------------- out of service


def away(*events: tuple[str, float, str | None, int | None]) -> Past:
    past = outline(fault_kinds=("kill web server", "kill web server"))
    for name, at, node, fault in events:
        past.event(name, at, source=f"fault {fault}", node=node, fault=fault)
    return past


START, END = NONE, us(20.0)


@pytest.mark.parametrize(
    ("events", "spans"),
    [
        ((("effect", 12.0, "web-1", 1),), ((START, us(12.0)),)),
        ((("effect", 12.0, "web-1", 1), ("healed", 15.0, None, 1)), ((START, us(12.0)), (us(15.0), END))),
        ((("effect", 12.0, "web-1", 1), ("healed", 15.0, None, 2)), ((START, us(12.0)),)),
        ((("effect", 12.0, "web-1", 1), ("healed", 11.0, None, 1)), ((START, us(12.0)),)),
        ((("effect", 12.0, "web-1", 1), ("healed", 12.0, None, 1)), ((START, us(12.0)), (us(12.0), END))),
        ((("effect", 12.0, "redis-1", 1),), ((START, END),)),
        ((("requested", 12.0, "web-1", 1), ("effect", 12.5, "redis-1", 1)), ((START, END),)),
        ((("effect", 20.5, "web-1", 1),), ((START, END),)),
        ((("effect", 12.0, "web-1", 1), ("healed", 20.5, None, 1)), ((START, us(12.0)),)),
        (
            (("effect", 12.0, "web-1", 1), ("healed", 13.0, None, 1), ("effect", 15.0, "web-1", 2)),
            ((START, us(12.0)), (us(13.0), us(15.0))),
        ),
    ],
)
def test_web_server_is_in_service_but_from_its_fault_until_that_is_healed(
    events: Sequence[tuple[str, float, str | None, int | None]], spans: tuple[tuple[int, int], ...]
) -> None:
    """Up to the end of the workload."""
    history = away(*events).history()
    assert in_service(facts_of(history), ["web-1"]) == spans


def test_group_is_in_service_while_one_of_it_is() -> None:
    """Both away at once are nobody; nobody asked about is always there."""
    history = away(
        ("effect", 12.0, "web-1", 1),
        ("healed", 16.0, None, 1),
        ("effect", 14.0, "web-2", 2),
        ("healed", 18.0, None, 2),
    ).history()
    assert in_service(facts_of(history), ["web-1", "web-2"]) == (
        (START, us(12.0)),
        (us(12.0), us(14.0)),
        (us(16.0), us(18.0)),
        (us(18.0), END),
    )
    assert in_service(facts_of(history), []) == ((START, END),)


# ---------------------------------------------------------------- groups


def test_side_that_gets_overlooked_counts_for_the_whole_run() -> None:
    """With the primary before the rest, the rest before all."""
    past = outline()
    for web, side in (
        ("web-1", "all"),
        ("web-1", "with-primary"),
        ("web-1", "rest"),
        ("web-2", "rest"),
        ("web-2", "all"),
        ("web-3", "all"),
    ):
        past.do(WRITE, 1.0, web=web, side=side)
    assert sides(past.history()) == {"web-1": "with-primary", "web-2": "rest", "web-3": "all"}


def test_groups_are_named_by_shard_and_side() -> None:
    """By as much of it as tells them apart."""
    past = outline()
    for shard in (1, 2):
        for web, side in (("web-1", "with-primary"), ("web-2", "rest")):
            past.steady(WRITE, 0.0, 10.0, shard=shard, web=web)
            past.do(WRITE, 11.0, outcome=Outcome.REJECTED, shard=shard, web=web, side=side)
            past.steady(WRITE, 12.0, 20.0, shard=shard, web=web)
    history = past.history()
    groups = list(dict.fromkeys(one.group for one in outages(facts_of(history))))
    assert groups == [
        "all",
        "shard 1, rest",
        "shard 1, with-primary",
        "shard 2, rest",
        "shard 2, with-primary",
        "worst",
    ]


def test_worst_group_has_the_longest_window() -> None:
    """Of two with the same the one that was out for longer together."""

    def out(*seconds: float) -> tuple[Window, ...]:
        return tuple(
            Window(kind="write", group="g", start_s=0.0, duration_s=Interval(low=one, high=9.0), failed=1)
            for one in seconds
        )

    assert worst_of({"a": out(1, 1, 1), "b": out(2)}) == out(2)
    assert worst_of({"a": out(2), "b": out(2, 1)}) == out(2, 1)
    assert worst_of({"a": (), "b": out(1)}) == out(1)
    assert worst_of({}) == ()


def test_longest_and_total_are_taken_end_by_end() -> None:
    """None is nought."""
    some = [Interval(low=1, high=5), Interval(low=2, high=3)]
    assert longest(some) == Interval(low=2, high=5)
    assert total(some) == Interval(low=3, high=8)
    assert longest([]) == Interval(low=0, high=0)
    assert total([]) == Interval(low=0, high=0)


def test_worst_for_users_is_of_a_kind_and_a_web_server() -> None:
    """The longest that is proved; with the same, the longest that may be; none where all is well."""
    past = outline()
    for web in ("web-1", "web-2"):
        for kind in (WRITE, LOGIN, READ):
            past.steady(kind, 0.0, 10.0, web=web)
            until = 12.0 if (web, kind) == ("web-2", LOGIN) else 11.0
            past.steady(kind, 10.0, until, web=web, outcome=Outcome.REJECTED)
            past.steady(kind, until, 20.0, web=web)
    history = past.history()
    worst = worst_for_users(facts_of(history))
    assert worst is not None
    assert (worst.kind, worst.group) == ("login", "web-2")
    assert worst.duration_s.low == pytest.approx(1.902)
    quiet = outline()
    quiet.steady(WRITE, 0.0, 20.0)
    assert worst_for_users(facts_of(quiet.history())) is None


def test_worst_for_users_names_the_shard_where_there_are_several() -> None:
    """Web server first."""
    past = outline()
    for shard in (1, 2):
        past.steady(WRITE, 0.0, 10.0, shard=shard)
        past.steady(WRITE, 10.0, 11.0, shard=shard, outcome=Outcome.REJECTED if shard == 2 else Outcome.ACKED)
        past.steady(WRITE, 11.0, 20.0, shard=shard)
    history = past.history()
    worst = worst_for_users(facts_of(history))
    assert worst is not None
    assert worst.group == "web-1, shard 2"


def test_window_is_told_in_seconds_from_the_effect() -> None:
    """One that nobody proved is not told."""
    past = outline()
    past.steady(WRITE, 0.0, 10.0)
    past.do(WRITE, 10.5, outcome=Outcome.REJECTED)
    past.steady(WRITE, 11.0, 20.0)
    (window,) = windows(past)
    assert window.start_s == pytest.approx(9.902 - 10.0)
    assert windows_from([], "write", "all", facts_of(past.history()).landmarks) == ()
