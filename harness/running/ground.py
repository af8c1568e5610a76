"""What the nodes of a run will be made of: backend, image and engines of this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from harness.errors import EnvironmentFailure
from harness.model.plan import Plan
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.docker import backend as docker
from harness.topology.docker import image
from harness.topology.process import backend as process
from harness.topology.process import server_programs

T = TypeVar("T")


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
        return f"image {tag} is there; used when no image can be pulled, or with REDIS_IMAGE={tag}"
    tag = image.build_image(engine)
    return f"image {tag} is there; used with --engine {engine} (make: ENGINE={engine})"


def clean() -> list[str]:
    """Remove what killed harnesses left on both backends; one line for each thing removed."""
    return [*process.clean(), *(f"removed {one}" for one in docker.clean())]
