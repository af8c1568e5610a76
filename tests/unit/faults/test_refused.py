"""What a machine costs, in names of faults."""

from __future__ import annotations

import pytest

from harness.faults.refused import refused_by
from harness.model.seams import Machine
from harness.model.words import BackendKind, TopologyKind
from tests.builders_topology import process_plan

ABLE = Machine(backend=BackendKind.PROCESS, network_faults=True)
ON_LOOPBACK = Machine(
    backend=BackendKind.PROCESS,
    network_faults=False,
    why_no_network_faults="one address",
    why_no_slow_links="one address",
)
CUT_ONLY = Machine(backend=BackendKind.DOCKER, network_faults=True, why_no_slow_links="containers")


@pytest.mark.parametrize(
    ("machine", "kind", "refused"),
    [
        (ABLE, TopologyKind.SENTINEL, ()),
        (ON_LOOPBACK, TopologyKind.SENTINEL, ("isolate", "cut", "cut replication", "slow")),
        (ON_LOOPBACK, TopologyKind.SINGLE, ("isolate", "cut", "slow")),
        (CUT_ONLY, TopologyKind.SENTINEL, ("slow",)),
    ],
)
def test_machine_costs_what_it_refuses(
    machine: Machine, kind: TopologyKind, refused: tuple[str, ...]
) -> None:
    """Those that these nodes could have elsewhere, and no other: one node has no replication to cut."""
    assert refused_by(machine, process_plan(kind)) == refused
