"""Links between containers, and between containers and web servers, cut from outside.

A cut is a set of DROP rules in the container's own network namespace, put there with the host's
iptables (as root) or from a helper container that shares the namespace. So the user's image needs no
tool and no capability, and the rules die with the container.

Both ends of a link get rules, in both directions, for connections old and new. The trap: a container
that is started again has none, so `docker` has them set anew after each start.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.clock import WaitExpired, wait_until
from harness.errors import EnvironmentFailure, NoEffect
from harness.model.seams import Address, Source
from harness.topology.base.cuts import DISCARD_PORT, Cuts, Pair
from harness.topology.docker.daemon import in_parallel, translated
from harness.topology.docker.image import any_debian_image

HELPER_IMAGE = "FAILOVER_KIT_HELPER_IMAGE"

DROPS_WITHIN_S = 3.0
"""Something is sent over every cut link at once, so a rule that works has counted within milliseconds."""

_SCRIPT_S = 20.0


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


def why_no_cuts() -> str:
    """Why links cannot be cut on this machine; empty: they can."""
    if _may_enter_namespaces() or os.environ.get(HELPER_IMAGE) or any_debian_image():
        return ""
    return (
        "cutting links needs root with nsenter and iptables, or an image with iptables for a helper "
        f"container ('make image' builds one; {HELPER_IMAGE} names another)"
    )


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
    ) -> None:
        self._client = client
        self._labels = dict(labels)
        self._addresses = addresses
        self._sources = sources
        self._look = look
        self._lock = threading.RLock()
        self.cuts = Cuts()

    def cut(self, left: Sequence[str], right: Sequence[str], *, by: int) -> str:
        """Cut, and return the proof: packets dropped on every link.

        Raises:
            NoEffect: a link dropped nothing.
        """
        pairs = self._pairs(left, right)
        with self._lock, ExitStack() as probes:
            self.cuts.add(pairs, by=by)
            live = self._live(pairs)
            self._set_rules(live, self.cuts.all())
            for pair in pairs:
                self._probe_from_web_server(pair, live, probes)
            return self._proof(pairs, live)

    def mend(self, *, by: int) -> None:
        with self._lock:
            pairs = self.cuts.of_nobody_else(by)
            self._set_rules(self._live(pairs), self.cuts.all() - pairs)
            self.cuts.lift(by=by)  # Last, so that a mend that failed can be repeated.

    def restore(self, node: str) -> None:
        """Set the rules of a node that was started again, if it is cut from anything."""
        with self._lock:
            cuts = self.cuts.all()
            container = self._look(node) if any(node in pair for pair in cuts) else None
            if container is not None:
                self._set_rules({node: container}, cuts)

    def _pairs(self, left: Sequence[str], right: Sequence[str]) -> set[Pair]:
        # Web servers do not talk to each other: only pairs with a node in them are links.
        pairs = {frozenset((one, other)) for one in left for other in right if one != other}
        return {pair for pair in pairs if not pair <= self._sources.keys()}

    def _live(self, pairs: Iterable[Pair]) -> dict[str, Any]:
        nodes = sorted({name for pair in pairs for name in pair if name in self._addresses})
        seen = zip(nodes, in_parallel(self._look, nodes), strict=True)
        return {node: container for node, container in seen if container is not None}

    def _peers(self, node: str, pairs: Iterable[Pair]) -> list[Peer]:
        others = sorted(name for pair in pairs if node in pair for name in pair - {node})
        return [
            Peer(name=name, host=self._addresses[name].host)
            if name in self._addresses
            else Peer(name=name, host=str(self._sources[name].host), ports=self._sources[name].ports)
            for name in others
        ]

    def _set_rules(self, live: Mapping[str, Any], cuts: set[Pair]) -> None:
        in_parallel(lambda target: self._set_rules_of(*target, cuts), live.items())

    def _set_rules_of(self, node: str, container: Any, cuts: set[Pair]) -> None:
        """In one step, so that a packet meets either the old rules or the new; then send each cut-off
        node something to drop."""
        peers = self._peers(node, cuts)
        lines = [rule for peer in peers for rule in peer.rules()]
        table = "\n".join(["*filter", ":INPUT ACCEPT [0:0]", ":OUTPUT ACCEPT [0:0]", *lines, "COMMIT"])
        probes = [
            f"(echo >/dev/udp/{peer.host}/{DISCARD_PORT}) 2>/dev/null || true"
            for peer in peers
            if peer.ports is None
        ]
        self._run(container, "\n".join([f"iptables-restore <<'END'\n{table}\nEND", *probes]))

    def _probe_from_web_server(self, pair: Pair, live: Mapping[str, Any], probes: ExitStack) -> None:
        for web_server in pair & self._sources.keys():
            targets = [self._addresses[name] for name in pair if name in live]
            probes.enter_context(_begun_connections(self._sources[web_server], targets))

    def _proof(self, pairs: set[Pair], live: Mapping[str, Any]) -> str:
        dropped: dict[Pair, int] = {}
        wanted = {pair for pair in pairs if not pair.isdisjoint(live)}

        def every_link_dropped_something() -> bool:
            dropped.clear()
            counted = in_parallel(lambda target: self._dropped(*target, pairs), live.items())
            for pair, packets in (item for counts in counted for item in counts.items()):
                dropped[pair] = dropped.get(pair, 0) + packets
            return all(dropped.get(pair) for pair in wanted)

        try:
            wait_until(
                every_link_dropped_something,
                within_s=DROPS_WITHIN_S,
                waiting_for="every cut link to drop a packet",
                describe=lambda: [_text(pair) for pair in wanted if not dropped.get(pair)],
            )
        except WaitExpired as error:
            raise NoEffect(f"cut: {error}") from error
        return "packets dropped: " + ", ".join(sorted(f"{_text(pair)} {n}" for pair, n in dropped.items()))

    def _dropped(self, node: str, container: Any, pairs: Iterable[Pair]) -> dict[Pair, int]:
        """Packets that a node's rules have dropped."""
        counters = dict(_counters(self._run(container, "iptables-save -c -t filter")))
        return {
            frozenset((node, peer.name)): sum(counters.get(rule, 0) for rule in peer.rules())
            for peer in self._peers(node, pairs)
        }

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


def _begun_connections(source: Source, targets: Iterable[Address]) -> ExitStack:
    """Begin connections from a web server's ports, so that rules have something to drop. Close it."""
    begun = ExitStack()
    for target in targets:
        probe = begun.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        probe.setblocking(False)
        if _bound(probe, source):
            probe.connect_ex((target.host, target.port))
    return begun


def _bound(probe: socket.socket, source: Source) -> bool:
    first, last = source.ports or (0, 0)
    # From the far end: the load engine takes its ports from the near one.
    for port in range(last, first - 1, -1):
        try:
            probe.bind((source.host or "", port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return True
    return False


def _text(pair: Pair) -> str:
    return " - ".join(sorted(pair))


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
