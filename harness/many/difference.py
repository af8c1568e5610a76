"""Whether two groups of runs differ by more than chance would make them.

Exact tests, two-sided: Fisher's for rates, Mann and Whitney's for figures. Neither needs a normal
distribution, and both say of too few runs that they cannot tell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import accumulate
from typing import NamedTuple

from harness.costly import stats
from harness.many.statistics import median
from harness.model.judgement import Interval

EXACT_UP_TO = 50
"""Runs of either side. For more, or with equal values, the test's normal approximation is close enough."""


class Direction(IntEnum):
    BETTER = -1
    UNKNOWN = 0
    """Alike, or too few runs to say."""
    WORSE = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What the second of two groups of runs is, beside the first."""

    direction: Direction
    chance: float
    """Of a difference like this if both were alike."""


def between_shares(seen: tuple[int, int], runs: tuple[int, int], *, more_is_better: bool) -> Difference:
    grown = sign(seen[1] * runs[0] - seen[0] * runs[1])
    return Difference(direction=Direction(-grown if more_is_better else grown), chance=of_rates(seen, runs))


def between_figures(before: Sequence[Interval], after: Sequence[Interval]) -> Difference:
    """By their medians; more is worse."""
    known = order(median(before), median(after)) if before and after else 0
    return Difference(direction=Direction(known), chance=of_figures(before, after))


def of_rates(seen: tuple[int, int], runs: tuple[int, int]) -> float:
    """The chance of a difference at least this unlikely, if both sides were alike (Fisher's exact test)."""
    if 0 in runs:
        return 1.0
    table = [[seen[0], runs[0] - seen[0]], [seen[1], runs[1] - seen[1]]]
    return float(stats.fisher_exact(table).pvalue)


def of_figures(before: Sequence[Interval], after: Sequence[Interval]) -> float:
    """The chance of such an order of values, if both sides were alike (Mann and Whitney's test).

    Where values are intervals, the order that speaks least for a difference counts. If some order speaks for
    more and another one for less, nothing is known.
    """
    if not before or not after:
        return 1.0
    most = _of_values([one.low for one in before], [one.high for one in after])
    least = _of_values([one.high for one in before], [one.low for one in after])
    if most.above * least.above <= 0:
        return 1.0
    return max(most.chance, least.chance)


class _Order(NamedTuple):
    chance: float
    above: float
    """By how many pairs the first values are above the second ones, more than half of all pairs; negative:
    below."""


def _of_values(before: Sequence[float], after: Sequence[float]) -> _Order:
    values = [*before, *after]
    if len(set(values)) == 1:
        return _Order(chance=1.0, above=0.0)
    exact = len(set(values)) == len(values) and max(len(before), len(after)) <= EXACT_UP_TO
    test = stats.mannwhitneyu(
        before, after, alternative="two-sided", method="exact" if exact else "asymptotic"
    )
    return _Order(chance=float(test.pvalue), above=float(test.statistic) - len(before) * len(after) / 2)


def order(before: Interval, after: Interval) -> int:
    """1: certainly more after, -1: certainly less, 0: it is not known."""
    return (after.low > before.high) - (after.high < before.low)


def sign(value: float) -> int:
    return (value > 0) - (value < 0)


def corrected(chances: Sequence[float]) -> list[float]:
    """For several comparisons at once: the chance that any of them is as unlikely, where all are alike (Holm,
    Scandinavian Journal of Statistics 6, 1979)."""
    order = sorted(range(len(chances)), key=chances.__getitem__)
    stepped = [min(1.0, (len(chances) - rank) * chances[place]) for rank, place in enumerate(order)]
    raised = accumulate(stepped, max)
    by_place = dict(zip(order, raised, strict=True))
    return [by_place[place] for place in range(len(chances))]
