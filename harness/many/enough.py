"""When the runs of a cell are enough: as soon as it is sure whether a promise is kept as often as wanted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.many.cells import cells_of
from harness.many.statistics import sure
from harness.model.cells import CONFIDENCE
from harness.model.results import ScenarioResult
from harness.model.words import Verdict


def sure_enough(share: float, results: Sequence[ScenarioResult]) -> str:
    """Why no more runs are needed; empty: they are."""
    verdicts = [one.verdict for one in results]
    passed, failed = verdicts.count(Verdict.PASS), verdicts.count(Verdict.FAIL)
    answer = sure(passed, passed + failed, share)
    if answer is None:
        return ""
    said = "at least" if answer else "less than"
    return (
        f"not needed: {passed} of {passed + failed} runs passed, so {said} {share:.0%} of all runs do, "
        f"at {CONFIDENCE:.0%}"
    )


def still_unsure(share: float, results: Sequence[ScenarioResult]) -> Iterator[str]:
    """One sentence for each cell whose runs were not enough; a cell of which nothing ran has none."""
    for cell in cells_of(results):
        if cell.verdict is not Verdict.SKIPPED and not sure_enough(share, cell.runs):
            yield (
                f"{cell.label}: not sure whether at least {share:.0%} of all runs pass: {cell.kept.seen} of "
                f"{cell.kept.runs} decided runs did; it needs more of them (--repeat)"
            )


def nothing_is_enough(_: Sequence[ScenarioResult]) -> str:
    return ""
