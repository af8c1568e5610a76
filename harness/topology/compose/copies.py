"""Copies of what a project mounts from this machine, in the run's folder.

Redis and Sentinel write into their configuration, entrypoints change owners: the user's checkout must see
nothing of it. A single file stays a single file, so that whatever fails on a mount of a single file fails
here too. Two services that mount the same thing get the same copy.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

from harness.errors import UsageError

LARGEST_BYTES = 256 << 20
"""Of everything together: configuration, scripts, perhaps a data set to begin with."""

_LARGEST_TEXT_BYTES = 1 << 20


def copy_all(
    sources: Iterable[str], into: Path, change: Callable[[str], str] | None = None
) -> dict[str, str]:
    """Copy files and directories below `into`; returns where each of them is. What is not there becomes an
    empty directory, as Docker would make one. `change` rewrites every text file.

    Raises:
        UsageError: something cannot be copied, or all of it is too large.
    """
    wanted = {source: Path(source).resolve() for source in sources}
    roots = _outermost(set(wanted.values()))
    _check(roots)
    places = {}
    for number, root in enumerate(sorted(roots), start=1):
        place = into / str(number) / (root.name or "root")
        place.parent.mkdir(parents=True, exist_ok=True)
        _copy(root, place)
        if change is not None:
            _change_texts(place, change)
        places[root] = place
    return {source: str(_place(path, places)) for source, path in wanted.items()}


def texts(sources: Iterable[str]) -> dict[str, str]:
    """The small text files among these paths and below them."""
    found = {}
    for source in sources:
        path = Path(source)
        for file in [path] if path.is_file() else _files(path):
            if (text := _text(file)) is not None:
                found[str(file)] = text
    return found


def _outermost(paths: set[Path]) -> set[Path]:
    return {one for one in paths if not any(one != other and one.is_relative_to(other) for other in paths)}


def _place(path: Path, places: dict[Path, Path]) -> Path:
    root = next(one for one in places if path.is_relative_to(one))
    place = places[root] / path.relative_to(root)
    if not place.exists():
        place.mkdir(parents=True, exist_ok=True)
    return place


def _check(roots: Iterable[Path]) -> None:
    total = 0
    for root in roots:
        for file in [root] if not root.is_dir() else _files(root):
            if not file.exists():
                continue
            found = file.lstat()
            if not (stat.S_ISREG(found.st_mode) or stat.S_ISLNK(found.st_mode)):
                raise UsageError(
                    f"{file}: expected a file or a directory to mount, found a device, a pipe or a socket; "
                    "what leads to this machine cannot be copied"
                )
            total += found.st_size
            if total > LARGEST_BYTES:
                raise UsageError(
                    f"{root}: expected mounts of at most {LARGEST_BYTES >> 20} MiB in all, found more; they "
                    "are copied for each run, so mount only what the services need"
                )


def _files(directory: Path) -> Iterable[Path]:
    for folder, _, names in os.walk(directory):
        yield from (Path(folder) / name for name in names)


def _copy(source: Path, place: Path) -> None:
    try:
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True, copy_function=_copy_file)
            _same_owner(source, place)
        elif source.exists():
            _copy_file(str(source), str(place))
        else:
            place.mkdir(parents=True)
    except (OSError, shutil.Error) as error:
        raise UsageError(f"{source}: expected to copy what the project mounts, found: {error}") from error


def _copy_file(source: str, place: str) -> None:
    shutil.copy2(source, place)
    _same_owner(Path(source), Path(place))


def _same_owner(source: Path, place: Path) -> None:
    if os.geteuid() == 0:
        found = source.stat()
        os.chown(place, found.st_uid, found.st_gid)


def _change_texts(place: Path, change: Callable[[str], str]) -> None:
    for file in [place] if place.is_file() else _files(place):
        before = _text(file)
        if before is not None and (after := change(before)) != before:
            file.write_text(after, encoding="utf-8")


def _text(file: Path) -> str | None:
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LARGEST_TEXT_BYTES:
            return None
        raw = file.read_bytes()
    except OSError:
        return None
    if b"\0" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
