"""A suite's folder: its results loaded, judged again, removed.

A folder of results may come from anybody, and may have lost parts. Trap: what its record says about other
files is a hint at most; whatever is read or written is a plain file in a plain folder right below it.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.nearest import did_you_mean
from harness.model.results import ScenarioResult, SuiteResult, overall
from harness.model.words import Verdict
from harness.output import told_of_crash
from harness.report.write import PLANNED, SUITE, read_suite, write_suite
from harness.safe_files import is_file, is_folder
from harness.saved.folders import folders_in, is_run, near, own_folder, run_folders, writing_into
from harness.saved.judging import judge_folder, leave_undecided

LATEST_US = 2**52
"""Of a suite's start; beyond, it is no date (the year 2112)."""


def load(run: Path) -> SuiteResult:
    """The saved result of a suite.

    Raises:
        UsageError: the folder holds none.
    """
    run = own_folder(run)
    try:
        return _loaded(run, SUITE)
    except FileNotFoundError as problem:
        raise UsageError(
            f"{near(run)}: expected a results folder with {SUITE}, found {_instead(run)}"
        ) from problem
    except NotADirectoryError as problem:
        raise UsageError(f"{near(run)}: expected a results folder with {SUITE}, found a file") from problem
    except (OSError, ValueError) as problem:
        raise UsageError(f"{run / SUITE}: cannot be read: {_told(problem)}") from problem


def _instead(run: Path) -> str:
    """What lies where a suite was expected, and which folder may have been meant."""
    try:
        if not run.is_dir():
            return f"no such folder{did_you_mean(run.name, [one.name for one in folders_in(run.parent)])}"
        below = [one for one in folders_in(run) if is_file(one / SUITE)]
    except OSError:  # one that may not be looked into
        return "none"
    return "none" + (f"; {near(below[-1])} is one" if below else "; `failover-kit run` makes one")


def _loaded(run: Path, name: str) -> SuiteResult:
    """What a suite's record says, as far as it is not told by the folder itself. It may have been moved, or
    written by anybody: which folders there are, and what the results come to, is never taken from it."""
    found = read_suite(run, name)
    results = tuple(one if _is_name(one.run_dir) else replace(one, run_dir="") for one in found.results)
    if not 0 <= found.started_wall_us <= LATEST_US:
        raise ValueError(f"it began at {found.started_wall_us}, which is no valid time")
    return replace(found, directory=near(run)).with_results(results)


def _is_name(run_dir: str) -> bool:
    return run_dir == "" or (Path(run_dir).name == run_dir and run_dir != "..")


def judge_again(run: Path) -> SuiteResult:
    """Judge every scenario of a saved suite, or one scenario's folder, from its history alone.

    What is damaged or missing is INCONCLUSIVE with the reason, whatever it was before: judging never
    improves on evidence that is no longer there. A suite whose harness was killed has no suite.msgpack, but
    a record of what it was to run.

    Raises:
        UsageError: the folder holds no results.
        EnvironmentFailure: the results cannot be written.
    """
    run = own_folder(run)
    with writing_into(run):
        if is_run(run):
            return _suite_of(run.parent, [_judged(run, None)])
        before, missing = _before(run)
        if before is None:
            judged = [_judged(folder, None) for folder in run_folders(run)]
            suite = _suite_of(run, judged, incomplete=missing)
        else:
            results = tuple(_renewed(one, run) for one in before.results)
            suite = replace(before, incomplete=missing or before.incomplete).with_results(results)
            _judge_the_others(run, before)
        write_suite(suite)
    return suite


def _before(run: Path) -> tuple[SuiteResult | None, str]:
    """What belongs to this suite, and why that may not be all of it."""
    why = ""
    for name in (SUITE, PLANNED):
        try:
            return _loaded(run, name), ""
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as problem:
            why = f"{name}: {_told(problem)}"
    return None, why or f"there is no {SUITE}: the harness was killed, or somebody removed it"


def _judge_the_others(run: Path, suite: SuiteResult) -> None:
    """First runs of two, say, count for nothing; their pages are made anew all the same."""
    counted = {one.run_dir for one in suite.results}
    for folder in folders_in(run):
        if folder.name not in counted and is_run(folder):
            _judged(folder, None)


def _renewed(before: ScenarioResult, run: Path) -> ScenarioResult:
    folder = run / before.run_dir
    was_judged = before.judgement is not None or before.verdict in {Verdict.PASS, Verdict.FAIL}
    was_judged = was_judged and before.came_up
    if not before.run_dir:
        return (
            _undecided(before, "the suite does not name the folder of its history") if was_judged else before
        )
    if is_folder(folder) and is_run(folder):
        after = _judged(folder, before)
        return replace(after, wall_s=before.wall_s, times_run=before.times_run, run_dir=before.run_dir)
    if not was_judged:
        return before  # it never had a history
    if folder.is_symlink():
        return _undecided(before, f"{folder}: it is a link, and links in a run's folder are not followed")
    if not is_folder(folder):
        return _undecided(before, f"{folder}: it is missing")
    result = _undecided(before, f"{folder}: it has no history any more")
    leave_undecided(folder, result)
    return result


def _judged(folder: Path, before: ScenarioResult | None) -> ScenarioResult:
    """One folder's result, whatever it holds: what is wrong with it leaves the others alone."""
    try:
        return judge_folder(folder)
    except EnvironmentFailure:
        raise
    except UsageError as problem:
        why_not = str(problem)
    except Exception as problem:  # noqa: BLE001 - a bug of the kit's decides nothing about this run, or another
        why_not = told_of_crash(problem)
    result = _undecided(before or ScenarioResult.of_folder(folder.name), why_not)
    leave_undecided(folder, result)
    return result


def _undecided(before: ScenarioResult, reason: str) -> ScenarioResult:
    """Its evidence is gone: what an earlier judging said is told, and no longer counts."""
    earlier = f" (its last verdict was {before.verdict})" if before.judgement else ""
    told = f"cannot be judged{earlier}: {reason}"
    undecided = replace(before, verdict=Verdict.INCONCLUSIVE, reasons=(told,), why=told)
    return replace(undecided, judgement=None, stories=(), log_tail="")


def _suite_of(directory: Path, results: list[ScenarioResult], *, incomplete: str = "") -> SuiteResult:
    verdict, exit_code = overall(results, interrupted=False, incomplete=incomplete)
    first = results[0]
    return SuiteResult(
        suite="saved",
        run=directory.name.rpartition("-")[2],
        directory=near(directory),
        started_wall_us=max(0, min(int(directory.stat().st_mtime * 1e6), LATEST_US)),
        wall_s=0.0,
        backend=first.backend,
        engine=first.engine,
        timing=first.timing,
        jobs=1,
        seed=first.seed,
        verdict=verdict,
        exit_code=exit_code,
        results=tuple(results),
        incomplete=incomplete,
    )


def prune(out: Path, *, keep: int) -> list[str]:
    """Remove all but the newest `keep` results; what `latest` points at always stays."""
    runs = sorted(folder for folder in folders_in(out) if is_file(folder / SUITE))
    latest = (out / "latest").resolve()
    removed = []
    for folder in runs[:-keep]:
        if folder.resolve() == latest:
            continue
        try:
            shutil.rmtree(folder)
        except OSError as problem:
            raise EnvironmentFailure(
                f"{folder}: cannot be removed: {problem.strerror or problem}"
            ) from problem
        removed.append(f"removed {folder}")
    return removed or [f"nothing to remove: {len(runs)} results in {out}, keeping {keep}"]


def _told(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
