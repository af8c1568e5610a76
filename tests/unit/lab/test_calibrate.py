"""The arithmetic of `make calibrate`: what a run should have measured, and how far off it was."""

from __future__ import annotations

import pytest

from harness.checks.columns.arrays import percentile
from harness.model.deployment import ClientProfile
from harness.model.judgement import Interval, Window
from lab.calibrate.__main__ import shipped_profiles
from lab.calibrate.judge import client_adds_s, error_s, expected_percentile_s, outage_s, worst


@pytest.mark.parametrize(
    ("measured_s", "error"),
    [(2.0, 0.0), (2.001, 0.0), (2.003, 0.001), (1.99, -0.01), (0.0, -2.0)],
)
def test_error_counts_from_the_interval_that_holds_the_truth(measured_s: float, error: float) -> None:
    """Within what is known of the truth there is no error; outside, it is the distance, with its sign."""
    assert error_s(measured_s, 2.0, 2.002) == pytest.approx(error)


def test_worst_error_may_be_a_negative_one() -> None:
    """Too short is as wrong as too long."""
    assert worst([0.01, -0.02, 0.015]) == -0.02


def _window(kind: str, start_s: float, length_s: float, group: str = "all") -> Window:
    duration = Interval(low=length_s, high=length_s)
    return Window(kind=kind, group=group, start_s=start_s, duration_s=duration, failed=1)


def test_outage_is_the_window_that_overlaps_the_pause() -> None:
    """Other kinds, other groups and what happened at other times do not count."""
    windows = [
        _window("read", 1.0, 9.0, group="worst"),
        _window("write", 1.0, 9.0),
        _window("read", 0.0, 0.5),
        _window("read", 1.99, 0.52),
        _window("read", 2.45, 0.2),
        _window("read", 9.0, 5.0),
    ]
    assert outage_s(windows, kind="read", start_s=2.0, end_s=2.5) == Interval(low=0.52, high=0.52)


def test_outage_that_was_not_seen_is_none() -> None:
    """A pause without a window is an error of the whole pause, not a missing measurement."""
    assert outage_s([_window("read", 9.0, 1.0)], kind="read", start_s=2.0, end_s=2.5) == Interval(
        low=0.0, high=0.0
    )


@pytest.mark.parametrize(("count", "pause_s"), [(6000, 2.0), (5500, 2.0), (6000, 0.3), (100, 1.0)])
def test_expected_percentile_is_that_of_the_arrivals(count: int, pause_s: float) -> None:
    """The closed form agrees with counting: every operation due within the pause waits for its end."""
    interval_us, pause_us = 10_000, round(pause_s * 1e6)
    begins_us = 5_000  # half an interval before the first arrival that has to wait
    due_us = [n * interval_us for n in range(1, count + 1)]
    waits = sorted(
        begins_us + pause_us - due if begins_us <= due < begins_us + pause_us else 0 for due in due_us
    )
    expected_s = expected_percentile_s(share=0.99, count=count, interval_s=0.01, pause_s=pause_s)
    assert expected_s == pytest.approx(percentile(waits, 0.99) / 1e6)


def test_client_adds_its_time_out_and_its_longest_back_off() -> None:
    """0.1 s doubled twice; never more than a second; nothing where it does not ask again."""
    assert client_adds_s(ClientProfile(socket_timeout_s=0.5, application_retries=3)) == pytest.approx(0.9)
    assert client_adds_s(ClientProfile(socket_timeout_s=0.5, application_retries=9)) == pytest.approx(1.5)
    assert client_adds_s(ClientProfile(socket_timeout_s=0.5, application_retries=0)) == 0.5


def test_profiles_are_those_of_the_shipped_scenarios() -> None:
    """Each time-out and number of retries that a scenario uses is calibrated, once."""
    profiles = shipped_profiles()
    kinds = {(one.socket_timeout_s, one.application_retries) for one in profiles.values()}
    assert (0.5, 3) in kinds
    assert len(kinds) == len(profiles) > 1
