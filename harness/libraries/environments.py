"""Where the environment of a library's version is on this machine, and how it is made.

An environment is a folder of its own, so that no version meets another one or the kit's. The kit makes none
by itself: a run whose environment is missing is skipped with the command that makes it.

    python -m harness.libraries.environments [NAME=VERSION ...]   the commands that make what is missing
    python -m harness.libraries.environments --names [...]        those that are asked for, or all
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.libraries.library import Declaration
from harness.model.command_words import LIBRARY_VERSION
from harness.model.nearest import did_you_mean


def python_of(library: Declaration, version: str) -> Path:
    """The Python that has this version; empty: the one that is taken when nobody asks for another."""
    folder = _folder(library, version)
    return Path(sys.executable) if folder is None else folder / "bin" / "python"


def missing(library: Declaration, version: str) -> str | None:
    """Why this version cannot be used here, with the command that changes it; None: it can."""
    folder = _folder(library, version)
    wanted = version or library.version
    if folder is None or _is_there(folder, library, wanted):
        return None
    makes = _makes(library, version)
    return f"the client {library.name} {wanted} is not on this machine; to install it: {makes}"


def _makes(library: Declaration, version: str) -> str:
    folder = _folder(library, version)
    pip = f"{folder}/bin/pip install --disable-pip-version-check"
    return f"{sys.executable} -m venv {folder} && {pip} {library.package}=={version or library.version}"


def _folder(library: Declaration, version: str) -> Path | None:
    """None: it needs nothing that the kit does not have."""
    wanted = version or library.version
    if not library.package or not wanted:
        return None
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "redis-failover-kit" / "clients" / f"{library.package}-{wanted}"


def _is_there(folder: Path, library: Declaration, version: str) -> bool:
    """By what pip leaves of an installed package. It takes 6, 6.0 and 6.0.0 for one version."""
    package = library.package.replace("-", "_")
    alike = (version, f"{version}.0", f"{version}.0.0")
    return any(any(folder.glob(f"lib/python*/site-packages/{package}-{one}.dist-info")) for one in alike)


def main(asked: Sequence[str], libraries: Mapping[str, Declaration]) -> str:
    """What to print: commands of a shell, or names."""
    names = [word for word in asked if not word.startswith("-")]
    known = [(one, version) for one in libraries.values() for version in one.tested]
    wanted = [_asked(name, libraries) for name in names] or known
    if "--names" in asked:
        return ",".join(f"{one.name}={version}" if version else one.name for one, version in wanted)
    commands = [_makes(one, version) for one, version in wanted if missing(one, version)]
    return "\n".join(dict.fromkeys(commands))


def _asked(text: str, libraries: Mapping[str, Declaration]) -> tuple[Declaration, str]:
    name, _, version = text.partition("=")
    if name not in libraries:
        raise UsageError(
            f"CLIENTS: expected NAME or NAME=VERSION with a name of {', '.join(libraries)}, found {text!r}"
            f"{did_you_mean(name, libraries)}"
        )
    if version and not re.fullmatch(LIBRARY_VERSION, version):
        raise UsageError(f"CLIENTS: {name}: expected a version such as 6.4.0, found {version!r}")
    return libraries[name], version


if __name__ == "__main__":
    from harness.libraries import LIBRARIES

    try:
        sys.stdout.write(main(" ".join(sys.argv[1:]).replace(",", " ").split(), LIBRARIES) + "\n")
    except UsageError as problem:
        sys.exit(str(problem))
