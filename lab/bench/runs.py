"""Many runs of one scenario: how many an hour, and how much of their time is not spent on traffic.

What a run needs besides traffic is starting and feeding the nodes, the audit, taking down and judging. It
is paid for every run of a matrix.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import history
from harness.errors import KitError
from harness.model.history import History
from harness.model.words import BackendKind, Phase
from lab.kit_runs import kit_run
from lab.rows import Row, skipped

SCENARIO = "sentinel/01"
JOBS = 2
OVERHEAD_AT_MOST = 0.10
"""Of a run's wall time, on a machine that does nothing else."""


BACKENDS = (BackendKind.PROCESS, BackendKind.DOCKER)
"""Those of one machine."""


def rows(folder: Path, *, runs: int) -> list[Row]:
    return [row for backend in BACKENDS for row in _of(backend, folder / backend, runs)]


def _of(backend: BackendKind, out: Path, runs: int) -> list[Row]:
    names = (
        f"runs per hour: {SCENARIO}, {backend}, {JOBS} at a time",
        f"share of a run without traffic, {backend}",
    )
    words = [SCENARIO, "--backend", backend, "--repeat", str(runs), "--jobs", str(JOBS), "--seed", "1"]
    kit_run([*words, "--out", str(out)], said_to=sys.stderr)
    summary = out / "latest" / "summary.json"
    if not summary.exists():
        return [skipped(name, f"no run on {backend}: its reason is above") for name in names]
    return list(measured(json.loads(summary.read_text()), out / "latest", names))


def measured(summary: dict[str, object], folder: Path, names: Sequence[str]) -> tuple[Row, Row]:
    """Of a suite's summary; a run that decided nothing, or ran twice, takes its time all the same."""
    scenarios = [one for one in _scenarios(summary) if one["run_dir"]]
    wall_s = float(str(summary["wall_s"]))
    if not scenarios or not wall_s:
        return skipped(names[0], "nothing ran"), skipped(names[1], "nothing ran")
    whole, traffic = 0.0, 0.0
    for one in scenarios:
        spent = _traffic_s(folder / str(one["run_dir"]))
        if spent is not None and one["times_run"] == 1:
            whole += float(str(one["wall_s"]))
            traffic += spent
    hourly = Row(
        name=names[0], measured=3600 * len(scenarios) / wall_s, note=f"{len(scenarios)} in {wall_s:.0f} s"
    )
    if not whole:
        return hourly, skipped(names[1], "no run with a history that ran once")
    share = Row(
        name=names[1],
        measured=1 - traffic / whole,
        at_most=OVERHEAD_AT_MOST,
        note=f"traffic {traffic:.0f} s of {whole:.0f} s",
    )
    return hourly, share


def _scenarios(summary: dict[str, object]) -> list[dict[str, object]]:
    found = summary["scenarios"]
    assert isinstance(found, list)
    return found


def _traffic_s(folder: Path) -> float | None:
    try:
        return traffic_s(history.read(folder))
    except KitError:
        return None


def traffic_s(past: History) -> float | None:
    """From the beginning of the seed phase to the audit; None: it never came there."""
    begun = [one.t_us for one in past.phases if one.phase is Phase.SEED]
    ended = [one.t_us for one in past.phases if one.phase is Phase.AUDIT]
    return (ended[0] - begun[0]) / 1e6 if begun and ended else None
