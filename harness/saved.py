"""Results on disk: load them, judge them again, tell one session's story, remove old ones.

A folder of results may come from anybody, and may have lost parts. Trap: what its record says about other
files is a hint at most; whatever is read or written is a plain file in a plain folder right below it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from harness import history
from harness.checks.judge import judge
from harness.checks.verdict.story import session_story
from harness.errors import EnvironmentFailure, UsageError
from harness.judging import judge_folder, leave_undecided, read_run
from harness.model.history import History
from harness.model.results import ScenarioResult, SuiteResult
from harness.model.words import Shows, Verdict
from harness.output import told_of_crash
from harness.report.write import PLANNED, SUITE, read_suite, write_suite
from harness.safe_files import is_file, is_folder
from harness.suite import overall

LATEST_US = 2**52
"""Of a suite's start; beyond, it is no date (the year 2112)."""


def own_folder(given: Path) -> Path:
    """The whole path of a folder of results. A link is followed to a neighbour only, as `latest` is one: a
    folder that somebody handed over must not lead anywhere else.

    Raises:
        UsageError: it is another link, or its name cannot be written down.
    """
    if given.is_symlink():
        aim = str(given.readlink())
        if "/" in aim or aim in {"", ".", ".."}:
            raise UsageError(f"{given}: expected a folder of results, found a link: give {aim} itself")
    folder = given.resolve()
    try:
        str(folder).encode()
    except UnicodeEncodeError as problem:
        raise UsageError(f"{given}: expected a name in UTF-8: rename the folder") from problem
    return folder


def load(run: Path) -> SuiteResult:
    """The saved result of a suite.

    Raises:
        UsageError: the folder holds none.
    """
    run = own_folder(run)
    try:
        return _loaded(run, SUITE)
    except FileNotFoundError as problem:
        raise UsageError(f"{run}: expected a results folder with {SUITE}, found none") from problem
    except (OSError, ValueError) as problem:
        raise UsageError(f"{run / SUITE}: cannot be read: {_told(problem)}") from problem


def _loaded(run: Path, name: str) -> SuiteResult:
    """What a suite's record says, as far as it is not told by the folder itself. It may have been moved, or
    written by anybody: which folders there are, and what the results come to, is never taken from it."""
    found = read_suite(run, name)
    results = tuple(one if _is_name(one.run_dir) else replace(one, run_dir="") for one in found.results)
    if not 0 <= found.started_wall_us <= LATEST_US:
        raise ValueError(f"it began at {found.started_wall_us}, which is no time")
    verdict, exit_code = overall(results, interrupted=found.interrupted, incomplete=found.incomplete)
    return replace(found, directory=_near(run), results=results, verdict=verdict, exit_code=exit_code)


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
    if _is_attempt(run):
        return _suite_of(run.parent, [_judged(run, None)])
    before, missing = _before(run)
    if before is None:
        suite = _suite_of(run, [_judged(folder, None) for folder in _attempts(run)], incomplete=missing)
    else:
        results = tuple(_renewed(one, run) for one in before.results)
        incomplete = missing or before.incomplete
        verdict, exit_code = overall(results, interrupted=before.interrupted, incomplete=incomplete)
        suite = replace(before, results=results, verdict=verdict, exit_code=exit_code, incomplete=incomplete)
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
    """First attempts, say, count for nothing; their pages are made anew all the same."""
    counted = {one.run_dir for one in suite.results}
    for folder in _folders(run):
        if folder.name not in counted and _is_attempt(folder):
            _judged(folder, None)


def _renewed(before: ScenarioResult, run: Path) -> ScenarioResult:
    folder = run / before.run_dir
    was_judged = before.judgement is not None or before.verdict in {Verdict.PASS, Verdict.FAIL}
    if not before.run_dir:
        return _undecided(before, "no folder is named where its history is") if was_judged else before
    if is_folder(folder) and _is_attempt(folder):
        after = _judged(folder, before)
        return replace(after, wall_s=before.wall_s, attempts=before.attempts, run_dir=before.run_dir)
    if not was_judged:
        return before  # it never had a history
    if folder.is_symlink():
        return _undecided(before, f"{folder}: it is a link, and links in a run's folder are not followed")
    if not is_folder(folder):
        return _undecided(before, f"{folder}: it is missing")
    result = _undecided(before, f"{folder}: it holds no history any more")
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
    result = _undecided(before or _unknown(folder), why_not)
    leave_undecided(folder, result)
    return result


def _undecided(before: ScenarioResult, reason: str) -> ScenarioResult:
    """Its evidence is gone: what an earlier judging said is told, and no longer counts."""
    earlier = f" (it was {before.verdict} when it was last judged)" if before.judgement else ""
    told = f"cannot be judged{earlier}: {reason}"
    undecided = replace(before, verdict=Verdict.INCONCLUSIVE, reasons=(told,), why=told)
    return replace(undecided, judgement=None, stories=(), log_tail="")


def _unknown(folder: Path) -> ScenarioResult:
    """A run of which nothing is known but its folder's name."""
    return ScenarioResult(
        name=folder.name,
        file="",
        shows=Shows.PROMISE,
        topology="?",
        backend="?",
        engine="",
        client="",
        timing="",
        seed=0,
        advice="",
        about="",
        verdict=Verdict.INCONCLUSIVE,
        reasons=(),
        run_dir=folder.name,
    )


def _suite_of(directory: Path, results: list[ScenarioResult], *, incomplete: str = "") -> SuiteResult:
    verdict, exit_code = overall(results, interrupted=False, incomplete=incomplete)
    first = results[0]
    return SuiteResult(
        suite="saved",
        run=directory.name.rpartition("-")[2],
        directory=_near(directory),
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


def why(run: Path, session: str | None = None, *, scenario: str | None = None) -> list[str]:
    """Everything that happened to one session, line by line; without one, which sessions were broken.

    `scenario`: the folder in `run` that is meant, or a part of its name. The same seed gives the same ids
    in every scenario.

    Raises:
        UsageError: no session, or more than one, begins with that id; no folder, or no history, is there.
    """
    run = own_folder(run)
    folders = _named(_attempts(run), scenario, run)
    if not session:
        return [line for folder in folders for line in _broken(folder)]
    matches: list[tuple[Path, History, str]] = []
    unread: list[str] = []
    for folder in folders:
        try:
            past = _read(folder)
        except UsageError as problem:
            if len(folders) == 1:
                raise
            unread.append(f"{folder.name}: cannot be read: {problem}")
            continue
        ids = sorted(one for one in past.sessions() if one.startswith(session))
        matches += [(folder, past, one) for one in ([session] if session in ids else ids)]
    if len(matches) != 1:
        some = ", ".join(f"{one} in {folder.name}" for folder, _, one in matches[:5]) or "none"
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        hint = f"; give {_narrower({one for _, _, one in matches})}" if matches else ""
        found = f"why {session!r}: expected one session that begins so in {run}, found {some}{more}{hint}"
        raise UsageError("\n".join([found, *unread]))
    folder, past, whole = matches[0]
    return [f"{folder}:", *session_story(past, whole)]


def _narrower(ids: set[str]) -> str:
    """The scenarios of a suite have one seed, so one whole id may be in each of them."""
    where = "one scenario's folder, or --scenario (make: SCENARIO=)"
    return where if len(ids) == 1 else f"more of its id, or {where}"


def _named(folders: list[Path], scenario: str | None, run: Path) -> list[Path]:
    if scenario is None:
        return folders
    found = [one for one in folders if one.name == scenario] or [
        one for one in folders if scenario in one.name
    ]
    if not found:
        raise UsageError(
            f"why: expected --scenario to name a folder in {run}, found {scenario!r}; there are "
            + ", ".join(one.name for one in folders)
        )
    return found


def _broken(folder: Path) -> list[str]:
    """The sessions that findings are about, with what was broken: what `why` can tell a story of."""
    try:
        judged = judge(_read(folder))
    except UsageError as problem:
        return [f"{folder}: cannot be read: {problem}"]
    except Exception as problem:  # noqa: BLE001 - the other folders are told all the same
        return [f"{folder}: cannot be judged: {told_of_crash(problem)}"]
    names: dict[str, list[str]] = {}
    for finding in judged.findings:
        if finding.session is not None:
            names.setdefault(finding.session, []).append(finding.name)
    told = [f"  {one}  {', '.join(dict.fromkeys(what))}" for one, what in names.items()]
    return [f"{folder}:", *(told or ["  no session was broken"])]


def _read(folder: Path) -> History:
    past = read_run(folder)
    history.check_plausible(folder, past)
    return past


def lines(run: Path) -> Iterator[bytes]:
    """The history of one scenario's folder as JSON lines; of a run's folder, if it has only one.

    Raises:
        UsageError: there are several, or none, or it is damaged.
    """
    folders = _attempts(own_folder(run))
    if len(folders) > 1:
        raise UsageError(
            f"history {run}: expected the folder of one scenario, found {len(folders)} in it: give one of "
            f"them, e.g. {_near(folders[0])}"
        )
    return history.lines(history.read(folders[0]))


def prune(out: Path, *, keep: int) -> list[str]:
    """Remove all but the newest `keep` results; what `latest` points at always stays."""
    runs = sorted(folder for folder in _folders(out) if is_file(folder / SUITE))
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


def _near(path: Path) -> str:
    """As people would type it: relative to here where it lies below."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def _attempts(run: Path) -> list[Path]:
    if _is_attempt(run):
        return [run]
    found = [folder for folder in _folders(run) if _is_attempt(folder)]
    if not found:
        raise UsageError(f"{run}: expected a results folder with a history in it, found none")
    return found


def _folders(out: Path) -> Iterator[Path]:
    if out.is_dir():
        yield from (one for one in sorted(out.iterdir()) if is_folder(one))


def _is_attempt(folder: Path) -> bool:
    return any(is_file(folder / name) for name in ("history.jsonl", "history.jsonl.gz"))


def _told(problem: Exception) -> str:
    return (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
