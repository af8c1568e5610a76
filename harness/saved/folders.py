"""What lies in a folder of results: the folders of its runs, and its own path as people would type it.

A folder of results may come from anybody: links are not followed, but for a link to a neighbour, as
`latest` is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.history.files import COMPRESSED, PLAIN
from harness.model.results import SuiteResult
from harness.safe_files import is_file, is_folder


def own_folder(given: Path) -> Path:
    """The whole path of a folder of results. A link is followed to a neighbour only, as `latest` is one: a
    folder that somebody handed over must not lead anywhere else.

    Raises:
        UsageError: it is another link, or its name cannot be written down.
    """
    if given.is_symlink():
        aim = str(given.readlink())
        if "/" in aim or aim in {"", ".", ".."}:
            raise UsageError(f"{given}: expected a folder of results, found a link: use {aim} itself")
    folder = given.resolve()
    try:
        str(folder).encode()
    except UnicodeEncodeError as problem:
        raise UsageError(f"{given}: expected a name in UTF-8: rename the folder") from problem
    return folder


def near(path: Path) -> str:
    """As people would type it: relative to here where it lies below."""
    path = path.resolve()
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


@contextmanager
def writing_into(run: Path) -> Iterator[None]:
    """Where saved results get further files: whoever cannot have them there needs a copy.

    Raises:
        EnvironmentFailure: what failed within, with what to do about it.
    """
    try:
        yield
    except EnvironmentFailure as problem:
        raise EnvironmentFailure(
            f"{problem}; this writes into the folder of the results: copy {near(run)} to where you may write "
            "and there is room, and give the copy"
        ) from problem


def run_folders(run: Path) -> list[Path]:
    if is_run(run):
        return [run]
    found = [folder for folder in folders_in(run) if is_run(folder)]
    if not found:
        below = [folder for folder in folders_in(run) if _holds_runs(folder)]
        hint = f"; {near(below[-1])} is one" if below else ""
        raise UsageError(f"{run}: expected a results folder with a history in it, found none{hint}")
    return found


def _holds_runs(folder: Path) -> bool:
    """A folder that may not be looked into holds none."""
    try:
        return any(map(is_run, folders_in(folder)))
    except OSError:
        return False


def folders_in(out: Path) -> Iterator[Path]:
    if out.is_dir():
        yield from (one for one in sorted(out.iterdir()) if is_folder(one))


def is_run(folder: Path) -> bool:
    return any(is_file(folder / name) for name in (PLAIN, COMPRESSED))


def point_latest(suite: SuiteResult) -> None:
    """Move the `latest` link to this suite's folder, atomically."""
    directory = Path(suite.directory)
    link = directory.parent / "latest"
    fresh = directory.parent / f".latest-{suite.run}"
    try:
        fresh.symlink_to(directory.name)
        fresh.replace(link)
    except OSError as problem:
        raise EnvironmentFailure(f"{link}: cannot be moved: {problem.strerror or problem}") from problem
