"""Rules, addresses and ports of containers, as text and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import EnvironmentFailure, NoEffect
from harness.model.links import Flow, LinkPort, LinkRule, Quality, Way
from harness.model.seams import Address, Source
from harness.topology.base.netlink import Packets
from harness.topology.docker import addresses
from harness.topology.docker import links as links_module
from harness.topology.docker.links import Links, Peer, rule_text

ADDRESSES = {"redis-1": Address("10.64.0.11", 6379), "redis-2": Address("10.64.0.12", 6379)}
SOURCES = {
    "web-1": Source(host="127.0.0.1", ports=(10000, 10999)),
    "web-2": Source(host="127.0.0.1", ports=(11000, 11999)),
}


class ScriptedLinks(Links):
    """Records the scripts that would run in a node's namespace; counts one packet per rule."""

    def __init__(self, *, running: tuple[str, ...] = ("redis-1", "redis-2"), packets: int = 1) -> None:
        super().__init__(
            None,
            labels={},
            addresses=ADDRESSES,
            sources=SOURCES,
            look=lambda node: SimpleNamespace(name=node) if node in running else None,
            listening={name: {LinkPort.DATA: 6379} for name in ADDRESSES},
        )
        self.tables: dict[str, list[str]] = {}
        self.packets = packets
        self.asked: list[tuple[str, str]] = []

    def _run(self, container: Any, script: str) -> str:
        if not script.startswith("iptables-save"):
            self.tables[container.name] = [line for line in script.splitlines() if line.startswith("-A")]
        self.asked.append((container.name, script))
        return "\n".join(f"[{self.packets}:60] {rule}" for rule in self.tables[container.name])


def test_rules_are_those_that_the_kernel_lists() -> None:
    """Their counters are found by their text."""
    node, web = Peer(host="10.64.0.12"), Peer(host="10.64.0.1", ports=(1, 9))
    assert rule_text(node, arriving=True) == "-A INPUT -s 10.64.0.12/32 -j DROP"
    assert rule_text(node, arriving=False) == "-A OUTPUT -d 10.64.0.12/32 -j DROP"
    assert rule_text(web, arriving=True) == "-A INPUT -s 10.64.0.1/32 -p tcp -m tcp --sport 1:9 -j DROP"
    assert rule_text(web, arriving=False) == "-A OUTPUT -d 10.64.0.1/32 -p tcp -m tcp --dport 1:9 -j DROP"
    assert (
        rule_text(web, arriving=True, own=6379)
        == "-A INPUT -s 10.64.0.1/32 -p tcp -m tcp --sport 1:9 --dport 6379 -j DROP"
    )
    assert (
        rule_text(node, arriving=True, theirs=6379)
        == "-A INPUT -s 10.64.0.12/32 -p tcp -m tcp --sport 6379 -j DROP"
    )
    assert (
        rule_text(node, arriving=False, theirs=6379)
        == "-A OUTPUT -d 10.64.0.12/32 -p tcp -m tcp --dport 6379 -j DROP"
    )


def test_one_way_leaves_the_other_way_alone() -> None:
    """Replies are lost and requests arrive: one rule at each end, for the packets of that way."""
    links = ScriptedLinks()
    proof = links.apply(LinkRule(["redis-1"], ["redis-2"], way=Way.FROM), by=1)
    assert links.tables == {
        "redis-1": ["-A INPUT -s 10.64.0.12/32 -j DROP"],
        "redis-2": ["-A OUTPUT -d 10.64.0.11/32 -j DROP"],
    }
    assert proof == "packets dropped: redis-2 -> redis-1 2"


def test_a_port_is_cut_for_who_listens_and_who_connects() -> None:
    """To the port, and from it."""
    links = ScriptedLinks()
    links.apply(LinkRule(["web-1"], ["redis-1"], port=LinkPort.DATA), by=1)
    assert links.tables["redis-1"] == [
        "-A OUTPUT -d 127.0.0.1/32 -p tcp -m tcp --sport 6379 --dport 10000:10999 -j DROP",
        "-A INPUT -s 127.0.0.1/32 -p tcp -m tcp --sport 10000:10999 --dport 6379 -j DROP",
    ]


def test_a_port_that_nobody_has_is_no_effect() -> None:
    """No such link: nothing was done, and it is said."""
    with pytest.raises(NoEffect, match="listens on a bus port"):
        ScriptedLinks().apply(LinkRule(["redis-1"], ["redis-2"], port=LinkPort.BUS), by=1)


class NotedLines:
    """In the place of `SlowLinks`: which packets would be carried where, and how."""

    def __init__(self) -> None:
        self.wanted: dict[int, Mapping[str, Sequence[Packets]]] = {}
        self.restored: list[str] = []

    def add(self, wanted: Mapping[str, Sequence[Packets]], quality: Quality, *, by: int) -> None:
        assert quality.rejects
        self.wanted[by] = wanted

    def proof(self, *, by: int) -> str:
        return f"refused at {', '.join(self.wanted[by])}"

    def restore(self, node: str) -> None:
        self.restored.append(node)

    def lift(self, *, by: int) -> None:
        self.wanted.pop(by, None)


def with_lines(running: tuple[str, ...] = tuple(ADDRESSES)) -> tuple[ScriptedLinks, NotedLines]:
    links, lines = ScriptedLinks(running=running), NotedLines()
    links._slow = lines  # type: ignore[assignment]
    return links, lines


REJECTS = Quality(rejects=True)


def test_a_quality_is_given_where_packets_arrive_or_else_where_they_leave() -> None:
    """Web servers by their ports, a node by its address; nothing is dropped."""
    links, lines = with_lines()
    assert links.apply(LinkRule(["redis-1"], ["redis-2", "web-2"], quality=REJECTS), by=1) == (
        "refused at redis-2, redis-1"
    )
    assert lines.wanted[1] == {
        "redis-1": [
            Packets(destination="127.0.0.1", destination_port=(11000, 11999)),
            Packets(source="10.64.0.12"),
            Packets(source="127.0.0.1", source_port=(11000, 11999)),
        ],
        "redis-2": [Packets(source="10.64.0.11")],
    }
    assert links.cuts.all() == set()
    links.restore("redis-1")
    assert lines.restored == ["redis-1"]
    links.mend(by=1)
    assert lines.wanted == {}


def test_a_quality_of_one_port_is_that_of_its_connections() -> None:
    """To the port of ours, and from that of theirs."""
    links, lines = with_lines()
    links.apply(LinkRule(["redis-1"], ["web-1"], way=Way.FROM, port=LinkPort.DATA, quality=REJECTS), by=1)
    own = Packets(source="127.0.0.1", source_port=(10000, 10999), destination_port=6379)
    assert lines.wanted[1] == {"redis-1": [own]}


def test_a_node_that_is_down_has_its_packets_treated_by_who_sends_them() -> None:
    """And where everybody is down, there is nobody to do it."""
    links, lines = with_lines(running=("redis-1",))
    links.apply(LinkRule(["redis-1"], ["redis-2"], way=Way.TO, quality=REJECTS), by=1)
    assert lines.wanted[1] == {"redis-1": [Packets(destination="10.64.0.12")]}
    links, _ = with_lines(running=())
    with pytest.raises(NoEffect, match="found redis-1, redis-2 down"):
        links.apply(LinkRule(["redis-1"], ["redis-2"], quality=REJECTS), by=1)


def test_a_cut_sets_rules_at_both_ends_and_proves_itself() -> None:
    """Nodes on both sides get rules; each link's dropped packets are the proof."""
    links = ScriptedLinks()
    proof = links.apply(LinkRule(["redis-1", "web-1"], ["redis-2", "web-2"]), by=1)
    assert proof == "packets dropped: redis-1 - redis-2 4, redis-1 - web-2 2, redis-2 - web-1 2"
    assert len(links.tables["redis-1"]) == 4
    assert len(links.tables["redis-2"]) == 4


def test_what_the_rules_have_dropped_at_once_is_not_asked_again() -> None:
    """Each question to an engine that is far away takes its time."""
    links = ScriptedLinks()
    links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    assert [name for name, _ in links.asked] == ["redis-1", "redis-2"]
    assert all(script.endswith("iptables-save -c -t filter") for _, script in links.asked)


def test_cuts_add_up_and_are_mended_one_by_one() -> None:
    """Mending one leaves the other; mending twice is the same as once."""
    links = ScriptedLinks()
    links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    links.apply(LinkRule(["redis-1"], ["web-1"]), by=2)
    for _ in range(2):
        links.mend(by=1)
        assert links.cuts.all() == {Flow("redis-1", "web-1"), Flow("web-1", "redis-1")}
        assert links.tables["redis-2"] == []
        assert len(links.tables["redis-1"]) == 2


def test_a_link_stays_cut_while_any_fault_cuts_it() -> None:
    """The first heal leaves its rules at both ends; the last one lifts them."""
    links = ScriptedLinks()
    links.apply(LinkRule(["redis-1", "redis-2"], ["web-1"]), by=1)
    assert links.apply(LinkRule(["redis-1"], ["redis-2", "web-1"]), by=2)
    links.mend(by=1)
    assert len(links.tables["redis-1"]) == 4
    assert len(links.tables["redis-2"]) == 2
    links.mend(by=2)
    assert links.tables == {"redis-1": [], "redis-2": []}


def test_a_mend_that_failed_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that could not be set are set by the next try."""
    links = ScriptedLinks()
    links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)

    def fail(container: object, script: str) -> str:
        raise EnvironmentFailure("no rules now")

    with monkeypatch.context() as patched:
        patched.setattr(links, "_run", fail)
        with pytest.raises(EnvironmentFailure):
            links.mend(by=1)
    links.mend(by=1)
    assert links.tables == {"redis-1": [], "redis-2": []}


def test_a_cut_that_drops_nothing_has_no_effect() -> None:
    """Rules that were taken and count nothing prove nothing; the message names the links."""
    links = ScriptedLinks(packets=0)
    links_wait = links_module.DROPS_WITHIN_S
    try:
        links_module.DROPS_WITHIN_S = 0.05
        with pytest.raises(NoEffect, match="redis-1 -> redis-2"):
            links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    finally:
        links_module.DROPS_WITHIN_S = links_wait


def test_a_node_that_starts_again_is_cut_again() -> None:
    """Rules died with the container; they are set anew while the cut is in force, and only then."""
    links = ScriptedLinks()
    links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1)
    links.tables.clear()
    links.restore("redis-1")
    assert set(links.tables) == {"redis-1"}
    links.mend(by=1)
    links.tables.clear()
    links.restore("redis-1")
    assert links.tables == {}


def test_a_dead_node_is_cut_at_its_other_end() -> None:
    """The living end's rules hold whatever comes back."""
    links = ScriptedLinks(running=("redis-2",))
    assert links.apply(LinkRule(["redis-1"], ["redis-2"]), by=1) == "packets dropped: redis-1 - redis-2 2"
    assert set(links.tables) == {"redis-2"}


def test_web_servers_have_ports_of_their_own() -> None:
    """Ranges do not touch each other nor those that the kernel gives to anybody else."""
    ranges = addresses.web_ports(5)
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert len(ranges) == 5
    assert all(before[1] < after[0] for before, after in pairwise(ranges))
    assert all(addresses.FIRST_WEB_PORT <= first <= last < first_ephemeral for first, last in ranges)


def test_too_many_web_servers_are_refused() -> None:
    """With the kernel's setting by name."""
    with pytest.raises(EnvironmentFailure, match="ip_local_port_range"):
        addresses.web_ports(500)


def test_a_routed_network_is_avoided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a route to all of 10.0.0.0/8, as VPNs set them, another range is used."""
    table = tmp_path / "route"
    line = "tun0\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n"
    table.write_text(f"Iface\tDestination\n{line}", encoding="ascii")
    monkeypatch.setattr(addresses, "ROUTES", table)
    chosen = IPv4Network(f"{addresses.free_subnet()}.0/24")
    assert not chosen.overlaps(IPv4Network("10.0.0.0/8"))


def test_without_any_free_network_it_says_where_to_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine whose routes cover every private range."""
    table = tmp_path / "route"
    halves = ("00000000", "00000080")
    lines = "".join(f"tun0\t{half}\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n" for half in halves)
    table.write_text(f"Iface\tDestination\n{lines}", encoding="ascii")
    monkeypatch.setattr(addresses, "ROUTES", table)
    with pytest.raises(EnvironmentFailure, match="ip route"):
        addresses.free_subnet()
