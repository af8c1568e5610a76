"""The process backend: each node a server process, in a network namespace of its own where possible.

This is its face: what the machine can do, a topology for as long as it is wanted, and one that another
command left to run. `up` starts a topology and takes it down again, whatever happens in between. A small
process, the keeper, does nothing but hold the namespaces of a held topology open; its descriptors are the
way in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.model.credentials import new_secrets
from harness.model.plan import Plan
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.topology.process import network, server_programs, user_namespace
from harness.topology.process.loopback import Loopback
from harness.topology.process.namespaces import Namespace
from harness.topology.process.network import Network
from harness.topology.process.run_record import RESERVATION, Held, RunRecord, clean, held, leftovers
from harness.topology.process.topology import ProcessTopology, Wiring

__all__ = ["attach", "clean", "elsewhere", "held", "leftovers", "machine", "up", "way_in"]
"""What a killed run left and what is held is asked here too, as of the other backend."""


def machine() -> Machine:
    """What this machine can do with processes, in a user namespace where that is needed and allowed.

    Whoever starts nodes then has to enter it first, see `harness.topology.process.user_namespace`.
    """
    reason = network.trial()
    if reason and user_namespace.needs_user_namespace():
        reason = ""
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Machine(
        backend=BackendKind.PROCESS, network_faults=not reason, why_no_network_faults=reason, cpus=cpus
    )


@contextmanager
def up(plan: Plan, *, run: str, directory: Path, loopback: bool = False) -> Iterator[ProcessTopology]:
    """A ready topology; taken down at the end unless it is held by then.

    `directory` is the run's folder, `run` its name in the record of who owns it. `loopback`: do without
    a network of its own, even where one could be had.

    Raises:
        EnvironmentFailure: no server program, no network, a node did not start, not ready in time.
    """
    program = server_programs.find(wanted=plan.scenario.deployment.engine)
    wiring: Wiring = Loopback.build(plan) if loopback or network.trial() else Network.build(plan)
    topology = None
    try:
        topology = ProcessTopology(
            plan=plan,
            directory=directory.resolve(),
            program=program.path,
            secrets=new_secrets(plan),
            wiring=wiring,
            run_record=RunRecord.claim(run=run, directory=directory.resolve(), program=program.path),
        )
        topology.prepare()
        topology.start_all()
        yield topology
    finally:
        if topology is None:
            wiring.close()
        elif topology.held:
            topology.let_go()
        else:
            topology.close()


def attach(record: Path) -> ProcessTopology:
    """Find a held topology again, by the path that `hold` returned.

    Its `close` takes it down; `let_go` leaves it as it is. If it was started without root and this
    process is not where it was started, this very command begins again there: ask `elsewhere` first
    where that would be wrong.

    Raises:
        EnvironmentFailure: it is not held (any more).
    """
    try:
        found = RunRecord.read(record)
    except FileNotFoundError as error:
        raise EnvironmentFailure(f"{record}: expected a held topology, found it taken down") from error
    held = found.owned.held
    if held is None:
        raise EnvironmentFailure(f"{record}: expected a held topology, found one that its harness still owns")
    return ProcessTopology(
        plan=held.plan,
        directory=Path(found.owned.directory),
        program=Path(found.owned.program),
        secrets=held.secrets,
        wiring=_wiring_of(held),
        run_record=found,
    )


def elsewhere(record: Path) -> int | None:
    """The process in whose user namespace a held topology must be looked at; None: here is right."""
    held = RunRecord.read(record).owned.held
    if held is None or not held.in_user_namespace or user_namespace.is_inside(held.keeper.pid):
        return None
    return held.keeper.pid


def way_in(record: Path) -> str:
    """What a person types before a command that is to reach the nodes; empty: nothing."""
    held = RunRecord.read(record).owned.held
    if held is None or not held.in_user_namespace:
        return ""
    return f"nsenter -t {held.keeper.pid} -U -n --preserve-credentials"


def _wiring_of(held: Held) -> Wiring:
    if held.first_port is not None:
        return Loopback(held.plan, first_port=held.first_port)
    try:
        if held.in_user_namespace and not user_namespace.is_inside(held.keeper.pid):
            user_namespace.follow(held.keeper.pid)
        namespaces = {
            name: Namespace.at(f"/proc/{held.keeper.pid}/fd/{descriptor}")
            for name, descriptor in held.descriptors.items()
            if name != RESERVATION
        }
    except OSError as error:
        raise EnvironmentFailure(
            f"the held topology's network cannot be entered: {error}; its keeper, process {held.keeper.pid}, "
            "may be gone: `clean` removes the rest"
        ) from error
    assert held.subnet is not None
    return Network(held.plan, namespaces=namespaces, subnet=IPv4Network(held.subnet), cuts=held.cuts)
