"""When the runs of a cell are enough: as soon as it is sure whether a promise is kept as often as wanted."""

from __future__ import annotations

from collections.abc import Sequence

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


def nothing_is_enough(_: Sequence[ScenarioResult]) -> str:
    return ""
