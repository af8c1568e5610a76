"""Cells: runs that differ in their seed alone are put together; what they come to counts no run twice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.many.cells import cells_of
from harness.many.enough import never_sure, still_unsure
from harness.model.judgement import Interval, Window
from harness.model.results import ScenarioResult
from harness.model.words import Shows, Verdict
from harness.report.cells import cell_row, share_text, spread_text, verdict_of
from harness.report.page import index
from harness.report.summary import summary
from tests.builders_results import judgement, result, suite


def repeated(*verdicts: Verdict, shows: Shows = Shows.PROMISE) -> list[ScenarioResult]:
    return [
        replace(result(verdict, shows), seed=seed, repeated=True) for seed, verdict in enumerate(verdicts)
    ]


def test_runs_that_differ_in_their_seed_are_one_cell() -> None:
    """Another deployment, engine, setting or scenario is another cell."""
    one = result()
    others = [
        replace(one, file="other.yaml"),
        replace(one, deployment_file="ours.yaml"),
        replace(one, engine_asked="redis-7.0"),
        replace(one, varied=("deployment.timing=article",)),
    ]
    cells = cells_of([one, *others, replace(one, seed=one.seed + 1)])
    assert [len(cell.runs) for cell in cells] == [2, 1, 1, 1, 1]


@pytest.mark.parametrize(
    ("verdicts", "shows", "word", "verdict"),
    [
        ([Verdict.PASS] * 3, Shows.PROMISE, "kept 3 of 3", Verdict.PASS),
        ([Verdict.PASS, Verdict.FAIL, Verdict.PASS], Shows.PROMISE, "BROKEN in 1 of 3", Verdict.FAIL),
        ([Verdict.PASS, Verdict.INCONCLUSIVE], Shows.PROMISE, "kept 1 of 1", Verdict.INCONCLUSIVE),
        ([Verdict.PASS] * 2, Shows.WEAKNESS, "shown 2 of 2", Verdict.PASS),
        ([Verdict.FAIL, Verdict.PASS], Shows.WEAKNESS, "NOT SHOWN in 1 of 2", Verdict.FAIL),
        ([Verdict.INCONCLUSIVE] * 2, Shows.PROMISE, "inconclusive", Verdict.INCONCLUSIVE),
        ([Verdict.SKIPPED] * 2, Shows.PROMISE, "skipped", Verdict.SKIPPED),
    ],
)
def test_a_cell_is_as_good_as_its_worst_run(
    verdicts: list[Verdict], shows: Shows, word: str, verdict: Verdict
) -> None:
    """A promise that is kept in most runs only is broken; what was not decided counts neither way."""
    (cell,) = cells_of(repeated(*verdicts, shows=shows))
    assert (verdict_of(cell), cell.verdict) == (word, verdict)


def test_the_one_run_that_broke_a_promise_is_named() -> None:
    """With its seed, so that it can be repeated; several are named up to three."""
    (cell,) = cells_of(repeated(Verdict.PASS, Verdict.FAIL))
    assert cell_row(cell).why.startswith("the one: seed 1: ")
    (cell,) = cells_of(repeated(*[Verdict.FAIL] * 5))
    assert cell_row(cell).why.startswith("seed 0: ")
    assert "and 2 more" in cell_row(cell).why


def test_runs_that_were_left_out_have_their_reason_once() -> None:
    """It is what `--until-sure` found out."""
    done, *left = repeated(Verdict.PASS, Verdict.SKIPPED, Verdict.SKIPPED)
    (cell,) = cells_of([done, *(replace(one, why="not needed: 1 of 1 runs passed") for one in left)])
    assert cell_row(cell).why.startswith("not needed: 1 of 1 runs passed; lost-session in 1 of 1 runs")


def test_cell_whose_runs_are_not_enough_is_named() -> None:
    """Whoever asked to be sure must not take a few kept runs for an answer."""
    undecided = [Verdict.PASS, Verdict.PASS, Verdict.INCONCLUSIVE]
    (said,) = still_unsure(0.9, repeated(*undecided))
    assert said.endswith(
        "not sure whether at least 90% of all runs pass: 2 of 2 decided runs did; it needs more of them (--repeat)"
    )
    assert not list(still_unsure(0.9, repeated(*[Verdict.FAIL] * 3)))
    assert not list(still_unsure(0.9, repeated(*[Verdict.SKIPPED] * 2)))


def test_repeats_that_can_never_be_enough_are_told_with_the_number_that_can() -> None:
    """If every run keeps the promise, 53 are enough for 90 % (docs/many-runs.md)."""
    assert not never_sure(0.9, 53)
    assert never_sure(0.9, 52).startswith("--until-sure: expected --repeat 53 or more, found 52: ")
    assert never_sure(0.9, 52).endswith("at least 90% of all runs do")
    assert "at least 99.9% of" in never_sure(0.999, 1000)


def test_shares_say_what_is_not_ruled_out() -> None:
    """All kept is `at least`, none is `at most`, and whatever lies between has two ends."""
    texts = [
        share_text(cells_of(repeated(*verdicts))[0].kept)
        for verdicts in (
            [Verdict.PASS] * 30,
            [Verdict.FAIL] * 30,
            [Verdict.PASS] * 29 + [Verdict.FAIL],
            [Verdict.SKIPPED],
        )
    ]
    assert texts == ["at least 90.5 %", "at most 9.5 %", "82.8 to 99.9 %", "–"]


def test_figures_are_medians_with_the_smallest_and_the_largest() -> None:
    """An outage without an end has none in the median either."""

    def with_outage(seed: int, high: float) -> ScenarioResult:
        judged = judgement()
        worst = Window(
            kind="write", group="web-1", start_s=0, duration_s=Interval(low=seed + 1, high=high), failed=1
        )
        metrics = replace(judged.metrics, worst_outage=worst)
        return replace(result(), seed=seed, judgement=replace(judged, metrics=metrics))

    (cell,) = cells_of([with_outage(0, 1), with_outage(1, 2), with_outage(2, 3)])
    spread = next(one for one in cell.spreads if one.name == "longest outage")
    assert spread_text(spread) == "2.0 s (1.0 s to 3.0 s)"
    (cell,) = cells_of([with_outage(seed, float("inf")) for seed in range(3)])
    spread = next(one for one in cell.spreads if one.name == "longest outage")
    assert spread_text(spread) == "≥ 2.0 s (≥ 1.0 s)"
    assert spread_text(None) == "–"


def test_a_run_in_which_a_finding_is_undecided_counts_neither_way() -> None:
    """Its rate is out of the runs that say yes or no."""
    judged = judgement()
    counts = [Interval(low=1, high=1), Interval(low=0, high=0), Interval(low=0, high=4)]
    runs = [
        replace(result(), seed=seed, judgement=replace(judged, counts={"lost-session": count}))
        for seed, count in enumerate(counts)
    ]
    (cell,) = cells_of(runs)
    assert (cell.findings["lost-session"].seen, cell.findings["lost-session"].runs) == (1, 2)


def test_page_and_summary_have_the_cells() -> None:
    """The page has a row for the cell and a row for each run; a suite without repeats has runs alone."""
    many = suite(*repeated(Verdict.PASS, Verdict.PASS))
    assert "kept 2 of 2" in index(many)
    assert "at least 22.4\u00a0%" in index(many)
    assert "(seed 1)" in index(many)
    (cell,) = summary(many)["cells"]
    assert cell["seeds"] == [0, 1]
    assert cell["kept"] == {"seen": 2, "runs": 2, "share": [0.224, 1.0]}
    assert cell["figures"]["longest outage"]["median"] == [1.9, 2.31]
    assert "kept 1 of 1" not in index(suite(result(Verdict.PASS)))
