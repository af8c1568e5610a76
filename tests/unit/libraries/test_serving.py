"""What a library does with a call is said to the kit: its answer, what it raised, and that it was cancelled."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from typing import Any

import pytest

from harness.libraries import LIBRARIES
from harness.libraries.notes import Attempt, Exchange, Notes
from harness.libraries.resp import Command, ErrorReply
from harness.libraries.serve import Serving
from tests.fake_clock import in_fake_time

WRITE: Command = ("HSET", "session:{s}", "theme", "1:dark")


class Library:
    """Returns or raises what it is given; None: it never answers."""

    def __init__(self, ends: list[object] | Exception | None) -> None:
        self._ends = ends

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def send(self, commands: Sequence[Command], key: str) -> list[object]:
        if isinstance(self._ends, Exception):
            raise self._ends
        if self._ends is None:
            await asyncio.Event().wait()
        return self._ends or []


class Bench:
    def __init__(self) -> None:
        self._reads, writes = os.pipe()
        os.set_blocking(self._reads, False)
        self.notes = Notes(writes)

    def said(self, library: Library, deadline_s: float | None = None, *, late: bool = False) -> list[Any]:
        self.exchange = exchange = Exchange(1, (WRITE,), "session:{s}")
        self.notes.begin(exchange)
        in_fake_time(Serving(library, self.notes, deadline_s, sends_late=late).carry_out(exchange))
        return [json.loads(line)[1:] for line in os.read(self._reads, 1 << 16).splitlines()]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_call_that_lasts_longer_than_the_application_waits_is_cancelled(bench: Bench) -> None:
    """As a web framework does when a user goes away."""
    assert bench.said(Library(None), 0.3) == [["over", 1, None, "TimeoutError"]]


def test_time_out_of_a_library_that_sends_late_proves_nothing(bench: Bench) -> None:
    """Although nothing was sent: so the outcome is unknown. Of any other library it was not sent."""
    late, plain = (bench.said(Library(TimeoutError("late")), late=late) for late in (True, False))
    assert [what for what, *_ in late] == ["sent", "ended", "over"]
    assert plain == [["over", 1, None, "TimeoutError: late"]]


def test_time_out_behind_a_refusal_proves_nothing_either(bench: Bench) -> None:
    """A library that sends late tries again after the node has refused: that may be on its way. What waits
    for its answer is unknown already."""

    class Refused(Library):
        async def send(self, commands: Sequence[Command], key: str) -> list[object]:
            attempt = Attempt(bench.exchange, 3)
            attempt.positions = [0]
            bench.notes.sent(attempt)
            if self.refused:
                bench.notes.answered(attempt, ErrorReply("CLUSTERDOWN The cluster is down"))
            raise TimeoutError

        refused = True

    class Silent(Refused):
        refused = False

    words = bench.said(Refused(None), late=True)
    assert [what for what, *_ in words] == ["sent", "ended", "sent", "ended", "over"]
    assert [what for what, *_ in bench.said(Silent(None), late=True)] == ["sent", "ended", "over"]


def test_nobody_cancels_a_thread() -> None:
    """The application has its time-out, and the thread sends when it can."""
    assert LIBRARIES["redis-py-threads"].sends_late


def test_other_failure_before_anything_was_sent_proves_that_it_was_not(bench: Bench) -> None:
    """Also of a library that sends late: it found no connection."""
    assert bench.said(Library(ValueError("no primary")), late=True) == [
        ["over", 1, None, "ValueError: no primary"]
    ]


def test_refusal_before_anything_was_sent_is_raised(bench: Bench) -> None:
    """A log-in that failed: no node has refused the command itself."""
    assert bench.said(Library([ValueError("WRONGPASS")])) == [["over", 1, None, "ValueError: WRONGPASS"]]


def test_answer_is_what_the_library_returned(bench: Bench) -> None:
    """As it returned it."""
    assert bench.said(Library([1])) == [["over", 1, [1], ""]]


def test_yes_of_a_library_is_the_number_that_the_node_sent(bench: Bench) -> None:
    """Inside EXEC's answer too: a library may make a truth value of what EXPIRE answers."""
    assert bench.said(Library(["OK", [8, True, False]])) == [["over", 1, ["OK", [8, 1, 0]], ""]]
