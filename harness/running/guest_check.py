"""`guest check`: the recipes of a guest one by one, on healthy nodes; each answer as it was understood."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from harness.clock import RunClock
from harness.errors import ExitStatus, UsageError
from harness.guests.browser import Client
from harness.guests.walk import Line, Walk, understands, walk_through
from harness.guests.web_server import GuestServer
from harness.model.guest import Guest, RunAs
from harness.model.plan import Plan
from harness.model.scenario import Scenario, Workload
from harness.model.seams import Topology
from harness.running.compiling import compile_all
from harness.running.ground import Ground
from harness.running.guest_needs import needed_by
from harness.running.guest_servers import environment, filling, nodes_of, places
from harness.topology.backends import up

Say = Callable[[str], None]

_WHAT, _ASKED, _ANSWERED = 30, 26, 14


def check_guest(guest: Guest, nodes: Scenario, ground: Ground, say: Say) -> int:
    """Start the nodes and one web server, walk through the recipes, take everything down.

    Returns 2 where the guest cannot be judged.

    Raises:
        UsageError: it needs something that this topology or this machine does not have.
        EnvironmentFailure: the nodes or the application did not start.
    """
    if why := needed_by(guest):
        raise UsageError(f"{guest.file}: {why}")
    project = nodes.deployment.project
    servers = len(guest.addresses) or (project.web_servers if project else 0) or 1
    scenario = replace(
        nodes,
        faults=(),
        workload=Workload(mix=dict.fromkeys(guest.recipes, 1.0), web_servers=servers, witnesses=False),
    )
    (plan,) = compile_all([scenario], seed=0, ground=ground)
    if plan.skip is not None:
        raise UsageError(f"{guest.file}: {plan.skip}")
    with (
        tempfile.TemporaryDirectory(prefix="failover-kit-guest-") as folder,
        up(
            plan,
            run=f"guest-{secrets.token_hex(3)}",
            directory=Path(folder),
            backend=ground.backend,
            image=ground.image_of(plan),
            loopback=True,
        ) as topology,
    ):
        say(f"guest {guest.name}, beside {plan.inventory.called} with {topology.engine} ({ground.said})")
        walk = asyncio.run(_walked(guest, topology, plan, say))
    return _concluded(walk, say)


async def _walked(guest: Guest, topology: Topology, plan: Plan, say: Say) -> Walk:
    name, process = next(iter(places(guest, plan, topology).items()))
    clock = RunClock()
    client = Client(clock, timeout_s=guest.timeout_s)
    server = GuestServer(name, process, guest, environment(guest, topology), filling(topology))
    try:
        if guest.run_as is RunAs.ADDRESS:
            say(f"  {guest.to_be_started}")
        await server.start()
        await server.serves(client)
        say(f"  {name} serves at {server.where} after {clock.now_us() / 1e6:.1f} s")
        if guest.run_as is RunAs.ADDRESS:
            await understands(guest, server, client, nodes_of(topology))
        return await walk_through(
            guest, server, client, nodes=nodes_of(topology), tell=lambda line: say(_as_text(line))
        )
    finally:
        await server.end()
        await client.close()


def _as_text(line: Line) -> str:
    return f"  {line.what:<{_WHAT}} {line.asked:<{_ASKED}} {line.answered:<{_ANSWERED}} {line.meant}"


def _concluded(walk: Walk, say: Say) -> int:
    for note in walk.notes:
        say(f"note: {note}")
    for problem in walk.problems:
        say(f"problem: {problem}")
    if walk.problems:
        say("it cannot be judged like this")
        return ExitStatus.USAGE
    say("it can be judged: name this file in a deployment, as `guest:`")
    return ExitStatus.PASSED
