"""What more of something would cost, from what less of it did."""

from __future__ import annotations

import pytest

from lab.bench.growing import extrapolated


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ([(10, 2.0), (110, 12.0)], 101.0),
        ([(1, 99.0), (10, 2.0), (110, 12.0)], 101.0),
        ([(10, 5.0), (110, 5.0)], 5.0),
    ],
)
def test_each_further_one_costs_what_it_did_between_the_last_two(
    known: list[tuple[int, float]], expected: float
) -> None:
    """A tenth each from 10 to 110, so 89 more to 1,000; what is there once is paid once."""
    assert extrapolated(known, 1_000) == pytest.approx(expected)
