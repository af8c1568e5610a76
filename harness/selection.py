"""Which scenarios to run, against what: files by suite or glob, the backend, the plans.

Pure but for reading files and asking each backend whether it works here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path

from harness import plan as planning
from harness import scenario as reading
from harness.errors import EnvironmentFailure, UsageError
from harness.faults import FAULTS
from harness.kit_files import kit_root
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology import docker, image, process
from harness.vocabulary import shipped

SUITES = ("smoke", "core", "all")

_SHOWN = 40
"""Letters of a wrong value that a message quotes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What the nodes will stand on."""

    backend: BackendKind
    image: str | None
    machine: Machine
    said: str
    """One line for people: which backend and why."""


def scenario_files(pattern: str | None) -> list[Path]:
    """Scenario files that a glob matches, or every shipped one.

    A pattern is a path, or is matched against the shipped files as `sentinel/03-planned-failover`,
    with or without folder and ending; `planned` alone matches in the middle of a name.

    Raises:
        UsageError: nothing matches.
    """
    root = _near(kit_root() / "scenarios")
    shipped_files = sorted(root.glob("*/*.yaml"))
    if pattern is None:
        return shipped_files
    given = Path(pattern)
    if given.is_file():
        return [given]
    if given.is_dir():
        found = [path for path in sorted(given.rglob("*.y*ml")) if reading.is_scenario(path)]
    else:
        found = [path for path in shipped_files if _matches(path, root, pattern)]
        if not found and not given.is_absolute():
            found = sorted(path for path in Path().glob(pattern) if path.is_file())
    if not found:
        names = [f"{path.parent.name}/{path.stem}" for path in shipped_files]
        near = get_close_matches(pattern, [*names, *(path.stem for path in shipped_files)], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"--scenario {pattern!r}: expected a file, a folder with scenarios in it or a glob over the "
            f"shipped ones, found none; {hint}`failover-kit list` shows them"
        )
    return found


def as_typed(file: str) -> str:
    """A shipped scenario, seen from another folder, by what `--scenario` takes: `sentinel/01-….yaml`."""
    path, root = Path(file), kit_root() / "scenarios"
    return str(path.relative_to(root)) if path.is_relative_to(root) else file


def _near(path: Path) -> Path:
    """As people would type it: relative to here where that is shorter than the whole path."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _matches(path: Path, root: Path, pattern: str) -> bool:
    name = str(path.relative_to(root))
    forms = (name, name.removesuffix(".yaml"), path.name, path.stem, f"scenarios/{name}")
    wanted = (pattern, f"*{pattern}*") if not any(sign in pattern for sign in "*?[") else (pattern,)
    return any(fnmatch(form, one) for form in forms for one in wanted)


def load(
    files: Sequence[Path], *, suite: str | None, overrides: Sequence[str], deployment: Path | None
) -> list[Scenario]:
    """Read the files; with `suite`, keep those that carry its tag (`all` keeps everything).

    Raises:
        UsageError: every problem of every file, one a line.
    """
    vocabulary = shipped()
    scenarios, problems = [], []
    for path in files:
        try:
            scenarios.append(reading.load(path, vocabulary, overrides=overrides, deployment=deployment))
        except UsageError as problem:
            problems.append(str(problem))
    if problems:
        raise UsageError("\n".join(problems))
    if suite in (None, "all"):
        return scenarios
    kept = [one for one in scenarios if suite in one.tags]
    if not kept:
        raise UsageError(
            f"--suite {suite!r}: no scenario carries this tag; expected one of {', '.join(SUITES)}"
        )
    return kept


def compile_all(
    scenarios: Sequence[Scenario], *, seed: int, ground: Ground, changed: Sequence[str] = ()
) -> tuple[Plan, ...]:
    """`changed`: the options that changed the scenarios, kept so that the run can be repeated.

    Raises:
        UsageError: a plan that could not be judged, such as sessions that expire before their audit.
    """
    fits = {name: fault.fits for name, fault in FAULTS.items()}
    plans = (
        planning.compile(one, seed=seed, backend=ground.backend, machine=ground.machine, fits=fits)
        for one in scenarios
    )
    return tuple(replace(plan, changed=tuple(changed)) for plan in plans)


SEED_MAX = 2**63 - 1
"""What every reader of a history can hold as a whole number."""


def seed_of(text: str) -> int:
    """A seed as it is written on a command line.

    Raises:
        UsageError: it is no whole number of 63 bits.
    """
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > SEED_MAX:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
        raise UsageError(f"seed: expected a whole number from 0 to {SEED_MAX}, found {shown!r}")
    return int(text)


def choose_ground(wanted: str) -> Ground:
    """Decide on a backend: `docker`, `process`, or `auto`.

    `auto` takes Docker if an engine answers and a node image can be had, else plain processes,
    and says so. With CI=true in the environment it never falls back: a pipeline must say what it means.

    Raises:
        EnvironmentFailure: the wanted backend cannot work here.
    """
    if wanted == BackendKind.PROCESS:
        return _process_ground("chosen")
    missing = docker.available()
    if missing is None:
        try:
            choice = image.choose_image()
        except EnvironmentFailure as problem:
            missing = str(problem)
        else:
            said = f"docker: {choice.why}"
            return Ground(backend=BackendKind.DOCKER, image=choice.name, machine=docker.machine(), said=said)
    if wanted == BackendKind.DOCKER:
        raise EnvironmentFailure(f"--backend docker: {missing}")
    if os.environ.get("CI", "").lower() == "true":
        raise EnvironmentFailure(
            f"--backend auto: {missing}. With CI=true the kit does not fall back to plain processes by "
            "itself: say --backend process (make: BACKEND=process), or provide Docker (make docker-engine)"
        )
    return _process_ground(f"no Docker here ({missing})")


def _process_ground(why: str) -> Ground:
    return Ground(backend=BackendKind.PROCESS, image=None, machine=process.machine(), said=f"process: {why}")


def ground_for_planning(wanted: str) -> Ground:
    """Like `choose_ground`, but builds and pulls nothing: plans are made without nodes."""
    if wanted == BackendKind.DOCKER or (wanted == "auto" and docker.available() is None):
        return Ground(backend=BackendKind.DOCKER, image=None, machine=docker.machine(), said="docker")
    return _process_ground("plan only")


def build_image() -> str:
    """Build the node image from Debian packages, and say how to use it."""
    tag = image.build_image()
    return (
        f"image {tag} is there; it is used by itself where nothing can be pulled, or with REDIS_IMAGE={tag}"
    )
