"""The bounds of expectations as numbers: as written, or made from the settings and the loss budget."""

from __future__ import annotations

from harness.checks.facts.host_lateness import USUAL_BOUND_S
from harness.checks.facts.of_run import Facts
from harness.checks.measures.scope import scope_of
from harness.checks.promises.loss_budget import loss_budgets
from harness.model.fit import LOSS_BUDGET, settings_s
from harness.model.judgement import LossBudget, governing
from harness.model.scenario import Expectation


def bounds_of(facts: Facts) -> tuple[float | None, ...]:
    """The bounds of the expectations as numbers, parallel to them; None where there is none."""
    plan = facts.history.plan
    return tuple(
        bound.value if bound.value is not None else _bound(expectation, facts)
        for expectation, bound in zip(plan.scenario.expect, plan.bounds, strict=True)
    )


def tightest_bound_s(facts: Facts) -> float:
    """Of a time; where no expectation bounds one, the usual."""
    bounds = [
        bound
        for expectation, bound in zip(facts.history.plan.scenario.expect, bounds_of(facts), strict=True)
        if expectation.timing and bound
    ]
    return min(bounds, default=USUAL_BOUND_S)


def budget_of(expectation: Expectation, facts: Facts) -> LossBudget | None:
    """What bounds the loss window in the expectation's group."""
    return governing(loss_budgets(facts), scope_of(expectation).shard)


def _bound(expectation: Expectation, facts: Facts) -> float | None:
    budget = budget_of(expectation, facts)
    if budget is None or budget.window_s is None:
        return None
    plan = facts.history.plan
    settings = settings_s(plan.scenario.deployment, plan.inventory, plan.scenario.workload)
    known = {LOSS_BUDGET: budget.window_s, **settings}
    terms = [
        term.factor if term.setting is None else term.factor * known[term.setting]
        for term in expectation.bound
        if term.setting is None or term.setting in known
    ]
    return round(sum(terms), 6) if len(terms) == len(expectation.bound) else None
