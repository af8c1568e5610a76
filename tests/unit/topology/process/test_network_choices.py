"""Which subnet, addresses and ports a run takes; nothing is created here but sockets."""

from __future__ import annotations

import socket
from ipaddress import IPv4Network

import pytest

from harness.errors import EnvironmentFailure, NoEffect
from harness.model.links import LinkRule
from harness.model.pins import Pins
from harness.topology.base.routes import occupied
from harness.topology.process import loopback
from harness.topology.process.loopback import Loopback
from harness.topology.process.network import POOLS, free_subnets, hosts, refused
from tests.builders_topology import process_plan

ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0
docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0
vpn0\t000012C6\t00000000\t0001\t0\t0\t0\t0000FEFF\t0\t0\t0
"""


def test_routes_are_read_and_the_default_route_ignored() -> None:
    """The table's hexadecimal, little-endian networks; a default route takes no subnet."""
    assert occupied(ROUTES) == (IPv4Network("172.17.0.0/16"), IPv4Network("198.18.0.0/15"))


def test_free_subnets_overlap_no_route() -> None:
    """A first pool that a VPN has taken whole is passed over; smaller routes cost only their subnets."""
    assert next(free_subnets([])) == IPv4Network("198.18.0.0/24")
    assert next(free_subnets([IPv4Network("198.18.0.0/23")])) == IPv4Network("198.18.2.0/24")
    assert next(free_subnets([IPv4Network("198.18.0.128/25")])) == IPv4Network("198.18.1.0/24")
    assert next(free_subnets(occupied(ROUTES))).subnet_of(POOLS[1])
    assert list(free_subnets(POOLS)) == []


def test_everybody_has_an_address_of_the_subnet() -> None:
    """The observer first, then nodes and web servers in order, no two alike."""
    given = hosts(IPv4Network("198.18.7.0/24"), ["redis-1", "web-1"])
    assert given == {"": "198.18.7.1", "redis-1": "198.18.7.2", "web-1": "198.18.7.3"}


def test_more_hosts_than_a_subnet_has_are_refused() -> None:
    """A subnet of 254 addresses has room for the observer and 253 others."""
    hosts(IPv4Network("198.18.7.0/24"), [f"web-{number}" for number in range(253)])
    with pytest.raises(EnvironmentFailure, match="at most 253"):
        hosts(IPv4Network("198.18.7.0/24"), [f"web-{number}" for number in range(254)])


def test_loopback_runs_take_different_blocks_of_ports() -> None:
    """Two runs at once never share a port, and a block is free again when its run ends."""
    plan = process_plan("sentinel")
    first, second = Loopback.build(plan), Loopback.build(plan)
    ports = [{address.port for address in run.addresses.values()} for run in (first, second)]
    assert not ports[0] & ports[1]
    assert len(ports[0]) == len(plan.nodes)
    first.close()
    third = Loopback.build(plan)
    assert third.first_port <= first.first_port
    second.close()
    third.close()


def test_loopback_passes_over_a_port_that_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block in which somebody listens, on a node's port or a cluster bus port, is not used."""
    taken = {loopback.FIRST_PORT + 1, loopback.FIRST_PORT + loopback.BLOCK + 10_000}
    monkeypatch.setattr(loopback, "_is_free", lambda port: port not in taken)
    monkeypatch.setattr(loopback, "_bound", lambda port: socket.socket())
    run = Loopback.build(process_plan("sentinel"))
    assert run.first_port == loopback.FIRST_PORT + 2 * loopback.BLOCK
    run.close()


def test_loopback_without_free_ports_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """All blocks taken, or too many nodes for a block, end in one line with the numbers."""
    monkeypatch.setattr(loopback, "_bound", lambda port: None)
    with pytest.raises(EnvironmentFailure, match="free ports"):
        Loopback.build(process_plan("single"))
    with pytest.raises(EnvironmentFailure, match="fewer than 40"):
        Loopback.build(process_plan("cluster", shards=20, replicas_per_shard=2))


def test_loopback_takes_pinned_ports() -> None:
    """Those that are not pinned come from a block, which holds no pinned one."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    run = Loopback.build(process_plan("sentinel", replicas=0), Pins(port=port))
    run.close()
    assert run.addresses["redis-1"].port == port
    assert run.addresses["sentinel-1"].port == run.first_port + 1
    again = Loopback(process_plan("sentinel", replicas=0), first_port=run.first_port, pinned=run.pinned)
    assert again.addresses == run.addresses
    inside = Loopback.build(process_plan("sentinel"), Pins(port=run.first_port + 2))
    inside.close()
    assert inside.first_port != run.first_port


def test_pinned_port_where_somebody_listens_is_refused() -> None:
    """By name of the node and port, before anything starts; so is a port that there is not."""
    with socket.create_server(("127.0.0.1", 0)) as theirs:
        port = theirs.getsockname()[1]
        with pytest.raises(
            EnvironmentFailure, match=f"redis-1: expected port {port} .* somebody listens there"
        ):
            Loopback.build(process_plan("single"), Pins(port=port))
    with pytest.raises(EnvironmentFailure, match="expected a port below 65536, found 70000"):
        Loopback.build(process_plan("cluster"), Pins(port=60_000))


def test_loopback_cannot_cut() -> None:
    """A cut on a shared address is refused with the way out, a mend of it does nothing."""
    run = Loopback(process_plan("single"), first_port=20_000)
    with pytest.raises(NoEffect, match="as root"):
        run.apply(LinkRule(["redis-1"], ["web-1"]), by=1)
    run.mend(by=1)


def attempt_at(port: int) -> socket.socket:
    found = socket.socket()
    found.setblocking(False)
    found.connect_ex(("127.0.0.1", port))
    return found


def test_a_refusal_is_proved_by_who_is_refused() -> None:
    """Whoever is connected was not; each attempt is told by its ends."""
    with socket.socket() as listening, socket.socket() as closed:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        closed.bind(("127.0.0.1", 0))
        way = ("web-1", "redis-1", 6379)
        with attempt_at(closed.getsockname()[1]) as one:
            assert refused({one: way}) == "1 connections tried, all refused"
        with (
            attempt_at(listening.getsockname()[1]) as one,
            pytest.raises(NoEffect, match="expected web-1 -> redis-1 to be refused"),
        ):
            refused({one: way})
