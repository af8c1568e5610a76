"""Find a topology again that another harness started and left to run (process backend).

A small process, the keeper, does nothing but hold the run's namespaces open; its descriptors are the
way in. `ownership.held` lists what there is.
"""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.topology import user_namespace
from harness.topology.loopback import Loopback
from harness.topology.namespaces import Namespace
from harness.topology.network import Network
from harness.topology.ownership import RESERVATION, Held, Ownership
from harness.topology.process import ProcessTopology, Wiring


def attach(record: Path) -> ProcessTopology:
    """Find a held topology again, by the path that `hold` returned.

    Its `close` takes it down; `let_go` leaves it as it is. If it was started without root and this
    process is not where it was started, this very command begins again there: ask `elsewhere` first
    where that would be wrong.

    Raises:
        EnvironmentFailure: it is not held (any more).
    """
    try:
        ownership = Ownership.read(record)
    except FileNotFoundError as error:
        raise EnvironmentFailure(f"{record}: expected a held topology, found it taken down") from error
    held = ownership.record.held
    if held is None:
        raise EnvironmentFailure(f"{record}: expected a held topology, found one that its harness still owns")
    return ProcessTopology(
        plan=held.plan,
        directory=Path(ownership.record.directory),
        program=Path(ownership.record.program),
        secrets=held.secrets,
        wiring=_wiring_of(held),
        ownership=ownership,
    )


def elsewhere(record: Path) -> int | None:
    """The process in whose user namespace a held topology must be looked at; None: here is right."""
    held = Ownership.read(record).record.held
    if held is None or not held.in_user_namespace or user_namespace.is_inside(held.keeper.pid):
        return None
    return held.keeper.pid


def way_in(record: Path) -> str:
    """What a person types before a command that is to reach the nodes; empty: nothing."""
    held = Ownership.read(record).record.held
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
