"""When a session is over, however often it is used: one field of its hash, written by the log-in alone.

Microseconds of the application's clock, which is that of the run, behind the operation that wrote it, as in
every other field: `17:8400000`.
"""

from __future__ import annotations

from collections.abc import Mapping

ENDS = "ends"


def ends_us(fields: Mapping[str, str]) -> int | None:
    """None: these fields do not say, so it is over by its idle timeout alone."""
    at = fields.get(ENDS, "").partition(":")[2]
    return int(at) if at.isdecimal() else None
