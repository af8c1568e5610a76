"""`openmetrics.txt`: a suite's figures for a monitoring system, as OpenMetrics text.

One gauge per figure and one per verdict, a sample per run. Its labels name the run; the values are those of
summary.json. Where a figure is an interval, both ends are given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from harness.many.figures import FIGURES, Figure
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Verdict

PREFIX = "failover_kit"
_UNITS = {"s": ("seconds", 1.0), "ms": ("seconds", 1e-3), "%": ("ratio", 1e-2)}
"""Unit -> OpenMetrics' base unit, and by what a value is multiplied. Counts have none."""


def openmetrics(suite: SuiteResult) -> str:
    return "\n".join([*_verdicts(suite), *_figures(suite), "# EOF"]) + "\n"


def _verdicts(suite: SuiteResult) -> Iterator[str]:
    name = f"{PREFIX}_verdict"
    yield f"# TYPE {name} stateset"
    yield f"# HELP {name} What a run came to."
    for result in suite.results:
        for verdict in Verdict:
            state = {**_labels(result), name: verdict}
            yield f"{name}{_text(state)} {int(result.verdict is verdict)}"


def _figures(suite: SuiteResult) -> Iterator[str]:
    for figure in FIGURES:
        samples = list(_samples(figure, suite))
        if samples:
            name, unit = _name(figure)
            yield f"# TYPE {name} gauge"
            if unit:
                yield f"# UNIT {name} {unit}"
            yield f"# HELP {name} {figure.name.capitalize()}, by a run's evidence: at least and at most."
            yield from samples


def _samples(figure: Figure, suite: SuiteResult) -> Iterator[str]:
    name, _ = _name(figure)
    _, factor = _UNITS.get(figure.unit, ("", 1.0))
    for result in suite.results:
        value = None if result.judgement is None else figure.of(result.judgement)
        if value is not None:
            for bound, end in (("at_least", value.low), ("at_most", value.high)):
                yield f"{name}{_text({**_labels(result), 'bound': bound})} {_number(end * factor)}"


def _name(figure: Figure) -> tuple[str, str]:
    unit, _ = _UNITS.get(figure.unit, ("", 1.0))
    words = figure.name.replace(" ", "_")
    return f"{PREFIX}_{words}{f'_{unit}' if unit else ''}", unit


def _labels(result: ScenarioResult) -> dict[str, str]:
    return {
        "scenario": result.label,
        "topology": result.topology,
        "engine": result.engine or result.engine_asked,
        "backend": result.backend,
        "seed": str(result.seed),
    }


def _text(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return "+Inf" if math.isinf(value) else f"{value:.6g}"
