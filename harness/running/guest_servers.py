"""The web servers of a guest, on a topology that can run them.

A guest's command gets the variables that a command beside a topology gets. `{PYTHON}` is the Python that the
kit itself runs on, for guests that need nothing else.
"""

from __future__ import annotations

import os
import sys

from harness.clock import Clock
from harness.errors import EnvironmentFailure
from harness.guests.fleet import GuestFleet
from harness.guests.web_server import Fill
from harness.model.plan import Plan
from harness.model.seams import Address, Hosting, Recorder, Topology
from harness.running.surroundings import filled, inherited, variables


def guest_of(plan: Plan, topology: Topology, record: Recorder, clock: Clock) -> GuestFleet | None:
    """The application that a plan's load drives; None: the kit's own session client.

    Raises:
        EnvironmentFailure: the topology cannot run web servers.
    """
    guest = plan.scenario.deployment.guest
    if guest is None:
        return None
    if not isinstance(topology, Hosting):
        raise EnvironmentFailure(f"{guest.file}: a guest needs the process backend: --backend process")
    return GuestFleet(
        guest,
        {name: topology.web_process(name) for name in plan.guests},
        environment=environment(topology),
        fill=filling(topology),
        record=record,
        clock=clock,
    )


def environment(topology: Topology) -> dict[str, str]:
    """What a web server learns of the nodes."""
    return inherited(os.environ) | variables(topology)


def filling(topology: Topology) -> Fill:
    """How placeholders of a guest file are filled."""
    known = variables(topology)

    def fill(text: str, at: Address) -> str:
        own = {"{HOST}": at.host, "{PORT}": str(at.port), "{PYTHON}": sys.executable}
        for placeholder, value in own.items():
            text = text.replace(placeholder, value)
        return filled(text, known)

    return fill
