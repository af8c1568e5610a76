"""The web servers of a guest, on a topology that can run them.

A guest's command gets the variables that a command beside a topology gets. `{PYTHON}` is the Python that the
kit itself runs on, for guests that need nothing else.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from harness.clock import Clock
from harness.errors import EnvironmentFailure
from harness.guests.back_door import Nodes
from harness.guests.elsewhere import Elsewhere
from harness.guests.fleet import GuestFleet
from harness.guests.web_server import Fill
from harness.model.guest import Guest, RunAs
from harness.model.plan import Plan
from harness.model.seams import Address, Hosting, Recorder, Topology, WebProcess
from harness.model.words import NodePurpose, NodeRole
from harness.redis_wire import info
from harness.redis_wire.protocol import ErrorReply, NoAnswer, Reply
from harness.running.surroundings import filled, inherited, variables
from harness.topology.backends import why_not_beside
from harness.topology.base.control import Controls


def guest_of(plan: Plan, topology: Topology, record: Recorder, clock: Clock) -> GuestFleet | None:
    """The application that a plan's load drives; None: the kit's own session client.

    Raises:
        EnvironmentFailure: the topology cannot run web servers.
    """
    guest = plan.scenario.deployment.guest
    if guest is None:
        return None
    return GuestFleet(
        guest,
        places(guest, plan, topology),
        environment=environment(guest, topology),
        fill=filling(topology),
        record=record,
        clock=clock,
        nodes=nodes_of(topology),
    )


def places(guest: Guest, plan: Plan, topology: Topology) -> dict[str, WebProcess]:
    """The place of each web server.

    Raises:
        EnvironmentFailure: the topology cannot run web servers.
    """
    if guest.run_as is RunAs.ADDRESS:
        file = Path(guest.folder) / guest.environment_file if guest.environment_file else None
        servers = zip(plan.web_servers, guest.addresses, strict=False)
        return {name: Elsewhere(name, Address(*at), environment_file=file) for name, at in servers}
    if not isinstance(topology, Hosting):
        raise EnvironmentFailure(f"{guest.file}: {why_not_beside(guest, topology.backend)}")
    return {name: topology.web_process(name) for name in plan.guests}


def environment(guest: Guest, topology: Topology) -> dict[str, str]:
    """What a web server learns of the nodes. A process has what its user's environment says besides."""
    own = inherited(os.environ) if guest.run_as is RunAs.PROCESS else {}
    return own | variables(topology)


def nodes_of(topology: Topology) -> Nodes:
    """Asks the node that holds the sessions at the start."""
    sessions = (node for node in topology.plan.data_nodes() if node.purpose is NodePurpose.SESSIONS)
    primary = next(node.name for node in sessions if node.role is NodeRole.PRIMARY)

    def asked(ask: Callable[[Controls], Reply]) -> Reply:
        try:
            with Controls(topology) as controls:
                return ask(controls)
        except (NoAnswer, ErrorReply) as problem:
            raise EnvironmentFailure(
                f"{primary}: expected it to be asked for the application's keys, found: {problem}"
            ) from problem

    return Nodes(
        keys=lambda: info.keys(asked(lambda controls: controls.info(primary, "keyspace"))),
        left_ms=lambda key: int(asked(lambda controls: controls.call(primary, "PTTL", key))),
    )


def filling(topology: Topology) -> Fill:
    """How placeholders of a guest file are filled."""
    known = variables(topology)

    return lambda text, at: filled(at_address(text, at), known)


def at_address(text: str, at: Address) -> str:
    """The placeholders of a guest file that need no topology."""
    own = {"{HOST}": at.host, "{PORT}": str(at.port), "{PYTHON}": sys.executable}
    for placeholder, value in own.items():
        text = text.replace(placeholder, value)
    return text
