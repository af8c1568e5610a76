"""Links between containers, and between containers and web servers, cut from outside.

A cut is a set of DROP rules in the container's own network namespace, put there with the host's
iptables (as root) or from a helper container that shares the namespace. So the user's image needs no
tool and no capability, and the rules die with the container.

Both ends of a link get rules, in both directions, for connections old and new. The trap: a container
that is started again has none, so `docker` has them set anew after each start.

A link that carries packets badly, or refuses them, does so by a process of the kit in the same namespace
(`harness.topology.base.slow_links`), which only root of the engine's own machine can start there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.links import Flow, LinkPort, LinkRule, Quality, flows, no_such_link
from harness.model.seams import Address, Source
from harness.topology.base import first_packets, slow_links
from harness.topology.base.cuts import DISCARD_PORT, Cuts, ports_of
from harness.topology.base.namespaces import Namespace
from harness.topology.base.netlink import Packets
from harness.topology.base.slow_links import Line, SlowLinks
from harness.topology.docker.daemon import in_parallel, translated
from harness.topology.docker.image import any_debian_image

HELPER_IMAGE = "FAILOVER_KIT_HELPER_IMAGE"

DROPS_WITHIN_S = 3.0
"""Something is sent over every cut link at once, so a rule that works has counted within milliseconds."""

_COUNT = "iptables-save -c -t filter"
_SCRIPT_S = 20.0
_PROBE_S = 0.2
"""A probe of one port waits for an answer that never comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other end of a flow: a node's address, or the web servers' address with local ports."""

    host: str
    ports: tuple[int, int] | None = None


def rule_text(peer: Peer, *, arriving: bool, own: int | None = None, theirs: int | None = None) -> str:
    """The rule that drops a flow, as iptables-save writes it: arriving from the peer, or leaving for it, at a
    port of our own or of theirs."""
    chain, far = ("INPUT", "-s") if arriving else ("OUTPUT", "-d")
    text = f"-A {chain} {far} {peer.host}/32"
    span = peer.ports or ((theirs, theirs) if theirs else None)
    theirs_is, own_is = ("--sport", "--dport") if arriving else ("--dport", "--sport")
    words = {own_is: str(own) if own else "", theirs_is: _span(span)}
    matches = [f"{word} {words[word]}" for word in ("--sport", "--dport") if words[word]]
    return " ".join([text, *(["-p tcp -m tcp", *matches] if matches else []), "-j DROP"])


def _span(ports: tuple[int, int] | None) -> str:
    if ports is None:
        return ""
    first, last = ports
    return str(first) if first == last else f"{first}:{last}"


def why_no_cuts() -> str:
    """Why links cannot be cut on this machine; empty: they can."""
    if _may_enter_namespaces() or os.environ.get(HELPER_IMAGE) or any_debian_image():
        return ""
    return (
        "cutting links needs root with nsenter and iptables, or an image with iptables for a helper "
        f"container ('make image' builds one; {HELPER_IMAGE} names another)"
    )


def why_no_slow_links() -> str:
    """Why links of containers cannot be made slow on this machine, where they can be cut; empty: they can."""
    if os.geteuid() != 0:
        return "slow links of containers need root, to start a process in a node's network namespace"
    return slow_links.why_not()


class Links:
    """The links of one run. `look` gives a node's container as it is now, or None if it does not run."""

    def __init__(
        self,
        client: Any,
        *,
        labels: Mapping[str, str],
        addresses: Mapping[str, Address],
        sources: Mapping[str, Source],
        look: Callable[[str], Any | None],
        listening: Mapping[str, Mapping[LinkPort, int]] | None = None,
        more_hosts: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        """`more_hosts`: further addresses of those who have `sources`."""
        self._client = client
        self._labels = dict(labels)
        self._addresses = addresses
        self._sources = sources
        self._more_hosts = more_hosts or {}
        self._look = look
        self._listening = listening or {}
        self._lock = threading.RLock()
        self._slow = SlowLinks(self._line)
        self.cuts = Cuts()

    def apply(self, rule: LinkRule, *, by: int) -> str:
        """Put it into force, and return the proof: packets dropped, carried or refused on every link.

        Raises:
            NoEffect: nothing was seen to be treated so.
        """
        wanted = {flow for flow in flows(rule) if self._exists(flow)}
        if not wanted:
            raise NoEffect(no_such_link(rule))
        if rule.quality is not None:
            with self._lock:
                return self._slow_down(wanted, rule.quality, by=by)
        with self._lock, ExitStack() as probes:
            self.cuts.add(wanted, by=by)
            live = self._live(wanted)
            dropped = self._dropped(self._set_rules(live, self.cuts.all()), wanted)
            if self._unproved(wanted, live, dropped):
                # Web servers send from elsewhere, so their packets come after the nodes' own.
                self._begin_connections(self._begun_by_web_servers(wanted, live), probes)
                dropped = self._once_proved(wanted, live)
            return "packets dropped: " + ", ".join(_told(dropped))

    def mend(self, *, by: int) -> None:
        with self._lock:
            self._slow.lift(by=by)
            lifted = self.cuts.of_nobody_else(by)
            self._set_rules(self._live(lifted), self.cuts.all() - lifted)
            self.cuts.lift(by=by)  # Last, so that a mend that failed can be repeated.

    def restore(self, node: str, *, moved: bool = False) -> None:
        """Set the rules of a node that was started again, if it is cut from anything, and its slow lines.
        `moved`: it has another address now, so those of the others are other ones too."""
        with self._lock:
            self._slow.restore(node)
            cuts = self.cuts.all()
            live = self._live(flow for flow in cuts if node in flow.ends)
            self._set_rules(live if moved else {name: live[name] for name in live.keys() & {node}}, cuts)

    def close(self) -> None:
        """End what carries packets. Rules end with their containers."""
        with self._lock:
            self._slow.close()

    def _line(self, node: str, packets: Sequence[Packets], quality: Quality, by: int) -> Line:
        return Line(
            node,
            packets,
            quality,
            by,
            enter=lambda: self._namespace(node),
            own=lambda: self._addresses[node].host,
        )

    def _namespace(self, node: str) -> Namespace:
        container = self._look(node)
        if container is None:
            raise EnvironmentFailure(f"{node}: expected it to run, found it stopped")
        pid = int(container.attrs["State"]["Pid"])
        if not is_ours(pid, container.id):
            raise EnvironmentFailure(
                f"{node}: expected the engine's processes on this machine, found process {pid} to be another "
                "one; links can be slow only where the engine runs here"
            )
        try:
            return Namespace.at(f"/proc/{pid}/ns/net")
        except OSError as error:
            raise EnvironmentFailure(f"{node}: its network namespace cannot be entered: {error}") from error

    def _slow_down(self, wanted: set[Flow], quality: Quality, *, by: int) -> str:
        """Each flow where it arrives or, if that is no node that runs, where it leaves."""
        live = self._live(wanted)
        places: dict[str, list[Packets]] = {}
        for flow in sorted(wanted):
            place = flow.target if flow.target in live else flow.source
            if place in live:
                places.setdefault(place, []).extend(self._packets(place, flow))
        if not places:
            nodes = sorted({end for flow in wanted for end in flow.ends if end in self._addresses})
            raise NoEffect(f"slow: expected a node that runs, found {', '.join(nodes)} down")
        self._slow.add(places, quality, by=by)
        with ExitStack() as probes:
            self._begin_connections(self._begun_by_web_servers(wanted, live), probes)
            in_parallel(lambda target: self._send_probes(*target, wanted), live.items())
            return self._slow.proof(by=by)

    def _packets(self, place: str, flow: Flow) -> Iterator[Packets]:
        """Those of a flow, as they are seen at this end of it."""
        arriving = flow.target == place
        other = flow.source if arriving else flow.target
        ports = ports_of(flow, self._listening) if flow.port is not LinkPort.ALL else {}
        for peer in self._peers(other):
            ways = [{end: port} for end, port in ports.items()] or [{}]
            for at in ways:
                own, theirs = at.get(place), at.get(other) or peer.ports
                yield Packets(
                    source=peer.host if arriving else None,
                    destination=None if arriving else peer.host,
                    source_port=theirs if arriving else own,
                    destination_port=own if arriving else theirs,
                )

    def _send_probes(self, node: str, container: Any, flows_of_it: Iterable[Flow]) -> None:
        own = sorted(flow for flow in flows_of_it if node in flow.ends)
        if probes := dict.fromkeys(probe for flow in own for probe in self._probes(node, flow)):
            self._run(container, "\n".join(probes))

    def _exists(self, flow: Flow) -> bool:
        # Web servers do not talk to each other: only flows with a node at one end are links.
        nodes = flow.ends & self._addresses.keys()
        return bool(nodes) and (flow.port is LinkPort.ALL or bool(ports_of(flow, self._listening)))

    def _live(self, cut: Iterable[Flow]) -> dict[str, Any]:
        nodes = sorted({name for flow in cut for name in flow.ends if name in self._addresses})
        seen = zip(nodes, in_parallel(self._look, nodes), strict=True)
        return {node: container for node, container in seen if container is not None}

    def _peers(self, name: str) -> list[Peer]:
        if name in self._addresses:
            return [Peer(host=self._addresses[name].host)]
        own = Peer(host=str(self._sources[name].host), ports=self._sources[name].ports)
        return [own, *(Peer(host=host) for host in self._more_hosts.get(name, ()))]

    def _rules(self, node: str, flow: Flow) -> list[str]:
        """What a node does about a flow that has one end at it."""
        arriving = flow.target == node
        name = flow.source if arriving else flow.target
        peers = self._peers(name)
        if flow.port is LinkPort.ALL:
            return [rule_text(peer, arriving=arriving) for peer in peers]
        ports = ports_of(flow, self._listening)
        own = [rule_text(peer, arriving=arriving, own=ports[node]) for peer in peers] if node in ports else []
        if name in ports:
            own += [rule_text(peer, arriving=arriving, theirs=ports[name]) for peer in peers]
        return own

    def _set_rules(self, live: Mapping[str, Any], cuts: set[Flow]) -> Mapping[str, str]:
        """Node -> its rules, with how much each has dropped."""
        said = in_parallel(lambda target: self._set_rules_of(*target, cuts), live.items())
        return dict(zip(live, said, strict=True))

    def _set_rules_of(self, node: str, container: Any, cuts: set[Flow]) -> str:
        """In one step, so that a packet meets either the old rules or the new; then send each cut-off
        node something to drop, and count: where the engine is far away, each question takes its time."""
        own = sorted(flow for flow in cuts if node in flow.ends)
        lines = dict.fromkeys(rule for flow in own for rule in self._rules(node, flow))
        table = "\n".join(["*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *lines, "COMMIT"])
        probes = dict.fromkeys(probe for flow in own for probe in self._probes(node, flow))
        return self._run(container, "\n".join([f"iptables-restore <<'END'\n{table}\nEND", *probes, _COUNT]))

    def _probes(self, node: str, flow: Flow) -> Iterator[str]:
        """What a node sends to another one, so that a rule at either end has something to drop."""
        (other,) = flow.ends - {node}
        if other not in self._addresses:
            return
        host = self._addresses[other].host
        if flow.port is LinkPort.ALL:
            yield f"(echo >/dev/udp/{host}/{DISCARD_PORT}) 2>/dev/null || true"
        elif port := ports_of(flow, self._listening).get(other):
            yield f"timeout {_PROBE_S:g} bash -c 'echo >/dev/tcp/{host}/{port}' 2>/dev/null || true"

    def _begun_by_web_servers(
        self, wanted: Iterable[Flow], live: Mapping[str, Any]
    ) -> Mapping[str, Sequence[Address]]:
        """Web server -> whom it is to send something, so that a rule has something to drop."""
        found: dict[str, dict[Address, None]] = {}
        for flow in sorted(wanted):
            for web_server in flow.ends & self._sources.keys():
                targets = found.setdefault(web_server, {})
                targets.update((self._addresses[name], None) for name in flow.ends if name in live)
        return {web_server: list(targets) for web_server, targets in found.items() if targets}

    def _begin_connections(self, wanted: Mapping[str, Sequence[Address]], probes: ExitStack) -> None:
        for web_server, targets in wanted.items():
            probes.enter_context(first_packets.begun(self._sources[web_server], targets))

    def _once_proved(self, cut: set[Flow], live: Mapping[str, Any]) -> dict[Flow, int]:
        """
        Raises:
            NoEffect: a link drops nothing.
        """
        dropped: dict[Flow, int] = {}

        def every_flow_dropped_something() -> bool:
            said = in_parallel(lambda container: self._run(container, _COUNT), live.values())
            dropped.update(self._dropped(dict(zip(live, said, strict=True)), cut))
            return not self._unproved(cut, live, dropped)

        try:
            wait_until(
                every_flow_dropped_something,
                within_s=DROPS_WITHIN_S,
                waiting_for="every cut link to drop a packet",
                describe=lambda: self._unproved(cut, live, dropped),
            )
        except WaitExpired as error:
            raise NoEffect(f"cut: {error}") from error
        return dropped

    def _unproved(
        self, cut: Iterable[Flow], live: Mapping[str, Any], dropped: Mapping[Flow, int]
    ) -> list[str]:
        """The flows of nodes that run of which nothing was dropped. A link that is cut both ways is proved by
        either: where nothing gets there, nothing comes back."""
        return [
            str(flow)
            for flow in sorted(cut)
            if not flow.ends.isdisjoint(live)
            and not (dropped.get(flow) or dropped.get(Flow(flow.target, flow.source, flow.port)))
        ]

    def _dropped(self, rules: Mapping[str, str], cut: Iterable[Flow]) -> dict[Flow, int]:
        """Packets that the rules of all nodes have dropped."""
        dropped: dict[Flow, int] = {}
        for node, said in rules.items():
            counters = dict(_counters(said))
            for flow in (flow for flow in cut if node in flow.ends):
                packets = sum(counters.get(rule, 0) for rule in self._rules(node, flow))
                dropped[flow] = dropped.get(flow, 0) + packets
        return dropped

    def run_at(self, node: str, script: str) -> str:
        """Run lines of bash as root in the network namespace of a running node; returns what they print."""
        container = self._look(node)
        if container is None:
            raise EnvironmentFailure(f"{node}: expected it to run, found it stopped")
        return self._run(container, script)

    def _run(self, container: Any, script: str) -> str:
        pid = int(container.attrs["State"]["Pid"])
        if _may_enter_namespaces() and not os.environ.get(HELPER_IMAGE) and is_ours(pid, container.id):
            return _in_namespace(pid, script)
        return self._in_helper(container, script)

    def _in_helper(self, container: Any, script: str) -> str:
        image = os.environ.get(HELPER_IMAGE) or any_debian_image()
        if image is None:
            raise EnvironmentFailure(f"{container.name}: {why_no_cuts()}")
        with translated(f"setting rules of {container.name} from a helper container ({image})"):
            helper = self._client.containers.create(
                image,
                entrypoint=["bash", "-euc"],
                command=[script],
                network_mode=f"container:{container.id}",
                cap_add=["NET_ADMIN", "NET_RAW"],
                labels=self._labels,
            )
            try:
                helper.start()
                ended = helper.wait(timeout=_SCRIPT_S)
                said: str = helper.logs(stdout=True, stderr=bool(ended["StatusCode"])).decode(
                    errors="replace"
                )
            finally:
                # With its volumes: images declare some, and nothing else would ever remove them.
                helper.remove(v=True, force=True)
        if ended["StatusCode"] != 0:
            raise EnvironmentFailure(
                f"iptables in a helper container ({image}) at {container.name}: expected the rules to be "
                f"taken, found: {said.strip()}"
            )
        return said


def _told(dropped: Mapping[Flow, int]) -> list[str]:
    """Both ways of a link together, where both are cut."""
    told: dict[str, int] = {}
    for flow in sorted(dropped):
        back = Flow(flow.target, flow.source, flow.port)
        name = " - ".join(sorted(flow.ends)) if back in dropped else f"{flow.source} -> {flow.target}"
        name += "" if flow.port is LinkPort.ALL else f" ({flow.port})"
        told[name] = told.get(name, 0) + dropped[flow]
    return [f"{name} {packets}" for name, packets in told.items()]


def _counters(saved: str) -> Iterator[tuple[str, int]]:
    for packets, rule in re.findall(r"^\[(\d+):\d+\] (-A .*)$", saved, flags=re.MULTILINE):
        yield rule, int(packets)


def _may_enter_namespaces() -> bool:
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("nsenter", "iptables-restore", "bash"))


def is_ours(pid: int, container: str) -> bool:
    """Whether a pid that the engine told means the same process here; not inside a container."""
    try:
        return container in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8")
    except OSError:
        return False


def _in_namespace(pid: int, script: str) -> str:
    command = ["nsenter", f"--net=/proc/{pid}/ns/net", "bash", "-euc", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_SCRIPT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFailure(
            f"iptables in a node's namespace: not done within {_SCRIPT_S:g} s"
        ) from error
    if done.returncode != 0:
        raise EnvironmentFailure(
            f"iptables in a node's namespace: expected the rules to be taken, found: {done.stderr.strip()}"
        )
    return done.stdout
