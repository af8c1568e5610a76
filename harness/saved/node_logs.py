"""The nodes' own logs of a saved run, on the run's clock.

A line of Redis says `7:M 01 Feb 2026 10:11:12.131 * text`, in the time zone of its process, which it does
not name. A run begins within seconds of its first line, so the zone is what is between both, in quarters
of an hour. Trap: lines of other programs (a proxy) have other forms, and are left out.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from harness.model.history import History
from harness.report.node_logs import LogLine, by_time
from harness.safe_files import opened

BYTES_MAX = 4 << 20
"""Of the end of each log."""

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_LINE = re.compile(r"\d+:[A-Z] (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d)\.(\d{3}) (.+)")
_QUARTER_US = 15 * 60 * 1_000_000


def node_logs(directory: Path, past: History) -> tuple[LogLine, ...]:
    """Of all nodes whose logs lie there, in order; a log that cannot be read is left out."""
    if not past.clocks:
        return ()
    first = past.clocks[0]
    zero_wall_us = first.wall_us - first.t_us
    names = [node.name for node in past.plan.nodes]
    found = (
        one for name in names for one in _of_node(directory / "nodes" / f"{name}.log", name, zero_wall_us)
    )
    return tuple(by_time(found))


def _of_node(file: Path, node: str, zero_wall_us: int) -> Iterator[LogLine]:
    zone_us = None
    for line in _lines(file):
        if (parts := _LINE.fullmatch(line)) and (said_us := _wall_us(parts)) is not None:
            if zone_us is None:
                zone_us = round((said_us - zero_wall_us) / _QUARTER_US) * _QUARTER_US
            yield LogLine(t_us=said_us - zone_us - zero_wall_us, node=node, text=parts[8])


def _lines(file: Path) -> list[str]:
    try:
        with opened(file) as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - BYTES_MAX))
            return log.read(BYTES_MAX).decode(errors="replace").splitlines()
    except OSError:
        return []


def _wall_us(parts: re.Match[str]) -> int | None:
    """As if it were UTC; None: no such date."""
    day, month, year, hour, minute, second, milliseconds = parts.groups()[:7]
    try:
        number = _MONTHS.index(month) + 1
        at = datetime(int(year), number, int(day), int(hour), int(minute), int(second), tzinfo=UTC)
    except ValueError:
        return None
    return int(at.timestamp()) * 1_000_000 + int(milliseconds) * 1000
