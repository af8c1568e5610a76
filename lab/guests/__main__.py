"""`python -m lab.guests`: every application in guests/ through every fault in guests/scenarios, one table.

The whole table takes half an hour. It can be made in pieces: `--minutes` begins nothing after so many, and
the same command goes on with the runs in `--into`. With `--write`, a recorded cell stays where no run in
`--into` says more; with `--since`, only those that are older are run. `--page` makes table and page of
docs/guests.json.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import msgspec
import yaml

from harness import history
from harness.clock import RunClock
from harness.errors import ExitStatus, KitError
from harness.model.history import History
from harness.model.nearest import did_you_mean
from harness.model.results import ScenarioResult
from harness.options import Parser
from harness.plan.describing import AROUND_A_RUN_S
from harness.plan.timeline import expected_s
from harness.presets import inventory_of
from harness.report.write import SUITE, read_suite
from harness.running.selection import load
from harness.safe_files import write_file
from lab.command import as_command
from lab.guests import page
from lab.guests.cures import needed, read_cures
from lab.guests.measured import Cell, after_all, measured
from lab.guests.rounds import JOBS, LONGEST, Round, missing, wall_s
from lab.guests.versions import versions_of
from lab.kit_runs import kit_run
from lab.published import encoded
from lab.rows import ROOT, RUNS

GUESTS = ROOT / "guests"
SCENARIOS = GUESTS / "scenarios"
RECORD = ROOT / "docs" / "guests.json"
DOCUMENT = ROOT / "docs" / "guests.md"
_SETTING = "deployment.guest="


def main() -> int:
    given = _parser().parse_args()
    whole = True
    if not given.page:
        if unknown := [
            *_unknown("guest", given.guest, _guests()),
            *_unknown("fault", given.fault, _faults()),
        ]:
            print("\n".join(unknown), file=sys.stderr)
            return ExitStatus.USAGE
        wanted = [
            one for one in _wanted() if _is_one_of(one[0], given.guest) and _is_one_of(one[1], given.fault)
        ]
        if not wanted:
            print("none of these guests is run through one of these faults", file=sys.stderr)
            return ExitStatus.USAGE
        print(_said_of_plans(given, wanted))
        if given.plan:
            return ExitStatus.PASSED
        whole = _measure(given, wanted)
        recorded = _recorded() if given.write else None
        cells = after_all(recorded.cells if recorded is not None else (), _cells(given.into))
        _write(_table(cells), given.into, record=given.write)
    elif (recorded := _recorded()) is not None:
        _write(recorded, given.into, record=True)
    return 0 if whole else 1


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.guests", description=__doc__)
    parser.add_argument("--guest", action="append", help="a part or glob of a guest file; several times")
    parser.add_argument("--fault", action="append", help="a part or glob of a scenario's file; several times")
    parser.add_argument(
        "--jobs",
        type=int,
        help=f"how many runs side by side; default {JOBS}, and all guests of {LONGEST}, which mostly waits",
    )
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument(
        "--since",
        type=_day,
        metavar="DAY",
        help="run only cells that docs/guests.json does not have from this day, or a later one",
    )
    parser.add_argument("--minutes", type=float, help="begin nothing after so many; the same command goes on")
    parser.add_argument(
        "--into", type=Path, default=RUNS / "guests", help="for the runs; goes on with what is there"
    )
    parser.add_argument("--write", action="store_true", help="write docs/guests.json and docs/guests.md")
    parser.add_argument(
        "--plan",
        action="store_true",
        help="run nothing, say how many runs are missing and how long they take",
    )
    parser.add_argument(
        "--page", action="store_true", help="run nothing, write the tables of docs/guests.json"
    )
    return parser


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as problem:
        raise argparse.ArgumentTypeError(f"expected a day such as 2026-11-30, found {text!r}") from problem


def _unknown(what: str, patterns: Sequence[str] | None, names: Sequence[str]) -> Iterator[str]:
    """A sentence for each pattern that fits no name: a part of one, or its beginning, may be misspelt."""
    parts = dict.fromkeys(part for name in names for part in (name, *re.split(r"[/.]", name)))
    for pattern in patterns or ():
        if not any(_is_one_of(name, [pattern]) for name in names):
            hint = did_you_mean(pattern, parts) or "."
            yield f"--{what} {pattern!r}: no {what} has such a name{hint} There are: {', '.join(names)}"


def _is_one_of(name: str, patterns: Sequence[str] | None) -> bool:
    return not patterns or any(fnmatch(name, one) or one in name for one in patterns)


def _wanted() -> list[tuple[str, str]]:
    """Every cell of the table: (guest, fault)."""
    cures = read_cures()
    return [(guest, fault) for fault in _faults() for guest in _guests() if needed(cures, guest, fault)]


def _guests() -> list[str]:
    """The application as documented before its variants."""
    found = [path for path in GUESTS.glob("*/*.yaml") if path.parent != SCENARIOS]
    ordered = sorted(found, key=lambda path: (path.parent.name, path.stem != "guest", path.stem))
    return [str(path.relative_to(GUESTS)) for path in ordered]


def _faults() -> list[str]:
    return sorted(path.stem for path in SCENARIOS.glob("*.yaml"))


def _said_of_plans(given: argparse.Namespace, wanted: Sequence[tuple[str, str]]) -> str:
    """`124 runs, by their plans about 37 min`: of those that are missing."""
    rounds = list(missing(wanted, _known(given), jobs=given.jobs))
    minutes = wall_s(rounds, {one.fault: _planned_s(one.fault) for one in rounds}) / 60
    return f"{sum(len(one.guests) for one in rounds)} runs, by their plans about {minutes:.0f} min"


@cache
def _planned_s(fault: str) -> float:
    """How long one run of it takes, in seconds."""
    [scenario] = load([SCENARIOS / f"{fault}.yaml"], suite=None)
    return expected_s(scenario, inventory_of(scenario.deployment)) + AROUND_A_RUN_S


def _measure(given: argparse.Namespace, wanted: Sequence[tuple[str, str]]) -> bool:
    """Round after round; what gave no result is tried once in each call. Whether nothing is missing."""
    clock, tried = RunClock(), set[tuple[str, str]]()
    known = _known(given)
    while True:
        following = next(missing(wanted, known | tried, jobs=given.jobs), None)
        if following is None:
            return set(wanted) - known <= {(one.guest, one.fault) for one in _cells(given.into)}
        if given.minutes is not None and clock.now_us() > given.minutes * 60e6:
            print(f"not complete; the same command with --into {given.into} goes on", file=sys.stderr)
            return False
        tried |= {(guest, following.fault) for guest in following.guests}
        if _run(given, following) == ExitStatus.INTERRUPTED:
            return False


def _run(given: argparse.Namespace, one: Round) -> int:
    files = [f"guests/{guest}" for guest in one.guests]
    several = ["--vary" if len(files) > 1 else "--set", f"{_SETTING}{','.join(files)}"]
    words = [f"guests/scenarios/{one.fault}.yaml", *several]
    words += ["--jobs", str(one.jobs), "--seed", str(given.seed)]
    out = given.into / f"{one.fault}-{secrets.token_hex(3)}"
    print(f"--- {one.fault}: {', '.join(one.guests)}", flush=True)
    return kit_run([*words, "--out", str(out)])


def _known(given: argparse.Namespace) -> set[tuple[str, str]]:
    """By the runs that are there, and by the record as far as it is new enough."""
    recorded = _recorded() if given.since is not None else None
    new = (
        [one for one in recorded.cells if one.measured_on >= str(given.since)] if recorded is not None else []
    )
    return {(one.guest, one.fault) for one in (*_cells(given.into), *new) if not one.why_not}


def _cells(folder: Path) -> Iterator[Cell]:
    """Of all runs that are there: of each guest under each fault the newest of those that say something."""
    newest: dict[tuple[str, str], tuple[bool, int, Cell]] = {}
    for suite in folder.rglob(SUITE):
        if suite.parent.is_symlink():
            continue
        started_us, cells = _cells_of(suite.parent)
        for cell in cells:
            place, order = (cell.guest, cell.fault), (not cell.why_not, started_us)
            if place not in newest or order > newest[place][:2]:
                newest[place] = (*order, cell)
    yield from (cell for _, _, cell in newest.values())


@cache
def _cells_of(suite: Path) -> tuple[int, tuple[Cell, ...]]:
    """When the suite began, and its cells. Reading takes a moment, and what ended does not change."""
    try:
        read = read_suite(suite)
    except (OSError, ValueError, KitError) as problem:
        print(f"{suite}: left out: {problem}", file=sys.stderr)
        return 0, ()
    measured_on = f"{datetime.fromtimestamp(read.started_wall_us / 1e6, tz=UTC):%Y-%m-%d}"
    cells = (measured(_guest_of(one), one, _history(suite, one)) for one in read.results)
    return read.started_wall_us, tuple(
        msgspec.structs.replace(one, measured_on=measured_on, kit=read.kit) for one in cells
    )


def _guest_of(result: ScenarioResult) -> str:
    """Both the varied and the changed settings name it."""
    said = next((one for one in (*result.varied, *result.changed) if one.startswith(_SETTING)), "")
    return said.removeprefix(_SETTING).removeprefix("guests/")


def _history(suite: Path, result: ScenarioResult) -> History | None:
    if result.judgement is None or not result.run_dir:
        return None
    try:
        return history.read(suite / result.run_dir)
    except KitError as problem:
        print(f"{result.run_dir}: left out: {problem}", file=sys.stderr)
        return None


def _recorded() -> page.Table | None:
    return msgspec.json.decode(RECORD.read_bytes(), type=page.Table) if RECORD.exists() else None


def _table(cells: Mapping[tuple[str, str], Cell]) -> page.Table:
    ordered = [cells[guest, fault] for fault in _faults() for guest in _guests() if (guest, fault) in cells]
    return page.Table(
        guests=tuple(_guest(file) for file in _guests() if any(one.guest == file for one in ordered)),
        faults=tuple(
            page.Fault(file=one, name=_said(SCENARIOS / f"{one}.yaml", "name")) for one in _faults()
        ),
        cells=tuple(ordered),
    )


def _guest(file: str) -> page.Guest:
    path = GUESTS / file
    return page.Guest(
        file=file, name=_said(path, "name"), about=_said(path, "about"), versions=versions_of(path.parent)
    )


def _said(path: Path, key: str) -> str:
    return str(yaml.safe_load(path.read_text(encoding="utf-8")).get(key, ""))


def _write(table: page.Table, folder: Path, *, record: bool) -> None:
    cures = read_cures()
    for title, rows in page.sections(table, cures):
        print(f"\n{title}\n{page.as_text(rows)}")
    folder.mkdir(parents=True, exist_ok=True)
    write_file(folder / "guests.json", encoded(table))
    write_file(folder / "index.html", page.html(table, cures).encode())
    print(f"\nresults: {folder / 'index.html'} · guests.json")
    if record:
        write_file(RECORD, encoded(table))
        document = page.MADE.into(DOCUMENT.read_text(encoding="utf-8"), page.markdown(table, cures))
        write_file(DOCUMENT, document.encode())
        print(f"written: {RECORD.relative_to(ROOT)}, {DOCUMENT.relative_to(ROOT)}")


if __name__ == "__main__":
    as_command(main)
