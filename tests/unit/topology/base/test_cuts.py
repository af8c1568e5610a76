"""Which flows are cut, and by whom: a flow is mended when the last fault that cuts it is."""

from __future__ import annotations

import pytest

from harness.model.links import Flow, LinkPort, LinkRule, Way, flows
from harness.model.seams import Address
from harness.topology.base.cuts import Cuts, listens, ports_of
from tests.builders_topology import process_plan

A, B, C = (Flow(*ends) for ends in (("redis-1", "web-1"), ("redis-1", "web-2"), ("redis-1", "redis-2")))


def test_cuts_of_several_faults_end_with_the_last_of_them() -> None:
    """Lifting one fault's cuts leaves what another one cuts too."""
    cuts = Cuts()
    cuts.add([A, B], by=1)
    cuts.add([B, C], by=2)
    assert cuts.of_nobody_else(1) == {A}
    cuts.lift(by=1)
    assert cuts.all() == {B, C}
    assert cuts.of_nobody_else(2) == {B, C}
    cuts.lift(by=2, flows=[B])
    assert cuts.all() == {C}
    cuts.lift(by=2)
    assert cuts.all() == set()


def test_cuts_of_a_fault_that_cuts_nothing_are_none() -> None:
    """Lifting twice is the same as once."""
    cuts = Cuts()
    cuts.add([A], by=1)
    for _ in range(2):
        assert cuts.of_nobody_else(2) == set()
        cuts.lift(by=2)
    assert cuts.all() == {A}


def test_cuts_are_found_again_as_they_were_recorded() -> None:
    """With whose they are."""
    cuts = Cuts()
    cuts.add([C, A], by=1)
    cuts.add([A], by=2)
    assert cuts.recorded() == {
        1: [("redis-1", "redis-2", "all"), ("redis-1", "web-1", "all")],
        2: [("redis-1", "web-1", "all")],
    }
    again = Cuts(cuts.recorded())
    assert again.recorded() == cuts.recorded()
    assert again.of_nobody_else(1) == {C}


def test_cuts_of_an_earlier_version_are_read() -> None:
    """It recorded pairs, which it cut both ways."""
    cuts = Cuts({1: [("redis-1", "web-1")]})
    assert cuts.all() == {Flow("redis-1", "web-1"), Flow("web-1", "redis-1")}


@pytest.mark.parametrize(
    ("way", "expected"),
    [
        (Way.BOTH, {("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")}),
        (Way.TO, {("a", "c"), ("b", "c")}),
        (Way.FROM, {("c", "a"), ("c", "b")}),
    ],
)
def test_a_rule_is_made_of_flows(way: Way, expected: set[tuple[str, str]]) -> None:
    """Between each of one side and each of the other, the ways that it is about."""
    found = flows(LinkRule(["a", "b"], ["c"], way=way))
    assert {(flow.source, flow.target) for flow in found} == expected


def test_nobody_has_a_link_to_itself() -> None:
    """A name on both sides is cut from the others only."""
    assert flows(LinkRule(["a"], ["a", "b"], way=Way.TO)) == {Flow("a", "b")}


def test_a_port_is_that_of_who_listens_there() -> None:
    """A sentinel asks its primary on the data port; the bus is that of a cluster's members."""
    sentinel, cluster = process_plan("sentinel"), process_plan("cluster")
    ports = listens(sentinel.nodes, {node.name: Address("h", node.usual_port) for node in sentinel.nodes})
    ports |= {
        f"c-{name}": found
        for name, found in listens(
            cluster.nodes, {node.name: Address("h", node.usual_port) for node in cluster.nodes}
        ).items()
    }
    assert ports_of(Flow("sentinel-1", "redis-1", LinkPort.DATA), ports) == {"redis-1": 6379}
    assert ports_of(Flow("sentinel-1", "redis-1", LinkPort.SENTINEL), ports) == {"sentinel-1": 26379}
    assert ports_of(Flow("web-1", "sentinel-1", LinkPort.SENTINEL), ports) == {"sentinel-1": 26379}
    assert ports_of(Flow("c-redis-1", "c-redis-2", LinkPort.BUS), ports) == {
        "c-redis-1": 16379,
        "c-redis-2": 16379,
    }
    assert ports_of(Flow("web-1", "redis-1", LinkPort.BUS), ports) == {}
