"""`python -m lab.haproxy`: shapes of HAProxy under the same faults, several times, one table at the end.

`--read FOLDER` makes the table of runs that are there already. Five runs of each cell take an hour.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import history
from harness.checks.columns.traffic import Traffic
from harness.checks.facts.of_run import facts_of
from harness.errors import KitError
from harness.model.proxy import ProxyShape
from lab.haproxy.table import Run, Share, table
from lab.rows import ROOT, RUNS

UNDER = "scenarios/proxy/0*.yaml"
"""The faults of the table: each of these scenarios runs with every shape."""


def main() -> int:
    given = _parser().parse_args()
    folder = given.read or given.out / f"haproxy-{secrets.token_hex(3)}"
    if given.read is None:
        for scenario in sorted(ROOT.glob(given.scenario or UNDER)):
            _run(given, scenario, folder / scenario.stem)
    found = list(_runs(folder))
    if not found:
        print(f"{folder}: no run with a proxy", file=sys.stderr)
        return 1
    print(table(found, tuple(ProxyShape)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m lab.haproxy", description=__doc__)
    parser.add_argument("--backend", choices=("docker", "process"), default="process")
    parser.add_argument("--repeat", type=int, default=5, help="runs of each fault with each shape")
    parser.add_argument("--scenario", help="a glob instead of the usual scenarios")
    parser.add_argument("--out", type=Path, default=RUNS)
    parser.add_argument("--read", type=Path, help="runs that are there already")
    return parser


def _run(given: argparse.Namespace, scenario: Path, out: Path) -> None:
    shapes = ",".join(ProxyShape)
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "--scenario",
        str(scenario),
        "--backend",
        given.backend,
    ]
    command += ["--vary", f"deployment.topology.shape={shapes}", "--repeat", str(given.repeat)]
    subprocess.run([*command, "--out", str(out)], cwd=ROOT, check=False)


def _runs(folder: Path) -> Iterator[Run]:
    for summary in sorted(folder.rglob("summary.json")):
        if summary.parent.is_symlink():
            continue
        for said in json.loads(summary.read_text(encoding="utf-8"))["scenarios"]:
            if said["run_dir"] and said["loss"]["budget_s"] is not None:
                run = _read(summary.parent / said["run_dir"], said)
                if run is not None:
                    yield run


def _read(folder: Path, said: dict[str, Any]) -> Run | None:
    """None: it is damaged, or had no proxy."""
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
    lost = [
        one["web_server"]
        for one in json.loads((folder / "findings.json").read_text(encoding="utf-8"))
        if one["name"] == "lost-write"
    ]
    since_us = facts.landmarks.zero_us
    window = said["longest_without_surviving_write"] or {}
    return Run(
        fault=" · ".join(f"{step.kind} {step.target}" for step in past.plan.scenario.faults),
        shape=str(deployment.topology.proxy.shape),
        decided=not said["loss"]["not_known"],
        pooled=_share(facts.traffic, pooled, lost, since_us),
        per_request=_share(facts.traffic, without_pool, lost, since_us),
        without_survivor_s=float(window.get("at_least_s") or 0.0),
    )


def _share(traffic: Traffic, web_servers: tuple[str, ...], lost: list[str], since_us: int) -> Share:
    acked = traffic.succeeded & traffic.writes & (traffic.done_us >= since_us)
    mine = sum(int((acked & traffic.by_web_server(name)).sum()) for name in web_servers)
    return Share(lost=sum(name in web_servers for name in lost), acked=mine)


if __name__ == "__main__":
    sys.exit(main())
