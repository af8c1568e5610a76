"""`python -m lab.catalogue`: every shipped scenario on every engine that is here, and the table of them.

An engine takes about forty minutes on two cores. The same command goes on where it was broken off, and
begins nothing after `--minutes`. `--results FOLDER…` runs nothing: it adds results that are there already.
Both write docs/catalogue-on-engines.json and the table of docs/catalogue-on-engines.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.clock import RunClock
from harness.errors import ExitStatus
from harness.model.nearest import did_you_mean
from harness.model.scenario import Scenario
from harness.options import Parser
from harness.safe_files import write_file
from lab.catalogue.reading import FullSummary, read_record, read_summary
from lab.catalogue.record import RECORD, OneRun, runs_of
from lab.catalogue.table import page
from lab.command import as_command
from lab.engines.__main__ import engines_here
from lab.kit_runs import kit_run
from lab.published import MadePart, encoded, today
from lab.rows import ROOT, RUNS
from lab.track_record.__main__ import shipped_scenarios

PAGE = ROOT / "docs" / "catalogue-on-engines.md"
MADE = MadePart("<!-- made by make catalogue -->", "<!-- end -->")


def main() -> int:
    given = _parser().parse_args()
    if unread := [str(one) for one in given.results if not (one / "summary.json").is_file()]:
        print(f"{', '.join(unread)}: expected a results folder with a summary.json", file=sys.stderr)
        return ExitStatus.USAGE
    if given.results:
        return _publish([run for folder in given.results for run in _runs(folder)])
    here, missing = engines_here(given.backend)
    for name, why in missing:
        print(f"{name}: not here: {why}")
    names = dict.fromkeys(engine for _, engine in here)
    for engine in given.engine or ():
        if engine not in names:
            hint = did_you_mean(engine, names)
            print(
                f"--engine {engine!r}: expected one of {', '.join(names)}, found none{hint}", file=sys.stderr
            )
            return ExitStatus.USAGE
    clock = RunClock()
    for backend, engine in here:
        left_s = 60 * given.minutes - clock.now_us() / 1e6
        if left_s > 0 and (not given.engine or engine in given.engine):
            out = given.out / f"{engine}-{backend}"
            _run(given, backend, engine, out, left_s)
            _publish(list(_runs(_begun(out))))
    return ExitStatus.PASSED


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.catalogue", description=__doc__)
    parser.add_argument("--backend", choices=("all", "docker", "process"), default="all")
    parser.add_argument("--engine", action="append", help="only this one, e.g. valkey-9.1; repeatable")
    parser.add_argument("--suite", default="all", help="or catalogue, core, smoke")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin nothing after so many")
    parser.add_argument("--jobs", type=int, help="how many runs side by side; default: one per CPU")
    parser.add_argument("--results", type=Path, nargs="+", default=[], help="run nothing, add these")
    parser.add_argument("--out", type=Path, default=RUNS / "catalogue", help="goes on with what is there")
    return parser


def _run(given: argparse.Namespace, backend: str, engine: str, out: Path, left_s: float) -> None:
    words = ["--suite", given.suite, "--backend", backend, "--engine", engine]
    words += ["--seed", "1", "--out", str(out)]
    words += ["--jobs", str(given.jobs)] if given.jobs else []
    begun = _begun(out)
    words += ["--resume", str(begun)] if begun else []
    status = kit_run(words, within_s=left_s)
    if begun and status == ExitStatus.USAGE:  # the kit or a scenario has changed since
        print(f"{begun}: begins anew", file=sys.stderr)
        begun.rename(begun.with_name(f"earlier-{begun.name}"))
        _run(given, backend, engine, out, left_s)


def _begun(out: Path) -> Path | None:
    """The newest folder of results there; `earlier-…` are not gone on with."""
    return max(out.glob("[0-9]*"), default=None)


def _runs(folder: Path | None) -> Iterator[OneRun]:
    summary = None if folder is None else folder / "summary.json"
    if summary is not None and summary.is_file():
        yield from runs_of(read_summary(summary, FullSummary), _measured_on(summary.parent))


def _measured_on(folder: Path) -> str:
    """Folders of results begin with the time of the run, in UTC."""
    named = re.match(r"(\d{4})(\d\d)(\d\d)-", folder.resolve().name)
    return "-".join(named.groups()) if named else today()


def _publish(runs: Sequence[OneRun]) -> ExitStatus:
    scenarios: dict[str, Scenario] = dict(sorted(shipped_scenarios()))
    strange = sorted({one.scenario for one in runs} - scenarios.keys())
    if strange:
        print(f"left out, as these are no shipped scenarios: {', '.join(strange)}", file=sys.stderr)
    if strange and all(one.scenario in strange for one in runs):
        print("nothing is written: expected a run of a shipped scenario, found none", file=sys.stderr)
        return ExitStatus.USAGE
    record = read_record().with_runs(runs).of_shipped(scenarios)
    write_file(RECORD, encoded(record))
    made = page(record, {name: one.shows for name, one in scenarios.items()})
    write_file(PAGE, MADE.into(PAGE.read_text(encoding="utf-8"), "\n".join(made)).encode())
    print(f"{PAGE.relative_to(ROOT)}: written")
    return ExitStatus.PASSED


if __name__ == "__main__":
    as_command(main)
