"""From summaries of suites to the rows of the track record. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.model.engine import engine_name
from harness.model.scenario import Scenario
from harness.model.words import Shows, Verdict
from lab.catalogue.record import DECIDED, Record
from lab.published import MadePart

CATALOGUE = "catalogue"
CATALOGUE_HEAD = (
    "| topology | what happens | engines | prevented by | reports | | scenario |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
MADE = MadePart("<!-- track record: made by make track-record -->", "<!-- end of the track record -->")
NO_RESULT = "no result yet"
HEAD = (
    "| report | scenario | | seen on | not on |",
    "| --- | --- | --- | --- | --- |",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of a shipped scenario that came to a verdict."""

    scenario: str
    """`sentinel/03-planned-failover-loses-writes`."""
    engine: str
    passed: bool


def runs_of(summary: Mapping[str, Any]) -> Iterator[Run]:
    """The runs of shipped scenarios as they are, on engines that said who they are."""
    for one in summary["scenarios"]:
        file = Path(one["file"])
        if one.get("varied") or one["verdict"] not in {Verdict.PASS, Verdict.FAIL} or not one["engine"]:
            continue
        yield Run(
            scenario=f"{file.parent.name}/{file.stem}",
            engine=engine_name(one["engine"]),
            passed=one["verdict"] == Verdict.PASS,
        )


def runs_of_catalogue(record: Record) -> Iterator[Run]:
    """Those that were kept of the catalogue on each engine."""
    for one in record.runs:
        if one.verdict in DECIDED:
            yield Run(scenario=one.scenario, engine=one.engine, passed=one.verdict is Verdict.PASS)


def runs_in(text: str) -> Iterator[Run]:
    """What the table in a text says already: later results add to it."""
    for line in MADE.of(text).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == len(HEAD[0].split("|")) - 2 and "#" in cells[0]:
            for passed, engines in ((True, cells[3]), (False, cells[4])):
                names = [one for one in engines.split(", ") if one not in {"", NO_RESULT}]
                yield from (Run(scenario=cells[1].strip("`"), engine=one, passed=passed) for one in names)


def table(reports: Mapping[str, Scenario], runs: Iterable[Run]) -> list[str]:
    """A row for each report and scenario. Where no run came to a verdict, the row says so."""
    seen: dict[tuple[str, bool], set[str]] = defaultdict(set)
    for run in runs:
        seen[run.scenario, run.passed].add(run.engine)
    rows = []
    for name, scenario in reports.items():
        for report in scenario.bugs:
            shown, not_shown = (", ".join(sorted(seen[name, passed])) for passed in (True, False))
            what = "W" if scenario.shows is Shows.WEAKNESS else "P"
            shown = shown if shown or not_shown else NO_RESULT
            rows.append(f"| {report} | `{name}` | {what} | {shown} | {not_shown} |")
    return sorted(rows)


def catalogue(scenarios: Mapping[str, Scenario]) -> list[str]:
    """A row for each scenario of the catalogue: what it shows in its own words, and what prevents it."""
    rows = []
    for name, one in sorted(scenarios.items()):
        if CATALOGUE not in one.tags:
            continue
        what = "W" if one.shows is Shows.WEAKNESS else "P"
        reports = ", ".join(one.bugs)
        prevented = f"`{one.prevented_by}`" if one.prevented_by else ""
        cells = (one.deployment.topology.kind, one.name, one.engines, prevented, reports, what)
        rows.append(f"| {' | '.join(cells)} | `scenarios/{name}.yaml` |")
    return rows
