"""Find a topology again that another harness started and left to run (process backend).

A small process, the keeper, does nothing but hold the run's namespaces open; its descriptors are the
way in. `ownership.held` lists what there is.
"""

from __future__ import annotations

import os
from ipaddress import IPv4Network
from pathlib import Path

from harness.errors import EnvironmentFailure
from harness.topology.loopback import Loopback
from harness.topology.namespaces import CLONE_NEWNET, CLONE_NEWUSER, Namespace, enter
from harness.topology.network import Network
from harness.topology.ownership import RESERVATION, Held, Ownership
from harness.topology.process import ProcessTopology, Wiring


def attach(record: Path) -> ProcessTopology:
    """Find a held topology again, by the path that `hold` returned.

    Its `close` takes it down; `let_go` leaves it as it is. Call while there is one thread, if it was
    started without root.

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


def _wiring_of(held: Held) -> Wiring:
    if held.first_port is not None:
        return Loopback(held.plan, first_port=held.first_port)
    keeper = f"/proc/{held.keeper.pid}"
    try:
        if held.in_user_namespace:
            _follow(keeper)
        namespaces = {
            name: Namespace.at(f"{keeper}/fd/{descriptor}")
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


def _follow(keeper: str) -> None:
    """Move this process to where the harness was that started the topology."""
    if Path("/proc/self/ns/user").readlink() == Path(f"{keeper}/ns/user").readlink():
        return
    for name, what in (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET)):
        descriptor = os.open(f"{keeper}/ns/{name}", os.O_RDONLY | os.O_CLOEXEC)
        try:
            enter(descriptor, what)
        finally:
            os.close(descriptor)
