"""`python -m lab.machines.verdicts SCENARIO …`: are verdicts over three engines those of one engine?

Each scenario runs on this machine's engine and over three of them, with the same seed. A run that decides
nothing is repeated with the next seed, `--tries` times at most. What was decided is kept in the folder: a
command that is broken off goes on where it was, and prints the whole table.

Exit status 1: two verdicts differ; 3: some are undecided.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure, ExitStatus
from harness.model.hosts import NAMED
from harness.model.words import BackendKind, Verdict
from harness.options import Parser
from harness.safe_files import make_folder, write_file
from harness.saved import load
from lab.command import as_command
from lab.machines import engines, guardian
from lab.rows import ROOT, RUNS

ENGINES = 3
SCENARIOS = (
    *(f"sentinel/{number:02}" for number in range(1, 7)),
    *(f"cluster/{number:02}" for number in range(1, 4)),
    "shared/01",
    "sentinel/22",
)
BACKENDS = (BackendKind.DOCKER, BackendKind.MACHINES)
_DECIDED = frozenset({Verdict.PASS, Verdict.FAIL})
_FILE = "verdicts.json"


class Run(msgspec.Struct, kw_only=True):
    """What came of the last try of a scenario on a backend."""

    scenario: str
    backend: str
    seed: int
    verdict: Verdict
    engine: str = ""
    nodes: int = 0
    findings: dict[str, int] = {}
    reasons: list[str] = []


def main() -> int:
    given = _parser().parse_args()
    if reason := engines.why_not():
        print(f"verdicts: skipped: {reason}")
        return 0
    folder: Path = (given.out / "verdicts").resolve()
    make_folder(folder, exist_ok=True)
    known = {(one.scenario, one.backend): one for one in kept(folder)}
    try:
        with _hosts_where_needed(given.scenario, known) as environment:
            for scenario in given.scenario:
                for backend in BACKENDS:
                    found = known.get((scenario, backend))
                    for number in range(given.tries):
                        if found is not None and found.verdict in _DECIDED:
                            break
                        seed = given.seed + number
                        found = known[scenario, backend] = _run(scenario, backend, seed, folder, environment)
                        write_file(
                            folder / _FILE, msgspec.json.format(msgspec.json.encode([*known.values()]))
                        )
    except EnvironmentFailure as problem:
        print(f"verdicts: {problem}", file=sys.stderr)
        return problem.exit_code
    print(table(known, given.scenario))
    return status(known, given.scenario)


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.machines.verdicts", description=__doc__)
    parser.add_argument("scenario", nargs="*", default=list(SCENARIOS), help="parts of shipped names")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tries", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def kept(folder: Path) -> list[Run]:
    """What earlier commands have left in their folder."""
    file = folder / _FILE
    return msgspec.json.decode(file.read_bytes(), type=list[Run]) if file.exists() else []


@contextmanager
def _hosts_where_needed(
    scenarios: Sequence[str], known: Mapping[tuple[str, str], Run]
) -> Iterator[Mapping[str, str]]:
    """The environment of the runs. Where it names no hosts, engines are started if a run needs them."""
    over = [known.get((scenario, BackendKind.MACHINES)) for scenario in scenarios]
    if NAMED in os.environ or all(one is not None and one.verdict in _DECIDED for one in over):
        yield os.environ
        return
    with guardian.guarded(ENGINES) as found:
        named = ",".join(f"{name}={where}" for name, where in found.items())
        yield {**os.environ, NAMED: named}


def _run(scenario: str, backend: str, seed: int, folder: Path, environment: Mapping[str, str]) -> Run:
    out = folder / f"{scenario}-{backend}-{seed}".replace("/", "-")
    words = [scenario, "--backend", backend, "--seed", str(seed), "--jobs", "1", "--out", str(out)]
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", *words], cwd=ROOT, env={**environment}, check=False
    )
    if done.returncode in {ExitStatus.USAGE, ExitStatus.ENVIRONMENT} or not (out / "latest").exists():
        raise EnvironmentFailure(f"{scenario} on {backend}: expected a verdict, found none: see above")
    (result,) = load(out / "latest").results
    findings = result.judgement.findings if result.judgement else ()
    counted: dict[str, int] = {}
    for one in findings:
        counted[one.name] = counted.get(one.name, 0) + 1
    return Run(
        scenario=scenario,
        backend=backend,
        seed=seed,
        verdict=result.verdict,
        engine=result.engine,
        nodes=result.nodes,
        findings=counted,
        reasons=list(result.reasons),
    )


def table(known: Mapping[tuple[str, str], Run], scenarios: Sequence[str]) -> str:
    """One row for each scenario, for docs/machines.md."""
    lines = ["| scenario | nodes | one engine | three engines | |", "| --- | --- | --- | --- | --- |"]
    for scenario in scenarios:
        one, three = (known.get((scenario, backend)) for backend in BACKENDS)
        nodes = one.nodes if one else 0
        cells = [f"`{scenario}`", str(nodes or ""), _said(one), _said(three), _compared(one, three)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _said(run: Run | None) -> str:
    return f"{run.verdict} (seed {run.seed})" if run else "not run"


def _compared(one: Run | None, three: Run | None) -> str:
    if one is None or three is None or not {one.verdict, three.verdict} <= _DECIDED:
        return "undecided"
    return "the same" if one.verdict is three.verdict else "DIFFERENT"


def status(known: Mapping[tuple[str, str], Run], scenarios: Sequence[str]) -> int:
    """Of the command."""
    found = {_compared(*(known.get((scenario, backend)) for backend in BACKENDS)) for scenario in scenarios}
    return 1 if "DIFFERENT" in found else ExitStatus.INCONCLUSIVE if "undecided" in found else 0


if __name__ == "__main__":
    as_command(main)
