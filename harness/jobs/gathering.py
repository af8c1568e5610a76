"""Results of a job that has ended, taken out of its container by the engine of its host."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.errors import EnvironmentFailure
from harness.jobs import task
from harness.report.write import SUITE
from harness.safe_files import is_file
from harness.topology.machines import taken
from harness.topology.machines.hosts import Host

_SAID_LINES = 3


def gather(host: Host, container: str, shard: int, folder: Path) -> None:
    """A shard's results, as a folder of results of its own.

    Raises:
        HostVanished: the host does not answer any more.
        EnvironmentFailure: it has no results.
        OSError: they cannot be written here.
    """
    taken.folder(host, container, f"{task.RESULTS}/{shard}", folder, below=1)
    if not is_file(folder / SUITE):
        shutil.rmtree(folder)
        raise EnvironmentFailure(f"host {host.name}: expected results of shard {shard}, found none")


def last_words(host: Host, container: str) -> str:
    """What a job said at its end, in one line; empty: nothing."""
    with host.asked("reading what a job said"):
        said: Any = host.client.api.logs(container, tail=_SAID_LINES)
    lines = [line for line in bytes(said).decode(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""
