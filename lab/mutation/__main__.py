"""`python -m lab.mutation`: whether the unit tests notice when the checks are wrong.

A sample of mutants of `harness/checks`, each a copy of the code with one small change. A mutant is killed if
one of the tests that run its line fails. Takes about ten minutes for 300 mutants on two cores.
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.options import Parser
from lab.command import as_command
from lab.mutation.choice import Reach, importers, sample
from lab.mutation.crew import Crew
from lab.mutation.equivalent import FILE, read_equivalents, stale, why_equivalent
from lab.mutation.operators import Mutant, mutants_of
from lab.mutation.record import Record, load_reach, save_reach, state_of
from lab.mutation.tally import Tried, rows, survivors
from lab.rows import ROOT, RUNS, report

REACH_CPU_S = 1200.0
FILES_AT_A_TIME = 6
"""Small portions: some files take a hundred times as long as others."""
FIRST_CPU_S = 20.0
"""To import the project and to collect tests."""
CPU_OF_A_MUTANT_S = 30.0
CPU_PER_TEST_S = 5.0
"""A change may make tests slower; one that makes them so much slower never ends."""
EVERY = 25


class NotMeasured(Exception):
    """Which tests run which line is not known, so nothing can be said about any mutant."""


def main() -> int:
    given = _parser().parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    for stops in (signal.SIGINT, signal.SIGTERM):  # whatever whoever started this had them ignored
        signal.signal(stops, signal.default_int_handler)
    with Crew(ROOT, given.workers) as crew:
        sources = _sources(crew.source, given.code)
        mutants = [one for file, text in sources.items() for one in mutants_of(file, text)]
        chosen = sample([one for one in mutants if given.only in one.file], given.sample, given.seed)
        equivalents = read_equivalents(FILE.read_text(), given.code)
        state = state_of(crew.source, (given.code.partition("/")[0], "lab", "tests"))
        reach = _reach(crew, given, state, importers(sources))
        record = Record(given.out / "mutation.jsonl", state=state, keep_killed=given.again)
        print(f"{len(chosen)} of {len(mutants)} mutants, seed {given.seed}", flush=True)
        try:
            _try(crew, [one for one in chosen if not why_equivalent(one, equivalents)], reach, record)
        finally:
            record.close()
    tried = [_tried(one, why_equivalent(one, equivalents), record) for one in chosen]
    if listed := survivors(tried):
        print(f"\nsurvivors:\n{listed}")
    title = f"\nmutants of {given.code}, seed {given.seed}"
    return report("mutation", rows(tried, stale(equivalents, mutants)), directory=given.out, title=title)


def _parser() -> Parser:
    parser = Parser(prog="python -m lab.mutation", description=__doc__)
    parser.add_argument("--sample", type=int, default=300, help="how many mutants")
    parser.add_argument("--seed", type=int, default=1, help="another seed draws others")
    parser.add_argument("--only", default="", help="only files whose path has this in it")
    parser.add_argument("--again", action="store_true", help="do not repeat what was killed before")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--code", default="harness/checks", help="the folder that is changed")
    parser.add_argument("--tests", default="tests/unit", help="the tests that should notice")
    parser.add_argument("--out", type=Path, default=RUNS)
    return parser


def _sources(project: Path, folder: str) -> dict[str, bytes]:
    files = sorted((project / folder).rglob("*.py"))
    return {file.relative_to(project).as_posix(): file.read_bytes() for file in files}


def _reach(
    crew: Crew, given: argparse.Namespace, state: str, importing: Mapping[str, frozenset[str]]
) -> Reach:
    """Which tests run which line: measured once for each state of code and tests."""
    file = given.out / "mutation-reach.json"
    state = f"{state} {given.tests}"
    if (known := load_reach(file, state, importing)) is None:
        known = _measured_reach(crew, given, importing)
        save_reach(file, state, known)
    for test in sorted(known.failed):
        print(f"left out, fails without any change: {test}", flush=True)
    return known


def _measured_reach(crew: Crew, given: argparse.Namespace, importing: Mapping[str, frozenset[str]]) -> Reach:
    root = crew.source
    files = sorted(file.relative_to(root).as_posix() for file in (root / given.tests).rglob("test_*.py"))
    print(f"which lines the tests in {len(files)} files run ...", flush=True)
    portions = max(min(given.workers, len(files)), len(files) // FILES_AT_A_TIME)
    shares = [files[n::portions] for n in range(portions)]
    jobs = [
        {"do": "reach", "files": share, "sources": [given.code], "cpu_s": REACH_CPU_S} for share in shares
    ]
    lines: dict[str, dict[int, set[str]]] = {}
    cpu_s: dict[str, float] = {}
    failed: set[str] = set()

    def note(n: int, answer: Mapping[str, Any]) -> None:
        if "lines" not in answer:
            why = answer.get("by", "no end within their limit")
            raise NotMeasured(f"{why}: {', '.join(shares[n])}"[:500])
        for name, there in answer["lines"].items():
            for line, tests in there.items():
                lines.setdefault(name, {}).setdefault(int(line), set()).update(tests)
        cpu_s.update(answer["cpu_s"])
        failed.update(answer["failed"])

    crew.work(jobs, note)
    return Reach(
        lines={name: {n: frozenset(tests) for n, tests in there.items()} for name, there in lines.items()},
        cpu_s=cpu_s,
        failed=frozenset(failed),
        importers=importing,
    )


def _try(crew: Crew, mutants: Sequence[Mutant], reach: Reach, record: Record) -> None:
    waiting: list[tuple[Mutant, list[str]]] = []
    for mutant in mutants:
        if record.get(mutant.key) is None:
            if tests := reach.tests_for(mutant):
                waiting.append((mutant, tests))
            else:
                record.add(mutant.key, "unreached", "")
    began_s = time.monotonic()
    done = 0

    def note(n: int, answer: Mapping[str, Any]) -> None:
        nonlocal done
        done += 1
        record.add(waiting[n][0].key, answer["outcome"], answer.get("by", ""))
        if done % EVERY == 0:
            print(f"  {done} of {len(waiting)} in {time.monotonic() - began_s:.0f} s", flush=True)

    crew.everywhere({"do": "collect", "files": sorted({test.partition("::")[0] for test in reach.cpu_s})})
    crew.work([_job(mutant, _within(tests, reach), reach) for mutant, tests in waiting], note)


def _within(tests: Sequence[str], reach: Reach) -> list[str]:
    """The quickest of them, as many as a mutant may take: what only slower ones notice counts as survived."""
    found: list[str] = []
    left_s = CPU_OF_A_MUTANT_S
    for test in tests:
        left_s -= reach.cpu_s.get(test, 0.0)
        if left_s < 0 and found:
            break
        found.append(test)
    return found


def _job(mutant: Mutant, tests: Sequence[str], reach: Reach) -> dict[str, Any]:
    return {
        "do": "mutant",
        "file": mutant.file,
        "start": mutant.start,
        "end": mutant.end,
        "replacement": mutant.replacement,
        "scope": mutant.scope,
        "tests": tests,
        "cpu_s": FIRST_CPU_S + CPU_PER_TEST_S * sum(reach.cpu_s.get(test, 0.0) for test in tests),
    }


def _tried(mutant: Mutant, why: str | None, record: Record) -> Tried:
    if why is not None:
        return Tried(mutant=mutant, outcome="equivalent", note=why)
    noted = record.get(mutant.key)
    assert noted is not None, mutant
    return Tried(mutant=mutant, outcome=noted["outcome"], note=noted["by"])


if __name__ == "__main__":
    as_command(main, "stopped: what was tried is noted; the same command goes on from there")
