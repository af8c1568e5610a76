"""The network of a run on the process backend: a namespace for each node, a switch between them.

    harness' namespace                 switch's namespace          node's namespace
    observer .1, web servers .N..  ──  bridge (no way out)  ──     eth0 .2, .3, ...
                                       │
    a namespace of somebody's own that joined: .M, on the command's side

The harness keeps its own namespace: the observer and every web server are addresses on its end of one
cable, so a client only binds its source address. The bridge lies in a namespace of its own because on
machines with Docker the host's firewall drops bridged frames. There is no default route anywhere.

A cut is a rule in each node's namespace that drops what comes from the other side, before routing and
for established connections too; nobody gets an error, as behind a broken switch. Packets towards a web
server are dropped where they leave. The trap: the sender of a dropped packet sees nothing, so the
proof of a cut is an attempt to connect that nobody answers.
"""

from __future__ import annotations

import contextlib
import errno
import secrets
import select
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import IPv4Network
from types import MappingProxyType

from harness.clock import RunClock, WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.fit import APPLICATION
from harness.model.links import Flow, LinkPort, LinkRule, Quality, flows, no_such_link
from harness.model.plan import Plan
from harness.model.seams import Address, Source
from harness.model.words import NodeRole
from harness.topology.base.cuts import DISCARD_PORT, Cuts, Recorded, listens, ports_of
from harness.topology.base.namespaces import Namespace
from harness.topology.base.netlink import Packets
from harness.topology.base.routes import PREFIX_LENGTH, ROUTES, occupied
from harness.topology.base.slow_links import Line, SlowLinks
from harness.topology.process.run_record import RESERVATION

POOLS = (IPv4Network("198.18.0.0/15"), IPv4Network("10.192.0.0/14"))
"""Where subnets come from. The first is set aside for tests of network devices (RFC 2544)."""

WEB_PORT = 8000
"""Where each web server of a guest listens, at its own address."""

_UNANSWERED_AFTER_S = 0.1
"""A connection inside one machine is answered within 1 ms; a busy one has been seen to take 20 ms."""

_OBSERVER_ANSWERED_WITHIN_S = 2.0
_REFUSED_WITHIN_S = 2.0
_GONE_WITHIN_S = 5.0
_POLL_MS = 20

JOINED = f"{APPLICATION}, joined"
"""Among hosts and descriptors: what has joined. Rules know it as the command, with two addresses then."""


def free_subnets(taken: Iterable[IPv4Network]) -> Iterator[IPv4Network]:
    """Subnets that overlap nothing that is taken, in a fixed order."""
    in_use = tuple(taken)
    for pool in POOLS:
        for subnet in pool.subnets(new_prefix=PREFIX_LENGTH):
            if not any(subnet.overlaps(network) for network in in_use):
                yield subnet


def hosts(subnet: IPv4Network, names: Sequence[str]) -> Mapping[str, str]:
    """An address for everyone: the observer first (name ""), then each name in order."""
    addresses = list(subnet.hosts())
    if len(names) >= len(addresses):
        raise EnvironmentFailure(
            f"expected at most {len(addresses) - 1} nodes and web servers, found {len(names)}; use fewer"
        )
    return dict(zip(["", *names], map(str, addresses), strict=False))


class Network:
    """Namespaces and cables of one run, and the cuts between them."""

    loopback = False

    def __init__(
        self,
        plan: Plan,
        *,
        namespaces: Mapping[str, Namespace],
        subnet: IPv4Network,
        cuts: Recorded | None = None,
        joined: Namespace | None = None,
    ) -> None:
        """Around namespaces that exist already, with the cuts in them; `build` makes new ones."""
        self._plan = plan
        self._guests = plan.guests
        self._namespaces = dict(namespaces)
        self._joined = joined
        last = [JOINED] if joined else []
        self._hosts = dict(hosts(subnet, [*(node.name for node in plan.nodes), *plan.web_servers, *last]))
        self._left: dict[str, str] = {}
        """Addresses that nodes have given up -> who had them."""
        self._cuts = Cuts(cuts)
        self._slow = SlowLinks(self._line)
        self._reservation: socket.socket | None = None
        self.subnet = subnet
        self._addresses = {node.name: Address(self._hosts[node.name], node.usual_port) for node in plan.nodes}
        self.addresses: Mapping[str, Address] = MappingProxyType(self._addresses)
        self.web_addresses: Mapping[str, Address] = MappingProxyType(
            {name: Address(self._hosts[name], WEB_PORT) for name in plan.guests}
        )
        self._reached = {**self.addresses, **self.web_addresses}
        self._listening = listens(plan.nodes, self.addresses)

    @classmethod
    def build(cls, plan: Plan, *, joined: Namespace | None = None) -> Network:
        """Lay the cables of a new run. Several runs may do so at the same moment. `joined`: a namespace of
        somebody else that gets one too.

        Raises:
            EnvironmentFailure: no subnet is free, or the machine does not allow it.
        """
        subnet, reservation = _reserve()
        made: dict[str, Namespace] = {}
        try:
            for name in ("", *(node.name for node in plan.nodes), *plan.guests):
                made[name] = Namespace.new()
            network = cls(plan, namespaces=made, subnet=subnet, joined=joined)
            network._reservation = reservation
            network._lay_cables()
        except OSError as error:
            _close_all([*made.values(), *([joined] if joined else [])])
            reservation.close()
            raise EnvironmentFailure(f"the run's network {subnet} could not be made: {error}") from error
        return network

    def source(self, web_server: str) -> Source:
        return Source(host=self._hosts[web_server])

    def observer(self) -> Source:
        return Source(host=self._hosts[""])

    def inside(self, node: str) -> Namespace:
        return self._namespaces[node]

    def _line(self, node: str, packets: Sequence[Packets], quality: Quality, by: int) -> Line:
        return Line(
            node,
            packets,
            quality,
            by,
            enter=lambda: self._again(node),
            own=lambda: self._hosts[node],
        )

    def _again(self, node: str) -> Namespace:
        """Opened once more, for somebody who closes it himself."""
        return Namespace.at(f"/proc/self/fd/{self._namespaces[node].descriptor}")

    def descriptors(self) -> dict[str, int]:
        """What must stay open for the network to live on: "" is the switch."""
        kept = {name: namespace.descriptor for name, namespace in self._namespaces.items()}
        if self._joined:
            kept[JOINED] = self._joined.descriptor
        return kept | ({RESERVATION: self._reservation.fileno()} if self._reservation else {})

    def move(self, node: str, *, abandoned: bool) -> Address:
        """Give a node that is down another address in the run's network: one that nobody had, or one that
        another node has given up.

        Raises:
            NoEffect: rules for links are in force, which go by addresses; or no address was given up.
        """
        if self._cuts.recorded():
            raise NoEffect(f"{node} keeps its address: links are cut, and cuts go by addresses")
        old = self._hosts[node]
        new = self._abandoned(node) if abandoned else self._never_used()
        namespace = self._namespaces[node]
        index = namespace.run(lambda: socket.if_nametoindex("eth0"))
        namespace.netlink.delete_address(index, old, PREFIX_LENGTH)
        namespace.netlink.add_address(index, new, PREFIX_LENGTH)
        self._left[old] = node
        self._left.pop(new, None)
        self._hosts[node] = new
        self._addresses[node] = Address(new, self._addresses[node].port)
        self._reached[node] = self._addresses[node]
        return self._addresses[node]

    def _never_used(self) -> str:
        used = {*self._hosts.values(), *self._left}
        return next(host for host in map(str, reversed(list(self.subnet.hosts()))) if host not in used)

    def _abandoned(self, node: str) -> str:
        found = next((host for host, had in self._left.items() if had != node), None)
        if found is None:
            raise NoEffect(f"no other node has given up an address that {node} could take")
        return found

    def cuts(self) -> Recorded:
        """The flows that are cut now, for each fault."""
        return self._cuts.recorded()

    def apply(self, rule: LinkRule, *, by: int) -> str:
        wanted = {flow for flow in flows(rule) if self._places(flow)}
        if not wanted:
            raise NoEffect(no_such_link(rule))
        if rule.quality is not None:
            return self._slow_down(wanted, rule.quality, by=by)
        new = wanted - self._cuts.all()
        self._cuts.add(wanted - new, by=by)
        for flow in sorted(new):
            self._cuts.add([flow], by=by)
            for name, packets in self._places(flow):
                self._namespaces[name].netlink.drop(packets)
        return self._proof(sorted(wanted))

    def mend(self, *, by: int) -> None:
        self._slow.lift(by=by)
        for flow in sorted(self._cuts.of_nobody_else(by)):
            for name, packets in self._places(flow):
                self._namespaces[name].netlink.accept(packets)
            self._cuts.lift(by=by, flows=[flow])
        self._cuts.lift(by=by)

    def close(self) -> None:
        """Take everything down; the nodes must be gone."""
        with contextlib.suppress(OSError):
            here = Namespace.current()
            here.netlink.delete_link(socket.if_nametoindex(_link_name(self.subnet)))
            here.close()
        self.let_go()
        with contextlib.suppress(WaitExpired):
            wait_until(
                lambda: _link_name(self.subnet) not in {name for _, name in socket.if_nameindex()},
                within_s=_GONE_WITHIN_S,
                waiting_for="the run's link to vanish",
            )

    def let_go(self) -> None:
        """Close what this process holds; whoever else holds the network keeps it alive."""
        self._slow.close()
        _close_all(self._namespaces.values())
        self._namespaces.clear()
        if self._joined:
            self._joined.close()
            self._joined = None
        if self._reservation:
            self._reservation.close()

    def _lay_cables(self) -> None:
        switch = self._namespaces[""]
        harness = Namespace.current()
        nodes = [name for name in self._namespaces if name]
        switch.netlink.add_bridge("switch")
        for number, name in enumerate(nodes):
            switch.netlink.add_pair(f"port{number}", "eth0", self._namespaces[name].descriptor)
        switch.netlink.add_pair("harness", _link_name(self.subnet), harness.descriptor)
        if self._joined:
            switch.netlink.add_pair("joined", _link_name(self.subnet), self._joined.descriptor)
        ports = switch.run(lambda: {name: index for index, name in socket.if_nameindex()})
        switch.netlink.set_up(ports["switch"])
        plugged = [*(f"port{number}" for number in range(len(nodes))), "harness"]
        for port in [*plugged, *(["joined"] if self._joined else [])]:
            switch.netlink.join(ports[port], ports["switch"])
        if self._joined:
            index = self._joined.run(lambda: socket.if_nametoindex(_link_name(self.subnet)))
            self._joined.netlink.add_address(index, self._hosts[JOINED], PREFIX_LENGTH)
            self._joined.netlink.set_up(index)
        for name in nodes:
            namespace = self._namespaces[name]
            index = namespace.run(lambda: socket.if_nametoindex("eth0"))
            namespace.netlink.add_address(index, self._hosts[name], PREFIX_LENGTH)
            namespace.netlink.set_up(index)
            namespace.netlink.make_room_for_cuts()
            # A proxy asks itself how votes stand, and an application may talk to itself.
            if name in self._guests or self._plan.node(name).role is NodeRole.PROXY:
                namespace.netlink.set_up(namespace.run(lambda: socket.if_nametoindex("lo")))
        own = socket.if_nametoindex(_link_name(self.subnet))
        # The first is where sockets come from that nobody binds: those of a person's shell, or of a command
        # of theirs. They are on the side of the first web server; an observer always binds its own.
        for name in (*(one for one in self._plan.web_servers if one not in self._guests), ""):
            harness.netlink.add_address(own, self._hosts[name], PREFIX_LENGTH)
        harness.netlink.set_up(own)
        harness.close()

    def _slow_down(self, wanted: set[Flow], quality: Quality, *, by: int) -> str:
        places: dict[str, list[Packets]] = {}
        for flow in sorted(wanted):
            for place, packets in self._places(flow):
                places.setdefault(place, []).append(packets)
        self._slow.add(places, quality, by=by)
        with contextlib.ExitStack() as attempts:
            across = self._across(sorted(wanted), attempts)
            proof = self._slow.proof(by=by)
            if not quality.rejects:
                return proof
            ends = {(flow.source, flow.target) for flow in wanted}
            return f"{proof}; {refused({one: way for one, way in across.items() if way[:2] in ends})}"

    def _places(self, flow: Flow) -> list[tuple[str, Packets]]:
        """(node, packets) to be dropped there: where a flow arrives or, if that is no node, where it leaves.
        One of a single port goes to it, or comes from it, by who listens."""
        source, target = flow.source, flow.target
        place = target if target in self._namespaces else source
        if place not in self._namespaces:
            return []
        arriving = place == target
        far = [
            Packets(source=host if arriving else None, destination=None if arriving else host)
            for host, _ in self._seats(source if arriving else target)
        ]
        if flow.port is LinkPort.ALL:
            return [(place, packets) for packets in far]
        ports = ports_of(flow, self._listening)
        return [
            (place, replace(packets, destination_port=port))
            if end == target
            else (place, replace(packets, source_port=port))
            for packets in far
            for end, port in ports.items()
        ]

    def _seats(self, name: str) -> list[tuple[str, Namespace | None]]:
        """A name's addresses, and the namespace of each; None: the harness' own. "" is the observer."""
        seats = [(self._hosts[name], self._namespaces.get(name) if name else None)]
        if self._joined and name == APPLICATION:
            seats.append((self._hosts[JOINED], self._joined))
        return seats

    def _ways(self, cut: Sequence[Flow]) -> set[tuple[str, str, int]]:
        """(from, to, port) of connections that need one of these flows, to and fro: whichever half is cut,
        nobody gets an answer. Nobody listens at a web server, but its node must get no packet out to it."""
        ways = set()
        for flow in cut:
            for source, target in ((flow.source, flow.target), (flow.target, flow.source)):
                if target not in self._namespaces:
                    if flow.target == target and flow.port is LinkPort.ALL:
                        ways.add((source, target, DISCARD_PORT))
                elif flow.port is LinkPort.ALL:
                    ways.add((source, target, self._reached[target].port))
                elif port := self._listening.get(target, {}).get(flow.port):
                    ways.add((source, target, port))
        return ways

    def _proof(self, cut: Sequence[Flow]) -> str:
        """Try to connect across the cut, and as the observer: only the latter is answered."""
        nodes = sorted({name for flow in cut for name in flow.ends if name in self._namespaces})
        with contextlib.ExitStack() as attempts:
            across = self._across(cut, attempts)
            observed = {
                attempt: node
                for node in nodes
                for attempt in self._attempts("", node, self._reached[node].port, attempts)
            }
            answered = _answered([*across, *observed], at_least=set(observed))
        across_still = [" -> ".join(way[:2]) for attempt, way in across.items() if attempt in answered]
        if across_still:
            raise NoEffect(f"cut: expected no answer across it, found one for {', '.join(across_still)}")
        silent = [node for attempt, node in observed.items() if attempt not in answered]
        if silent:
            raise EnvironmentFailure(
                f"cut: expected that the observer reaches {', '.join(silent)}, found not"
            )
        return (
            f"{len(across)} connections tried across the cut, none answered in {_UNANSWERED_AFTER_S:g} s, "
            f"while {', '.join(nodes)} answered the observer"
        )

    def _across(
        self, cut: Sequence[Flow], attempts: contextlib.ExitStack
    ) -> dict[socket.socket, tuple[str, str, int]]:
        """Connections that are being made and need one of these flows, each with its way."""
        return {attempt: way for way in sorted(self._ways(cut)) for attempt in self._attempts(*way, attempts)}

    def _attempts(
        self, source: str, target: str, port: int, attempts: contextlib.ExitStack
    ) -> list[socket.socket]:
        """Connections that are being made from each address of one to each of another."""
        return [
            self._attempt(f"{source or 'the observer'} to {target}", here, (there, port), attempts)
            for here in self._seats(source)
            for there, _ in self._seats(target)
        ]

    def _attempt(
        self,
        what: str,
        here: tuple[str, Namespace | None],
        there: tuple[str, int],
        attempts: contextlib.ExitStack,
    ) -> socket.socket:
        host, inside = here
        attempt = attempts.enter_context(inside.run(_stream_socket) if inside else _stream_socket())
        attempt.bind((host, 0))
        code = attempt.connect_ex(there)
        # EINVAL: dropped where it would leave; such an attempt stays without an answer.
        if code not in {0, errno.EINPROGRESS, errno.EINVAL}:
            raise EnvironmentFailure(f"cut: no attempt from {what}: {errno.errorcode[code]}")
        return attempt


def _answered(attempts: Sequence[socket.socket], *, at_least: set[socket.socket]) -> set[socket.socket]:
    """Those that got any answer, a refusal too, once those that must be answered had the time to be."""
    clock = RunClock()
    waiting = {attempt.fileno(): attempt for attempt in attempts}
    poller = select.poll()
    for descriptor in waiting:
        poller.register(descriptor, select.POLLOUT)
    answered: set[socket.socket] = set()
    while (now_s := clock.now_us() / 1e6) < _UNANSWERED_AFTER_S or (
        not at_least <= answered and now_s < _OBSERVER_ANSWERED_WITHIN_S
    ):
        for descriptor, _ in poller.poll(_POLL_MS):
            poller.unregister(descriptor)
            if _has_answer(waiting[descriptor]):
                answered.add(waiting[descriptor])
    return answered


def refused(attempts: Mapping[socket.socket, tuple[str, str, int]]) -> str:
    """The proof that each attempt was refused at once."""
    clock = RunClock()
    waiting = dict(attempts)
    ready: list[socket.socket]
    while waiting and clock.now_us() / 1e6 < _REFUSED_WITHIN_S:
        _, ready, _ = select.select([], list(waiting), [], _POLL_MS / 1000)
        for attempt in ready:
            source, target, _ = waiting.pop(attempt)
            if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != errno.ECONNREFUSED:
                raise NoEffect(f"expected {source} -> {target} to be refused, found that it is connected")
    if waiting:
        unanswered = ", ".join(f"{source} -> {target}" for source, target, _ in waiting.values())
        raise NoEffect(f"expected a refusal within {_REFUSED_WITHIN_S:g} s, found no answer for {unanswered}")
    return f"{len(attempts)} connections tried, all refused"


def _has_answer(attempt: socket.socket) -> bool:
    if attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED:
        return True
    try:
        attempt.getpeername()
    except OSError:
        return False
    return True


def trial() -> str:
    """Why this machine cannot give nodes a network of their own; empty: it can. Leaves nothing behind."""
    if sys.platform != "linux":
        return "network namespaces are a feature of Linux"
    try:
        node = Namespace.new()
    except OSError as error:
        return f"network namespaces are not allowed here ({error.strerror}); run as root"
    try:
        with contextlib.closing(node), contextlib.closing(Namespace.current()) as here:
            node.netlink.add_pair("eth0", f"rfk-{secrets.token_hex(4)}", here.descriptor)
            node.netlink.make_room_for_cuts()
            node.netlink.drop(Packets(source="192.0.2.1", source_port=DISCARD_PORT))
    except OSError as error:
        return f"links between network namespaces are not allowed here ({error.strerror}); run as root"
    return ""


def _reserve() -> tuple[IPv4Network, socket.socket]:
    """A free subnet and what keeps others from taking it: a name in the harness' network namespace,
    which the kernel frees with the last process that holds it."""
    for subnet in free_subnets(occupied(ROUTES.read_text(encoding="ascii"))):
        reservation = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            reservation.bind(f"\0redis-failover-kit/{subnet}")
        except OSError as error:
            reservation.close()
            if error.errno != errno.EADDRINUSE:
                raise
            continue
        return subnet, reservation
    pools = " and ".join(map(str, POOLS))
    raise EnvironmentFailure(
        f"expected a free subnet in {pools}, found that routes or other runs take them all"
    )


def _link_name(subnet: IPv4Network) -> str:
    # At most 15 characters; tells which subnet it serves.
    return f"rfk-{int(subnet.network_address) >> 8:06x}"


def _stream_socket() -> socket.socket:
    stream = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    stream.setblocking(False)
    return stream


def _close_all(namespaces: Iterable[Namespace]) -> None:
    for namespace in namespaces:
        namespace.close()
