"""`--pin`: what is fixed of a run's nodes, and what cannot be."""

from __future__ import annotations

import pytest

from harness.errors import UsageError
from harness.model.pins import FREE, Pins
from harness.model.seams import Machine
from harness.model.words import BackendKind
from harness.running.ground import Ground
from harness.running.pinning import pinned
from tests.builders_topology import process_plan

GROUND = Ground(
    backend=BackendKind.PROCESS,
    image=None,
    machine=Machine(backend=BackendKind.PROCESS, network_faults=True),
    said="",
)


def test_each_name_fixes_what_it_says() -> None:
    """A service is a setting of the deployment; `none` is no password; nothing given is nothing fixed."""
    found = pinned(["service=mymaster", "password=none", "sentinel-password=s3cret", "port=6379"])
    assert found.settings == ("deployment.topology.service=mymaster",)
    assert found.pins == Pins(password="", sentinel_password="s3cret", port=6379)
    assert pinned([]).pins == FREE
    assert pinned(["password=a=b"]).pins.password == "a=b"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password",
        "password=",
        "service=",
        "port=",
        "port=six",
        "port=6379 ",
        "ports=1",
        "password=a b",
        'password="',
        "password=a\nb",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """With what can be pinned, in one line that a terminal can show."""
    with pytest.raises(UsageError, match=r"--pin: expected service=NAME, password=TEXT") as refused:
        pinned([text])
    assert len(str(refused.value).splitlines()) == 1


def test_further_nodes_have_the_next_ports() -> None:
    """Data nodes from one, sentinels from the other; what is not pinned has none."""
    nodes = process_plan("sentinel").nodes
    assert Pins(port=6379, sentinel_port=26379).ports(nodes) == {
        "redis-1": 6379, "redis-2": 6380, "redis-3": 6381,
        "sentinel-1": 26379, "sentinel-2": 26380, "sentinel-3": 26381,
    }  # fmt: skip
    assert Pins(port=6379).ports(nodes).keys() == {"redis-1", "redis-2", "redis-3"}
    assert FREE.ports(nodes) == {}


def test_pinned_port_costs_network_faults() -> None:
    """Nodes then share this machine's address; a pinned password costs nothing."""
    assert pinned(["password=none"]).ground(GROUND) == GROUND
    machine = pinned(["sentinel-port=26379"]).ground(GROUND).machine
    assert not machine.network_faults
    assert "loopback" in machine.why_no_network_faults
    assert machine.why_no_slow_links
