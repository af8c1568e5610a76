"""The Docker backend: a plan's nodes as containers on a network of the run's own.

This is its face: what the machine can do, a topology for as long as it is wanted, one that is held,
what killed runs left.
"""

from __future__ import annotations

import os
import re
import secrets as random_secrets
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from harness.clock import RunClock
from harness.errors import EnvironmentFailure
from harness.model.credentials import new_secrets
from harness.model.plan import Plan
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.base import processes
from harness.topology.base.cuts import Cuts
from harness.topology.base.keeper import Keeper
from harness.topology.docker import daemon, held_record
from harness.topology.docker.daemon import Leftover
from harness.topology.docker.image import choose_image
from harness.topology.docker.links import why_no_cuts
from harness.topology.docker.topology import DockerTopology

_LOOKS_AFTER_AN_ORPHAN = 4
_LOOK_AGAIN_S = 0.5


def available() -> str | None:
    """Why this backend cannot work on this machine; None: it can. Asks the engine, starts nothing."""
    return daemon.unavailable()


def machine() -> Machine:
    """What can be done here with containers."""
    why_not = why_no_cuts()
    return Machine(
        backend=BackendKind.DOCKER,
        network_faults=not why_not,
        why_no_network_faults=why_not,
        cpus=os.cpu_count() or 1,
    )


@contextmanager
def up(
    plan: Plan, *, run: str, directory: Path, image: str | None = None, to_hold: bool = False
) -> Iterator[DockerTopology]:
    """Start a plan's nodes, form the topology, and yield it ready. Everything is removed afterwards,
    however it ends, unless it is held by then.

    `directory` is the run's folder; the effective Compose file goes there. `image` None: `choose_image`.
    `to_hold`: it will be held, and belongs to a keeper from the beginning.

    Raises:
        EnvironmentFailure: no engine, no image, no free subnet, a node that does not start, or a topology
            that does not become ready. Nodes' logs are then in `directory`/nodes.
    """
    client = daemon.connect()
    # Several scenarios of one run may be up at the same time, each as a project of its own.
    project = f"failover-kit-{run}-{random_secrets.token_hex(3)}".lower()
    secrets = new_secrets(plan)
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
        plan=found.plan,
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
    or what is held, is never touched."""
    done: list[str] = []
    # A Compose command of a killed harness would go on, and so does for a moment what it last asked for.
    looks = 1 + _LOOKS_AFTER_AN_ORPHAN * processes.end_orphans()
    for look in range(looks):
        if look:
            RunClock().sleep(_LOOK_AGAIN_S)
        if found := leftovers():
            with closing(daemon.connect()) as client:
                daemon.remove_leftovers(client, found)
            done += map(str, found)
    held_record.remove_stale()
    return done
