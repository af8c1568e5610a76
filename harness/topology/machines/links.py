"""Links between nodes of several hosts, and between them and web servers, cut where a node's network is kept.

The means are those of one engine: DROP rules at both ends of a link. Only the place is another one: the
container that keeps the node's network is asked to set them, through the engine of its host. So they reach
a host that this machine cannot enter, and the way by which the hosts are commanded is never cut: rules are
about addresses of the nodes' network alone.

The trap: rules outlive a node's process. They are set and lifted whether it runs or not, else a node that was
dead when its cut was mended would come back cut off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import msgspec

from harness.errors import EnvironmentFailure
from harness.model.links import Flow, LinkPort, Quality
from harness.model.seams import Address
from harness.topology.base import first_packets
from harness.topology.base.cuts import DISCARD_PORT
from harness.topology.base.netlink import Packets
from harness.topology.base.slow_links import Line
from harness.topology.docker import kit_image
from harness.topology.docker.daemon import NODE_LABEL, in_parallel
from harness.topology.docker.links import Links
from harness.topology.machines.far_line import FarLine
from harness.topology.machines.hosts import Host, command_line
from harness.topology.machines.shell import Shell, ShellGone

_OF_A_CONTAINER = "container:"
_BEGUN = (
    "perl -e 'socket(my $any, 2, 2049, 0); connect($any, pack(q(S n C4 x8), 2, {port}, "
    "split(/[.]/, q({host}))))'"
)
"""A connection that nobody waits for; 2049 is SOCK_STREAM and SOCK_NONBLOCK."""


class HostLinks(Links):
    """The links of one run."""

    def __init__(
        self,
        client: Any,
        *,
        host: Callable[[str], Host],
        driven_by: Callable[[str], tuple[Host, str] | None],
        beside: Callable[[Host, str, Sequence[str]], list[str]],
        **more: Any,
    ) -> None:
        """`host`: the one that a node is on. `driven_by`: the host and the container of the load worker that
        drives a web server; None: it is on this machine. `beside`: the command here that runs words of the
        kit's image on a host, in the network that a container keeps. `more`: as of `Links`."""
        super().__init__(client, labels={}, **more)
        self._host = host
        self._driven_by = driven_by
        self._beside = beside
        self._shells: dict[str, Shell] = {}
        """What keeps a network -> a shell in it, where there is one."""

    def prepare(self, keepers: Mapping[str, str]) -> None:
        """Have a shell where the rules of each are set. `keepers`: node or web server -> what keeps its
        network."""
        for name, keeper in keepers.items():
            words = [*command_line(self._host(name)), "exec", "--interactive", "--user", "root"]
            self._shells[keeper] = Shell([*words, keeper, "bash"])

    def close(self) -> None:
        super().close()
        while self._shells:
            self._shells.popitem()[1].end()

    def _probes(self, node: str, flow: Flow) -> Iterator[str]:
        """Also to web servers, so that one question sets the rules and sees them drop."""
        yield from super()._probes(node, flow)
        (other,) = flow.ends - {node}
        if other in self._sources and flow.port is LinkPort.ALL:
            for peer in self._peers(other):
                yield _BEGUN.format(host=peer.host, port=(peer.ports or (DISCARD_PORT,))[0])

    def _begin_connections(self, wanted: Mapping[str, Sequence[Address]], probes: ExitStack) -> None:
        elsewhere = [name for name in wanted if self._driven_by(name) is not None]
        in_parallel(lambda name: self._begin_there(name, wanted[name]), elsewhere)
        here = {name: targets for name, targets in wanted.items() if name not in elsewhere}
        super()._begin_connections(here, probes)

    def _begin_there(self, web_server: str, targets: Sequence[Address]) -> None:
        if (place := self._driven_by(web_server)) is None:
            return
        request = first_packets.Request(source=self._sources[web_server], targets=list(targets))
        said = msgspec.json.encode(request).decode()
        _carried_out(*place, kit_image.command(first_packets.__name__, said), f"packets of {web_server}")

    def _line(self, node: str, packets: Sequence[Packets], quality: Quality, by: int) -> Line:
        return FarLine(
            node,
            packets,
            quality,
            by,
            enter=lambda: self._namespace(node),
            own=lambda: self._addresses[node].host,
            beside=lambda words: self._beside(self._host(node), _keeper(self._look(node)), words),
        )

    def _run(self, container: Any, script: str) -> str:
        keeper = _keeper(container)
        host, what = self._host(container.labels[NODE_LABEL]), f"rules of {container.name}"
        if (shell := self._shells.get(keeper)) is not None:
            try:
                return _taken(*shell.run(script), what)
            except ShellGone:  # what became of its host, the engine says
                self._shells.pop(keeper).end()
        return _carried_out(host, keeper, ["bash", "-euc", script], what, user="root")


def _keeper(container: Any) -> str:
    """What keeps the network of a node."""
    return str(container.attrs["HostConfig"]["NetworkMode"]).removeprefix(_OF_A_CONTAINER)


def _carried_out(host: Host, container: str, words: Sequence[str], what: str, user: str = "") -> str:
    api = host.client.api
    with host.asked(f"setting {what}"):
        begun = api.exec_create(container, list(words), user=user)
        out, err = api.exec_start(begun["Id"], demux=True)
        status = api.exec_inspect(begun["Id"])["ExitCode"]
    return _taken(status, (out or b"").decode(errors="replace"), what, (err or b"").decode(errors="replace"))


def _taken(status: int, said: str, what: str, complaint: str = "") -> str:
    if status != 0:
        found = complaint.strip()[-400:] or said.strip()
        raise EnvironmentFailure(f"{what}: expected them to be taken, found: {found}")
    return said
