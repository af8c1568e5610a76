"""`summary.json`: the suite for machines. Its shape is versioned by `schema_version`."""

from __future__ import annotations

import json
import math
from itertools import pairwise
from typing import Any

from harness.many.cells import cells_of
from harness.model.cells import Cell, Rate, Spread
from harness.model.judgement import INFINITE, FailoverStep, Interval, Judgement, Metrics, Window, governing
from harness.model.results import ScenarioResult, SuiteResult
from harness.report.words import logged_out_at_most

SCHEMA_VERSION = 2
SHORTEST_OUTAGE_S = 0.1


def summary(suite: SuiteResult) -> dict[str, Any]:
    """Everything a pipeline decides on; see docs/results.md for each member."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kit": suite.kit,
        "verdict": suite.verdict,
        "exit_code": suite.exit_code,
        "commands": list(suite.commands),
        "matrix": suite.matrix,
        "suite": suite.suite,
        "run": suite.run,
        "backend": suite.backend,
        "engine": suite.engine,
        "timing": suite.timing,
        "seed": suite.seed,
        "jobs": suite.jobs,
        "wall_s": round(suite.wall_s, 1),
        "interrupted": suite.interrupted,
        "incomplete": suite.incomplete,
        "scenarios": [_scenario(one) for one in suite.results],
        "cells": [_cell(one) for one in cells_of(suite.results)],
    }


def summary_text(suite: SuiteResult) -> str:
    return json.dumps(summary(suite), indent=2, allow_nan=False) + "\n"


def _scenario(result: ScenarioResult) -> dict[str, Any]:
    judgement = result.judgement or Judgement(verdict=result.verdict, reasons=(), shows=result.shows)
    metrics = judgement.metrics
    return {
        "name": result.name,
        "file": result.file,
        "shows": result.shows,
        "variant": result.variant,
        "varied": list(result.varied),
        "topology": result.topology,
        "deployment": result.deployment,
        "deployment_file": result.deployment_file,
        "backend": result.backend,
        "engine": result.engine,
        "engine_asked": result.engine_asked,
        "seed": result.seed,
        "verdict": result.verdict,
        "reasons": list(result.reasons),
        "left_out": [
            {"table": one.table, "directive": one.name, "why": one.why, "decides": one.decides}
            for one in result.left_out
        ],
        "expectations": [
            {"text": one.text, "measured": one.measured, "met": one.met, "left_aside": one.aside}
            for one in judgement.expectations
        ],
        "findings": {name: int(count.low) for name, count in judgement.counts.items() if count.low},
        "undecided_findings": {
            name: _finite(count.high - count.low)
            for name, count in judgement.counts.items()
            if count.high > count.low
        },
        "operations": metrics.operations,
        "sessions": {
            "total": metrics.sessions.total,
            "at_risk": metrics.sessions.at_risk,
            "intact": metrics.sessions.intact,
            "broken": metrics.sessions.broken,
            "undecidable": metrics.sessions.undecidable,
            "logged_out": metrics.sessions.logged_out,
            "logged_out_at_most": logged_out_at_most(metrics),
            "got_back_in": metrics.sessions.got_back_in,
        },
        "outages": _outages(metrics.outages),
        "longest_outage": None if metrics.worst_outage is None else _longest(metrics.worst_outage),
        "longest_without_surviving_write": _without_survivor(metrics),
        "logouts_failed": metrics.logouts_failed,
        "failover_steps": {_step_name(one): one.t_s for one in metrics.failover_steps},
        "lag_at_fault_bytes": metrics.lag_at_fault_bytes,
        "loss": _loss(metrics),
        "times_run": result.times_run,
        "wall_s": round(result.wall_s, 1),
        "run_dir": result.run_dir,
    }


def _cell(cell: Cell) -> dict[str, Any]:
    """All runs that differ in their seed alone."""
    first = cell.first
    return {
        "name": cell.label,
        "file": first.file,
        "shows": first.shows,
        "deployment_file": first.deployment_file,
        "engine_asked": first.engine_asked,
        "varied": list(first.varied),
        "set": _set(first),
        "verdict": cell.verdict,
        "seeds": [one.seed for one in cell.runs],
        "run_dirs": [one.run_dir for one in cell.runs],
        "kept": _rate(cell.kept),
        "findings": {name: _rate(rate) for name, rate in cell.findings.items()},
        "figures": {one.name: _spread(one) for one in cell.spreads},
    }


def _set(result: ScenarioResult) -> list[str]:
    """What `--set` changes besides."""
    words = result.changed
    values = [value for option, value in pairwise(words) if option == "--set"]
    return [one for one in values if one not in result.varied]


def _rate(rate: Rate) -> dict[str, Any]:
    return {"seen": rate.seen, "runs": rate.runs, "share": _ends(rate.share)}


def _spread(spread: Spread) -> dict[str, Any]:
    within = spread.median_within
    return {
        "unit": spread.unit,
        "values": [_ends(one) for one in spread.values],
        "median": _ends(spread.median),
        "range": _ends(spread.range),
        "median_within": None if within is None else _ends(within),
    }


def _ends(interval: Interval) -> list[float | None]:
    """Lower and upper end; null where there is no upper end."""
    return [_finite(interval.low), _finite(interval.high)]


def _step_name(one: FailoverStep) -> str:
    """The step; in parentheses which failover it is of, where that is not the first of shard 1."""
    where = [f"shard {one.shard}"] if one.shard != 1 else []
    where += [f"failover {one.failover}"] if one.failover != 1 else []
    return f"{one.step} ({', '.join(where)})" if where else one.step


def _loss(metrics: Metrics) -> dict[str, Any]:
    window, budget = metrics.loss_window_s, governing(metrics.loss_budgets)
    return {
        "writes_lost": metrics.writes_lost,
        "window_s": None if window is None else round(window.low, 3),
        "budget_s": None if budget is None or budget.window_s is None else round(budget.window_s, 3),
        "derivation": None if budget is None else budget.derivation,
        "not_known": metrics.losses_unknown,
    }


def _longest(window: Window) -> dict[str, float | str | None]:
    return {
        "kind": window.kind,
        "where": window.group,
        "start_s": _finite(window.start_s),
        "at_least_s": round(window.duration_s.low, 3),
        "duration_s": _finite(window.duration_s.high),
    }


def _without_survivor(metrics: Metrics) -> dict[str, float | str | None] | None:
    """`duration_s` is null where none survived until the end, or where `not_known` says why."""
    window = metrics.without_survivor
    if window is None and not metrics.losses_unknown:
        return None
    unknown = {"not_known": metrics.losses_unknown}
    if window is None:
        return {"where": "", "start_s": None, "at_least_s": 0.0, "duration_s": None, **unknown}
    known = _longest(window)
    del known["kind"]
    return {**known, **unknown} | ({"duration_s": None} if metrics.losses_unknown else {})


def _outages(windows: tuple[Window, ...]) -> dict[str, list[dict[str, float | str | None]]]:
    """Windows of the worst group by operation, those of 0.1 s and more; `duration_s` is null where an
    outage had not ended by the end. metrics.json has every window of every group.
    """
    by_kind: dict[str, list[dict[str, float | str | None]]] = {}
    for one in windows:
        if one.group != "worst" or one.duration_s.low < SHORTEST_OUTAGE_S:
            continue
        by_kind.setdefault(one.kind, []).append(
            {
                "start_s": _finite(one.start_s),
                "duration_s": _finite(one.duration_s.high),
                "at_least_s": round(one.duration_s.low, 3),
            }
        )
    return by_kind


def _finite(value: float) -> float | None:
    return None if value == INFINITE or math.isnan(value) else round(value, 3) + 0.0  # and never -0.0
