"""Which scenarios to run, against what: files by suite or glob, the backend, the plans.

Pure but for reading files and asking each backend whether it works here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatch
from pathlib import Path
from typing import TypeVar

from harness import plan as planning
from harness import scenario as reading
from harness.errors import EnvironmentFailure, UsageError
from harness.faults import FAULTS
from harness.kit_files import kit_root
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from harness.topology.process import backend as process
from harness.topology.process import server_programs
from harness.vocabulary import shipped

T = TypeVar("T")

SUITES = ("smoke", "core", "all")

_LONGEST = 250
"""Letters of a part of a path; a file system allows 255 bytes."""

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
    images: Mapping[str, str] = field(default_factory=dict)
    """The image of each engine that scenarios name; `image` is the one of all others."""
    missing: Mapping[str, str] = field(default_factory=dict)
    """Engines that scenarios name and that cannot be had here, and why."""

    def image_of(self, plan: Plan) -> str | None:
        """What the nodes of a plan are made from; None on the process backend."""
        return self.images.get(plan.scenario.deployment.engine or "") or self.image


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
    if not pattern or max(map(len, Path(pattern).parts), default=0) > _LONGEST:
        found_instead = "too long a name" if pattern else "nothing"
        raise UsageError(f"scenario: expected a file, a folder or a glob, found {found_instead}")
    given = Path(pattern)
    if given.is_file():
        return [given]
    if given.is_dir():
        found = [path for path in sorted(given.rglob("*.y*ml")) if reading.is_scenario(path)]
    else:
        found = [path for path in shipped_files if _matches(path, root, pattern)]
        if not found and not given.is_absolute():
            found = _below_here(pattern)
    if not found:
        names = [f"{path.parent.name}/{path.stem}" for path in shipped_files]
        near = get_close_matches(pattern, [*names, *(path.stem for path in shipped_files)], n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise UsageError(
            f"scenario {pattern!r}: expected a file, a folder with scenarios in it or a glob over the "
            f"shipped ones, found none; {hint}`failover-kit list` shows them"
        )
    return found


def _below_here(pattern: str) -> list[Path]:
    try:
        return sorted(path for path in Path().glob(pattern) if path.is_file())
    except (ValueError, OSError) as problem:
        raise UsageError(f"scenario {pattern[:_SHOWN]!r}: expected a glob, found: {problem}") from problem


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
        raise UsageError("\n".join(dict.fromkeys(problems)))  # a deployment is read with each scenario
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
    return tuple(
        replace(plan, changed=tuple(changed), skip=plan.skip or _without_engine(plan, ground))
        for plan in plans
    )


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


def _without_engine(plan: Plan, ground: Ground) -> str | None:
    return ground.missing.get(plan.scenario.deployment.engine or "")


def engines_of(scenarios: Sequence[Scenario]) -> tuple[str | None, ...]:
    """The engines that scenarios name, each once; None for those that name none."""
    return tuple(dict.fromkeys(one.deployment.engine for one in scenarios))


def choose_ground(wanted: str, named: Sequence[str | None] = (None,)) -> Ground:
    """Decide on a backend: `docker`, `process`, or `auto`. `named`: the engines that scenarios name.

    `auto` takes Docker if an engine answers and a node image can be had, else plain processes,
    and says so. With CI=true in the environment it never falls back: a pipeline must say what it means.

    Raises:
        EnvironmentFailure: the wanted backend cannot work here, or has none of the engines named.
    """
    if wanted == BackendKind.PROCESS:
        return _process_ground("chosen", named)
    missing = docker.available()
    if missing is None:
        try:
            return _docker_ground(named)
        except EnvironmentFailure as problem:
            missing = str(problem)
    if wanted == BackendKind.DOCKER:
        raise EnvironmentFailure(f"--backend docker: {missing}")
    if os.environ.get("CI", "").lower() == "true":
        raise EnvironmentFailure(
            f"--backend auto: {missing}. With CI=true the kit does not fall back to plain processes by "
            "itself: say --backend process (make: BACKEND=process), or provide Docker (make docker-engine)"
        )
    return _process_ground(f"no Docker here ({missing})", named)


def _docker_ground(named: Sequence[str | None]) -> Ground:
    chosen, missing = _had(named, image.choose_image)
    by_engine = dict(chosen)
    default = by_engine.pop(None, None)
    return Ground(
        backend=BackendKind.DOCKER,
        image=default.name if default else None,
        images={engine: choice.name for engine, choice in by_engine.items() if engine},
        missing=missing,
        machine=docker.machine(),
        said=f"docker: {'; '.join(choice.why for choice in chosen.values())}",
    )


def _process_ground(why: str, named: Sequence[str | None] = (None,)) -> Ground:
    # What runs where nothing is named is asked when nodes start, and told with the verdict.
    by_name = [engine for engine in named if engine is not None]
    _, missing = _had(
        by_name, lambda engine: server_programs.find(wanted=engine), others=len(named) > len(by_name)
    )
    return Ground(
        backend=BackendKind.PROCESS,
        image=None,
        missing=missing,
        machine=process.machine(),
        said=f"process: {why}",
    )


def _had(
    named: Sequence[str | None], get: Callable[[str | None], T], *, others: bool = False
) -> tuple[dict[str | None, T], dict[str, str]]:
    """What was got for each engine, and why some were not. With nothing got, and no `others`, none can run.

    Raises:
        EnvironmentFailure: of the first, if there is nothing to run on.
    """
    got: dict[str | None, T] = {}
    problems: dict[str | None, EnvironmentFailure] = {}
    for engine in named:
        try:
            got[engine] = get(engine)
        except EnvironmentFailure as problem:
            problems[engine] = problem
    if problems and not got and not others:
        raise next(iter(problems.values()))
    if None in problems:
        raise problems[None]
    return got, {engine: str(problem) for engine, problem in problems.items() if engine}


def ground_for_planning(wanted: str) -> Ground:
    """Like `choose_ground`, but builds and pulls nothing: plans are made without nodes."""
    if wanted == BackendKind.DOCKER or (wanted == "auto" and docker.available() is None):
        return Ground(backend=BackendKind.DOCKER, image=None, machine=docker.machine(), said="docker")
    return _process_ground("plan only")


def build_image(engine: str | None) -> str:
    """Build a node image from Debian packages, and say how to use it."""
    if engine is None:
        tag = image.build_image()
        return f"image {tag} is there; used by itself where nothing can be pulled, or with REDIS_IMAGE={tag}"
    tag = image.build_image(engine)
    return f"image {tag} is there; used with --engine {engine} (make: ENGINE={engine})"
