"""Numbers, intervals and causes as people read them."""

from __future__ import annotations

import pytest

from harness.checks.wording import (
    causes_text,
    expected_text,
    findings_text,
    interval_text,
    number_text,
    seconds_text,
    share_text,
    value_text,
)
from harness.model.judgement import INFINITE, Finding, Interval
from harness.model.words import Cause, FindingSide
from tests.builders_metrics import expect


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.0001, "0.1 ms"),
        (0.0094, "9.4 ms"),
        (0.0095, "10 ms"),
        (0.031, "31 ms"),
        (0.9994, "999 ms"),
        (0.9995, "1.00 s"),
        (1, "1.00 s"),
        (2.314, "2.31 s"),
        (9.994, "9.99 s"),
        (9.995, "10.0 s"),
        (12.44, "12.4 s"),
    ],
)
def test_seconds_have_three_digits(seconds: float, text: str) -> None:
    """What rounds up to the next unit is written in it: never 1000 ms, never 10.00 s."""
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234, "", "1,234"),
        (1234.56, "", "1,234.6"),
        (7.0, "", "7"),
        (97.04, "%", "97 %"),
        (97.25, "%", "97.2 %"),
        (2.5, "s", "2.50 s"),
        (0, "s", "0 s"),
        (0, "%", "0 %"),
    ],
)
def test_value_has_its_unit(value: float, unit: str, text: str) -> None:
    """Whole numbers without a fraction, shares with one digit at most."""
    assert value_text(value, unit) == text


def test_number_with_a_fraction_keeps_one_digit() -> None:
    """Thousands are set apart."""
    assert [number_text(one) for one in (0, 0.25, 999.0, 1000.5)] == ["0", "0.2", "999", "1,000.5"]


COUNT, _ = expect("lost-write: 0", 0)
SHARE, _ = expect("share(lost-write): > 90", 90, unit="%", arguments=("lost-write",))
OUTAGE, _ = expect("outage(login): < 5s", 5, unit="s", arguments=("login",), timing=True)
DOWNTIME, _ = expect("downtime(login): < 5s", 5, unit="s", arguments=("login",), timing=True)
LATENCY, _ = expect("latency(login, p99): < 5s", 5, unit="s", arguments=("login", "p99"), timing=True)


@pytest.mark.parametrize(
    ("expectation", "low", "high", "text"),
    [
        (COUNT, 0, 0, "0"),
        (COUNT, 3, 3, "3"),
        (COUNT, 0, INFINITE, "not known (none seen)"),
        (COUNT, 3, INFINITE, "≥ 3"),
        (COUNT, 3, 5, "3 to 5"),
        (SHARE, 40, 60.5, "40 % to 60.5 %"),
        (SHARE, 40, 40, "40 %"),
        (OUTAGE, 0, INFINITE, "not known (none seen)"),
        (OUTAGE, 2.5, INFINITE, "≥ 2.50 s, still failing at the end of the run"),
        (DOWNTIME, 2.5, INFINITE, "≥ 2.50 s, still failing at the end of the run"),
        (LATENCY, 2.5, INFINITE, "≥ 2.50 s"),
        (OUTAGE, 2.501, 2.502, "2.50 s"),
        (OUTAGE, 2.5, 3, "2.50 s to 3.00 s"),
    ],
)
def test_interval_says_both_ends(expectation: object, low: float, high: float, text: str) -> None:
    """Once where they read the same; an end that is not known is said in words."""
    assert interval_text(Interval(low=low, high=high), expectation) == text  # type: ignore[arg-type]


def test_expected_is_what_is_written() -> None:
    """With its value where it is made from settings, and only there."""
    written, _ = expect("outage(login): < down_after + 4s", 4, unit="s", setting="down_after")
    assert expected_text(written, 5.2) == "< down_after + 4s (5.20 s)"
    assert expected_text(written, None) == "< down_after + 4s"
    assert expected_text(OUTAGE, 5.0) == "< 5s"


def test_share_says_the_numbers_too() -> None:
    """A share that is not all is never 100 %."""
    assert share_text(1234, 1500) == "1,234 of 1,500 (82 %)"
    assert share_text(999, 1000) == "999 of 1,000 (> 99 %)"
    assert share_text(0, 3) == "0 of 3 (0 %)"


def lost(*causes: Cause) -> list[Finding]:
    return [Finding(name="lost-write", side=FindingSide.CLOSED, cause=cause) for cause in causes]


def test_causes_are_said_the_most_frequent_first() -> None:
    """One cause needs no share; of more than four the rest is summed up."""
    assert causes_text(lost(Cause.FLUSHED, Cause.FLUSHED)) == str(Cause.FLUSHED)
    three = lost(Cause.EVICTED, Cause.FLUSHED, Cause.FLUSHED, Cause.FLUSHED)
    assert causes_text(three) == f"75 % {Cause.FLUSHED}, 25 % {Cause.EVICTED}"
    four = [Cause.FLUSHED, Cause.EVICTED, Cause.EXPIRED, Cause.TILT]
    assert causes_text(lost(*four)) == ", ".join(f"25 % {one}" for one in four)
    more = [*four * 2, Cause.NOT_ELECTED, Cause.NO_QUORUM]
    assert causes_text(lost(*more)) == ", ".join([*(f"20 % {one}" for one in four), "20 % other causes"])


def test_findings_have_their_number_and_their_causes() -> None:
    """None is said as none."""
    assert findings_text("lost-write", []) == "0 lost-write"
    assert findings_text("lost-write", lost(Cause.FLUSHED)) == f"1 lost-write: {Cause.FLUSHED}"
    assert findings_text("lost-write", lost(*[Cause.FLUSHED] * 1200)) == f"1,200 lost-write: {Cause.FLUSHED}"
