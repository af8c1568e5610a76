"""`python -m lab.haproxy`: shapes of HAProxy under the same faults, several times, one table at the end.

Five runs of each cell take an hour. The measurement can be made in pieces: `--minutes` ends it after so many,
and `--into FOLDER` goes on with the runs that are there. `--read FOLDER` makes the table of them, and with
`--page` writes it into docs/haproxy.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np

from harness import history
from harness.checks.columns.traffic import Traffic
from harness.checks.facts.of_run import facts_of
from harness.clock import RunClock
from harness.errors import ExitStatus, KitError
from harness.model.proxy import Balance, ProxyShape
from harness.model.scenario import Scenario
from harness.options import Parser
from harness.safe_files import write_file
from lab.command import as_command
from lab.haproxy.page import MADE, Record
from lab.haproxy.rounds import Count, Round, missing
from lab.haproxy.table import Run, Share, table
from lab.kit_runs import kit_run
from lab.published import encoded
from lab.rows import ROOT, RUNS

UNDER = "scenarios/proxy/0[12368]-*.yaml"
"""The faults of the table: each of these scenarios runs with every shape. The others differ from one of them
in the shape only."""
SHAPE = "deployment.topology.shape"
RECORD, PAGE = ROOT / "docs" / "haproxy.json", ROOT / "docs" / "haproxy.md"
FAULTS = {
    "kill primary": "primary killed",
    "planned failover primary": "planned failover",
    "pause primary": "primary frozen 7 s",
    "isolate primary": "primary isolated, the proxy reaches it",
}
"""How the table calls them."""


def main() -> int:
    given = _parser().parse_args()
    folder = given.read or given.into or given.out / f"haproxy-{secrets.token_hex(3)}"
    if given.read is None:
        _measure(given, folder)
    found = [run for runs in _runs(folder).values() for run in runs]
    if not found:
        print(f"{folder}: no run with a proxy", file=sys.stderr)
        return 1
    made = table(found, tuple(ProxyShape))
    if given.page:
        _write(found, made, folder)
    print(made)
    return 0


def _write(runs: list[Run], made: str, folder: Path) -> None:
    openings = [history.read(one.parent).opening for one in folder.rglob("metrics.json")]
    days = sorted(f"{datetime.fromtimestamp(one.started_wall_us / 1e6, UTC):%Y-%m-%d}" for one in openings)
    record = Record(
        measured_on=" to ".join(dict.fromkeys((days[0], days[-1]))),
        engine=", ".join(sorted({one.engine for one in openings})),
        runs=tuple(runs),
    )
    write_file(RECORD, encoded(record))
    write_file(PAGE, MADE.into(PAGE.read_text(encoding="utf-8"), made).encode())


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.haproxy", description=__doc__)
    parser.add_argument("--backend", choices=("docker", "process"), default="process")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each fault with each shape")
    parser.add_argument("--scenario", help="a glob instead of the usual scenarios")
    parser.add_argument("--jobs", type=int, help="how many runs side by side")
    parser.add_argument("--minutes", type=float, help="begin nothing after so many, and say how to go on")
    parser.add_argument("--out", type=Path, default=RUNS)
    parser.add_argument("--into", type=Path, help="go on with the runs in this folder")
    parser.add_argument("--read", type=Path, help="runs that are there already")
    parser.add_argument("--page", action="store_true", help="write the table into docs/haproxy.md, too")
    return parser


def _measure(given: argparse.Namespace, folder: Path) -> None:
    """Round after round, until nothing is missing or the time is over."""
    scenarios = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob(given.scenario or UNDER))
    clock = RunClock()
    while (following := next(_missing(given, folder, scenarios), None)) is not None:
        if given.minutes is not None and clock.now_us() > given.minutes * 60e6:
            print(f"not complete; to go on: python -m lab.haproxy --into {folder}", file=sys.stderr)
            return
        if not _run(given, following, folder / Path(following.scenario).stem):
            return


def _missing(given: argparse.Namespace, folder: Path, scenarios: list[str]) -> Iterator[Round]:
    counts = {
        cell: Count(decided=sum(run.decided for run in runs), tried=len(runs))
        for cell, runs in _runs(folder).items()
    }
    stems = {Path(one).stem: one for one in scenarios}
    for one in missing(counts, list(stems), tuple(ProxyShape), wanted=given.repeat):
        yield Round(scenario=stems[one.scenario], shapes=one.shapes)


def _run(given: argparse.Namespace, one: Round, out: Path) -> bool:
    """Whether it can go on: something ran."""
    several = len(one.shapes) > 1
    shapes = ["--vary" if several else "--set", f"{SHAPE}={','.join(one.shapes)}"]
    jobs = ["--jobs", str(given.jobs)] if given.jobs else []
    words = ["--scenario", one.scenario, "--backend", given.backend, *shapes, *jobs, "--out", str(out)]
    return kit_run(words) in {ExitStatus.PASSED, ExitStatus.FAILED, ExitStatus.INCONCLUSIVE}


def _runs(folder: Path) -> dict[tuple[str, str], list[Run]]:
    """By the scenario's folder and the shape. Each run that was judged counts, also one of a suite that was
    stopped, or the first of two attempts."""
    found: dict[tuple[str, str], list[Run]] = defaultdict(list)
    for measured in sorted(folder.rglob("metrics.json")):
        run = _read(measured.parent)
        if run is not None:
            found[measured.relative_to(folder).parts[0], run.shape].append(run)
    return found


@cache
def _read(folder: Path) -> Run | None:
    """None: it is damaged, or had no proxy. Reading a history takes a moment, and each round asks for all."""
    try:
        past = history.read(folder)
    except KitError as problem:
        print(f"{folder}: left out: {problem}", file=sys.stderr)
        return None
    deployment = past.plan.scenario.deployment
    if deployment.topology.proxy is None:
        return None
    facts = facts_of(past)
    without_pool = deployment.client.without_pool(past.plan.web_servers)
    pooled = tuple(name for name in past.plan.web_servers if name not in without_pool)
    findings, metrics = (
        json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("findings", "metrics")
    )
    lost = [number for one in findings if one["name"] == "lost-write" for number in one["operations"]]
    since_us = facts.landmarks.zero_us
    window = metrics["without_survivor"] or {"duration_s": {"low": 0.0}}
    return Run(
        fault=_called(past.plan.scenario),
        shape=str(deployment.topology.proxy.shape),
        decided=not metrics["losses_unknown"],
        pooled=_share(facts.traffic, pooled, lost, since_us),
        per_request=_share(facts.traffic, without_pool, lost, since_us),
        without_survivor_s=float(window["duration_s"]["low"]),
    )


def _called(scenario: Scenario) -> str:
    """The faults, and what the proxies have beside their shape."""
    proxy = scenario.deployment.topology.proxy
    named = (f"{step.kind} {step.target}" for step in scenario.faults)
    said = [FAULTS.get(one, one) for one in named]
    if proxy and proxy.balance is not Balance.ROUND_ROBIN:
        first = f", {proxy.order[0]} is first in the list" if proxy.order else ""
        said.append(f"`balance {proxy.balance}`{first}")
    return ", ".join(said)


def _share(traffic: Traffic, web_servers: tuple[str, ...], lost: list[int], since_us: int) -> Share:
    """Of the writes that were acked after the fault, and by these web servers."""
    acked = traffic.succeeded & traffic.writes & (traffic.done_us >= since_us)
    mine = np.any([acked & traffic.by_web_server(name) for name in web_servers], axis=0)
    return Share(lost=int((mine & np.isin(traffic.id, lost)).sum()), acked=int(mine.sum()))


if __name__ == "__main__":
    as_command(main)
