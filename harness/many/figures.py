"""Which figures are compared from run to run: what a team decides by.

Each is read from one run's metrics as an interval, or is None where that run did not measure it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.model.judgement import INFINITE, Interval, Judgement
from harness.model.words import OperationKind, Outcome, Phase

NOTHING = Interval(low=0.0, high=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    name: str
    unit: str
    of: Callable[[Judgement], Interval | None]
    takes_time: bool = False
    """On a machine that is late it is larger than it would be elsewhere."""

    def seen_in(self, judgement: Judgement) -> Interval | None:
        """None: the run did not measure it, or its machine was late by too much for the time-outs."""
        return None if self.takes_time and judgement.metrics.starved else self.of(judgement)


def _logged_out(judgement: Judgement) -> Interval:
    metrics = judgement.metrics
    sessions = metrics.sessions
    most = INFINITE if metrics.sessions_unknown else sessions.logged_out + sessions.maybe_logged_out
    return Interval(low=sessions.logged_out, high=most)


def _let_in(judgement: Judgement) -> Interval | None:
    return judgement.metrics.let_in


def _longest_outage(judgement: Judgement) -> Interval:
    worst = judgement.metrics.worst_outage
    return NOTHING if worst is None else worst.duration_s


def _nobody_logged_in(judgement: Judgement) -> Interval:
    """The longest time in which no log-in succeeded anywhere, whichever web server somebody came to."""
    windows = [
        one.duration_s
        for one in judgement.metrics.outages
        if one.kind == OperationKind.LOGIN and one.group == "all"
    ]
    return max(windows, key=lambda one: (one.low, one.high), default=NOTHING)


def _refused_percent(judgement: Judgement) -> Interval | None:
    """Requests that were refused, or got no answer, of all that were sent."""
    counts = judgement.metrics.operations
    sent = sum(counts.get(one, 0) for one in (Outcome.ACKED, Outcome.REJECTED, Outcome.UNKNOWN))
    if not sent:
        return None
    share = 100 * (1 - counts.get(Outcome.ACKED, 0) / sent)
    return Interval(low=share, high=share)


def _without_survivor(judgement: Judgement) -> Interval:
    """The end is not known where it is not known which writes were lost."""
    worst, unknown = judgement.metrics.without_survivor, judgement.metrics.losses_unknown
    known = NOTHING if worst is None else worst.duration_s
    return Interval(low=known.low, high=INFINITE) if unknown else known


def _writes_lost(judgement: Judgement) -> Interval:
    metrics = judgement.metrics
    return Interval(low=metrics.writes_lost, high=INFINITE if metrics.losses_unknown else metrics.writes_lost)


def _logouts_failed(judgement: Judgement) -> Interval:
    failed = judgement.metrics.logouts_failed
    return Interval(low=failed, high=failed)


def _p99_ms(phase: Phase) -> Callable[[Judgement], Interval | None]:
    """Of the slowest kind of operation."""

    def of(judgement: Judgement) -> Interval | None:
        worst = max((one.p99_ms for one in judgement.metrics.latency if one.phase == phase), default=None)
        return None if worst is None else Interval(low=worst, high=worst)

    return of


FIGURES = (
    Figure(name="logged out", unit="users", of=_logged_out),
    Figure(name="got in wrongly", unit="findings", of=_let_in),
    Figure(name="longest outage", unit="s", of=_longest_outage, takes_time=True),
    Figure(name="nobody could log in", unit="s", of=_nobody_logged_in, takes_time=True),
    Figure(name="refused", unit="%", of=_refused_percent, takes_time=True),
    Figure(name="no surviving write", unit="s", of=_without_survivor, takes_time=True),
    Figure(name="acked writes lost", unit="writes", of=_writes_lost),
    Figure(name="logouts failed", unit="sessions", of=_logouts_failed),
    Figure(name="p99 before", unit="ms", of=_p99_ms(Phase.BASELINE), takes_time=True),
    Figure(name="p99 during", unit="ms", of=_p99_ms(Phase.FAULT), takes_time=True),
)
"""In the order of the columns."""
