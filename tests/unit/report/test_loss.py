"""How a loss is told: beside what it may be at most, and why."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from harness.model.judgement import Interval, LossBudget, Metrics
from harness.model.results import ScenarioResult
from harness.report.explain import explain
from harness.report.page import page
from harness.report.summary import summary_text
from harness.report.table import row
from harness.report.words import loss, loss_in_short
from tests.builders_metrics import healthy, outline
from tests.builders_results import LOST, judgement, result, suite

ISOLATED = LossBudget(
    fault=1,
    what="isolate redis-1",
    shard=1,
    bound_s=4.8,
    typical_s=3.75,
    derivation="1.5 × cluster-node-timeout 3 s + 0.3 s",
    until_s=4.8,
)
LATER = replace(ISOLATED, fault=2, effect_s=5.0, until_s=9.8)
KILLED = LossBudget(
    fault=1, what="kill redis-1", shard=1, bound_s=0.2, derivation="its lag", from_s=-0.2, until_s=0.0
)
CUT = LossBudget(fault=1, what="cut replication redis-1", shard=1, bound_s=0.0, derivation="it keeps it")
FLUSHED = LossBudget(fault=1, what="flush redis-1", shard=1, bound_s=None, derivation="everything goes")
WINDOW = Interval(low=3.2, high=3.21)


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            Metrics(loss_window_s=WINDOW, loss_budgets=(ISOLATED,)),
            "writes lost over 3.2 s (budget 4.8 s = 1.5 × cluster-node-timeout 3 s + 0.3 s; typically 3.8 s)",
        ),
        (
            Metrics(loss_window_s=Interval(low=3.2, high=3.4), loss_budgets=(CUT, LATER)),
            (
                "writes lost over 3.2 s to 3.4 s (budget 9.8 s: isolate redis-1 5.0 s after the first effect "
                "may cost 4.8 s = 1.5 × cluster-node-timeout 3 s + 0.3 s; typically 8.8 s)"
            ),
        ),
        (
            Metrics(loss_window_s=Interval(low=0, high=0), lost_before_s=0.15, loss_budgets=(KILLED,)),
            "writes lost that were acked up to 150 ms before the fault (budget 200 ms = its lag)",
        ),
        (Metrics(loss_budgets=(CUT,)), "no acked write lost (budget 0 s: it keeps it)"),
        (
            Metrics(loss_budgets=(CUT,), losses_unknown="no audit is valid"),
            "it is not known whether acked writes were lost: no audit is valid (budget 0 s: it keeps it)",
        ),
        (
            Metrics(loss_window_s=WINDOW, loss_budgets=(CUT,), losses_unknown="no audit is valid"),
            "writes lost over 3.2 s or more: no audit is valid (budget 0 s: it keeps it)",
        ),
        (
            Metrics(loss_window_s=WINDOW, loss_budgets=(ISOLATED, FLUSHED)),
            "writes lost over 3.2 s (no loss budget: everything goes)",
        ),
        (Metrics(loss_window_s=WINDOW), ""),
    ],
)
def test_loss_is_told_beside_its_budget(metrics: Metrics, said: str) -> None:
    """The bound with the sum that leads there, or why there is none; nothing without a fault."""
    assert loss(metrics) == said


def _lost(*budgets: LossBudget) -> ScenarioResult:
    before = result()
    assert before.judgement is not None
    metrics = replace(
        before.judgement.metrics, loss_window_s=WINDOW, writes_lost=7, loss_budgets=budgets or (ISOLATED,)
    )
    return replace(before, judgement=replace(before.judgement, metrics=metrics))


def test_explanation_and_table_tell_the_loss() -> None:
    """In full where a result is explained, in short in the table."""
    assert any(line.startswith("  writes lost over 3.2 s (budget 4.8 s = ") for line in explain(_lost(), "x"))
    assert row(_lost()).why == "acked by a deposed primary; writes lost over 3.2 s, budget 4.8 s"
    assert row(_lost(FLUSHED)).why == "acked by a deposed primary"


def test_table_is_short_where_nothing_was_lost() -> None:
    """A budget that nobody touched is no news."""
    assert not loss_in_short(Metrics(loss_budgets=(ISOLATED,)))


@pytest.mark.parametrize(("budget", "budget_s"), [(ISOLATED, 4.8), (FLUSHED, None)])
def test_summary_has_the_loss(budget: LossBudget, budget_s: float | None) -> None:
    """For machines: null where nothing bounds it."""
    (one,) = json.loads(summary_text(suite(_lost(budget))))["scenarios"]
    assert one["loss"] == {
        "writes_lost": 7,
        "window_s": 3.2,
        "budget_s": budget_s,
        "derivation": budget.derivation,
        "not_known": "",
    }


@pytest.mark.usefixtures("undrawn")
def test_page_has_no_row_for_a_fault_that_cannot_cost_anything() -> None:
    """It is named below the table, with the reason; without any other there is no table."""
    for others, rows in (((), 0), ((ISOLATED,), 1)):
        html = page(_lost(CUT, *others), healthy(outline()).history())
        assert html.count('<th class="number">may cost</th>') == rows
        assert f">{CUT.what}</td>" not in html
        assert f"Cannot cost anything: {CUT.what} (it keeps it)." in html
    assert "Cannot cost anything" not in page(_lost(ISOLATED), healthy(outline()).history())


@pytest.mark.usefixtures("undrawn")
def test_a_node_that_refused_acknowledged_nothing() -> None:
    """A refused log-in names the node that answered; only a promise was acknowledged, in the role of then."""
    kept = replace(LOST, name="lost-session")
    refused = replace(LOST, name="refused-login", node_role="")
    for finding, said in (
        (kept, "Acknowledged by redis-1, which was deposed primary at that time."),
        (refused, "Answered by redis-1."),
    ):
        judged = replace(result(), judgement=replace(judgement(), findings=(finding,)))
        html = page(judged, healthy(outline()).history())
        assert said in html
        assert html.count("Acknowledged by") == (finding is kept)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("budget", "cell"), [(ISOLATED, "4.8 s"), (FLUSHED, "no bound")])
def test_page_lists_the_budget_of_each_fault(budget: LossBudget, cell: str) -> None:
    """Also those that do not govern the window."""
    html = page(_lost(budget), healthy(outline()).history())
    assert "Writes lost over 3.2 s" in html
    assert f">{budget.what}</td>" in html
    assert f'class="number">{cell}</td>' in html
