"""`make selftest`: hands the jobs to two workers, says how it goes, prints what was found, and judges that.

    python -m lab.selftest                      everything: about twenty minutes on two cores
    python -m lab.selftest --only stale-read --runs 3
    python -m lab.selftest --only model --operations 1000000 --seed 7

    python -m lab.selftest --engine redis-6.2 --only clean --only faults

A run in which a bug found no chance is repeated with the next seed, and so is a run without faults that
stayed inconclusive; both are counted and said. Exit status 1 if a row is not met.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.model.words import TopologyKind
from harness.options import Parser
from harness.topology.process import server_programs
from lab.command import as_command
from lab.rows import report
from lab.selftest.bugs import BUGS
from lab.selftest.crew import Crew, WorkerLost
from lab.selftest.faulted import FAULTS
from lab.selftest.tally import Tally
from lab.selftest.worker import Job

RUNS = 20
OPERATIONS = 10_000_000
OPERATIONS_PER_HISTORY = 50_000
STOPPED, LOST = 130, 4
OTHERS = ("clean", "faults", "model")
FEWER_FAULTS = 4
"""A run through a failover takes about four times as long as one without."""


def main(arguments: list[str]) -> int:
    options = _options(arguments)
    for stops in (signal.SIGINT, signal.SIGTERM):  # whatever whoever started this had them ignored
        signal.signal(stops, signal.default_int_handler)
    try:
        on = server_programs.find(wanted=options.engine).version
    except EnvironmentFailure as problem:
        print(f"selftest: {problem}", file=sys.stderr)
        return LOST
    directory = Path(tempfile.mkdtemp(prefix="selftest-"))
    tally = Tally(_jobs(options), runs=options.runs)
    try:
        with Crew(directory, options.workers, options.engine) as crew:
            crew.work(tally)
    except KeyboardInterrupt:
        print("\nstopped: no node is left running", flush=True)
        return STOPPED
    except WorkerLost as problem:
        print(f"selftest: {problem}; what it left is in {directory}", file=sys.stderr)
        return LOST
    tally.print_bugs()
    status = report("selftest", tally.rows(), directory=options.out, title=f"\nselftest on {on}")
    if status:
        print(f"the runs that were not as they should be: {directory}")
    else:
        shutil.rmtree(directory)
    return status


def _options(arguments: list[str]) -> argparse.Namespace:
    names = [*(bug.name for bug in BUGS), *OTHERS]
    parser = Parser(prog="python -m lab.selftest", description="the kit tried on itself")
    parser.add_argument(
        "--only", action="append", choices=names, help="a bug, `clean`, `faults` or `model`; repeatable"
    )
    parser.add_argument("--engine", help="an engine by name, e.g. redis-6.2 or valkey-9.1")
    parser.add_argument(
        "--runs", type=int, default=RUNS, help="per bug and per topology; a quarter per fault"
    )
    parser.add_argument("--operations", type=float, default=OPERATIONS, help="over the model store")
    parser.add_argument("--seed", type=int, default=1, help="another seed: other runs and histories")
    parser.add_argument("--workers", type=int, default=2, help="processes side by side")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="where selftest.json is written")
    return parser.parse_args(arguments)


def _jobs(options: argparse.Namespace) -> list[Job]:
    """Those on one kind of node follow each other: a worker keeps its nodes as long as it can."""
    wanted = set(options.only or [*(bug.name for bug in BUGS), *OTHERS])
    base = options.seed * 100_000
    seeds = range(base, base + options.runs)
    jobs = [Job("bug", bug.name, seed) for bug in BUGS if bug.name in wanted for seed in seeds]
    if "clean" in wanted:
        jobs += [Job("clean", str(kind), seed) for kind in TopologyKind for seed in seeds]
    if "faults" in wanted:
        few = seeds[: max(1, options.runs // FEWER_FAULTS)]
        jobs += [Job("fault", fault.name, seed) for fault in FAULTS for seed in few]
    if "model" in wanted:
        histories = -(-int(options.operations) // OPERATIONS_PER_HISTORY)
        each = min(int(options.operations), OPERATIONS_PER_HISTORY)
        jobs += [Job("model", "", base + n, each) for n in range(histories)]
    return jobs


if __name__ == "__main__":
    as_command(lambda: main(sys.argv[1:]))
