"""Wall time of a suite against the sum of its scenarios' times, from the summary of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab.kit_runs import kit_run
from lab.rows import RUNS, Row, skipped

NAME = "suite: wall time / sum of its scenarios' times"
AT_MOST = 0.6
FEWEST_SCENARIOS = 10
"""A handful side by side says nothing: the last one runs alone."""


def rows(run: Path | None, *, fresh: Path | None = None, backend: str = "auto") -> list[Row]:
    """`run`: a suite's folder; None: the newest run of a whole suite, or with `fresh` one made now."""
    if fresh is not None:
        kit_run(["--suite", "core", "--backend", backend, "--out", str(fresh)], said_to=sys.stderr)
        run = fresh / "latest"
    run = run or newest(RUNS)
    if run is None:
        return [skipped(NAME, "no run of a whole suite in runs/: make chaos-test first, or --suite")]
    return [row(json.loads((run / "summary.json").read_text()), run)]


def newest(runs: Path) -> Path | None:
    """The newest run of the core suite, or of all scenarios, that came to its end."""
    for summary in sorted(runs.glob("*/summary.json"), reverse=True):
        known = json.loads(summary.read_text())
        if known["suite"] in {"core", "all"} and not known["interrupted"]:
            return summary.parent
    return None


def row(summary: Mapping[str, Any], run: Path) -> Row:
    times = [one["wall_s"] for one in summary["scenarios"] if one["run_dir"]]
    again = sum(one["times_run"] > 1 for one in summary["scenarios"])
    if len(times) < FEWEST_SCENARIOS or summary["jobs"] != 2:
        why = (
            f"{run}: {len(times)} scenarios with {summary['jobs']} at a time; the bound is for a suite with 2"
        )
        return skipped(NAME, why)
    note = f"{summary['wall_s']:.0f} s of {sum(times):.0f} s, {len(times)} scenarios, {summary['backend']}"
    if again:
        note += f"; {again} ran twice"
    return Row(name=NAME, measured=summary["wall_s"] / sum(times), at_most=AT_MOST, note=f"{note}, {run}")
