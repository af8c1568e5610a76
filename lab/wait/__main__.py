"""`python -m lab.wait`: what WAIT on logouts and revocations costs and saves, one table at the end.

`--read FOLDER` makes the table of runs that are there already. Five runs of each cell take ten minutes.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import history
from harness.checks.columns.arrays import percentile
from harness.errors import KitError
from harness.model.history import History
from harness.model.records import Operation
from harness.model.words import OperationKind, Outcome, Phase
from harness.options import Parser
from lab.command import as_command
from lab.kit_runs import kit_run
from lab.rows import ROOT, RUNS
from lab.wait.table import Run, table

MATRIX = ROOT / "matrices" / "wait.yaml"
UNDONE = frozenset({"resurrected-session", "escaped-logout", "revocation-lost"})


def main() -> int:
    given = _parser().parse_args()
    folder = given.read or given.out / f"wait-{secrets.token_hex(3)}"
    if given.read is None:
        _run(given, folder)
    found = list(_runs(folder))
    if not found:
        print(f"{folder}: no run with a logout", file=sys.stderr)
        return 1
    print(table(found))
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.wait", description=__doc__)
    parser.add_argument("--backend", choices=("docker", "process"), default="process")
    parser.add_argument("--repeat", type=int, help="runs of each instead of the matrix's")
    parser.add_argument("--out", type=Path, default=RUNS)
    parser.add_argument("--read", type=Path, help="runs that are there already")
    return parser


def _run(given: argparse.Namespace, out: Path) -> None:
    words = [str(MATRIX), "--backend", given.backend]
    words += [] if given.repeat is None else ["--repeat", str(given.repeat)]
    kit_run([*words, "--out", str(out)])


def _runs(folder: Path) -> Iterator[Run]:
    for summary in sorted(folder.rglob("summary.json")):
        if summary.parent.is_symlink():
            continue
        for said in json.loads(summary.read_text(encoding="utf-8"))["scenarios"]:
            run = _read(summary.parent / said["run_dir"], said) if said["run_dir"] else None
            if run is not None:
                yield run


def _read(folder: Path, said: dict[str, Any]) -> Run | None:
    """None: it is damaged, or nobody logged out before the fault."""
    try:
        past = history.read(folder)
    except KitError as problem:
        print(f"{folder}: left out: {problem}", file=sys.stderr)
        return None
    acked = _acked(past)
    waits_us = sorted(
        one.done_us - one.due_us
        for one in acked.values()
        if one.phase is Phase.BASELINE and one.done_us is not None
    )
    if not waits_us:
        return None
    undone = [
        acked[one["operations"][0]]
        for one in json.loads((folder / "findings.json").read_text(encoding="utf-8"))
        if one["name"] in UNDONE and one["operations"] and one["operations"][0] in acked
    ]
    return Run(
        scenario=past.plan.scenario.name,
        replicas=past.plan.scenario.deployment.client.wait_replicas,
        decided=not said["loss"]["not_known"],
        p50_ms=percentile(waits_us, 0.5) / 1000,
        p99_ms=percentile(waits_us, 0.99) / 1000,
        confirmed=sum(map(_confirmed, acked.values())),
        undone=sum(map(_confirmed, undone)),
        warned=sum(not _confirmed(one) for one in undone),
    )


def _acked(past: History) -> dict[int, Operation]:
    """Operations that log somebody out, or revoke something."""
    return {
        one.id: one
        for one in past.operations
        if one.kind is OperationKind.LOGOUT and one.outcome is Outcome.ACKED
    }


def _confirmed(operation: Operation) -> bool:
    """As many replicas have it as the client asked for."""
    steps = [one for one in operation.steps if one.deciding and one.wait_needed]
    return all((one.wait_got or 0) >= (one.wait_needed or 0) for one in steps)


if __name__ == "__main__":
    as_command(main)
