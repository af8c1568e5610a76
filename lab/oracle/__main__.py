"""Checks the kit's causes against the truth: `python -m lab.oracle [scenario glob] [--backend process]`.

Runs scenarios with MONITOR on every node and asks, for each finding, whether its cause is the one
that the nodes' own executions show. Prints a row per scenario and, below, each finding whose cause is
wrong. `--again FOLDER` compares runs that are already there, judged anew.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from harness import history
from harness.checks.judge import judge
from harness.history import write_plan
from harness.model.judgement import Finding
from harness.model.plan import Plan
from harness.options import Parser
from harness.running import selection
from harness.running.compiling import compile_all
from harness.running.ground import choose_ground
from harness.running.recording import Stop, record_on
from harness.topology.backends import up
from lab.command import as_command
from lab.oracle.monitor import listening
from lab.oracle.truth import Oracle, Truth

WEAKNESSES = (
    "sentinel/03*", "sentinel/04*", "sentinel/05*", "sentinel/06*", "sentinel/07*",
    "cluster/03*", "single/03*", "shared/01*", "shared/02*",
)  # fmt: skip
"""The shipped scenarios that lose something."""
VERDICTS = ("right", "not determined", "wrong")


@dataclass(frozen=True, slots=True)
class Compared:
    """The findings of one run against the truth."""

    scenario: str
    counts: Counter[str] = field(default_factory=Counter)
    """`right`, `not determined`, `wrong`, and `not judged`: findings that have no cause to check."""
    unlike: list[tuple[Finding, Truth]] = field(default_factory=list)

    @property
    def judged(self) -> int:
        return sum(self.counts[verdict] for verdict in VERDICTS)

    @property
    def share_right(self) -> float:
        return self.counts["right"] / self.judged if self.judged else 1.0


def run_monitored(plan: Plan, directory: Path) -> None:
    """Run a plan with MONITOR on every data node; leaves the run's folder and `monitor/` in it."""
    directory.mkdir(parents=True)
    write_plan(directory, plan)
    name = secrets.token_hex(3)
    with (
        up(plan, run=name, directory=directory, backend=plan.backend) as topology,
        listening(topology, directory / "monitor"),
    ):
        record_on(
            topology,
            plan,
            run=name,
            directory=directory,
            image=None,
            tell=lambda _: None,
            stop=Stop(),
        )


def compare(directory: Path) -> Compared:
    """Judge a monitored run anew and hold every cause against the truth."""
    past = history.read(directory)
    oracle = Oracle(past, directory)
    compared = Compared(directory.name)
    for found in judge(past).findings:
        truth = oracle.truth(found)
        verdict = "not judged" if truth is None else truth.verdict(found.cause)
        compared.counts[verdict] += 1
        if truth is not None and (verdict == "wrong" or (verdict == "not determined" and truth.cause)):
            compared.unlike.append((found, truth))
    return compared


def plans(pattern: str, backend: str, seed: int) -> tuple[Plan, ...]:
    ground = choose_ground(backend)
    scenarios = selection.load(selection.scenario_files(pattern), suite=None, overrides=(), deployment=None)
    return compile_all(scenarios, seed=seed, ground=ground)


def table(rows: Sequence[Compared]) -> str:
    columns = f"{'findings':>8} {'right':>7} {'not determined':>15} {'wrong':>6} {'not judged':>11}"
    lines = [f"{'scenario':<50} {columns}"]
    total = Compared("all of them")
    for one in rows:
        total.counts.update(one.counts)
    for one in (*rows, total):
        right, undetermined, wrong = (one.counts[verdict] for verdict in VERDICTS)
        lines.append(
            f"{one.scenario[:50]:<50} {one.judged:>8} {right:>7} {undetermined:>15} {wrong:>6}"
            f" {one.counts['not judged']:>11}"
        )
    lines.append(f"{total.share_right:.1%} of the causes are right.")
    return "\n".join(lines)


def unlike(rows: Sequence[Compared]) -> str:
    """Findings whose cause is wrong, or not determined although the executions decide it."""
    return "\n".join(
        f"{one.scenario}: {found.name} {found.operations} says {str(found.cause)!r} ({found.because});"
        f" truth {None if truth.cause is None else str(truth.cause)!r} ({truth.why})"
        for one in rows
        for found, truth in one.unlike
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = Parser(prog="python -m lab.oracle", description=__doc__)
    parser.add_argument("scenario", nargs="*", default=WEAKNESSES)
    parser.add_argument("--backend", default="process", choices=("process", "docker"))
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**31))
    parser.add_argument("--out", type=Path, default=Path("runs/oracle"))
    parser.add_argument("--again", type=Path, nargs="+", help="compare these folders, run nothing")
    given = parser.parse_args(arguments)
    rows = [compare(folder) for folder in given.again or ()]
    if not given.again:
        for pattern in given.scenario:
            for plan in plans(pattern, given.backend, given.seed):
                name = Path(plan.scenario.file)
                folder = given.out / f"{secrets.token_hex(3)}-{name.parent.name}-{name.stem}"
                run_monitored(plan, folder)
                rows.append(replace(compare(folder), scenario=f"{name.parent.name}/{name.stem}"))
                print(table(rows[-1:]).splitlines()[1], flush=True)
    print(table(rows))
    print(unlike(rows))
    return 1 if any(one.counts["wrong"] for one in rows) else 0


if __name__ == "__main__":
    as_command(main)
