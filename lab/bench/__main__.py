"""`python -m lab.bench`: the table of `make bench`, and runs/bench.json.

Takes about fifteen minutes, most of them for making and judging ten million operations
(`--largest 1000000` leaves these out). Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from harness.options import Parser
from lab.bench import (
    filling,
    foreign,
    growing,
    judging,
    loading,
    machines,
    recording,
    runs,
    starting,
    suite,
    workers,
)
from lab.command import as_command
from lab.rows import RUNS, Row, report

EXTRAPOLATED = "growing"
"""Another look at the histories of `judging`."""

PARTS: Mapping[str, Callable[[argparse.Namespace, Path], list[Row]]] = {
    "loading": lambda given, scratch: loading.rows(scratch / "loading", rounds=given.rounds),
    "recording": lambda given, scratch: recording.rows(scratch / "recording", repetitions=given.rounds),
    "judging": lambda given, scratch: judging.rows(
        given.histories or scratch / "judging", repetitions=given.rounds, largest=given.largest
    ),
    EXTRAPOLATED: lambda given, scratch: growing.rows(
        given.histories or scratch / "judging", repetitions=given.rounds
    ),
    "foreign": lambda given, scratch: foreign.rows(scratch / "foreign", repetitions=2 * given.rounds),
    "filling": lambda given, scratch: filling.rows(scratch / "filling", rounds=given.rounds),
    "workers": lambda given, scratch: workers.rows(
        scratch / "workers", rounds=given.rounds, largest=given.largest
    ),
    "starting": lambda given, scratch: starting.rows(scratch / "starting", rounds=given.rounds),
    "machines": lambda given, scratch: machines.rows(scratch / "machines", rounds=given.rounds),
    "runs": lambda given, scratch: runs.rows(scratch / "runs", runs=2 * given.rounds),
    "suite": lambda given, scratch: suite.rows(
        given.run, fresh=scratch / "suite" if given.suite else None, backend=given.backend
    ),
}


def main() -> int:
    given = _parser().parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="failover-kit-bench-") as made:
        for name in given.only or [name for name in PARTS if name != EXTRAPOLATED]:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            rows += PARTS[name](given, Path(made))
    return report("bench", rows, directory=given.out, title="")


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.bench", description=__doc__)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=tuple(PARTS),
        help=f"some parts; default: all but {EXTRAPOLATED}",
    )
    parser.add_argument("--rounds", type=int, default=3, help="repetitions of each measurement")
    parser.add_argument(
        "--largest", type=int, default=judging.LARGE, help="operations of the longest history"
    )
    parser.add_argument(
        "--histories", type=Path, help="keep the made histories in this folder, and use them again"
    )
    parser.add_argument("--run", type=Path, help="the suite's run to look at; default: the newest of a suite")
    parser.add_argument("--suite", action="store_true", help="run the core suite now, for its wall time")
    parser.add_argument("--backend", default="auto", help="of that suite")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


if __name__ == "__main__":
    as_command(main)
