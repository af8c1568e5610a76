"""Planned turns are reproducible and follow the workload."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest

from harness.model.scenario import Workload
from harness.model.words import Arrivals
from harness.sessions.arrivals import log_in_dice, turns

MIX = {"read": 6.0, "cart": 3.0, "log-in": 1.0}


def first(count: int, *, seed: int = 7, arrivals: Arrivals = Arrivals.POISSON) -> list[tuple[object, ...]]:
    workload = Workload(rate_per_s=200, mix=MIX, arrivals=arrivals)
    return list(itertools.islice(turns(workload, actors=50, web_servers=3, seed=seed), count))


def test_turns_of_the_same_seed_are_equal() -> None:
    """Same seed, same due times, behaviours, actors, web servers and payloads."""
    assert first(500) == first(500)


def test_turns_of_another_seed_differ() -> None:
    """The seed decides everything that is random."""
    assert first(500) != first(500, seed=8)


def test_turns_at_a_constant_rate_are_evenly_spaced() -> None:
    """200 per second is one every 5 ms."""
    offsets = [turn[0] for turn in first(100, arrivals=Arrivals.CONSTANT)]
    gaps = [b - a for a, b in itertools.pairwise(offsets)]  # type: ignore[operator]
    assert max(abs(gap - 5000) for gap in gaps) <= 1


def test_turns_of_a_poisson_load_keep_rate_and_mix() -> None:
    """Over many turns the rate and each behaviour's share are those of the workload."""
    many = first(20_000)
    assert many[-1][0] == pytest.approx(100e6, rel=0.05)
    shares = Counter(turn[1] for turn in many)
    assert shares["read"] == pytest.approx(12_000, rel=0.05)
    assert shares["log-in"] == pytest.approx(2_000, rel=0.1)
    assert {turn[2] for turn in many} == set(range(50))
    assert {turn[3] for turn in many} == {0, 1, 2}


def test_log_in_dice_never_meet_those_of_the_turns() -> None:
    """Unplanned log-ins take ids of their own, so no two sessions share one."""
    planned = {turn[4] for turn in first(1000)}
    assert planned.isdisjoint(itertools.islice(log_in_dice(7), 1000))


def test_browser_thinks_between_two_of_its_requests() -> None:
    """Ten browsers with 4 tabs each, and a request each 5 ms: nobody comes again within 40 ms, whichever tab it is."""
    workload = Workload(rate_per_s=200, mix=MIX, arrivals=Arrivals.CONSTANT, think_time_s=0.04)
    planned = turns(workload, actors=40, web_servers=3, seed=7, browsers=10)
    last: dict[int, int] = {}
    tabs = set[int]()
    for turn in itertools.islice(planned, 2000):
        browser = turn.actor % 10
        tabs.add(turn.actor)
        assert turn.offset_us - last.get(browser, -40_000) >= 39_999
        last[browser] = turn.offset_us
    assert tabs == set(range(40))


def test_burst_that_finds_everybody_thinking_takes_who_has_waited_longest() -> None:
    """The rate stays that of the workload: nothing is put off."""
    workload = Workload(rate_per_s=200, mix=MIX, arrivals=Arrivals.CONSTANT, think_time_s=1.0)
    planned = turns(workload, actors=3, web_servers=3, seed=7, browsers=3)
    order = [turn.actor for turn in itertools.islice(planned, 9)]
    assert sorted(order[:3]) == [0, 1, 2]
    assert order[3:6] == order[6:] == order[:3]
