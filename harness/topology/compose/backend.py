"""The backend of a user's own Compose project: surveyed once, then started for each run.

    looked_at  starts it, looks at it, takes it down: what the plan of every run is made from
    up         starts it for one run

Nothing of the user's is touched: see `adopted`. What killed runs left is found by the kit's labels, as with
its own containers.
"""

from __future__ import annotations

import re
import secrets as random_secrets
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.deployment import Deployment, Project, TopologySpec
from harness.model.guest import Guest
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Machine, Supply, Survey
from harness.model.words import BackendKind, Discovery, NodeRole, TopologyKind
from harness.topology.base import processes
from harness.topology.compose import adopted, reading
from harness.topology.compose.adopted import Change
from harness.topology.compose.found import Found
from harness.topology.compose.starting import Request, images_of, start
from harness.topology.compose.topology import ProjectTopology, secrets_of
from harness.topology.docker import backend as docker
from harness.topology.docker import daemon

KIND = BackendKind.COMPOSE

beside, clean, enter, inside = docker.beside, docker.clean, docker.enter, docker.inside
leftovers, way_in = docker.leftovers, docker.way_in
"""As of any containers with the kit's labels."""


def unavailable() -> str | None:
    """Why no project can be started here; None: one can."""
    return daemon.unavailable()


def machine(*, beside_command: bool = False) -> Machine:
    """What can be done here with a project's containers."""
    return replace(
        docker.machine(beside_command=beside_command),
        backend=KIND,
        own_containers=True,
        why_no_full_volume="the nodes of a Compose project do not ignore the signal that comes with it",
        why_no_power_loss="the kit does not know where a Compose project keeps its data",
    )


def fits(plan: Plan) -> str | None:
    own = plan.scenario.deployment.project
    return None if own is not None else "the compose backend runs projects of your own, and this is none"


def supply(engines: Sequence[str | None], *, get: bool = True) -> Supply:  # noqa: ARG001 - the protocol's
    """A project names its images itself; whether they can be had is seen when it is looked at."""
    return Supply()


def survey() -> Survey:
    missing = unavailable()
    if missing is not None:
        return Survey(usable=False, lines=(f"compose backend: no: {missing}",))
    return Survey(usable=True, lines=("compose backend: yes, for projects of your own (run --compose FILE)",))


def looked_at(deployment: Deployment) -> tuple[Deployment, tuple[str, ...]]:
    """The deployment with the nodes of its project, and what is different in its runs, for people.

    Raises:
        UsageError: the project cannot be a run's own, or nothing in it is Redis.
        DoesNotComeUp: it starts and does not become ready.
        EnvironmentFailure: no Docker here.
    """
    assert deployment.project is not None, "a deployment with a project"
    if (missing := daemon.unavailable()) is not None:
        raise EnvironmentFailure(f"{deployment.project.file}: a Compose project needs Docker: {missing}")
    own = deployment.project
    file = Path(own.file)
    project = reading.read(file)
    images = images_of(file, project, own.images)
    said = adopted.changes(project, Change(name="", labels={}, images=images))
    name = _name("survey")
    with closing(daemon.connect()) as client, tempfile.TemporaryDirectory(prefix="failover-kit-") as folder:
        labels = daemon.labels("survey", processes.this_process())
        request = Request(project=own, name=name, labels=labels, directory=Path(folder))
        try:
            found = start(client, request)
            secrets_of(found)
        finally:
            daemon.remove(client, f"{daemon.PROJECT_LABEL}={name}")
    return with_nodes(deployment, own, found), said


def with_nodes(deployment: Deployment, own: Project, found: Found) -> Deployment:
    topology = TopologySpec(kind=found.kind, **found.settings)
    client = replace(deployment.client, discovery=_discovery(own, found))
    if found.kind is TopologyKind.CLUSTER:
        client = replace(client, connect_per_request=0.0)  # a cluster client keeps its connections
    own = _with_guest(deployment.guest, own, found)
    return replace(deployment, project=own, topology=topology, client=client)


def _with_guest(guest: Guest | None, own: Project, found: Found) -> Project:
    """The project with its nodes. A service that is the application is none of them: its containers are web
    servers.

    Raises:
        UsageError: the project has no such service, or it does not run.
    """
    if guest is None or guest.service is None:
        return replace(own, nodes=found.nodes)
    members = found.of_service(guest.service.name)
    if not members:
        there = ", ".join(sorted({one.service for one in found.members}))
        raise UsageError(
            f"{guest.file}: service: expected a service of {own.file} whose containers run ({there}), found "
            f"{guest.service.name!r}"
        )
    names = {one.name for one in members}
    nodes = tuple(node for node in found.nodes if node.role is not NodeRole.OTHER or node.name not in names)
    return replace(own, nodes=nodes, web_servers=len(members))


def _discovery(own: Project, found: Found) -> Discovery:
    if found.kind is TopologyKind.CLUSTER:
        return Discovery.ON_ERROR
    if found.fronts:
        return Discovery.THROUGH_PROXY
    if own.discovery is Discovery.THROUGH_PROXY:
        raise UsageError(
            f"{own.file}: client.discovery: expected a proxy by which clients reach the primary, found none "
            f"among {', '.join(member.name for member in found.members)}"
        )
    if not found.settings["sentinels"]:
        return Discovery.FIXED_ADDRESS
    return own.discovery or Discovery.ON_ERROR


@contextmanager
def up(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    image: str | None = None,  # noqa: ARG001 - the project names its images
    loopback: bool = False,  # noqa: ARG001 - containers have addresses of their own
    to_hold: bool = False,
    join: str | None = None,
    pins: Pins = FREE,
) -> Iterator[ProjectTopology]:
    """Start a plan's project, and yield it ready. Everything is removed afterwards, however it ends.

    Raises:
        DoesNotComeUp, UsageError, EnvironmentFailure: as `looked_at`; it is to be held.
    """
    if to_hold:
        raise EnvironmentFailure(
            "a Compose project cannot be held: start it with `docker compose up` instead"
        )
    if pins != FREE:
        raise UsageError("--pin: a Compose project has its own passwords and addresses")
    if join is not None:
        raise UsageError(
            f"--join {join}: expected nodes of the kit, found a Compose project: an application joins it as "
            "a service"
        )
    topology = ProjectTopology(
        plan=plan,
        run=run,
        project=_name(run),
        directory=directory.resolve(),
        client=daemon.connect(),
        owner=processes.this_process(),
    )
    try:
        topology.begin()
        yield topology
    finally:
        topology.close()


def attach(record: Path) -> ProjectTopology:
    raise EnvironmentFailure(f"{record}: expected a held topology; Compose projects are never held")


def held() -> list[Path]:
    return []


def _name(run: str) -> str:
    return re.sub(r"[^a-z0-9_-]", "-", f"failover-kit-{run}-{random_secrets.token_hex(3)}".lower())
