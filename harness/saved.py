"""Results on disk: load them, judge them again, tell one session's story, remove old ones."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec

from harness import history
from harness.checks.story import session_story
from harness.errors import EnvironmentFailure, UsageError
from harness.judging import judge_folder, read_run
from harness.model.history import History
from harness.model.results import ScenarioResult, SuiteResult
from harness.report.write import write_suite
from harness.suite import overall


def load(run: Path) -> SuiteResult:
    """The saved result of a suite.

    Raises:
        UsageError: the folder holds none.
    """
    path = run / "suite.msgpack"
    try:
        saved = msgspec.msgpack.decode(path.read_bytes(), type=SuiteResult)
    except FileNotFoundError as problem:
        raise UsageError(f"{run}: expected a results folder with suite.msgpack, found none") from problem
    except (OSError, msgspec.DecodeError, msgspec.ValidationError) as problem:
        raise UsageError(f"{path}: cannot be read: {problem}") from problem
    return replace(saved, directory=_near(run))  # it may have been moved since


def judge_again(run: Path) -> SuiteResult:
    """Judge every scenario of a saved suite, or one scenario's folder, from its history alone.

    A suite whose harness was killed has no suite.msgpack: what its folders hold is judged all the same.

    Raises:
        UsageError: the folder holds no history, or none that can be read.
        EnvironmentFailure: the results cannot be written.
    """
    run = run.resolve()
    if _is_attempt(run):
        return _suite_of(run.parent, [judge_folder(run)])
    judged, problems = {}, []
    for folder in _attempts(run):
        try:
            judged[folder.name] = judge_folder(folder)
        except UsageError as problem:  # killed before its first record; the others are judged
            problems.append(str(problem))
    if not judged:
        raise UsageError("\n".join(problems))
    if not (run / "suite.msgpack").is_file():
        suite = _suite_of(run, list(judged.values()))
        write_suite(suite)
        return suite
    before = load(run)
    results = tuple(_renewed(one, judged) for one in before.results)
    verdict, exit_code = overall(results, interrupted=before.interrupted)
    suite = replace(before, results=results, verdict=verdict, exit_code=exit_code)
    write_suite(suite)
    return suite


def _renewed(before: ScenarioResult, judged: dict[str, ScenarioResult]) -> ScenarioResult:
    after = judged.get(before.run_dir)
    if after is None:
        return before
    return replace(after, wall_s=before.wall_s, attempts=before.attempts, run_dir=before.run_dir)


def _suite_of(directory: Path, results: list[ScenarioResult]) -> SuiteResult:
    verdict, exit_code = overall(results, interrupted=False)
    first = results[0]
    return SuiteResult(
        suite="saved",
        run=directory.name.rpartition("-")[2],
        directory=_near(directory),
        started_wall_us=int(directory.stat().st_mtime * 1e6),
        wall_s=0.0,
        backend=first.backend,
        engine=first.engine,
        timing=first.timing,
        jobs=1,
        seed=first.seed,
        verdict=verdict,
        exit_code=exit_code,
        results=tuple(results),
    )


def why(run: Path, session: str) -> list[str]:
    """Everything that happened to one session, line by line.

    Raises:
        UsageError: no session, or more than one, begins with that id.
    """
    matches: list[tuple[Path, History, str]] = []
    for folder in _attempts(run):
        past = read_run(folder)
        ids = sorted(one for one in past.sessions() if one.startswith(session))
        matches += [(folder, past, one) for one in ids]
    if len(matches) != 1:
        some = ", ".join(f"{one} in {folder.name}" for folder, _, one in matches[:5]) or "none"
        more = f" and {len(matches) - 5} more" if len(matches) > 5 else ""
        raise UsageError(
            f"why {session!r}: expected one session that begins so in {run}, found {some}{more}"
            + ("; give more of its id, or one scenario's folder" if matches else "")
        )
    folder, past, found = matches[0]
    return [f"{folder}:", *session_story(past, found)]


def lines(run: Path) -> Iterator[bytes]:
    """The history of one scenario's folder as JSON lines; of a run's folder, if it has only one.

    Raises:
        UsageError: there are several, or none, or it is damaged.
    """
    folders = _attempts(run)
    if len(folders) > 1:
        raise UsageError(
            f"history {run}: expected the folder of one scenario, found {len(folders)} in it: give one of "
            f"them, e.g. {_near(folders[0])}"
        )
    return history.lines(history.read(folders[0]))


def prune(out: Path, *, keep: int) -> list[str]:
    """Remove all but the newest `keep` results; what `latest` points at always stays."""
    runs = sorted(folder for folder in _folders(out) if (folder / "suite.msgpack").is_file())
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
        yield from (one for one in sorted(out.iterdir()) if one.is_dir() and not one.is_symlink())


def _is_attempt(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("history.jsonl", "history.jsonl.gz"))
