"""`python -m lab.pressure`: the suite, several times, while every core is kept busy by something else.

A starved machine may leave a scenario INCONCLUSIVE; it must never make one FAIL. Takes about ten
minutes per run of the core suite on two cores.
"""

from __future__ import annotations

import argparse
import json
import secrets
import signal
import sys
from pathlib import Path

from harness.options import Parser
from lab.command import as_command
from lab.kit_runs import kit_run
from lab.pressure.burners import every_core_busy
from lab.pressure.tally import Tally, line, rows, tally
from lab.rows import RUNS, report


def main() -> int:
    given = _parser().parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the burners end in a `finally`
    folder = given.out / f"pressure-{secrets.token_hex(3)}"
    tallies: list[Tally] = []
    for number in range(1, given.runs + 1):
        found = _run(given, folder / f"run-{number}")
        if found is None:
            print(f"run {number}: left no summary", file=sys.stderr)
            return 4
        tallies.append(found)
        print(line(number, found), flush=True)
    return report("pressure", rows(tallies), directory=given.out, title=f"\nunder pressure, runs in {folder}")


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.pressure", description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--suite", default="core")
    parser.add_argument("--scenario", help="instead of a suite")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def _run(given: argparse.Namespace, out: Path) -> Tally | None:
    """One run of the suite by the kit's own command; None: it never came to its summary."""
    words = ["--backend", given.backend, "--out", str(out)]
    words += ["--scenario", given.scenario] if given.scenario else ["--suite", given.suite]
    with every_core_busy():
        kit_run(words)
    summary = out / "latest" / "summary.json"
    return tally(json.loads(summary.read_text())) if summary.exists() else None


if __name__ == "__main__":
    as_command(main)
