"""What the nodes of a run will be made of: backend, image and engines of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import EnvironmentFailure, UsageError
from harness.model.plan import Plan
from harness.model.scenario import Scenario
from harness.model.seams import Backend, Machine
from harness.model.words import BackendKind
from harness.running.guest_needs import library_of, needed_by
from harness.running.selection import engines_of
from harness.topology.backends import (
    OF_GUESTS,
    OF_HOSTS,
    OF_PROJECTS,
    backend_of,
    every_backend,
    why_not_beside,
)
from harness.topology.docker import image

AUTO = "auto"


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
        """What the nodes of a plan are made from; None where they need none."""
        return self.images.get(plan.scenario.deployment.engine or "") or self.image

    def why_not(self, plan: Plan) -> str | None:
        """Why a plan cannot run here; None: it can, as far as is known before it starts."""
        named = (engine for engine in engines_of([plan.scenario]) if engine is not None)
        missing = next((self.missing[engine] for engine in named if engine in self.missing), None)
        guest = plan.scenario.deployment.guest
        if guest and (reason := why_not_beside(guest, self.backend)):
            return reason
        needed = needed_by(guest) if guest else library_of(plan.scenario.deployment.client)
        return missing or backend_of(self.backend).fits(plan) or needed


def ground_of(wanted: str, scenarios: Sequence[Scenario], *, beside_command: bool = False) -> Ground:
    """What the nodes of these scenarios will stand on: their Compose projects, or what `choose_ground` says.

    Raises:
        UsageError: another backend is asked for, and a project brings its own.
        EnvironmentFailure: as `choose_ground`.
    """
    own = next((one.deployment.project for one in scenarios if one.deployment.project), None)
    if own is None:
        if wanted in {AUTO, OF_HOSTS} and any(one.deployment.hosts for one in scenarios):
            return _on_hosts(scenarios)
        return choose_ground(
            _for_guest(wanted, scenarios), engines_of(scenarios), beside_command=beside_command
        )
    backend = backend_of(OF_PROJECTS)
    if wanted not in {AUTO, backend.KIND}:
        raise UsageError(
            f"--backend {wanted}: {own.file} is a Compose project, which runs in its own containers"
        )
    return Ground(
        backend=backend.KIND,
        image=None,
        machine=backend.machine(beside_command=beside_command),
        said=f"{backend.KIND}: {own.file}",
    )


def _for_guest(wanted: str, scenarios: Sequence[Scenario]) -> str:
    """The backend that the first guest of these scenarios needs, where none is asked for."""
    guest = next((one.deployment.guest for one in scenarios if one.deployment.guest), None)
    return OF_GUESTS[guest.run_as] if guest is not None and wanted == AUTO else wanted


def _on_hosts(scenarios: Sequence[Scenario]) -> Ground:
    """What the hosts of deployments have is asked when they are used.

    Raises:
        UsageError: another scenario names no hosts.
        EnvironmentFailure: no image for nodes can be had.
    """
    if without := next((one for one in scenarios if not one.deployment.hosts), None):
        raise UsageError(
            f"{without.file or without.name}: expected `hosts` in its deployment, found none; run it alone"
        )
    return _ground(
        backend_of(OF_HOSTS), "hosts of the deployment", engines_of(scenarios), beside_command=False
    )


def choose_ground(
    wanted: str, named: Sequence[str | None] = (None,), *, beside_command: bool = False
) -> Ground:
    """Decide on a backend: one by name, or `auto`. `named`: the engines that scenarios name.

    `auto` takes the first of the table that works here and has an engine, and says why not an earlier one.
    With CI=true in the environment it never falls back: a pipeline must say what it means.

    Raises:
        EnvironmentFailure: the wanted backend cannot work here, or has none of the engines named.
    """
    if wanted != AUTO:
        chosen = backend_of(BackendKind(wanted))
        if missing := chosen.unavailable():
            raise EnvironmentFailure(f"--backend {wanted}: {missing}")
        try:
            return _ground(chosen, "chosen", named, beside_command=beside_command)
        except EnvironmentFailure as problem:
            raise EnvironmentFailure(f"--backend {wanted}: {problem}") from problem
    first, *others = every_backend()
    try:
        if (missing := first.unavailable()) is None:
            return _ground(first, "chosen", named, beside_command=beside_command)
    except EnvironmentFailure as problem:
        missing = str(problem)
    if os.environ.get("CI", "").lower() == "true":
        raise EnvironmentFailure(
            f"--backend auto: {missing}. With CI=true the kit does not fall back to plain processes by "
            "itself: say --backend process (make: BACKEND=process), or provide Docker (make docker-engine)"
        )
    second = next(one for one in others if one.unavailable() is None)
    return _ground(
        second, f"no Docker here ({_first_sentence(missing)})", named, beside_command=beside_command
    )


def _first_sentence(missing: str) -> str:
    """What is missing. Its cure is for those who want Docker, and they ask."""
    said, dot, _ = missing.partition(". ")
    return f"{said}; `failover-kit doctor` says more" if dot else said


def _ground(backend: Backend, why: str, named: Sequence[str | None], *, beside_command: bool) -> Ground:
    supply = backend.supply(named)
    return Ground(
        backend=backend.KIND,
        image=supply.images.get(None),
        images={engine: one for engine, one in supply.images.items() if engine},
        missing=supply.missing,
        machine=backend.machine(beside_command=beside_command),
        said=f"{backend.KIND}: {supply.said or why}",
    )


def enter_own_network(ground: Ground) -> None:
    """Where nodes would share this machine's address, become this very command anew where they need not.

    Raises:
        EnvironmentFailure: there is no such place on this machine.
    """
    if ground.machine.network_faults:
        return
    backend = backend_of(ground.backend)
    backend.enter()
    raise EnvironmentFailure(f"--own-network: {backend.machine().why_no_network_faults}")


def ground_for_planning(wanted: str, scenarios: Sequence[Scenario] = ()) -> Ground:
    """Like `ground_of`, but builds and pulls nothing: plans are made without nodes."""
    wanted = _for_guest(wanted, scenarios)
    if wanted == AUTO and any(one.deployment.hosts for one in scenarios):
        wanted = OF_HOSTS
    able = (one for one in every_backend() if one.unavailable() is None)
    backend = next(able) if wanted == AUTO else backend_of(BackendKind(wanted))
    return Ground(
        backend=backend.KIND, image=None, machine=backend.machine(), said=f"{backend.KIND}: plan only"
    )


def build_image(engine: str | None) -> str:
    """Build a node image from Debian packages, and say how to use it."""
    if engine is None:
        tag = image.build_image()
        return f"image {tag} is there; used when no image can be pulled, or with REDIS_IMAGE={tag}"
    tag = image.build_image(engine)
    return f"image {tag} is there; used with --engine {engine} (make: ENGINE={engine})"


def clean() -> list[str]:
    """Remove what killed harnesses left on every backend; one line for each thing removed."""
    return [f"removed {one}" for backend in every_backend() for one in backend.clean()]
