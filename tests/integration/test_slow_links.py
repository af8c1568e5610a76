"""A link that carries packets badly, between two namespaces without any node."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from harness.clock import RunClock, wait_until
from harness.model.links import Quality
from harness.topology.base import slow_links
from harness.topology.base.namespaces import Namespace
from harness.topology.base.netlink import Packets
from harness.topology.base.slow_links import Line, SlowLinks
from harness.topology.process import network

REASON = network.trial() or slow_links.why_not()
pytestmark = [pytest.mark.process, pytest.mark.skipif(bool(REASON), reason=f"no slow links here: {REASON}")]

HOSTS = {"left": "10.9.0.1", "right": "10.9.0.2"}
PORT = 7000
DELAY_S = 0.1


@pytest.fixture
def places() -> Iterator[dict[str, Namespace]]:
    """A cable between two, over which nothing has been sent."""
    made = {name: Namespace.new() for name in HOSTS}
    try:
        made["left"].netlink.add_pair("eth0", "eth0", made["right"].descriptor)
        for name, one in made.items():
            index = one.run(lambda: socket.if_nametoindex("eth0"))
            one.netlink.add_address(index, HOSTS[name], 24)
            one.netlink.set_up(index)
        yield made
    finally:
        for one in made.values():
            one.close()


def connected() -> None:
    socket.create_connection((HOSTS["right"], PORT), timeout=5).close()


def taken_s(place: Namespace) -> float:
    clock = RunClock()
    place.run(connected)
    return clock.now_us() / 1e6


@pytest.mark.parametrize("quality", [Quality(delay_s=DELAY_S), Quality(rejects=True)])
def test_who_has_never_talked_finds_each_other_over_a_bad_link(
    places: dict[str, Namespace], quality: Quality
) -> None:
    """The kernel answers who asks where an address is, and only the packets are late or refused."""
    lines = SlowLinks(
        lambda name, packets, how, by: Line(
            name,
            packets,
            how,
            by,
            enter=lambda: Namespace.at(f"/proc/self/fd/{places[name].descriptor}"),
            own=lambda: HOSTS[name],
        )
    )
    listening = places["right"].run(lambda: socket.create_server((HOSTS["right"], PORT)))
    with closing(listening):
        lines.add(
            {"left": [Packets(source=HOSTS["right"])], "right": [Packets(source=HOSTS["left"])]},
            quality,
            by=1,
        )
        try:
            if quality.rejects:
                with pytest.raises(ConnectionRefusedError):
                    places["left"].run(connected)
            else:
                assert taken_s(places["left"]) >= 2 * DELAY_S
        finally:
            lines.close()
        wait_until(
            lambda: taken_s(places["left"]) < 2 * DELAY_S,
            within_s=5,
            waiting_for="the link to be as quick as before",
        )
