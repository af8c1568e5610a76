"""The machines backend: a plan's nodes as containers of several engines that are one swarm.

This is its face: what can be done there, a topology for as long as it is wanted, one that is held, what
killed runs left on the hosts.
"""

from __future__ import annotations

import os
import re
import secrets as random_secrets
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from harness.errors import EnvironmentFailure, UsageError
from harness.model.hosts import NAMED
from harness.model.pins import FREE, Pins
from harness.model.plan import Plan
from harness.model.seams import Machine, Supply, Survey
from harness.model.words import BackendKind, NodeRole
from harness.presets import completed
from harness.presets.placing import over
from harness.topology.base import processes
from harness.topology.base.certificates import secrets_of
from harness.topology.base.cuts import Cuts
from harness.topology.base.keeper import Keeper
from harness.topology.docker import backend as one_engine
from harness.topology.docker import daemon, image, kit_image
from harness.topology.docker.daemon import Leftover
from harness.topology.docker.image import choose_image
from harness.topology.machines import hosts as known
from harness.topology.machines import overlay, record, tunnel
from harness.topology.machines.topology import NO_FILES, MachinesTopology, web_servers_over

KIND = BackendKind.MACHINES

# Containers are made by engines, from wherever these are asked, and can be reached from all of this machine.
beside, enter, inside, way_in = one_engine.beside, one_engine.enter, one_engine.inside, one_engine.way_in


def unavailable() -> str | None:
    """Why it cannot work here, with the hosts that the environment names; None: it can."""
    if (missing := _missing_here()) is not None:
        return missing
    try:
        engines = known.named()
        if not engines:
            return f"no hosts are named: {NAMED}, or `hosts` in a deployment, says where nodes are to run"
        with known.connected(engines) as hosts:
            known.manager(hosts)
    except (EnvironmentFailure, UsageError) as problem:
        return str(problem)
    return None


def _missing_here() -> str | None:
    if not sys.platform.startswith("linux"):
        return "the way to nodes on other hosts is made of Linux' network devices"
    return tunnel.why_not() or None


def machine(*, beside_command: bool = False) -> Machine:  # noqa: ARG001 - a command reaches the nodes either way
    """What can be done there. Links are cut by what keeps each node's network, which is the kit's own."""
    return Machine(
        backend=KIND,
        network_faults=True,
        why_no_slow_links=_why_no_slow_links(),
        why_no_own_clocks="containers share the clock of their host",
        why_no_power_loss=NO_FILES,
        why_no_held_threads="the nodes, and so their processes, are on other machines",
        hosts=True,
        cpus=os.cpu_count() or 1,
    )


def _why_no_slow_links() -> str:
    try:
        kit_image.checked()
    except EnvironmentFailure as problem:
        return f"what makes links of other hosts slow is in the image of the kit: {problem}"
    return ""


def fits(plan: Plan) -> str | None:
    if strange := [node.name for node in plan.nodes if node.role is NodeRole.OTHER]:
        return f"the machines backend has no image for {', '.join(strange)}"
    engines = plan.scenario.deployment.hosts or known.named()
    deployment = plan.scenario.deployment
    named = {"load workers": deployment.worker_hosts}
    if deployment.guest is not None:
        named["the guest"] = deployment.guest.hosts
    for whose, wanted in named.items():
        if strange := sorted(set(wanted) - engines.keys()):
            return f"there is no host {', '.join(strange)} for {whose}, only {', '.join(engines)}"
    if reason := _shared_fate(plan, tuple(engines)):
        return reason
    return image.why_no_proxy() if plan.inventory.proxies else None


def _shared_fate(plan: Plan, engines: Sequence[str]) -> str | None:
    """Why a fault of a whole host cannot be shown, as a web server of the guest is there, or may be; None: it
    can."""
    if not plan.guests or not engines:
        return None
    web_servers = web_servers_over(plan, engines)
    on = over(plan.nodes, engines)
    for step in plan.scenario.faults:
        if (match := re.match(r"(?:host|zone) (\S+)", step.target)) is None:
            continue
        there = {on[node.name] for node in plan.nodes if node.host == match[1]} or set(engines)
        if shares := sorted(name for name, host in web_servers.items() if host in there):
            return (
                f"{step.target}: {shares[0]} of the guest is on that host or may be, and would have to share "
                "its fate; name other hosts in the guest file: container: {hosts: [...]}"
            )
    return None


def supply(engines: Sequence[str | None], *, get: bool = True) -> Supply:
    """The image of each engine in this machine's engine, which gives it to hosts that have it not.

    Raises:
        EnvironmentFailure: none of them can be had.
    """
    return one_engine.supply(engines, get=get)


def survey() -> Survey:
    missing = unavailable()
    if missing is not None:
        return Survey(usable=False, lines=(f"machines backend: no: {missing}",))
    told = ", ".join(f"{name} ({engine})" for name, engine in known.named().items())
    return Survey(usable=True, lines=(f"machines backend: yes: {told}",))


def _engines(plan: Plan) -> Mapping[str, str]:
    engines = plan.scenario.deployment.hosts or known.named()
    if not engines:
        raise EnvironmentFailure(
            f"machines: expected {NAMED}, or `hosts` in the deployment, to name engines, found neither"
        )
    return engines


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
) -> Iterator[MachinesTopology]:
    """Start a plan's nodes on its hosts, form the topology, and yield it ready. Everything is removed
    afterwards, unless it is held by then.

    Raises:
        UsageError: a container is to join, or a port is pinned.
        EnvironmentFailure: a host, an image or the way there is missing, or the topology does not become
            ready.
    """
    if join is not None:
        raise UsageError(f"--join {join}: expected nodes of one engine, found several hosts")
    if pins.fix_ports:
        raise UsageError("--pin: ports can be pinned where nodes are processes: add --backend process")
    if (missing := _missing_here()) is not None:
        raise EnvironmentFailure(missing)
    project = f"failover-kit-{run}-{random_secrets.token_hex(3)}".lower()
    with known.connected(_engines(plan)) as hosts:
        leading = known.manager(hosts)
        keeper = Keeper() if to_hold else None
        topology = MachinesTopology(
            plan=plan,
            run=run,
            project=re.sub(r"[^a-z0-9_-]", "-", project),
            directory=directory.resolve(),
            secrets=secrets_of(plan, pins),
            hosts=hosts,
            leading=leading,
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


def attach(record: Path) -> MachinesTopology:
    """As of one engine.

    Raises:
        EnvironmentFailure: it is not held any more, or a host does not answer.
    """
    found = _read(record)
    with ExitStack() as opened:
        hosts = opened.enter_context(known.connected(found.engines))
        topology = MachinesTopology(
            plan=completed(found.plan),
            run=found.run,
            project=found.project,
            directory=Path(found.directory),
            secrets=found.secrets,
            hosts=hosts,
            leading=known.manager(hosts),
            owner=found.keeper or processes.this_process(),
            record=record,
        )
        topology.way = found.tunnel
        topology.find(found.subnet)
        topology.links.cuts = Cuts(found.cuts)
        opened.pop_all()
    return topology


_read = record.read


def held() -> list[Path]:
    return list(record.records())


def leftovers() -> tuple[Leftover, ...]:
    """On the hosts that the environment names and that answer."""
    found, _ = _left()
    return tuple(one for host in found.values() for one in host)


def _left() -> tuple[dict[str, tuple[Leftover, ...]], list[str]]:
    opened, hosts, problems = known.reachable(_named_or_none())
    on_purpose = {one.project for one in record.records().values()}
    with opened:
        return {name: overlay.leftovers(host, on_purpose) for name, host in hosts.items()}, problems


def _named_or_none() -> Mapping[str, str]:
    try:
        return known.named()
    except UsageError:
        return {}


def clean() -> list[str]:
    """Remove what `leftovers` lists; returns what was done, one line each.

    Raises:
        UsageError: hosts are named that cannot be read.
    """
    if not (engines := known.named()):
        record.remove_stale()
        return []
    done = processes.end_orphans()
    opened, hosts, problems = known.reachable(engines)
    with opened:
        on_purpose = {one.project for one in record.records().values()}
        found = {name: overlay.leftovers(host, on_purpose) for name, host in hosts.items()}
        for kind in ("service", "config", "container", "volume", "network"):
            for name, left in found.items():
                own = [one for one in left if one.kind == kind]
                own.sort(key=lambda one: one.name.endswith("-network"))
                daemon.remove_leftovers(hosts[name].client, own)
                if kind == "network" and own:
                    overlay.await_gone(hosts[name], own)
                done += [f"{one} on host {name}" for one in own]
    record.remove_stale()
    return done + [f"nothing of what cannot be reached: {problem}" for problem in problems]
