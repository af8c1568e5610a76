"""How late this machine was with everything, and so how much of a measured time may be its own.

Two things should never have to wait: the load engine's loop, and a thread that does nothing else.
Their delays are counted once, and say both how much later something may have been seen (`late_s`)
and whether the machine was too slow to be measured on at all (`starved`). Trap: a busy machine is no
starved one. Two runs side by side on two cores keep some task waiting most of the time and still
measure well; what spoils a measured time is lateness, compared with the tightest bound that it is
measured against.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.checks.budget import bounds_of
from harness.checks.columns import Words
from harness.checks.latency import percentile
from harness.checks.moments import Moments
from harness.checks.traffic import traffic_of
from harness.model.history import History
from harness.model.records import ClockPair
from harness.model.table import rows_of
from harness.model.words import Outcome, Phase

LAG_SHARE = 0.25
"""Of the tightest bound. Lateness moves either end of a window by as much: up to a quarter, a
result near its bound may change sides, one that leaves the usual half as room does not."""
LATE_SHARE = 0.125
"""Of the tightest bound. Delays that add up to it may have put out a user whose timeout was running."""
LAG_AT_LEAST_S = 0.1
"""Single delays below this occur on every shared machine, and no window below it is an outage."""
PRESSURE_SHARE = 0.95
"""Of the time, some task waited for a CPU. Fully used cores alone do no harm, and two runs on two
cores use them fully; it counts in seconds in which the canary was late as well."""
PRESSED_CANARY_S = 0.05
"""Five of its ticks: then Redis, which is scheduled no better, answers late as well."""
PRESSURE_AT_LEAST_S = 3.0
"""Shorter bursts of full load (starting nodes, a fork) are normal."""
USUAL_BOUND_S = 1.0
"""Compared with where no expectation bounds a time: the failure detector of the fast profile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    starved: str = ""
    """Why this machine was too slow for the tightest bound of this scenario; empty: it was not."""
    late_s: float = 0.0
    """By how much it may have lengthened something that took as long as the tightest bound."""
    delays_count: bool = False
    """That is more than a small share of the bound: who was put out by a delay may owe it to this."""

    def __str__(self) -> str:
        return f"this machine may have been late by up to {self.late_s * 1000:.0f} ms"


@dataclass(frozen=True, slots=True)
class _Delays:
    """Of one thing that should never have to wait."""

    of: str
    worst_s: float
    sum_s: float
    """The noticeable ones, added up, within about the tightest bound."""


def lateness(history: History, moments: Moments) -> Lateness:
    bound_s = _tightest_bound_s(history)
    seconds = math.ceil(bound_s) + 1
    clocks = judged_clocks(history, moments)
    delays = (
        _delays("the load engine's loop", [pair.loop_lag_us for pair in clocks], seconds),
        _delays("a thread that does nothing else", [pair.canary_lag_us for pair in clocks], seconds),
    )
    late_s = _late_s(delays, clocks, seconds)
    starved = (
        _too_late(delays, bound_s, seconds) or _too_slow(history, bound_s) or _too_pressed(clocks, bound_s)
    )
    return Lateness(starved=starved, late_s=late_s, delays_count=late_s > LATE_SHARE * bound_s)


def judged_clocks(history: History, moments: Moments) -> list[ClockPair]:
    """Clock records that say something about fault and recovery; each speaks for the second before it."""
    start_us = moments.begin_us if moments.fault_us is None else moments.fault_us - 1_000_000
    end_us = moments.workload_ends_us if moments.fault_us is None else moments.recovered_us + 1_000_000
    return [pair for pair in history.clocks if start_us <= pair.t_us <= end_us + 1_000_000]


def _tightest_bound_s(history: History) -> float:
    bounds = [
        bound
        for expectation, bound in zip(history.plan.scenario.expect, bounds_of(history), strict=True)
        if expectation.timing and bound
    ]
    return min(bounds, default=USUAL_BOUND_S)


def _delays(of: str, lags_us: Sequence[int], seconds: int) -> _Delays:
    return _Delays(of, worst_s=max(lags_us, default=0) / 1e6, sum_s=_most_within(lags_us, seconds) / 1e6)


def _most_within(lags_us: Sequence[int], seconds: int) -> int:
    """The largest sum of noticeable delays within so many seconds (there is one record a second). A
    failover is many short steps one after the other: what delays each of them delays it by the sum."""
    noticed = [lag_us if lag_us > LAG_AT_LEAST_S * 1e6 else 0 for lag_us in lags_us]
    return max((sum(noticed[at : at + seconds]) for at in range(len(noticed))), default=0)


def _late_s(delays: Sequence[_Delays], clocks: Sequence[ClockPair], seconds: int) -> float:
    """The noticeable delays; and where there was one, all the time in which some task waited for a CPU,
    since a request passes many tasks."""
    noticed_s = max(one.sum_s for one in delays)
    if not noticed_s:
        return 0.0
    waited_us = _most_within([int(1e6 * (pair.cpu_pressure or 0.0)) for pair in clocks], seconds)
    return max(noticed_s, waited_us / 1e6)


def _limit_s(bound_s: float) -> float:
    return max(LAG_AT_LEAST_S, LAG_SHARE * bound_s)


def _too_late(delays: Sequence[_Delays], bound_s: float, seconds: int) -> str:
    for one in delays:
        if one.worst_s > _limit_s(bound_s):
            return f"{one.of} was up to {one.worst_s * 1000:.0f} ms late, with a bound of {bound_s:g} s"
        if one.sum_s > _limit_s(bound_s):
            return (
                f"{one.of} was late again and again, by {one.sum_s * 1000:.0f} ms within {seconds} s,"
                f" with a bound of {bound_s:g} s"
            )
    return ""


def _too_slow(history: History, bound_s: float) -> str:
    """By what the slowest hundredth waited once nothing was wrong any more; only of operations whose every
    attempt was answered, so that no time-out counts. A request passes several processes: where each is a
    little late, too little for `LAG_SHARE`, the sum shows here."""
    attempts, traffic = history.table.attempts, traffic_of(history)
    unanswered = rows_of(attempts)[~Words(attempts, "result").equal("reply")]
    calm = traffic.in_phase(Phase.SETTLED) & traffic.with_outcome(Outcome.ACKED)
    calm[unanswered] = False
    waits_us = np.sort(traffic.done_us[calm] - traffic.due_us[calm])
    slow_s = percentile(waits_us, 0.99) / 1e6 if len(waits_us) else 0.0
    if slow_s <= _limit_s(bound_s):
        return ""
    return (
        f"after recovery, with nothing wrong, 1 % of the answers took {slow_s * 1000:.0f} ms or more,"
        f" with a bound of {bound_s:g} s"
    )


def _too_pressed(clocks: Sequence[ClockPair], bound_s: float) -> str:
    """By the longest unbroken stretch of seconds in which everybody had to wait for a CPU."""
    longest = stretch = 0
    for pair in clocks:
        pressed = pair.cpu_pressure is not None and pair.cpu_pressure >= PRESSURE_SHARE
        stretch = stretch + 1 if pressed and pair.canary_lag_us >= PRESSED_CANARY_S * 1e6 else 0
        longest = max(longest, stretch)
    if longest < max(PRESSURE_AT_LEAST_S, bound_s):
        return ""
    return (
        f"for {longest} s some task waited for a CPU {100 * PRESSURE_SHARE:g} % of the time"
        " or more, and a thread that does nothing else was late"
    )
