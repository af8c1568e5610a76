"""A user's own files of a command, packed: what a job needs that is not in the kit's image.

They are those that were read when the command was understood here: the matrix, its scenarios and deployments,
and the configuration files that these name. In the job they have the same names, seen from the folder in
which the command is given.

The trap: there that folder is the kit's own, where `scenarios/` has the shipped ones.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path

from harness.errors import UsageError
from harness.kit_files import kit_root

PACKED_MAX = 500 * 1024
"""A swarm keeps no larger configuration, and Kubernetes none above a megabyte."""


def packed(files: Iterable[Path]) -> bytes:
    """An archive of those that are not the kit's own; the same files make the same archive.

    Raises:
        UsageError: one lies elsewhere, or has the name of another file of the kit; they are too many.
    """
    found = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=found, mode="wb", mtime=0) as small,
        tarfile.open(fileobj=small, mode="w") as archive,
    ):
        for name, file in sorted(_own(files).items()):
            content = file.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))
    if len(content := found.getvalue()) > PACKED_MAX:
        raise UsageError(
            f"--submit: expected files of {PACKED_MAX} bytes at most when packed, found {len(content)}"
        )
    return content


def _own(files: Iterable[Path]) -> dict[str, Path]:
    """Name in the job -> file here."""
    root, here = kit_root().resolve(), Path.cwd()
    found: dict[str, Path] = {}
    for file in files:
        name = os.path.relpath(file, here)
        if file.resolve().is_relative_to(root / "scenarios"):
            continue
        if name.startswith(".."):
            raise UsageError(
                f"{file}: expected files below the current folder, which go to other machines by their name "
                f"from here, found one elsewhere: cd to a folder that has them all"
            )
        if (root / name).exists() and root / name != file.resolve():
            raise UsageError(f"{file}: expected another name, found that of a file of the kit: rename it")
        found[name] = file
    return found


def unpack(content: bytes, folder: Path) -> None:
    """Put them where the command will look for them."""
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for member in archive.getmembers():
            target = folder / member.name
            if not member.isfile() or not target.resolve().is_relative_to(folder.resolve()):
                raise UsageError(f"{member.name}: expected a file below {folder}, found something else")
            read = archive.extractfile(member)
            assert read is not None
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(read.read())
