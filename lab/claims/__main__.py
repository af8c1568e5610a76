"""`python -m lab.claims`: run what decides each claim, several times, and write the page.

Every check runs in a folder of its own below `--out`; the same command goes on there after it was
interrupted. `--only` runs what decides single claims, and leaves the others in docs/claims.json as they are.
`--page` writes the page of the results that are there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from harness.errors import ExitStatus
from harness.model.results import ScenarioResult
from harness.options import Parser
from harness.report.write import SUITE, read_suite
from harness.safe_files import write_file
from harness.version import kit_version
from lab.claims.outcome import Checked, Record, measured_in
from lab.claims.page import page
from lab.claims.statements import Check, Statement, checks_of, read_statements, together
from lab.command import as_command
from lab.kit_runs import kit_run
from lab.published import encoded, today
from lab.rows import ROOT, RUNS

RECORD = ROOT / "docs" / "claims.json"
PAGE = ROOT / "docs" / "claims.md"


def main() -> int:
    given = _parser().parse_args()
    statements = read_statements()
    if unknown := [number for number in given.only if not 1 <= number <= len(statements)]:
        print(
            f"--only: expected numbers of claims, 1 to {len(statements)}, found {unknown[0]}; "
            f"{PAGE.relative_to(ROOT)} lists them",
            file=sys.stderr,
        )
        return ExitStatus.USAGE
    if not given.page:
        write_file(RECORD, encoded(_measured(given, statements)))
    record = _recorded()
    write_file(PAGE, page(statements, record).encode())
    print(f"{PAGE.relative_to(ROOT)}: {len(statements)} statements")
    return 0


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.claims", description=__doc__)
    parser.add_argument("--backend", choices=("docker", "process"), default="process")
    parser.add_argument("--engine", default="redis-7.0")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each check")
    parser.add_argument(
        "--out", type=Path, default=RUNS / "claims", help="for the runs; goes on with what is there"
    )
    parser.add_argument(
        "--only",
        type=int,
        action="append",
        default=[],
        help="a claim, by its number on the page; several times",
    )
    parser.add_argument("--page", action="store_true", help="run nothing, write the page of docs/claims.json")
    return parser


def _measured(given: argparse.Namespace, statements: Sequence[Statement]) -> Record:
    checks = tuple(checks_of(statements))
    wanted = tuple(checks_of(statements[number - 1] for number in given.only)) if given.only else checks
    found: dict[tuple[str, ...], Checked] = {}
    runs = together(checks)
    for number, asked in enumerate(runs, 1):
        if not any(asked.covers(check) for check in wanted):
            continue
        print(f"--- {number} of {len(runs)}: {' '.join(asked.options)}", flush=True)
        results = _results(given, asked, given.out / f"{number:02}")
        for check in checks:
            if asked.covers(check):
                mine = tuple(measured_in(one, check) for one in results)
                found[check.options] = Checked(options=check.options, runs=mine)
    if given.only:
        return _recorded().with_checks(found, today())
    return Record(measured_on=today(), kit=kit_version(), checks=tuple(found.values()))


def _recorded() -> Record:
    return msgspec.json.decode(RECORD.read_bytes(), type=Record)


def _results(given: argparse.Namespace, asked: Check, out: Path) -> tuple[ScenarioResult, ...]:
    before = (out / "latest").resolve()
    resumed = ["--resume", str(before)] if (before / SUITE).exists() else []
    words = [*asked.options, "--engine", given.engine, "--backend", given.backend]
    words += ["--repeat", str(given.repeat), "--seed", "1", "--out", str(out)]
    kit_run([*words, *resumed])
    try:
        return read_suite((out / "latest").resolve()).results
    except (OSError, ValueError) as problem:
        print(f"{out}: no results: {problem}", file=sys.stderr)
        return ()


if __name__ == "__main__":
    as_command(main)
