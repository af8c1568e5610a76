"""Networks of containers: a free subnet for a run, and links cut from outside.

A cut is a set of DROP rules in the container's own network namespace, put there with the host's
iptables (as root) or from a helper container that shares the namespace. So the user's image needs no
tool and no capability, and the rules die with the container.

Web servers share one address, the bridge's, and are told apart by their local ports. The trap: rules
are also gone when the cut node is started again, so `docker` asks for them anew after each start.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from random import SystemRandom
from typing import Any

from harness.errors import EnvironmentFailure
from harness.model.seams import Address
from harness.topology.docker_engine import translated
from harness.topology.image import any_debian_image

HELPER_IMAGE = "FAILOVER_KIT_HELPER_IMAGE"

FIRST_WEB_PORT = 10000
PORTS_PER_WEB_SERVER = 2000
"""Every connection and every reconnection takes one, and each is in TIME_WAIT for a minute."""

_SCRIPT_S = 20.0
_HARMLESS_PORT = 9
_POOLS = ("10.64.0.0/10", "172.16.0.0/12", "192.168.0.0/16")
_BY_HAND = ip_network("10.99.0.0/16")
"""The subnets of the files in compose/."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The other end of a cut: a node's address, or the web servers' address with local ports."""

    name: str
    host: str
    ports: tuple[int, int] | None = None

    def rules(self) -> tuple[str, str]:
        if self.ports is None:
            return f"-A INPUT -s {self.host}/32 -j DROP", f"-A OUTPUT -d {self.host}/32 -j DROP"
        first, last = self.ports
        return (
            f"-A INPUT -s {self.host}/32 -p tcp -m tcp --sport {first}:{last} -j DROP",
            f"-A OUTPUT -d {self.host}/32 -p tcp -m tcp --dport {first}:{last} -j DROP",
        )


def free_subnet() -> str:
    """First three numbers of a /24 that no route of this machine leads to, chosen at random.

    Another run may choose the same at the same moment; the engine then refuses one of them.

    Raises:
        EnvironmentFailure: every private range is routed somewhere.
    """
    routed = _routed_networks()
    random = SystemRandom()
    for pool in map(IPv4Network, _POOLS):
        for _ in range(100):
            start = int(pool.network_address) + random.randrange(pool.num_addresses // 256) * 256
            candidate = IPv4Network((start, 24))
            if not any(candidate.overlaps(taken) for taken in (*routed, _BY_HAND)):
                return str(candidate.network_address).removesuffix(".0")
    raise EnvironmentFailure(
        f"expected a free /24 in {', '.join(_POOLS)}, found routes to all that were tried; see 'ip route'"
    )


def web_ports(count: int) -> list[tuple[int, int]]:
    """A range of local ports for each web server, below those that the kernel gives to anybody else.

    Raises:
        EnvironmentFailure: the kernel's own range leaves too little room.
    """
    text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    room = int(text.split()[0]) - FIRST_WEB_PORT
    each = min(PORTS_PER_WEB_SERVER, room // max(1, count))
    if each < 200:
        raise EnvironmentFailure(
            f"net.ipv4.ip_local_port_range: expected to begin at {FIRST_WEB_PORT + 200 * count} or later, "
            f"so that {count} web servers have ports of their own, found {text.strip()!r}"
        )
    return [(first, first + each - 1) for first in range(FIRST_WEB_PORT, FIRST_WEB_PORT + each * count, each)]


def why_no_cuts() -> str:
    """Why links cannot be cut on this machine; empty: they can."""
    if _may_enter_namespaces() or os.environ.get(HELPER_IMAGE) or any_debian_image():
        return ""
    return (
        "cutting links needs root with nsenter and iptables, or an image with iptables for a helper "
        f"container ('make image' builds one; {HELPER_IMAGE} names another)"
    )


class Links:
    """Sets the rules of containers. One way for all of them: root's iptables, else a helper container."""

    def __init__(self, client: Any, labels: Mapping[str, str]) -> None:
        self._client = client
        self._labels = dict(labels)

    def set_rules(self, container: Any, peers: Iterable[Peer]) -> None:
        """Make these the container's only rules: nothing to or from these peers. In one step, so a
        packet meets either the old rules or the new; sends each node a packet that is dropped."""
        peers = tuple(peers)
        lines = [rule for peer in peers for rule in peer.rules()]
        table = "\n".join(["*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *lines, "COMMIT"])
        probes = [
            f"(echo >/dev/udp/{peer.host}/{_HARMLESS_PORT}) 2>/dev/null || true"
            for peer in peers
            if peer.ports is None
        ]
        self._run(container, "\n".join([f"iptables-restore <<'END'\n{table}\nEND", *probes]))

    def dropped(self, container: Any, peers: Iterable[Peer]) -> dict[str, int]:
        """Packets that the container's rules have dropped, by peer."""
        counters = dict(_counters(self._run(container, "iptables-save -c -t filter")))
        return {peer.name: sum(counters.get(rule, 0) for rule in peer.rules()) for peer in peers}

    def _run(self, container: Any, script: str) -> str:
        pid = int(container.attrs["State"]["Pid"])
        if _may_enter_namespaces() and not os.environ.get(HELPER_IMAGE) and _is_ours(pid, container.id):
            return _in_namespace(pid, script)
        return self._in_helper(container, script)

    def _in_helper(self, container: Any, script: str) -> str:
        image = os.environ.get(HELPER_IMAGE) or any_debian_image()
        if image is None:
            raise EnvironmentFailure(f"{container.name}: {why_no_cuts()}")
        with translated(f"setting rules of {container.name} from a helper container ({image})"):
            said: bytes = self._client.containers.run(
                image,
                entrypoint=["bash", "-euc"],
                command=[script],
                network_mode=f"container:{container.id}",
                cap_add=["NET_ADMIN", "NET_RAW"],
                labels=self._labels,
                remove=True,
            )
        return said.decode(errors="replace")


def probe_from(source: str, ports: tuple[int, int], targets: Iterable[Address]) -> ExitStack:
    """Begin connections from a web server's ports, so that rules have something to drop. Close it."""
    open_sockets = ExitStack()
    for target in targets:
        probe = open_sockets.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        probe.setblocking(False)
        if _bind_in(probe, source, ports):
            probe.connect_ex((target.host, target.port))
    return open_sockets


def _bind_in(probe: socket.socket, host: str, ports: tuple[int, int]) -> bool:
    for port in range(ports[1], ports[0] - 1, -1):
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return True
    return False


def _counters(saved: str) -> Iterator[tuple[str, int]]:
    for packets, rule in re.findall(r"^\[(\d+):\d+\] (-A .*)$", saved, flags=re.MULTILINE):
        yield rule, int(packets)


def _may_enter_namespaces() -> bool:
    return os.geteuid() == 0 and all(shutil.which(tool) for tool in ("nsenter", "iptables-restore", "bash"))


def _is_ours(pid: int, container: str) -> bool:
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


def _routed_networks() -> list[IPv4Network]:
    """Where this machine's routes lead, default routes aside."""
    routes = []
    for line in Path("/proc/net/route").read_text(encoding="ascii").splitlines()[1:]:
        _, destination, _, _, _, _, _, mask, *_ = line.split()
        length = int(mask, 16).bit_count()
        if length:
            address = int.from_bytes(bytes.fromhex(destination), "little")
            routes.append(IPv4Network((address, length)))
    return routes
