"""The process backend: each node a server process, in a network namespace of its own where possible.

This is its face: what the machine can do, a topology for as long as it is wanted, and one that another
command left to run. `up` starts a topology and takes it down again, whatever happens in between. A small
process, the keeper, does nothing but hold the namespaces of a held topology open; its descriptors are the
way in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.engine import engine_name
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Machine, Supply, Survey
from harness.model.words import BackendKind, NodeRole, Trait
from harness.presets import completed
from harness.topology.base import slow_links, unsynced
from harness.topology.base.certificates import naming, secrets_of
from harness.topology.base.namespaces import Namespace
from harness.topology.process import (
    joined,
    network,
    own_clock,
    proxy_program,
    server_programs,
    user_namespace,
)
from harness.topology.process.loopback import Loopback
from harness.topology.process.network import JOINED, Network
from harness.topology.process.run_record import RESERVATION, Held, RunRecord, clean, held, leftovers
from harness.topology.process.topology import ProcessTopology, Wiring

__all__ = [
    "KIND",
    "attach",
    "beside",
    "clean",
    "enter",
    "fits",
    "held",
    "inside",
    "leftovers",
    "machine",
    "supply",
    "survey",
    "unavailable",
    "up",
    "way_in",
]
"""What `harness.model.seams.Backend` says; some of it lies in other modules of this folder."""

KIND = BackendKind.PROCESS


def unavailable() -> str | None:
    """Processes can run anywhere; whether there is a server program is asked when nodes are wanted."""
    return None


def machine(*, beside_command: bool = False) -> Machine:
    """What this machine can do with processes, in a user namespace where that is needed and allowed.

    Whoever starts nodes then has to enter it first. From the user's shell nothing in there can be reached:
    where it must be, nodes have the machine's own loopback address.
    """
    reason = network.trial()
    if reason and user_namespace.needs_user_namespace():
        reason = _REACHED_ON_LOOPBACK if beside_command else ""
    cpus = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return Machine(
        backend=KIND,
        network_faults=not reason,
        why_no_network_faults=reason,
        why_no_slow_links=reason or slow_links.why_not(),
        why_no_own_clocks=own_clock.missing(),
        why_no_power_loss=unsynced.why_not(Path.cwd()),
        why_no_held_threads="" if sys.platform == "linux" else "only Linux holds one thread of a process",
        programs=True,
        cpus=cpus,
    )


_REACHED_ON_LOOPBACK = (
    "without root the nodes have this machine's loopback address, where your shell reaches them; "
    "--own-network gives them addresses of their own, which only what runs inside that network reaches"
)


def fits(plan: Plan) -> str | None:
    if strange := [node.name for node in plan.nodes if node.role is NodeRole.OTHER]:
        return f"the process backend has no program for {', '.join(strange)}"
    if reason := _why_no_tls(plan) or _why_no_own_clocks(plan):
        return reason
    if not plan.inventory.proxies:
        return None
    if missing := proxy_program.missing():
        return missing
    here = machine()
    return None if here.network_faults else f"a proxy needs its own address: {here.why_no_network_faults}"


def _why_no_tls(plan: Plan) -> str | None:
    deployment = plan.scenario.deployment
    if not deployment.topology.tls:
        return None
    for wanted in dict.fromkeys(node.engine or deployment.engine for node in plan.nodes):
        try:
            engine = server_programs.find(wanted=wanted)
        except EnvironmentFailure:
            continue  # whoever is to run it is told by `supply`
        if not server_programs.speaks_tls(engine.path):
            return (
                f"{engine.version} ({engine.found}) was built without TLS; a server of the distribution has "
                "it: apt-get install redis-server, or BACKEND=docker"
            )
    return None


def _why_no_own_clocks(plan: Plan) -> str | None:
    if not plan.scenario.faults_with(Trait.OWN_CLOCK):
        return None
    try:
        engine = server_programs.find(wanted=plan.scenario.deployment.engine)
    except EnvironmentFailure:
        return None  # whoever is to run it is told by `supply`
    return own_clock.why_not(engine.path) or None


def supply(engines: Sequence[str | None], *, get: bool = True) -> Supply:  # noqa: ARG001 - nothing is fetched
    """Which engines have no program here. What runs where none is named is asked when nodes start, and told
    with the verdict.

    Raises:
        EnvironmentFailure: none of them has.
    """
    named = [engine for engine in engines if engine is not None]
    missing: dict[str, EnvironmentFailure] = {}
    for engine in named:
        try:
            server_programs.find(wanted=engine)
        except EnvironmentFailure as problem:
            missing[engine] = problem
    if missing and len(missing) == len(engines):
        raise next(iter(missing.values()))
    return Supply(missing={engine: str(problem) for engine, problem in missing.items()})


def survey() -> Survey:
    try:
        engine = server_programs.find()
    except EnvironmentFailure as problem:
        return Survey(usable=False, lines=(f"process backend: no: {problem}",))
    first = f"process backend: yes: {engine.version}, {engine.found}"
    return Survey(usable=True, lines=(first, *_programs(), f"  proxy: {_proxy()}"))


def _proxy() -> str:
    if missing := proxy_program.missing():
        return f"no, scenarios with a proxy are skipped: {missing}"
    return f"{proxy_program.version()}, {proxy_program.path()}"


def _programs() -> Iterator[str]:
    """Every engine that is here as a program, by the name to ask for it, and how to get the others."""
    here = server_programs.installed()
    for one in here:
        tls = "" if server_programs.speaks_tls(one.path) else ", without TLS"
        yield f"  engine {engine_name(one.version)}: {one.version}, {one.found}{tls}"
    for name, how in server_programs.HOW_TO_GET.items():
        if name not in {engine_name(one.version) for one in here}:
            yield f"  engine {name}: not installed; to get it: {how}"


@contextmanager
def up(
    plan: Plan,
    *,
    run: str,
    directory: Path,
    image: str | None = None,  # noqa: ARG001 - processes need none
    loopback: bool = False,
    to_hold: bool = False,  # noqa: ARG001 - a keeper is made when it is held
    join: str | None = None,
    pins: Pins = FREE,
) -> Iterator[ProcessTopology]:
    """A ready topology; taken down at the end unless it is held by then.

    `directory` is the run's folder, `run` its name in the record of who owns it. `loopback`: do without
    a network of its own, even where one could be had. `join`: see `joined`. `pins`: ports on loopback only.

    Raises:
        UsageError: what is to join cannot.
        EnvironmentFailure: no server program, no network, a node did not start, not ready in time.
    """
    program = server_programs.find(wanted=plan.scenario.deployment.engine)
    wiring = _wired(plan, loopback=loopback, join=join, pins=pins)
    topology = None
    try:
        own = naming(secrets_of(plan, pins), wiring.addresses.values())
        topology = ProcessTopology(
            plan=plan,
            directory=directory.resolve(),
            program=program.path,
            secrets=own,
            wiring=wiring,
            run_record=RunRecord.claim(
                run=run,
                directory=directory.resolve(),
                program=program.path,
                programs=[server_programs.find(wanted=one).path for one in plan.inventory.engines],
            ),
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


def _wired(plan: Plan, *, loopback: bool, join: str | None, pins: Pins) -> Wiring:
    if pins.fix_ports or loopback or network.trial():
        if join is not None:
            raise UsageError(
                "--join: expected nodes with a network of their own, found this machine's loopback address: "
                "join as root, and pin no port"
            )
        return Loopback.build(plan, pins)
    return Network.build(plan, joined=joined.namespace_of(join) if join is not None else None)


def attach(record: Path) -> ProcessTopology:
    """Find a held topology again, by the path that `hold` returned.

    Its `close` takes it down; `let_go` leaves it as it is. If it was started without root and this
    process is not where it was started, this very command begins again there: ask `beside` first
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
        plan=completed(held.plan),
        directory=Path(found.owned.directory),
        program=Path(found.owned.program),
        secrets=held.secrets,
        wiring=_wiring_of(held),
        run_record=found,
    )


def inside() -> list[str]:
    """Without root, in a user namespace: with threads of libraries there is no way in later."""
    return user_namespace.command_inside(()) if user_namespace.needs_user_namespace() else []


def enter() -> None:
    if user_namespace.needs_user_namespace():
        user_namespace.enter_user_namespace()


def beside(record: Path, command: Sequence[str]) -> list[str] | None:
    """In the user namespace of the held topology's keeper, if that is another one than ours."""
    held = RunRecord.read(record).owned.held
    if held is None or not held.in_user_namespace or user_namespace.is_inside(held.keeper.pid):
        return None
    return user_namespace.command_beside(held.keeper.pid, command)


def way_in(record: Path) -> str:
    """What a person types before a command that is to reach the nodes; empty: nothing."""
    held = RunRecord.read(record).owned.held
    if held is None or not held.in_user_namespace:
        return ""
    return f"nsenter -t {held.keeper.pid} -U -n --preserve-credentials"


def _wiring_of(held: Held) -> Wiring:
    if held.first_port is not None:
        return Loopback(held.plan, first_port=held.first_port, pinned=held.pinned)
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
    theirs = namespaces.pop(JOINED, None)
    subnet = IPv4Network(held.subnet)
    return Network(held.plan, namespaces=namespaces, subnet=subnet, cuts=held.cuts, joined=theirs)
