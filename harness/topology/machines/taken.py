"""A folder taken out of a container on a host, by the engine there.

A container may hold anything by now, so of what comes only plain files are taken, each below the folder that
is meant. The folder here has its own name only when it is whole.
"""

from __future__ import annotations

import shutil
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from harness.errors import EnvironmentFailure
from harness.topology.machines.hosts import Host

_PART = ".part"


def folder(host: Host, container: str, where: str, into: Path, *, below: int = 0) -> None:
    """Take the folder `where` of a container, which need not run. `below`: how many folders inside of it,
    each the only one, what is meant lies.

    Raises:
        HostVanished: the host does not answer any more.
        EnvironmentFailure: there is no such folder.
        OSError: it cannot be written here.
    """
    fresh = into.with_name(f"{into.name}{_PART}")
    shutil.rmtree(fresh, ignore_errors=True)
    with tempfile.TemporaryFile(dir=into.parent) as packed:
        with host.asked(f"taking {where}"):
            pieces, _ = host.client.api.get_archive(container, where)
            for piece in pieces:
                packed.write(piece)
        packed.seek(0)
        try:
            with tarfile.open(fileobj=packed, mode="r:") as archive:
                _unpack(archive, fresh, 1 + below)
        except tarfile.TarError as problem:
            raise EnvironmentFailure(f"host {host.name}: {where}: {problem}") from problem
    shutil.rmtree(into, ignore_errors=True)
    fresh.rename(into)


def _unpack(archive: tarfile.TarFile, into: Path, outer: int) -> None:
    """`outer`: how many names of folders each name begins with."""
    into.mkdir(parents=True)
    for member in archive:
        inside = PurePosixPath(member.name).parts[outer:]
        if not inside or not member.isfile() or ".." in inside:
            continue
        target = into.joinpath(*inside)
        content = archive.extractfile(member)
        assert content is not None
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            shutil.copyfileobj(content, file)
