"""Offsets between clocks: the truth is inside what readings allow, or they contradict each other."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.costly import np
from harness.model.clock_bounds import DRIFT_PPM, ClockBounds, bounds_of, widest_us
from harness.model.records import ClockReading
from tests.share import examples


def reading(sent_us: int, theirs_us: int, done_us: int, clock: str = "worker-1") -> ClockReading:
    return ClockReading(clock=clock, sent_us=sent_us, theirs_us=theirs_us, done_us=done_us)


def span(bounds: ClockBounds, from_us: int, until_us: int) -> tuple[int, int]:
    earliest, latest = bounds.moved(np.array([from_us]), np.array([until_us]))
    return int(earliest[0]), int(latest[0])


def test_one_reading_bounds_the_offset_by_its_request_and_its_reply() -> None:
    """Asked at 1,000 and answered at 1,300 with 51,100: theirs is 49,800 to 50,100 ahead."""
    bounds = ClockBounds.of([reading(1_000, 51_100, 1_300)])
    assert span(bounds, 51_100, 51_100) == (1_000, 1_300)
    assert bounds.widest_us == 301


def test_a_reading_holds_for_other_moments_as_far_as_clocks_drift() -> None:
    """A second later each end has moved by what two clocks can part in a second."""
    bounds = ClockBounds.of([reading(1_000, 51_100, 1_300)])
    assert span(bounds, 1_051_100, 1_051_100) == (1_001_000 - DRIFT_PPM, 1_001_300 + DRIFT_PPM)


def test_readings_are_intersected() -> None:
    """A wide answer is worth what the narrow one before it leaves of it."""
    narrow, wide = reading(0, 50_000, 20), reading(1_000_000, 1_050_000, 1_090_000)
    both = ClockBounds.of([wide, narrow])
    assert span(both, 1_050_000, 1_050_000) == (1_000_000, 1_000_020 + DRIFT_PPM)
    assert both.widest_us < ClockBounds.of([wide]).widest_us


def test_what_one_clock_cannot_have_said_is_a_contradiction() -> None:
    """It was set by 20 ms within a second; drift explains 1.1 ms of that."""
    steady = [reading(0, 50_000, 100), reading(1_000_000, 1_050_000, 1_000_100)]
    assert not ClockBounds.of(steady).contradictory
    jumped = reading(2_000_000, 2_070_000, 2_000_100)
    assert ClockBounds.of([*steady, jumped]).contradictory


@pytest.mark.parametrize("beyond_us", [0, 1])
def test_a_drift_is_believed_up_to_the_limit(beyond_us: int) -> None:
    """Exact answers, a second apart: at the limit they agree, one microsecond further they do not."""
    ours = 1_000_000 + DRIFT_PPM + beyond_us
    found = ClockBounds.of([reading(0, 0, 0), reading(ours, 1_000_000, ours)])
    assert found.contradictory is bool(beyond_us)


def test_each_clock_is_known_by_its_own_readings() -> None:
    """The narrowest of one says nothing about another; the widest of all is what a run is known to."""
    readings = [reading(0, 500, 10), reading(0, 900, 2_000, clock="worker-2")]
    assert {clock: one.widest_us for clock, one in bounds_of(readings).items()} == {
        "worker-1": 11,
        "worker-2": 2_001,
    }
    assert (widest_us(readings), widest_us([])) == (2_001, 0)


delays = st.integers(0, 30_000)


@st.composite
def clocks(draw: st.DrawFn) -> tuple[list[ClockReading], list[tuple[int, int]]]:
    """Readings of a clock that wanders within the limit, and moments as both clocks show them."""
    ours, theirs, readings, moments = draw(st.integers(0, 10**6)), draw(st.integers(0, 10**8)), [], []
    for _ in range(draw(st.integers(1, 8))):
        ours, theirs = _later(draw, ours, theirs)
        readings.append(reading(ours - draw(delays), theirs, ours + draw(delays)))
        ours, theirs = _later(draw, ours, theirs)
        moments.append((ours, theirs))
    return readings, moments


def _later(draw: st.DrawFn, ours: int, theirs: int) -> tuple[int, int]:
    gone_us = draw(st.integers(0, 2_000_000))
    most = gone_us * DRIFT_PPM // 1_000_000
    return ours + gone_us + draw(st.integers(-most, most)), theirs + gone_us


@given(clocks())
@examples(2_000, 60)
def test_the_truth_is_always_inside(case: tuple[list[ClockReading], list[tuple[int, int]]]) -> None:
    """However late answers are and however the clock wanders: every moment lies in its interval, no interval
    is wider than is said, and nothing contradicts itself."""
    readings, moments = case
    bounds = ClockBounds.of(readings)
    assert not bounds.contradictory
    for ours, theirs in moments:
        earliest, latest = span(bounds, theirs, theirs)
        assert earliest <= ours <= latest
        if theirs <= max(one.theirs_us for one in readings):
            assert latest - earliest <= bounds.widest_us


@given(clocks())
@examples(1_000, 30)
def test_a_further_reading_never_makes_it_worse(
    case: tuple[list[ClockReading], list[tuple[int, int]]],
) -> None:
    """What is known of a moment only narrows, and the order on one clock stays."""
    readings, moments = case
    few, all_of_them = ClockBounds.of(readings[:1]), ClockBounds.of(readings)
    before = (-math.inf, -math.inf)
    for _, theirs in moments:
        (low, high), (wide_low, wide_high) = span(all_of_them, theirs, theirs), span(few, theirs, theirs)
        assert wide_low <= low <= high <= wide_high
        assert before[0] <= low
        assert before[1] <= high
        before = (low, high)
