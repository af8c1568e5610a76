"""When the runs of a cell are enough: as soon as it is sure whether a promise is kept as often as wanted."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from harness.many.cells import cells_of
from harness.many.statistics import sure
from harness.model.cells import CONFIDENCE
from harness.model.results import ScenarioResult
from harness.model.words import Verdict

_MOST = 1 << 20
"""Runs; for each share that can be asked for, fewer prove it if they all pass."""


def sure_enough(share: float, results: Sequence[ScenarioResult]) -> str:
    """Why no more runs are needed; empty: they are."""
    verdicts = [one.verdict for one in results]
    passed, failed = verdicts.count(Verdict.PASS), verdicts.count(Verdict.FAIL)
    answer = sure(passed, passed + failed, share)
    if answer is None:
        return ""
    said = "at least" if answer else "less than"
    return (
        f"not needed: {passed} of {passed + failed} runs passed, so {said} {_shown(share)} of all runs "
        f"do, at {CONFIDENCE:.0%}"
    )


def never_sure(share: float, runs: int) -> str:
    """Why so many runs of a cell cannot prove a promise, whatever comes of them; empty: they can."""
    if sure(runs, runs, share):
        return ""
    needed = bisect_left(range(_MOST), 1, key=lambda n: bool(sure(n, n, share)))
    return (
        f"--until-sure: expected --repeat {needed} or more, found {runs}: even if all of them pass, that "
        f"does not prove that at least {_shown(share)} of all runs do"
    )


def still_unsure(share: float, results: Sequence[ScenarioResult]) -> Iterator[str]:
    """One sentence for each cell whose runs were not enough; a cell of which nothing ran has none."""
    for cell in cells_of(results):
        if cell.verdict is not Verdict.SKIPPED and not sure_enough(share, cell.runs):
            yield (
                f"{cell.label}: not sure whether at least {_shown(share)} of all runs pass: "
                f"{cell.kept.seen} of {cell.kept.runs} decided runs did; it needs more of them (--repeat)"
            )


def _shown(share: float) -> str:
    return f"{100 * share:g}%"


def nothing_is_enough(_: Sequence[ScenarioResult]) -> str:
    return ""
