"""Whether a history that was read can be a run's at all: asked before anything is drawn or counted from it.

Reading takes whatever fits its types. But what is counted by the second, or drawn on an axis, takes
memory by the number of seconds; so times that no run has are refused, as a folder may come from anybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import cast

import msgspec

from harness.errors import UsageError
from harness.model.history import History

LONGEST_US = 30 * 86_400 * 1_000_000
"""A month: no run is that long."""

_SHOWN = 80


def check_plausible(directory: Path, past: History) -> None:
    """Refuse a history with times or numbers that no run has.

    Raises:
        UsageError: it has.
    """
    try:
        extremes = [*_times(past), *past.table.extremes("due_us", "sent_us", "done_us")]
    except (ValueError, OverflowError) as problem:
        said = str(problem)[:_SHOWN]
        raise UsageError(f"{directory}: an operation has a number that no run has: {said}") from problem
    if (furthest := max(map(abs, extremes), default=0)) > LONGEST_US:
        raise UsageError(f"{directory}: a time of {str(furthest)[:_SHOWN]} µs is none of a run's: damaged")


class _Sent(msgspec.Struct):
    sent_us: int


def _times(past: History) -> list[int]:
    times: list[int] = [past.closing.t_us] if past.closing else []
    times += [entry.sent_us for entries in past.audit_as(_Sent) for entry in entries]
    for records, field in (
        (past.events, "t_us"),
        (past.clocks, "t_us"),
        (past.clock_readings, "done_us"),
        (past.clock_readings, "theirs_us"),
        (past.phases, "t_us"),
        (past.brackets, "t_us"),
        (past.samples, "done_us"),
        (past.objects, "sent_us"),
        (past.readings, "done_us"),
        (past.forensics, "sent_us"),
        (past.connections, "opened_us"),
    ):
        times += map(attrgetter(field), cast("Sequence[object]", records))
    return times
