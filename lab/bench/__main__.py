"""`python -m lab.bench`: the table of `make bench`, and runs/bench.json.

Takes about fifteen minutes, most of them for making and judging ten million operations
(`--largest 1000000` leaves these out). Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from lab.bench import (
    filling,
    foreign,
    growing,
    judging,
    loading,
    recording,
    runs,
    starting,
    suite,
    workers,
)
from lab.rows import RUNS, Row, report

PARTS = (
    "loading",
    "recording",
    "judging",
    "foreign",
    "filling",
    "workers",
    "starting",
    "machines",
    "runs",
    "suite",
)


def main() -> int:
    given = _parser().parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="failover-kit-bench-") as made:
        scratch = Path(made)
        parts: dict[str, Callable[[], list[Row]]] = {
            "loading": lambda: loading.rows(scratch / "loading", rounds=given.rounds),
            "recording": lambda: recording.rows(scratch / "recording", repetitions=given.rounds),
            "judging": lambda: judging.rows(
                given.histories or scratch / "judging", repetitions=given.rounds, largest=given.largest
            ),
            "growing": lambda: growing.rows(given.histories or scratch / "judging", repetitions=given.rounds),
            "foreign": lambda: foreign.rows(scratch / "foreign", repetitions=2 * given.rounds),
            "filling": lambda: filling.rows(scratch / "filling", rounds=given.rounds),
            "workers": lambda: workers.rows(scratch / "workers", rounds=given.rounds, largest=given.largest),
            "starting": lambda: starting.rows(scratch / "starting", rounds=given.rounds),
            "runs": lambda: runs.rows(scratch / "runs", runs=2 * given.rounds),
            "suite": lambda: suite.rows(
                given.run, fresh=scratch / "suite" if given.suite else None, backend=given.backend
            ),
        }
        for name in given.only or PARTS:
            print(f"bench: {name}", file=sys.stderr, flush=True)
            rows += parts[name]()
    return report("bench", rows, directory=given.out, title="")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=PARTS, help="some parts; default: all")
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
    sys.exit(main())
