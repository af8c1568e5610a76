"""How late this machine was with everything, and so how much of a measured time may be its own.

Three things should never have to wait: the load engine's loop, a thread that does nothing else, and the
nodes. What they waited, second by second, widens every measured time by as much, and by no more: an outage of
30 s is no shorter than 2 s because the machine was 3 s late.

Traps. A busy machine is no late one: two runs side by side on two cores keep some task waiting most of the
time and still measure well. And a loop that is late by 200 ms with everything it does is not late by 200 ms:
what a client does passes through it many times, and all of it together was late for most of the second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from harness.checks.columns.arrays import Words, integers, percentile
from harness.checks.columns.traffic import Traffic
from harness.checks.facts.of_run import Facts, facts_of
from harness.costly import np, npt
from harness.model.attempt_results import REPLY
from harness.model.history import History
from harness.model.records import ClockPair
from harness.model.table import OperationTable, rows_of
from harness.model.times import FOREVER
from harness.model.words import Outcome, Phase

LAG_SHARE = 0.25
"""Of the tightest bound. A machine that is later is told to be late: a result near the bound may change
sides, one that leaves the usual half as room does not."""
LATE_SHARE = 0.125
"""Of its limit. Delays that add up to it may have put out a user whose timeout was running."""
LAG_AT_LEAST_S = 0.1
"""Single delays below this occur on every shared machine, and no window below it is an outage."""
PRESSURE_SHARE = 0.95
"""Of the time, some task waited for a CPU. Fully used cores alone do no harm, and two runs on two
cores use them fully; it counts in seconds in which the canary was late as well."""
PRESSED_CANARY_S = 0.05
"""Five of its ticks: then Redis, which is scheduled no better, answers late as well."""
LONG_WAIT_S = 0.05
"""Of a node, within a tenth of a second. Shorter ones add up to little in a dozen hand-overs."""
HAND_OVERS = 12
"""From one process to another, each after the one before, until a user is served again: sentinels agree,
elect, promote a replica, see that it is primary, and tell a client, which asks it; each is a request and its
answer. Timers run meanwhile and wait for nobody."""
USUAL_BOUND_S = 1.0
"""Compared with where no expectation bounds a time: the failure detector of the fast profile."""


class Waits(NamedTuple):
    """How long tasks waited for a CPU in one second."""

    worst_s: float = 0.0
    """The longest that a single one was seen to wait; 0: too little for anybody to notice."""
    most_s: float = 0.0
    """For how much of the second some task did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lateness:
    delays_s: tuple[float, ...] = ()
    """The worst delay of every second of fault and recovery; those that nobody notices are 0."""
    behind_s: tuple[float, ...] = ()
    """For how much of every second the load engine's loop was behind; empty: only `delays_s` is known."""
    waits: tuple[Waits, ...] = ()
    """Second by second, where nobody looked at the nodes: what is done passes from task to task, and each of
    them may have waited like those that somebody looked at."""
    node_waits: tuple[Waits, ...] = ()
    """The same as the kernel counted it for the nodes themselves. They wait before and after the loop does,
    so it comes on top."""
    answers_s: float = 0.0
    """What the slowest hundredth of the answers took once nothing was wrong any more; 0: nobody notices."""
    bound_s: float = USUAL_BOUND_S
    """The tightest bound of a time in this scenario, where somebody has put it in."""

    @property
    def starved(self) -> str:
        """In words, where the machine was too late for the tightest bound."""
        late_s = self.within_s(self.bound_s)
        return self.said(self.bound_s) if late_s > max(LAG_AT_LEAST_S, LAG_SHARE * self.bound_s) else ""

    def within_s(self, bound_s: float) -> float:
        """By how much it may have lengthened something that would have taken this long: a failover is many
        short steps one after the other, and what delays each of them delays it by the sum. What was late is
        longer, and so holds more of the delays. Where everybody waited for a CPU, each hand-over did, as long
        as the worst that was seen; but there are only so many, however long it takes."""
        late_s, each_s = 0.0, self.behind_s or self.delays_s
        while (more_s := _most_within(each_s, math.ceil(bound_s + late_s) + 1)) > late_s:
            late_s = more_s
        late_s = max(late_s, self.answers_s, _most_handed_over(self.waits, bound_s))
        return late_s + _most_handed_over(self.node_waits, bound_s + late_s)

    @property
    def most_s(self) -> float:
        """By how much it may have lengthened anything, however long that took."""
        recorded = (self.delays_s, self.behind_s, self.waits, self.node_waits)
        return self.within_s(float(max(map(len, recorded))))

    @property
    def of_nodes(self) -> Lateness:
        """What it may have done to the nodes among themselves. A loop that is behind holds up what passes
        through it, which is the clients' traffic; what nodes do it sees later by a delay, and no more."""
        return replace(self, behind_s=())

    @property
    def hides_s(self) -> float:
        """By how much it may have shortened a window: a success that was noticed late seems to be later."""
        return max(self.delays_s, default=0.0)

    def counts_within(self, limit_s: float, lasted_s: float | None = None) -> bool:
        """Whether what was put out by a delay of this length may owe it to the machine. `lasted_s`: how long
        the delay is known to have lasted, where that is more: it would have to owe all of that. To what has
        no limit no machine adds."""
        if limit_s == FOREVER:
            return False
        lasted_s = max(limit_s, lasted_s or 0.0)
        return self.within_s(lasted_s) > max(LATE_SHARE * limit_s, lasted_s - limit_s)

    def explains(self, excess_s: float, lasted_s: float) -> bool:
        """Whether what lasted so long, and so much too long, may owe all that is too much to the machine."""
        return self.within_s(lasted_s) > excess_s

    def said(self, bound_s: float, lasted_s: float | None = None) -> str:
        return self._too_late(max(bound_s, lasted_s or 0.0), f"a limit of {bound_s:g} s")

    def said_of_excess(self, excess_s: float, lasted_s: float) -> str:
        return self._too_late(lasted_s, f"what is over by {1000 * excess_s:.0f} ms")

    def _too_late(self, lasted_s: float, what: str) -> str:
        return f"delayed by {1000 * self.within_s(lasted_s):.0f} ms, which is too much to judge {what}"


def lateness(facts: Facts) -> Lateness:
    return facts.history.once(_lateness)


def lateness_between(facts: Facts, from_us: float, to_us: float) -> Lateness:
    """The same for a part of the run, which may begin before the fault: by all records that speak for some of
    it."""
    clocks = (
        pair
        for pair in facts.history.clocks
        if pair.t_us >= from_us and pair.t_us - 1_000_000 - 1e6 * _delay_s(pair) <= to_us
    )
    return _told_by(tuple(clocks), lateness(facts).answers_s)


def _lateness(history: History) -> Lateness:
    facts = facts_of(history)
    return _told_by(judged_clocks(facts), _noticed(_slow_answers_s(facts)))


def _told_by(clocks: Sequence[ClockPair], answers_s: float) -> Lateness:
    return Lateness(
        delays_s=tuple(_noticed(_delay_s(pair)) for pair in clocks),
        behind_s=tuple(_noticed(max(_delay_s(pair), (pair.loop_behind_us or 0) / 1e6)) for pair in clocks),
        waits=tuple(_waits(pair) for pair in clocks),
        node_waits=tuple(_node_waits(pair) for pair in clocks),
        answers_s=answers_s,
    )


def _delay_s(pair: ClockPair) -> float:
    return max(pair.loop_lag_us, pair.canary_lag_us) / 1e6


def _waits(pair: ClockPair) -> Waits:
    """What the nodes may have waited, of which nobody knows."""
    if pair.node_wait_us is not None:
        return Waits()
    delay_s = _delay_s(pair)
    return Waits(delay_s, pair.cpu_pressure or 0.0) if _noticed(delay_s) or _pressed(pair) else Waits()


def _node_waits(pair: ClockPair) -> Waits:
    worst_s = (pair.node_wait_us or 0) / 1e6
    return Waits(worst_s, (pair.nodes_waited_us or 0) / 1e6) if worst_s >= LONG_WAIT_S else Waits()


def _noticed(delay_s: float) -> float:
    return delay_s if delay_s > LAG_AT_LEAST_S else 0.0


def _pressed(pair: ClockPair) -> bool:
    """Everybody had to wait for a CPU, and it shows."""
    return (
        pair.cpu_pressure is not None
        and pair.cpu_pressure >= PRESSURE_SHARE
        and pair.canary_lag_us >= PRESSED_CANARY_S * 1e6
    )


def judged_clocks(facts: Facts) -> list[ClockPair]:
    """Clock records that say something about fault and recovery; each speaks for the second before it."""
    start_us, end_us = facts.landmarks.trouble_us
    if facts.landmarks.fault_us is not None:
        start_us, end_us = start_us - 1_000_000, end_us + 1_000_000
    return [pair for pair in facts.history.clocks if start_us <= pair.t_us <= end_us + 1_000_000]


def unwatched_s(facts: Facts) -> float:
    """The longest stretch of fault and recovery of which no clock record says anything. A record speaks for
    the second before it, and for as long as it was late."""
    start_us, end_us = facts.landmarks.trouble_us
    longest_us, known_us = 0, start_us
    for pair in judged_clocks(facts):
        late_us = max(pair.loop_lag_us, pair.canary_lag_us)
        longest_us = max(longest_us, min(pair.t_us - 1_000_000 - late_us, end_us) - known_us)
        known_us = max(known_us, pair.t_us)
    return max(longest_us, end_us - known_us) / 1e6


def _most_handed_over(waits: Sequence[Waits], bound_s: float) -> float:
    """In as many seconds as it takes, wherever they are."""
    seconds = math.ceil(bound_s) + 1
    return max((_handed_over(waits[at : at + seconds]) for at in range(len(waits))), default=0.0)


def _handed_over(seconds: Sequence[Waits]) -> float:
    """The most that hand-overs can have waited: all of a second's together no longer than somebody did."""
    left, late_s = float(HAND_OVERS), 0.0
    for one in sorted(seconds, reverse=True):
        if one.worst_s:
            count = min(left, one.most_s / one.worst_s)
            left, late_s = left - count, late_s + count * one.worst_s
    return late_s


def _most_within(each_s: Sequence[float], seconds: int) -> float:
    """The largest sum within so many seconds; there is one record a second."""
    return max((sum(each_s[at : at + seconds]) for at in range(len(each_s))), default=0.0)


def _slow_answers_s(facts: Facts) -> float:
    """What the slowest hundredth waited once nothing was wrong any more; only of operations whose every
    attempt was answered, so that no time-out counts. A request passes several processes: where each is a
    little late, too little to be noticed, the sum shows here.

    Trap: not all that an operation takes is waiting. What it does between its attempts (a lock's work, a
    pause) and how long it stood behind another one of its browser tab are its own; and `WAIT` for a replica
    that is not there takes its whole time on every machine."""
    pieces = [
        _calm_waits_us(part, facts.traffic.where(these)) for these, part in facts.history.table.parts(_ASKED)
    ]
    found_us = np.concatenate([np.zeros(0, np.int32), *pieces])
    pieces.clear()
    found_us.sort()
    return percentile(found_us, 0.99) / 1e6 if len(found_us) else 0.0


_ASKED = {"steps": ("wait_needed", "wait_got"), "attempts": ("result", "sent_us", "done_us")}


def _calm_waits_us(table: OperationTable, traffic: Traffic) -> npt.NDArray[np.int32]:
    """In four bytes each, which is half an hour: of a long run they are many."""
    rows = rows_of(table.attempts)
    calm = traffic.in_phase(Phase.SETTLED) & traffic.with_outcome(Outcome.ACKED)
    calm[rows[~Words(table.attempts, "result").equal(REPLY)]] = False
    short = integers(table.steps, "wait_needed") > integers(table.steps, "wait_got")
    calm[rows_of(table.steps)[short]] = False
    waits_us = np.clip(traffic.sent_later_us.astype(np.int64), 0, int(LAG_AT_LEAST_S * 1e6))
    np.add.at(waits_us, rows, integers(table.attempts, "done_us") - integers(table.attempts, "sent_us"))
    waits_us = np.minimum(np.minimum(waits_us, traffic.wait_us)[calm], np.iinfo(np.int32).max)
    found_us: npt.NDArray[np.int32] = waits_us.astype(np.int32)
    return found_us
