"""Intervals over runs: exact, checked against binomial sums and against what is published."""

from __future__ import annotations

import random
from math import comb, inf

import pytest

from harness.many.statistics import median, median_within, rate, sure
from harness.model.judgement import Interval
from tests.share import times


def _at_most(seen: int, runs: int, share: float) -> float:
    """The chance of `seen` or fewer."""
    return sum(comb(runs, n) * share**n * (1 - share) ** (runs - n) for n in range(seen + 1))


def _exact(*values: float) -> list[Interval]:
    return [Interval(low=one, high=one) for one in values]


def test_none_of_thirty_is_at_most_nine_and_a_half_percent() -> None:
    """All of the doubt is on the side that is open: 1 - 0.05 ** (1/30)."""
    never, always = rate(0, 30).share, rate(30, 30).share
    assert never.low == 0
    assert never.high == pytest.approx(1 - 0.05 ** (1 / 30)) == pytest.approx(0.095, abs=5e-4)
    assert (always.low, always.high) == (pytest.approx(1 - never.high), 1)


@pytest.mark.parametrize(("seen", "runs"), [(1, 30), (29, 30), (3, 5), (50, 100)])
def test_the_ends_of_a_rate_are_just_not_ruled_out(seen: int, runs: int) -> None:
    """Under either end, what was seen or more of it has a chance of 2.5 %."""
    share = rate(seen, runs).share
    assert _at_most(seen, runs, share.high) == pytest.approx(0.025)
    assert 1 - _at_most(seen - 1, runs, share.low) == pytest.approx(0.025)


def test_no_runs_say_nothing() -> None:
    """Any share is possible."""
    assert rate(0, 0).share == Interval(low=0, high=1)


@pytest.mark.parametrize(
    ("values", "middle"),
    [
        (_exact(3, 1, 2), Interval(low=2, high=2)),
        (_exact(4, 1, 2, 3), Interval(low=2.5, high=2.5)),
        ([Interval(low=1, high=4), *_exact(2, 3)], Interval(low=2, high=3)),
        ([*_exact(1), Interval(low=2, high=inf), Interval(low=3, high=inf)], Interval(low=2, high=inf)),
        ([*_exact(1), Interval(low=2, high=inf)], Interval(low=1.5, high=inf)),
    ],
)
def test_the_median_of_intervals_holds_every_median(values: list[Interval], middle: Interval) -> None:
    """Whichever value each of them really had."""
    assert median(values) == middle


def test_five_runs_are_too_few_for_the_interval_of_a_median() -> None:
    """All five lie on one side of it in one case of sixteen; six do in one of thirty-two."""
    assert median_within(_exact(*range(5))) is None
    assert median_within(_exact(*range(6))) == Interval(low=0, high=5)


def test_the_interval_of_a_median_takes_the_ranks_of_the_tables() -> None:
    """The 6th and the 15th of 20, the 10th and the 21st of 30: published for 95 %."""
    assert median_within(_exact(*range(1, 21))) == Interval(low=6, high=15)
    assert median_within(_exact(*range(1, 31))) == Interval(low=10, high=21)


def test_one_is_sure_late_enough_however_often_one_looks() -> None:
    """Of sequences that lie just on the line, at most one in twenty is ever decided."""
    draw, sequences = random.Random(1), times(2000, 400)
    wrong = 0
    for _ in range(sequences):
        seen = 0
        for runs in range(1, 201):
            seen += draw.random() < 0.9
            if sure(seen, runs, 0.9) is not None:
                wrong += 1
                break
    assert wrong / sequences <= 0.05


def test_one_is_sure_in_the_end_and_on_the_right_side() -> None:
    """Always is more than nine of ten after 53 runs, and never is less after two, as the documents say."""
    always = next(runs for runs in range(1, 500) if sure(runs, runs, 0.9) is not None)
    never = next(runs for runs in range(1, 500) if sure(0, runs, 0.9) is not None)
    assert sure(always, always, 0.9) is True
    assert sure(0, never, 0.9) is False
    assert (always, never) == (53, 2)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 2.0])
def test_certainty_is_no_share_to_be_sure_of(share: float) -> None:
    """No number of runs proves that something happens always."""
    with pytest.raises(ValueError, match="between 0 and 1"):
        sure(1, 1, share)
