"""A history as the records, and the lines, that a run would have left."""

from __future__ import annotations

import msgspec

from harness.model.history import History
from harness.model.records import Record


def records_of(history: History) -> list[Record]:
    """The history's records, as a run writes them down."""
    return [
        history.opening,
        *history.phases,
        *history.connections,
        *history.operations,
        *history.events,
        *history.samples,
        *history.clocks,
        *history.audit,
        *history.objects,
        *([history.audit_summary] if history.audit_summary else []),
        *([history.closing] if history.closing else []),
    ]


def as_lines(history: History) -> str:
    """The same as JSON lines, as a run would have left them."""
    return "".join(msgspec.json.encode(record).decode() + "\n" for record in records_of(history))
