"""`python -m lab.engines`: a suite on each engine that can be had here, and one table at the end.

The smoke suite takes a minute or two per engine. An image that is not there yet is built first.
"""

from __future__ import annotations

import argparse
import json
import secrets
from pathlib import Path

from harness.model.engine import engine_name
from harness.options import Parser
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from harness.topology.process import server_programs
from lab.command import as_command
from lab.engines.table import OnEngine, rows
from lab.kit_runs import kit_run
from lab.pressure.tally import tally
from lab.rows import RUNS, report


def main() -> int:
    given = _parser().parse_args()
    here, missing = engines_here(given.backend)
    wanted = [one for one in here if not given.engine or one[1] in given.engine]
    folder = given.out / f"engines-{secrets.token_hex(3)}"
    found = [_run(given, backend, name, folder / f"{name}-{backend}") for backend, name in wanted]
    title = f"\nsuite {given.suite} on each engine, runs in {folder}"
    return report("engines", rows(found, missing), directory=given.out, title=title)


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.engines", description=__doc__)
    parser.add_argument("--backend", choices=("all", "docker", "process"), default="all")
    parser.add_argument("--engine", action="append", help="only this one, e.g. valkey-9.1; repeatable")
    parser.add_argument("--suite", default="smoke")
    parser.add_argument("--scenario", help="instead of a suite")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def engines_here(backend: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Backend and name of each engine that is here, and the others with the reason."""
    here: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
    if backend != "docker":
        names = [engine_name(one.version) for one in server_programs.installed()]
        here += [("process", name) for name in names]
        missing += [
            (f"{name} on process", how)
            for name, how in server_programs.HOW_TO_GET.items()
            if name not in names
        ]
    if backend != "process":
        why_not = docker.unavailable()
        names = list(image.DEBIAN_IMAGES)
        here += [] if why_not else [("docker", name) for name in names]
        missing += [(f"{name} on docker", why_not) for name in names] if why_not else []
    return here, missing


def _run(given: argparse.Namespace, backend: str, name: str, out: Path) -> OnEngine:
    """One run of the suite by the kit's own command."""
    words = ["--backend", backend, "--engine", name]
    words += ["--scenario", given.scenario] if given.scenario else ["--suite", given.suite]
    kit_run([*words, "--out", str(out)])
    summary = out / "latest" / "summary.json"
    if not summary.exists():
        return OnEngine(name=name, backend=backend, tally=None)
    said = json.loads(summary.read_text())
    return OnEngine(name=name, backend=backend, tally=tally(said), engine=said["engine"])


if __name__ == "__main__":
    as_command(main)
