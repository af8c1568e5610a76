"""Several suites put together to one: the shards of a matrix, or more repeats of the same.

Nothing of the parts is changed. Their runs' folders are linked, file by file, where the file system allows,
else copied. Trap: what is not comparable is refused, however well its names match.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.results import ScenarioResult, SuiteResult
from harness.report.write import write_suite
from harness.saved.folders import folders_in, is_run, near
from harness.saved.suites import load

_ALIKE: tuple[tuple[str, Callable[[SuiteResult], str]], ...] = (
    ("backend", lambda suite: suite.backend),
    ("timing", lambda suite: suite.timing),
    ("version of the kit", lambda suite: suite.kit),
)
"""What all parts must have in common."""


def merge(parts: Sequence[Path], out: Path) -> SuiteResult:
    """A new folder below `out` with all runs of the parts, and its report.

    Raises:
        UsageError: a part holds no results, or they are not comparable, or two have the same run.
        EnvironmentFailure: the folder cannot be written.
    """
    if len(parts) < 2:
        only = load(parts[0])
        raise UsageError(f"merge: expected two or more folders of results, found one: {only.directory}")
    run = secrets.token_hex(3)
    return put_together(parts, out / f"{time.strftime('%Y%m%d-%H%M%S')}-merged-{run}", name="merged", run=run)


def put_together(
    parts: Sequence[Path],
    directory: Path,
    *,
    name: str,
    run: str,
    amended: Callable[[SuiteResult], SuiteResult] = lambda suite: suite,
) -> SuiteResult:
    """All runs of the parts in one folder, and its report. Runs that lie there already give way to them.

    `amended`: what only the caller knows about the whole, put in before it is written.

    Raises:
        UsageError: as `merge`.
        EnvironmentFailure: the folder cannot be written.
    """
    suites = [load(part) for part in parts]
    _check_comparable(suites)
    names: set[str] = set()
    results: list[ScenarioResult] = []
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for before in filter(is_run, folders_in(directory)):
            shutil.rmtree(before)
        for number, suite in enumerate(suites, 1):
            for result in suite.results:
                free = _free(result.run_dir, number, names)
                _take(Path(suite.directory) / result.run_dir, directory / free if free else None)
                results.append(replace(result, run_dir=free))
    except OSError as problem:
        raise EnvironmentFailure(
            f"{directory}: cannot be written: {problem.strerror or problem}"
        ) from problem
    merged = amended(_merged(suites, near(directory), name, run)).with_results(results)
    write_suite(merged)
    return merged


def _merged(suites: Sequence[SuiteResult], directory: str, name: str, run: str) -> SuiteResult:
    engines = [name for suite in suites for name in suite.engine.split(", ") if name]
    missing = [f"{suite.run}: {suite.incomplete}" for suite in suites if suite.incomplete]
    return replace(
        suites[0],
        suite=name,
        run=run,
        directory=directory,
        started_wall_us=min(suite.started_wall_us for suite in suites),
        wall_s=sum(suite.wall_s for suite in suites),
        engine=", ".join(dict.fromkeys(engines)),
        commands=tuple(dict.fromkeys(command for suite in suites for command in suite.commands)),
        matrix=next(filter(None, (suite.matrix for suite in suites)), ""),
        shards=_some_missing(suites),
        interrupted=any(suite.interrupted for suite in suites),
        incomplete="; ".join(missing),
    )


def _some_missing(suites: Sequence[SuiteResult]) -> tuple[tuple[int, int], ...]:
    """The shards that are there, as long as not all of them are."""
    shards = dict.fromkeys(shard for suite in suites for shard in suite.shards)
    return () if {of for _, of in shards} == {len(shards)} else tuple(sorted(shards))


def _check_shards(suites: Sequence[SuiteResult]) -> None:
    """Beside a whole, a shard would repeat some of its runs and not the others."""
    whole = [near(Path(suite.directory)) for suite in suites if not suite.shards]
    parts = [
        f"{near(Path(suite.directory))} (shard {', '.join(f'{n}/{of}' for n, of in suite.shards)})"
        for suite in suites
        if suite.shards
    ]
    if whole and parts:
        raise UsageError(
            f"merge: expected either shards or whole results, found {parts[0]} beside {whole[0]}, which is "
            "whole: merge the shards first"
        )
    if len({of for suite in suites for _, of in suite.shards}) > 1:
        raise UsageError(f"merge: expected shards of one number, found {' and '.join(parts)}")


def _check_comparable(suites: Sequence[SuiteResult]) -> None:
    _check_shards(suites)
    for name, of in _ALIKE:
        if len(values := {of(suite): near(Path(suite.directory)) for suite in suites}) > 1:
            found = " and ".join(f"{value or 'none'} ({values[value]})" for value in sorted(values))
            raise UsageError(
                f"merge: expected one {name}, found {found}; `failover-kit compare` takes two such results"
            )
    if len(matrices := {suite.matrix: suite for suite in suites if suite.matrix}) > 1:
        names = [near(Path(suite.directory)) for suite in matrices.values()]
        raise UsageError(
            f"merge: expected parts of one matrix, found parts of {len(matrices)}: the matrix of {names[0]} "
            f"names other scenarios, deployments, engines or settings than that of {' and '.join(names[1:])}"
        )
    runs = [one for suite in suites for one in suite.results]
    unnamed = {one.engine for one in runs if not one.engine_asked and one.engine}
    if len(unnamed) > 1:
        raise UsageError(
            f"merge: expected runs on one engine, found {' and '.join(sorted(unnamed))}, and none was named: "
            "run each part with --engine"
        )
    key, times = Counter(one.key for one in runs).most_common(1)[0]
    if times > 1:
        having = [near(Path(suite.directory)) for suite in suites for one in suite.results if one.key == key]
        raise UsageError(
            f"merge: expected each run once, found {key.scenario} with seed {key.seed} {times} times, in "
            f"{' and '.join(having)}: name each folder once, and give other repeats another --seed"
        )


def _free(name: str, number: int, names: set[str]) -> str:
    """A folder's name that no other part has taken; runs without a folder have none."""
    if not name:
        return ""
    others = (f"{name}-part-{n}" for n in count(number))
    free = next(one for one in (name, *islice(others, len(names))) if one not in names)
    names.add(free)
    return free


def _take(source: Path, target: Path | None) -> None:
    """Trap: links inside a folder of results stay links, and nothing follows them."""
    if target is None or source.is_symlink() or not (source.is_dir() and is_run(source)):
        return
    shutil.copytree(source, target, symlinks=True, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copy2(source, target, follow_symlinks=False)
