"""Running totals for conditions and the display."""

from __future__ import annotations

import pytest

from harness.model.words import Outcome
from harness.sessions import counters
from harness.sessions.counters import Counters


def test_acked_since_counts_from_the_given_time_on() -> None:
    """Only acked operations of that behaviour, done at or after the time."""
    totals = Counters()
    for done_us in (10, 20, 30):
        totals.count("logout", Outcome.ACKED, done_us)
    totals.count("logout", Outcome.UNKNOWN, 40)
    totals.count("read", Outcome.ACKED, 50)
    assert [totals.acked_since("logout", since) for since in (0, 20, 31)] == [3, 2, 0]
    assert totals.last_acked_us("logout") == 30
    assert totals.last_acked_us("cart") is None


def test_acked_times_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays flat in the length of a run."""
    monkeypatch.setattr(counters, "KEPT", 10)
    totals = Counters()
    for done_us in range(100):
        totals.count("read", Outcome.ACKED, done_us)
    assert 10 <= totals.acked_since("read", 0) <= 20
    assert totals.acked_since("read", 95) == 5


def test_last_second_shows_the_last_whole_second() -> None:
    """Rates neither lag by more than a second nor show half of one."""
    totals = Counters()
    totals.count("read", Outcome.ACKED, 1_500_000)
    totals.count("read", Outcome.REJECTED, 1_600_000)
    totals.count("read", Outcome.ACKED, 2_100_000)
    assert totals.last_second(2_200_000, Outcome.ACKED) == 1
    assert totals.last_second(2_200_000, Outcome.REJECTED) == 1
    assert totals.last_second(4_200_000, Outcome.ACKED) == 0
