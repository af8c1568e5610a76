"""The Docker backend: a plan's nodes as containers on a network of the run's own.

This is its face: what the machine can do, a topology for as long as it is wanted, one that is held,
what killed runs left.
"""

from __future__ import annotations

import os
import re
import secrets as random_secrets
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from harness.clock import RunClock
from harness.errors import EnvironmentFailure, UsageError
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Machine, Supply, Survey
from harness.model.words import BackendKind, NodeRole
from harness.presets import completed
from harness.topology.base import processes
from harness.topology.base.certificates import secrets_of
from harness.topology.base.cuts import Cuts
from harness.topology.base.keeper import Keeper
from harness.topology.docker import daemon, held_record, image, volumes
from harness.topology.docker.daemon import Leftover
from harness.topology.docker.image import ImageChoice, choose_image
from harness.topology.docker.links import why_no_cuts, why_no_slow_links
from harness.topology.docker.topology import DockerTopology

_LOOKS_AFTER_AN_ORPHAN = 4
_LOOK_AGAIN_S = 0.5


KIND = BackendKind.DOCKER


def unavailable() -> str | None:
    """Why this backend cannot work on this machine; None: it can. Asks the engine, starts nothing."""
    return daemon.unavailable()


def machine(*, beside_command: bool = False) -> Machine:  # noqa: ARG001 - containers can be reached either way
    """What can be done here with containers."""
    why_not = why_no_cuts()
    return Machine(
        backend=KIND,
        network_faults=not why_not,
        why_no_network_faults=why_not,
        why_no_slow_links=why_not or why_no_slow_links(),
        why_no_own_clocks="containers share the clock of this machine",
        why_no_full_volume=volumes.why_no_processes(),
        why_no_held_threads=volumes.why_no_processes(),
        why_no_power_loss=volumes.why_no_power_loss(),
        cpus=os.cpu_count() or 1,
    )


def fits(plan: Plan) -> str | None:
    if strange := [node.name for node in plan.nodes if node.role is NodeRole.OTHER]:
        return f"the docker backend has no image for {', '.join(strange)}"
    return image.why_no_proxy() if plan.inventory.proxies else None


def supply(engines: Sequence[str | None], *, get: bool = True) -> Supply:
    """The image of each engine, pulled or built where it is not there yet.

    Raises:
        EnvironmentFailure: none can be had, or not the one where no engine is named.
    """
    if not get:
        return Supply()
    chosen: dict[str | None, ImageChoice] = {}
    problems: dict[str | None, EnvironmentFailure] = {}
    for engine in engines:
        try:
            chosen[engine] = choose_image(engine)
        except EnvironmentFailure as problem:
            problems[engine] = problem
    if None in problems:
        raise problems[None]
    if problems and not chosen:
        raise next(iter(problems.values()))
    return Supply(
        images={engine: choice.name for engine, choice in chosen.items()},
        missing={engine: str(problem) for engine, problem in problems.items() if engine},
        said="; ".join(choice.why for choice in chosen.values()),
    )


def survey() -> Survey:
    missing = unavailable()
    if missing is not None:
        return Survey(usable=False, lines=(f"docker backend: no: {missing}",))
    return Survey(usable=True, lines=("docker backend: yes", *_images()))


def _images() -> Iterator[str]:
    try:
        yield f"  node image: {image.survey()}"
        for name, what in image.engines_here().items():
            yield f"  engine {name}: {what}"
        yield f"  proxy: {image.survey_of_proxy()}"
    except EnvironmentFailure as problem:
        yield f"  node image: {problem}"


@contextmanager
def up(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    image: str | None = None,
    loopback: bool = False,  # noqa: ARG001 - containers have addresses of their own
    to_hold: bool = False,
    join: str | None = None,
    pins: Pins = FREE,
) -> Iterator[DockerTopology]:
    """Start a plan's nodes, form the topology, and yield it ready. Everything is removed afterwards,
    however it ends, unless it is held by then.

    `directory` is the run's folder; the effective Compose file goes there. `image` None: `choose_image`.
    `to_hold`: it will be held, and belongs to a keeper from the beginning. `join`: a running container of
    somebody else that has an address on the nodes' network meanwhile.

    Raises:
        UsageError: there is no such container.
        EnvironmentFailure: no engine, no image, no free subnet, a node that does not start, or a topology
            that does not become ready. Nodes' logs are then in `directory`/nodes.
    """
    client = daemon.connect()
    guest = daemon.running(client, join, option="--join") if join is not None else None
    # Several scenarios of one run may be up at the same time, each as a project of its own.
    project = f"failover-kit-{run}-{random_secrets.token_hex(3)}".lower()
    if pins.fix_ports:
        raise UsageError(
            "--pin: ports can be pinned where nodes are processes: add --backend process; containers have "
            "addresses of their own, with the usual ports"
        )
    secrets = secrets_of(plan, pins)
    keeper = Keeper() if to_hold else None
    topology = DockerTopology(
        plan=plan,
        run=run,
        project=re.sub(r"[^a-z0-9_-]", "-", project),
        directory=directory.resolve(),
        secrets=secrets,
        client=client,
        owner=keeper.identity if keeper else processes.this_process(),
        keeper=keeper,
    )
    try:
        topology.create(image or choose_image(plan.scenario.deployment.engine).name)
        if guest is not None:
            topology.join(guest)
        topology.start_all()
        yield topology
    finally:
        if topology.held:
            topology.let_go()
        else:
            topology.close()


def attach(record: Path) -> DockerTopology:
    """Find a held topology again, by the path that `hold` returned (`held` lists them).

    Its `close` takes it down; `let_go` leaves it as it is.

    Raises:
        EnvironmentFailure: it is not held any more, or the engine does not answer.
    """
    found = held_record.read(record)
    topology = DockerTopology(
        plan=completed(found.plan),
        run=found.run,
        project=found.project,
        directory=Path(found.directory),
        secrets=found.secrets,
        client=daemon.connect(),
        owner=found.keeper or processes.this_process(),
        record=record,
    )
    topology.find(found.subnet)
    topology.links.cuts = Cuts(found.cuts)
    return topology


def held() -> list[Path]:
    """The records of topologies that are held on purpose."""
    return list(held_record.records())


def inside() -> list[str]:
    """None: the engine makes nodes, from wherever it is asked."""
    return []


def enter() -> None:
    """Containers are made by the engine: any process may ask it."""


def beside(record: Path, command: Sequence[str]) -> list[str] | None:  # noqa: ARG001 - the protocol's
    """Containers can be looked at from anywhere on this machine."""
    return None


def way_in(record: Path) -> str:  # noqa: ARG001 - the protocol's
    """Their addresses can be reached as they are."""
    return ""


def leftovers() -> tuple[Leftover, ...]:
    """What runs whose owner is dead left in the engine. Empty also where there is no engine."""
    try:
        client = daemon.connect()
    except EnvironmentFailure:
        return ()
    with closing(client):
        return daemon.leftovers(client, {record.project for record in held_record.records().values()})


def clean() -> list[str]:
    """Remove what `leftovers` lists; returns what was done, one line each. What a living process owns,
    or what is held, is never touched, nor is what another machine's may own; that is said."""
    # A Compose command of a killed harness would go on, and so does for a moment what it last asked for.
    done = processes.end_orphans()
    looks = 1 + _LOOKS_AFTER_AN_ORPHAN * bool(done)
    for look in range(looks):
        if look:
            RunClock().sleep(_LOOK_AGAIN_S)
        if found := leftovers():
            with closing(daemon.connect()) as client:
                daemon.remove_leftovers(client, found)
            done += map(str, found)
    held_record.remove_stale()
    return done + _left_alone()


def _left_alone() -> list[str]:
    try:
        client = daemon.connect()
    except EnvironmentFailure:
        return []
    with closing(client):
        return [
            f"nothing of run {run}, as another machine may still control it. If none does, by hand: "
            f"docker rm -fv $(docker ps -aq --filter label={daemon.RUN_LABEL}={run}); "
            f"docker network rm $(docker network ls -q --filter label={daemon.RUN_LABEL}={run})"
            for run in daemon.runs_of_others(client)
        ]
