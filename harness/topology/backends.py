"""The table of backends, the one place that knows which there are.

A backend is a folder beside this module. Its module `backend` offers what `harness.model.seams.Backend`
says, and `tests/integration/test_backend_conformance.py` says what that means with real nodes. None is
imported before it is needed: a machine may have what only one of them needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import cast

from harness.errors import EnvironmentFailure
from harness.model.engine import is_named
from harness.model.guest import IN_WORDS, Guest, RunAs
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Backend, ProjectBackend, Topology
from harness.model.words import BackendKind

BACKENDS: Mapping[BackendKind, str] = {
    BackendKind.DOCKER: "harness.topology.docker.backend",
    BackendKind.PROCESS: "harness.topology.process.backend",
    BackendKind.COMPOSE: "harness.topology.compose.backend",
    BackendKind.MACHINES: "harness.topology.machines.backend",
}
"""In the order in which `auto` tries them. The third is for deployments that bring nodes of their own, the
last for those whose nodes are on several hosts."""

OF_PROJECTS = BackendKind.COMPOSE
"""Runs the nodes of deployments that name a Compose project."""

OF_HOSTS = BackendKind.MACHINES
"""Runs the nodes of deployments that name hosts."""


OF_GUESTS: Mapping[RunAs, BackendKind] = {
    RunAs.PROCESS: BackendKind.PROCESS,
    RunAs.CONTAINER: BackendKind.DOCKER,
    RunAs.SERVICE: BackendKind.COMPOSE,
    RunAs.ADDRESS: BackendKind.PROCESS,
}
"""Runs nodes that such web servers of an application of somebody's own can reach."""

ON_HOSTS = RunAs.CONTAINER
"""The web servers that can be where nodes on several hosts are."""


def why_not_beside(guest: Guest, kind: BackendKind) -> str | None:
    """Why a guest's web servers cannot reach the nodes of a backend; None: they can."""
    wanted = OF_GUESTS[guest.run_as]
    if kind is wanted or (kind is OF_HOSTS and guest.run_as is ON_HOSTS):
        return None
    said = f"the web servers of {guest.name} are {IN_WORDS[guest.run_as]}"
    if kind is OF_HOSTS:
        return f"{said}; nodes on several hosts are reached by those of a guest file with `{ON_HOSTS}`"
    return f"{said}: --backend {wanted}"


OF_JOBS = BackendKind.PROCESS
"""Runs the nodes of a job on another machine, in the container that the job is."""


def backend_of(kind: BackendKind) -> Backend:
    return cast("Backend", import_module(BACKENDS[kind]))


def of_projects() -> ProjectBackend:
    return cast("ProjectBackend", backend_of(OF_PROJECTS))


def every_backend() -> Iterator[Backend]:
    return map(backend_of, BACKENDS)


@contextmanager
def up(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    backend: BackendKind,
    image: str | None = None,
    loopback: bool = False,
    join: str | None = None,
    pins: Pins = FREE,
) -> Iterator[Topology]:
    """A ready topology of the engine that its deployment names; taken down at the end.

    Raises:
        UsageError: what is to join, or is pinned, cannot be had.
        EnvironmentFailure: the machine cannot start it, or only another engine than the deployment names;
            nothing was learnt about the topology.
    """
    first = next(iter(plan.data_nodes()), None)
    wanted = (first.engine if first else None) or plan.scenario.deployment.engine
    started = backend_of(backend).up(
        plan, run=run, directory=directory, image=image, loopback=loopback, join=join, pins=pins
    )
    with started as topology:
        if not is_named(wanted, topology.engine):
            of = f"image {image}" if image else "the server program"
            raise EnvironmentFailure(
                f"engine {wanted}: expected nodes of it, found {topology.engine} in {of}; "
                "name another engine or none"
            )
        yield topology
