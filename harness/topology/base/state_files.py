"""Files of both backends that outlive the harness, in private folders of this user, outside of every result.

A file is renamed into place, so nobody ever reads half of it.
"""

from __future__ import annotations

import os
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import msgspec

from harness.errors import EnvironmentFailure
from harness.topology.base.processes import outer_user

STATE = "FAILOVER_KIT_STATE"
"""Names another folder for records: tests keep theirs apart from those of the machine."""

_SAME_FOR_EVERY_SHELL = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - each is checked before use

_DRAFT = ".draft"
_DRAFT_OLD_S = 60.0


def state_directories() -> list[Path]:
    """Where records of this user lie: private folders, outside of every result.

    The first two are the same for every shell, as `down` and `clean` may run where TMPDIR is another one; the
    second is for a full disk. The last is for where neither can be written to.
    """
    return [path for path in _places() if _why_not_private(path) is None]


def write_first(name: str, record: msgspec.Struct) -> Path:
    """Write a new record into the first of these folders that takes it; returns its path.

    Raises:
        EnvironmentFailure: none does: somebody else made it, others may write to it, the disk is full.
    """
    refused = []
    for place in _places():
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            why_not = _why_not_private(place)
            if why_not is None:
                write_record(place / name, record)
                return place / name
        except OSError as problem:
            why_not = f"cannot be written: {problem.strerror or problem}"
        refused.append(f"{place}: {why_not}")
    raise EnvironmentFailure("; ".join(refused))


def write_record(path: Path, record: msgspec.Struct) -> None:
    """Renamed into place, so a reader never sees half a record; only this user may read it."""
    draft = path.with_suffix(_DRAFT)
    try:
        draft.touch(mode=0o600)
        draft.write_bytes(msgspec.json.encode(record))
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _places() -> list[Path]:
    own = os.environ.get(STATE)
    usual = (*_SAME_FOR_EVERY_SHELL, Path(tempfile.gettempdir()))
    roots = (Path(own),) if own else usual
    return list(dict.fromkeys(root / f"redis-failover-kit-{outer_user()}" for root in roots))


def _why_not_private(path: Path) -> str | None:
    try:
        found = path.lstat()
    except OSError as problem:
        return problem.strerror or str(problem)
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not found.st_mode & 0o022:
        return None
    return (
        f"expected a folder that only this user may write to, found owner {found.st_uid}, "
        f"mode {stat.filemode(found.st_mode)}; remove it"
    )


def remove_drafts() -> None:
    """What a harness that was killed while it wrote a record left of it; one that is being written is new."""
    for draft in (path for place in state_directories() for path in place.glob(f"*{_DRAFT}")):
        with suppress(OSError):
            if time.time() - draft.lstat().st_mtime > _DRAFT_OLD_S:
                draft.unlink()
