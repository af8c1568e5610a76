"""`python -m lab.track_record RESULT…`: which reports were shown on which engine, from results, for README.

Each RESULT is a results folder or a `summary.json`; what docs/catalogue-on-engines.json keeps counts as well.
A weakness that passed was shown on the engine that it ran on, a weakness that failed was not; a promise that
passed holds there. Runs without a verdict of that kind (INCONCLUSIVE, SKIPPED) say nothing. `--write` puts
the table into README, and the list of the catalogue into docs/catalogue.md.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from harness.errors import ExitStatus
from harness.model.scenario import Scenario
from harness.options import Parser
from harness.running.selection import scenario_files
from harness.running.vocabulary import shipped
from harness.safe_files import write_file
from harness.scenario import load
from lab.catalogue.reading import Summary, read_record, read_summary
from lab.command import as_command
from lab.rows import ROOT
from lab.track_record.table import (
    CATALOGUE_HEAD,
    HEAD,
    MADE,
    catalogue,
    runs_in,
    runs_of,
    runs_of_catalogue,
    table,
)

README = ROOT / "README.md"
CATALOGUE_PAGE = ROOT / "docs" / "catalogue.md"


def main() -> int:
    parser = Parser(prog="python -m lab.track_record", description=__doc__)
    parser.add_argument("results", type=Path, nargs="*", help="they add to what README says already")
    parser.add_argument("--write", action="store_true", help="into README")
    given = parser.parse_args()
    if unread := [str(path) for path in given.results if not _file(path).is_file()]:
        print(f"{', '.join(unread)}: expected a results folder or a summary.json", file=sys.stderr)
        return ExitStatus.USAGE
    scenarios = dict(shipped_scenarios())
    reports = {name: one for name, one in scenarios.items() if one.bugs}
    text = README.read_text(encoding="utf-8")
    told = (run for path in given.results for run in runs_of(read_summary(_file(path), Summary)))
    runs = [*runs_in(text), *runs_of_catalogue(read_record()), *told]
    lines = [*HEAD, *table(reports, runs)]
    if given.write:
        for file, content in ((README, lines), (CATALOGUE_PAGE, [*CATALOGUE_HEAD, *catalogue(scenarios)])):
            document = MADE.into(file.read_text(encoding="utf-8"), "\n".join(content))
            write_file(file, document.encode())
    else:
        print(*lines, sep="\n")
    return 0


def shipped_scenarios() -> Iterator[tuple[str, Scenario]]:
    """By the names that `run` takes."""
    for path in scenario_files(None):
        yield f"{path.parent.name}/{path.stem}", load(path, shipped())


def _file(path: Path) -> Path:
    return path / "summary.json" if path.is_dir() else path


if __name__ == "__main__":
    as_command(main)
