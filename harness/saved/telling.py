"""What a saved run has to tell: one session's story, the sessions that were broken, all that was recorded."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harness import history
from harness.checks.judge import judge
from harness.checks.verdict.story import session_story
from harness.errors import UsageError
from harness.model.history import History
from harness.output import told_of_crash
from harness.saved.folders import near, own_folder, run_folders
from harness.saved.judging import read_run


def why(run: Path, session: str | None = None, *, scenario: str | None = None) -> list[str]:
    """Everything that happened to one session, line by line; without one, which sessions were broken.

    `scenario`: the folder in `run` that is meant, or a part of its name. The same seed gives the same ids
    in every scenario.

    Raises:
        UsageError: no session, or more than one, begins with that id; no folder, or no history, is there.
    """
    run = own_folder(run)
    folders = _named(run_folders(run), scenario, run)
    if not session:
        return _listed(folders)
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
        expected = f"expected exactly one session id with this beginning in {run}"
        found = f"why {session!r}: {expected}, found {some}{more}{hint}"
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


def _listed(folders: list[Path]) -> list[str]:
    """Of each folder the sessions that findings are about, and how to ask for the story of one."""
    told: list[str] = []
    example = ""
    for folder in folders:
        try:
            broken = _broken(folder)
        except UsageError as problem:
            told.append(f"{folder}: cannot be read: {problem}")
            continue
        except Exception as problem:  # noqa: BLE001 - the other folders are told all the same
            told.append(f"{folder}: cannot be judged: {told_of_crash(problem)}")
            continue
        told.append(f"{folder}: {_counted(broken)}")
        told += [f"  {one}  {', '.join(names)}" for one, names in broken.items()]
        example = example or next((shlex.join([near(folder), one]) for one in broken), "")
    return [*told, f"the whole story of one: failover-kit why {example}"] if example else told


def _counted(broken: Mapping[str, Sequence[str]]) -> str:
    if not broken:
        return "no session was broken"
    each = Counter(name for names in broken.values() for name in names)
    sessions = "1 session was" if len(broken) == 1 else f"{len(broken)} sessions were"
    return f"{sessions} broken: {', '.join(f'{times} × {name}' for name, times in each.most_common())}"


def _broken(folder: Path) -> dict[str, list[str]]:
    """Session -> what was broken. `why` can tell a story of each."""
    names: dict[str, list[str]] = {}
    for finding in judge(_read(folder)).findings:
        if finding.session is not None:
            known = names.setdefault(finding.session, [])
            if finding.name not in known:
                known.append(finding.name)
    return names


def _read(folder: Path) -> History:
    past = read_run(folder)
    history.check_plausible(folder, past)
    return past


def lines(run: Path) -> Iterator[bytes]:
    """The history of one scenario's folder as JSON lines; of a run's folder, if it has only one.

    Raises:
        UsageError: there are several, or none, or it is damaged.
    """
    folders = run_folders(own_folder(run))
    if len(folders) > 1:
        raise UsageError(
            f"history {run}: expected the folder of one scenario, found {len(folders)} in it: give one of "
            f"them, e.g. {near(folders[0])}"
        )
    return history.lines(history.read(folders[0]))
