"""What is missing from a run's evidence, and what each gap leaves undecided. Judged before all else.

Missing evidence never shrinks what was proved: it widens upper ends, so that "none seen" stops
meaning "none happened". Only where a run taught nothing (no fault took effect, no traffic before
it) are its measurements void. Trap: a busy machine is no starved one. Two runs side by side on two
cores keep some task waiting most of the time and still measure well; what spoils a measured time is
lateness, compared with the tightest bound that it is measured against.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from harness.checks.budget import bounds_of
from harness.checks.columns import NONE, Words
from harness.checks.latency import percentile
from harness.checks.moments import Moments
from harness.checks.traffic import traffic_of
from harness.model.history import History
from harness.model.judgement import SessionCounts
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
DRIFT_US = 50_000
"""Wall against monotonic clock; TTLs are kept in wall time (ledger: 50 ms)."""
UNDECIDABLE_SHARE = 0.02
"""Of the sessions at risk."""


class Affects(StrEnum):
    """What a gap leaves undecided."""

    ALL = "all"
    """Nothing was learnt: what was measured means nothing. Proved findings stay."""
    UPPER = "upper"
    """More may have happened than was recorded."""
    AUDIT = "audit"
    """What only the audit shows may be more than was found."""
    LOSS = "loss"
    """Expectations about losses; findings that no expectation names keep their counts."""
    TIMING = "timing"
    TTL = "ttl"
    """Findings about deadlines, proved ones included."""


@dataclass(frozen=True, slots=True)
class Gap:
    affects: Affects
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    gaps: tuple[Gap, ...] = ()
    starved: str = ""
    late_s: float = 0.0
    """By how much this machine may have lengthened a measured time, too little to be starved."""
    late: str = ""
    """The same in words, if it is more than a small share of the tightest bound."""

    def about_delays(self) -> tuple[str, ...]:
        """What leaves findings undecided that come from something having taken too long."""
        return self.about(Affects.TIMING) + ((self.late,) if self.late else ())

    def about(self, *affects: Affects) -> tuple[str, ...]:
        return tuple(gap.sentence for gap in self.gaps if gap.affects in affects)


def weigh(
    history: History, moments: Moments, sessions: SessionCounts, crashed: Sequence[str] = ()
) -> Evidence:
    """`crashed`: what `run_checks` says of checks that failed with an error of their own."""
    late = starved(history, moments)
    gaps = [
        *_recording(history),
        *(Gap(Affects.UPPER, f"a check crashed: {one}") for one in crashed),
        *_faults(history),
        *_traffic(history),
        *_audit(history),
        *_at_risk(history, sessions),
        *_clocks(history, moments),
    ]
    if late:
        gaps.append(Gap(Affects.TIMING, f"the host was starved: {late}"))
    late_s = lateness_s(history, moments)
    bound_s = tightest_bound_s(history)
    words = f"this machine may have been late by up to {late_s * 1000:.0f} ms, with a bound of {bound_s:g} s"
    return Evidence(
        gaps=tuple(gaps),
        starved=late,
        late_s=late_s,
        late=words if late_s > LATE_SHARE * bound_s else "",
    )


def _recording(history: History) -> Iterator[Gap]:
    if history.incomplete or history.closing is None:
        why = history.incomplete or "it has no closing line"
        yield Gap(Affects.UPPER, f"the history is incomplete: {why}")
    elif history.closing.interrupted:
        yield Gap(Affects.UPPER, f"the run was interrupted: {history.closing.reason or 'by its user'}")
    crashes = [event.detail for event in history.events if event.name == "behaviour-crashed"]
    if crashes:
        yield Gap(Affects.UPPER, f"the load engine crashed in {len(crashes)} operations: {crashes[0]}")
    if not history.samples:
        yield Gap(Affects.UPPER, "no node was ever sampled, so roles, offsets and evictions are not known")


def _faults(history: History) -> Iterator[Gap]:
    took_effect = {event.fault for event in history.events if event.name == "effect"}
    for step in history.plan.scenario.faults:
        if step.number in took_effect:
            continue
        said = [
            event.detail
            for event in history.events
            if event.name == "no-effect" and event.fault == step.number
        ]
        what = " ".join(word for word in (step.kind, step.target) if word)
        why = (said[-1] or "its effect was not observed") if said else "it never began"
        yield Gap(Affects.ALL, f"fault {step.number} ({what}) did not take effect: {why}")
    for event in history.events:
        if event.name == "heal-failed":
            yield Gap(Affects.AUDIT, f"{event.source} could not be healed: {event.detail}")


def _traffic(history: History) -> Iterator[Gap]:
    traffic = traffic_of(history)
    if not (traffic.with_outcome(Outcome.ACKED) & traffic.in_phase(Phase.BASELINE)).any():
        yield Gap(Affects.ALL, "the workload got nothing through before the fault")
    sent = traffic.in_phase(Phase.FAULT, Phase.RECOVERY) & (traffic.sent_us != NONE)
    if history.plan.scenario.faults and not sent.any():
        yield Gap(Affects.ALL, "no operation was sent between the fault and recovery")


def _audit(history: History) -> Iterator[Gap]:
    summary = history.audit_summary
    if summary is None:
        yield Gap(Affects.AUDIT, "the run never came to its audit")
    elif summary.valid_pass is None:
        why = summary.reason or f"the topology changed during each of {summary.passes} passes"
        yield Gap(Affects.AUDIT, f"no audit is valid: {why}")
    elif not any(entry.pass_n == summary.valid_pass for entry in history.audit):
        yield Gap(Affects.AUDIT, "the audit read no session")
    if history.closing is not None and history.closing.not_recovered:
        yield Gap(Affects.AUDIT, f"the topology did not recover: {history.closing.not_recovered}")


def _at_risk(history: History, sessions: SessionCounts) -> Iterator[Gap]:
    if not history.plan.scenario.faults:
        return
    if not sessions.at_risk:
        yield Gap(Affects.LOSS, "no session was at risk: nothing was acked between the effect and recovery")
    elif sessions.undecidable > UNDECIDABLE_SHARE * sessions.at_risk:
        yield Gap(
            Affects.LOSS,
            f"{sessions.undecidable} sessions cannot be decided, more than {100 * UNDECIDABLE_SHARE:g} %"
            f" of the {sessions.at_risk} at risk",
        )


def _clocks(history: History, moments: Moments) -> Iterator[Gap]:
    if not _judged(history, moments):
        yield Gap(Affects.TIMING, "nothing says how this machine was doing: no clock records")
        yield Gap(Affects.TTL, "nothing says how the clocks ran: no clock records")
        return
    drift_us = drift_of(history.clocks)
    if drift_us > DRIFT_US:
        yield Gap(Affects.TTL, f"the wall clock moved {drift_us / 1000:.0f} ms against the monotonic clock")


def drift_of(clocks: Sequence[ClockPair]) -> int:
    """How far wall and monotonic clock moved against each other over the run, in microseconds."""
    apart = [pair.wall_us - pair.t_us for pair in clocks]
    return max(apart, default=0) - min(apart, default=0)


def starved(history: History, moments: Moments) -> str:
    """Why this machine was too slow for the tightest bound of this scenario; empty: it was not."""
    bound_s = tightest_bound_s(history)
    limit_s = max(LAG_AT_LEAST_S, LAG_SHARE * bound_s)
    clocks = _judged(history, moments)
    for name, lags in (
        ("the load engine's loop", [pair.loop_lag_us for pair in clocks]),
        ("a thread that does nothing else", [pair.canary_lag_us for pair in clocks]),
    ):
        worst_s = max(lags, default=0) / 1e6
        if worst_s > limit_s:
            return f"{name} was up to {worst_s * 1000:.0f} ms late, with a bound of {bound_s:g} s"
        seconds = math.ceil(bound_s) + 1
        sum_s = _most_within(lags, seconds) / 1e6
        if sum_s > limit_s:
            return (
                f"{name} was late again and again, by {sum_s * 1000:.0f} ms within {seconds} s,"
                f" with a bound of {bound_s:g} s"
            )
    slow_s = _slow_answers_s(history)
    if slow_s > limit_s:
        return (
            f"after recovery, with nothing wrong, 1 % of the answers took {slow_s * 1000:.0f} ms or more,"
            f" with a bound of {bound_s:g} s"
        )
    pressed_s = _longest_pressure_s(clocks)
    if pressed_s >= max(PRESSURE_AT_LEAST_S, bound_s):
        return (
            f"for {pressed_s:.0f} s some task waited for a CPU {100 * PRESSURE_SHARE:g} % of the time"
            " or more, and a thread that does nothing else was late"
        )
    return ""


def lateness_s(history: History, moments: Moments) -> float:
    """By how much this machine may have lengthened something that took as long as the tightest bound: the
    noticeable delays of the loop, or of a thread that does nothing else, added up; and where there was one,
    all the time in which some task waited for a CPU, since a request passes many tasks."""
    clocks, seconds = _judged(history, moments), math.ceil(tightest_bound_s(history)) + 1
    loop_us = _most_within([pair.loop_lag_us for pair in clocks], seconds)
    canary_us = _most_within([pair.canary_lag_us for pair in clocks], seconds)
    if not loop_us and not canary_us:
        return 0.0
    waited_us = _most_within([int(1e6 * (pair.cpu_pressure or 0.0)) for pair in clocks], seconds)
    return max(loop_us, canary_us, waited_us) / 1e6


def _most_within(lags_us: Sequence[int], seconds: int) -> int:
    """The largest sum of noticeable delays within so many seconds (there is one record a second). A
    failover is many short steps one after the other: what delays each of them delays it by the sum."""
    noticed = [lag_us if lag_us > LAG_AT_LEAST_S * 1e6 else 0 for lag_us in lags_us]
    return max((sum(noticed[at : at + seconds]) for at in range(len(noticed))), default=0)


def _slow_answers_s(history: History) -> float:
    """What the slowest hundredth waited once nothing was wrong any more; only of operations whose every
    attempt was answered, so that no time-out counts. A request passes several processes: where each is a
    little late, too little for `LAG_SHARE`, the sum shows here."""
    attempts, traffic = history.table.attempts, traffic_of(history)
    unanswered = rows_of(attempts)[~Words(attempts, "result").equal("reply")]
    calm = traffic.in_phase(Phase.SETTLED) & traffic.with_outcome(Outcome.ACKED)
    calm[unanswered] = False
    waits_us = np.sort(traffic.done_us[calm] - traffic.due_us[calm])
    return percentile(waits_us, 0.99) / 1e6 if len(waits_us) else 0.0


def tightest_bound_s(history: History) -> float:
    bounds = [
        bound
        for expectation, bound in zip(history.plan.scenario.expect, bounds_of(history), strict=True)
        if expectation.timing and bound
    ]
    return min(bounds, default=USUAL_BOUND_S)


def _judged(history: History, moments: Moments) -> list[ClockPair]:
    """Clock records that say something about fault and recovery; each speaks for the second before it."""
    start_us = moments.begin_us if moments.fault_us is None else moments.fault_us - 1_000_000
    end_us = moments.workload_ends_us if moments.fault_us is None else moments.recovered_us + 1_000_000
    return [pair for pair in history.clocks if start_us <= pair.t_us <= end_us + 1_000_000]


def _longest_pressure_s(clocks: Sequence[ClockPair]) -> float:
    """The longest unbroken stretch of seconds in which everybody had to wait for a CPU."""
    longest = stretch = 0
    for pair in clocks:
        pressed = pair.cpu_pressure is not None and pair.cpu_pressure >= PRESSURE_SHARE
        stretch = stretch + 1 if pressed and pair.canary_lag_us >= PRESSED_CANARY_S * 1e6 else 0
        longest = max(longest, stretch)
    return float(longest)
