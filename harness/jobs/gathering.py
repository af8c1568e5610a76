"""Results of a job that has ended, taken out of its container by the engine of its host.

A container may hold anything by now, so of what comes only plain files are taken, each below the folder that
is meant. The folder has its own name only when it is whole.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import EnvironmentFailure
from harness.jobs import task
from harness.report.write import SUITE
from harness.safe_files import is_file
from harness.topology.machines.hosts import Host

_PART = ".part"
_SAID_LINES = 3


def gather(host: Host, container: str, shard: int, folder: Path) -> None:
    """A shard's results, as a folder of results of its own.

    Raises:
        HostVanished: the host does not answer any more.
        EnvironmentFailure: it has no results.
        OSError: they cannot be written here.
    """
    fresh = folder.with_name(f"{folder.name}{_PART}")
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.TemporaryFile(dir=folder.parent) as packed:
        with host.asked(f"taking results of shard {shard}"):
            pieces, _ = host.client.api.get_archive(container, f"{task.RESULTS}/{shard}")
            for piece in pieces:
                packed.write(piece)
        packed.seek(0)
        try:
            with tarfile.open(fileobj=packed, mode="r:") as archive:
                _unpack(archive, fresh)
        except tarfile.TarError as problem:
            raise EnvironmentFailure(f"host {host.name}: results of shard {shard}: {problem}") from problem
    if not is_file(fresh / SUITE):
        raise EnvironmentFailure(f"host {host.name}: expected results of shard {shard}, found none")
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Their names begin with the shard and the name of its results, which are left out."""
    for member in archive:
        inside = PurePosixPath(member.name).parts[2:]
        if not inside or not member.isfile() or ".." in inside:
            continue
        target = folder.joinpath(*inside)
        content = archive.extractfile(member)
        assert content is not None
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file)


def last_words(host: Host, container: str) -> str:
    """What a job said at its end, in one line; empty: nothing."""
    with host.asked("reading what a job said"):
        said: Any = host.client.api.logs(container, tail=_SAID_LINES)
    lines = [line for line in bytes(said).decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
