"""A history as one stream of JSON lines in the order of time, for `jq` and for people.

The same records that the run left, operations among the rest. The opening comes first, the closing last;
in between every record stands where what it describes began (operations: when they were due).

Trap: the seal with its checksums is not among them, as anybody may change lines. Put into a folder as
`history.jsonl` beside the plan they can be read and judged; but as a history that was never closed, so
never better than INCONCLUSIVE.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from operator import itemgetter

import msgspec

from harness.costly import np
from harness.model.history import History
from harness.model.records import Record

_AT_ONCE = 4096
"""Operations unpacked at a time."""

_encode = msgspec.json.Encoder().encode


def lines(past: History) -> Iterator[bytes]:
    """Every record of a history, one line each, without line ends."""
    yield _encode(past.opening)
    timed = heapq.merge(sorted(_others(past), key=itemgetter(0)), _operations(past), key=itemgetter(0))
    for _, record in timed:
        yield _encode(record)
    for last in (past.audit_summary, past.closing):
        if last is not None:
            yield _encode(last)


def _operations(past: History) -> Iterator[tuple[int, Record]]:
    order = np.argsort(past.table.operations["due_us"].to_numpy(), kind="stable")
    for first in range(0, len(order), _AT_ONCE):
        for operation in past.table.take(order[first : first + _AT_ONCE]).records():
            yield operation.due_us, operation


def _others(past: History) -> Iterable[tuple[int, Record]]:
    """With the time of each. What closed a connection is told at its end, else at the run's."""
    end_us = past.closing.t_us if past.closing else 2**63
    yield from ((one.opened_us, one) for one in past.connections)
    yield from ((end_us if one.closed_us is None else one.closed_us, one) for one in past.unanswered)
    for bracketed in (past.samples, past.audit, past.objects, past.readings, past.forensics):
        yield from ((one.sent_us, one) for one in bracketed)
    for instant in (past.events, past.clocks, past.phases, past.brackets):
        yield from ((one.t_us, one) for one in instant)
