"""A suite at one glance: what was done to the nodes, against the topology that it was done to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.model.results import ScenarioResult
from harness.model.words import Verdict

NO_FAULT = "no fault"


@dataclass(frozen=True, slots=True, kw_only=True)
class GridRow:
    fault: str
    """Every kind of fault of the scenario, each once: `cut replication + kill`."""
    cells: tuple[tuple[ScenarioResult, ...], ...]
    """The runs on each topology, in the order of the suite."""


def grid(results: Sequence[ScenarioResult]) -> tuple[tuple[str, ...], tuple[GridRow, ...]]:
    """The topologies as columns, and a row for each combination of faults, both as they first come.

    What was skipped has no place, and a run from before faults were kept has none either.
    """
    run = [one for one in results if one.verdict is not Verdict.SKIPPED and one.faults is not None]
    topologies = tuple(dict.fromkeys(one.topology for one in run))
    found: dict[str, list[ScenarioResult]] = {}
    for one in run:
        found.setdefault(" + ".join(one.faults or ()) or NO_FAULT, []).append(one)
    return topologies, tuple(
        GridRow(
            fault=fault,
            cells=tuple(tuple(one for one in some if one.topology == column) for column in topologies),
        )
        for fault, some in found.items()
    )
