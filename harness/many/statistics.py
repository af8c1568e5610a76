"""Intervals that a number of runs allows.

All are exact: they hold for any number of runs, and need no normal distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

from harness.costly import special
from harness.model.cells import CONFIDENCE, Rate
from harness.model.judgement import Interval


def rate(seen: int, runs: int) -> Rate:
    """How often something happens, by `seen` of `runs` independent runs.

    The interval of Clopper and Pearson (Biometrika 26, 1934). Where it was never seen, or always, only one
    side is open, and all of the doubt goes there: 0 of 30 is at most 9.5 %, at 95 %.
    """
    if runs == 0:
        return Rate(seen=0, runs=0, share=Interval(low=0.0, high=1.0))
    doubt = 1 - CONFIDENCE
    doubt = doubt if seen in {0, runs} else doubt / 2
    low = float(special.betaincinv(seen, runs - seen + 1, doubt)) if seen else 0.0
    high = float(special.betaincinv(seen + 1, runs - seen, 1 - doubt)) if seen < runs else 1.0
    return Rate(seen=seen, runs=runs, share=Interval(low=low, high=high))


def median(values: Sequence[Interval]) -> Interval:
    """The middle of measurements that are intervals: from that of the lower ends to that of the upper."""
    return Interval(
        low=_middle(sorted(one.low for one in values)), high=_middle(sorted(one.high for one in values))
    )


def _middle(ordered: Sequence[float]) -> float:
    upper = ordered[len(ordered) // 2]
    lower = ordered[(len(ordered) - 1) // 2]
    return upper if lower == upper else (lower + upper) / 2


def median_within(values: Sequence[Interval]) -> Interval | None:
    """Where the median of all runs lies, by the order of these; None: these are too few to say.

    From the k-th smallest to the k-th largest, for the largest k that the binomial distribution allows
    (Thompson, Annals of Mathematical Statistics 7, 1936). Six runs are the fewest at 95 %.
    """
    runs, within = len(values), None
    lows, highs = sorted(one.low for one in values), sorted(one.high for one in values)
    for place in range(runs // 2):
        if 2 * float(special.bdtr(place, runs, 0.5)) > 1 - CONFIDENCE:
            break
        within = Interval(low=lows[place], high=highs[runs - 1 - place])
    return within


def sure(seen: int, runs: int, share: float) -> bool | None:
    """Whether something happens in at least `share` of all runs: None until that is sure.

    It may be asked after every run, as often as one likes: of all true answers no more than 1 - CONFIDENCE
    ever come out wrong. The evidence against a share p is the likelihood of what was seen, mixed over all
    shares by Beta(1/2, 1/2), over its likelihood under p. Under p this ratio is a martingale, so that it
    exceeds 1 / (1 - CONFIDENCE) with probability 1 - CONFIDENCE at most (Robbins, Annals of Mathematical
    Statistics 41, 1970).
    """
    if not 0 < share < 1:
        raise ValueError(f"a share between 0 and 1, found {share}")
    missed = runs - seen
    mixed = float(special.betaln(seen + 0.5, missed + 0.5) - special.betaln(0.5, 0.5))
    if mixed - (seen * log(share) + missed * log(1 - share)) <= -log(1 - CONFIDENCE):
        return None
    return seen > share * runs
