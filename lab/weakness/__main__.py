"""`python -m lab.weakness`: explores deployments with a seeded weakness, until each is found and made small.

Each takes ten minutes at most. A weakness counts if a schedule of at most two faults is left that breaks the
promise. `--kind` and `--only` choose some of them.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from harness.errors import ExitStatus
from harness.explore import Found, Request, explore, fitting
from harness.explore.promises import NEVER
from harness.model.words import BackendKind, TopologyKind
from harness.options import Parser
from harness.report import terminal
from harness.running.ground import ground_of
from harness.running.vocabulary import shipped
from harness.safe_files import make_folder, write_file
from harness.scenario import scenario_of
from lab.command import as_command
from lab.rows import ROOT, RUNS, Row, report
from lab.weakness.behind import VARIABLE
from lab.weakness.ground import Misbehaving
from lab.weakness.table import BREAKS, WEAKNESSES, Weakness

MINUTES = 10.0
FAULTS_AT_MOST = 2


@dataclass(slots=True)
class Told:
    """What an exploration says, with the time of its first broken promise."""

    began_s: float = field(default_factory=time.monotonic)
    broken_s: float | None = None

    def tell(self, text: str) -> None:
        print(text, flush=True)
        if self.broken_s is None and "broke a promise" in text:
            self.broken_s = time.monotonic() - self.began_s


def main(arguments: list[str]) -> int:
    given = _parser().parse_args(arguments)
    os.environ["PYTHONPATH"] = str(ROOT)
    chosen = [
        one
        for one in WEAKNESSES
        if one.kind in (given.kind or TopologyKind) and any(word in one.name for word in given.only or [""])
    ]
    rows = []
    for one in chosen:
        found, told = explored(one, given)
        if found.interrupted:
            print("weakness: interrupted; the other weaknesses were not explored", file=sys.stderr)
            return ExitStatus.INTERRUPTED
        rows.append(row_of(one, found, told))
    return report("weakness", rows, directory=given.out, title=f"\nseeded weaknesses, seed {given.seed}")


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.weakness", description=__doc__)
    parser.add_argument("--kind", action="append", choices=[str(one) for one in TopologyKind])
    parser.add_argument("--only", action="append", help="a part of a weakness' name; repeatable")
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for each (default: 10)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1, help="schedules side by side (default: 1)")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def explored(weakness: Weakness, given: argparse.Namespace) -> tuple[Found, Told]:
    folder: Path = given.out / f"weakness-{weakness.kind}-{secrets.token_hex(3)}"
    make_folder(folder)
    file = folder.resolve() / "deployment.yaml"
    write_file(file, yaml.safe_dump(weakness.document, sort_keys=False).encode())
    scenario = scenario_of(file)
    request = Request.on(
        scenario.deployment,
        own_deployment=bool(weakness.off),
        expect=tuple(f"{name}: >= 0" for name in NEVER if name not in BREAKS),
        minutes=given.minutes,
        seed=given.seed,
        vocabulary=shipped(),
    )
    os.environ[VARIABLE] = weakness.label  # runs are processes of their own
    nodes = Misbehaving(
        ground=ground_of(BackendKind.PROCESS, [scenario]),
        backend=str(BackendKind.PROCESS),
        deployment=file if weakness.off else None,
        settings=(),
        engine=None,
        seed=given.seed,
        jobs=given.jobs,
        out=folder / "runs",
        display=terminal.display(sys.stdout),
    )
    print(f"{weakness.label}: seed {given.seed}, {given.minutes:g} min", flush=True)
    told = Told()
    return explore(request, fitting(request, nodes, folder), nodes, folder, told.tell), told


def row_of(weakness: Weakness, found: Found, told: Told) -> Row:
    """How many faults are left in the smallest schedule; 0: no promise was broken."""
    took_s = time.monotonic() - told.began_s
    runs = f"{found.runs} runs, {found.undecided} undecided, {took_s:.0f} s"
    if found.file is None or told.broken_s is None:
        return Row(
            name=weakness.label, measured=0, at_least=1, at_most=FAULTS_AT_MOST, unit="faults", note=runs
        )
    smallest: dict[str, Any] = yaml.safe_load(found.file.read_text(encoding="utf-8"))
    faults = smallest["faults"]
    times, of = found.again
    return Row(
        name=weakness.label,
        measured=len(faults),
        at_least=1,
        at_most=FAULTS_AT_MOST,
        unit="faults",
        note=f"broken after {told.broken_s:.0f} s; {runs}; again in {times} of {of}; "
        + "; ".join(" ".join(f"{key} {value}" for key, value in fault.items()) for fault in faults)
        + f"; {found.file}",
    )


if __name__ == "__main__":
    as_command(lambda: main(sys.argv[1:]))
