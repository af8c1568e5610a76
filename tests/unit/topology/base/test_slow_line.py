"""When a packet is due on a bad link, and which packets never are."""

from __future__ import annotations

import pytest

from harness.model.links import Quality
from harness.topology.base import slow_line
from harness.topology.base.slow_line import Carrier


def arrivals(carrier: Carrier, until_s: float, every_s: float = 0.001) -> list[tuple[float, bytes]]:
    found, at_s = [], 0.0
    while at_s <= until_s:
        while (packet := carrier.due(at_s)) is not None:
            found.append((round(at_s, 3), packet))
        at_s += every_s
    return found


def test_delay_is_that_of_each_packet() -> None:
    """Not of the queue: two sent at once arrive at once."""
    carrier = Carrier(Quality(delay_s=0.1), seed=1)
    carrier.take(b"a", 0.0)
    carrier.take(b"b", 0.0)
    carrier.take(b"c", 0.05)
    found = arrivals(carrier, 0.2)
    assert [packet for _, packet in found] == [b"a", b"b", b"c"]
    assert [at_s for at_s, _ in found] == pytest.approx([0.1, 0.1, 0.15], abs=0.002)
    assert carrier.told().startswith("3 0 ")


def test_jitter_is_within_its_bounds_and_differs() -> None:
    """Never before the packet was sent."""
    carrier = Carrier(Quality(delay_s=0.05, jitter_s=0.1), seed=1)
    for _ in range(200):
        carrier.take(b"x", 0.0)
    at = [when for when, _ in arrivals(carrier, 0.3)]
    assert len(at) == 200
    assert 0.0 <= min(at) < 0.01
    assert 0.13 < max(at) <= 0.152


@pytest.mark.parametrize(("loss", "least", "most"), [(0.0, 0, 0), (0.3, 240, 360), (1.0, 1000, 1000)])
def test_loss_is_a_share(loss: float, least: int, most: int) -> None:
    """And what is lost is counted as seen."""
    carrier = Carrier(Quality(loss=loss), seed=1)
    for _ in range(1000):
        carrier.take(b"x", 0.0)
    assert carrier.seen == 1000
    assert least <= carrier.lost <= most
    assert len(arrivals(carrier, 0.01)) == 1000 - carrier.lost


def test_bandwidth_is_shared_by_all_packets() -> None:
    """Ten of 100 bytes over a link of 1000 bytes a second take a second; an idle link saves nothing up."""
    carrier = Carrier(Quality(bytes_per_s=1000), seed=1)
    for _ in range(10):
        carrier.take(b"x" * 100, 0.0)
    at = [when for when, _ in arrivals(carrier, 1.1)]
    assert at[0] == pytest.approx(0.1, abs=0.002)
    assert at[-1] == pytest.approx(1.0, abs=0.002)
    carrier.take(b"x" * 100, 5.0)
    assert carrier.due(5.05) is None
    assert carrier.due(5.11) is not None


def test_queue_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is lost, as in a switch."""
    monkeypatch.setattr(slow_line, "MOST_WAITING", 3)
    carrier = Carrier(Quality(delay_s=1.0), seed=1)
    for _ in range(5):
        carrier.take(b"x", 0.0)
    assert (carrier.seen, carrier.lost) == (5, 2)
    assert carrier.wait_s(0.0) <= 0.05
    assert carrier.wait_s(0.99) == pytest.approx(0.01)


def test_refused_packets_come_back_as_refusals() -> None:
    """A reset passes on, what has no refusal is lost, and all are seen."""
    carrier = Carrier(Quality(rejects=True), seed=1)
    request = bytes.fromhex(
        "4500002800074000400600000a0000090a0000029c4018eb0000006400000000500202000000 0000"
    )
    carrier.take(request, 0.0)
    carrier.take(b"\x45" + bytes(8) + b"\x01" + bytes(18), 0.0)
    ((_, answer),) = arrivals(carrier, 0.01)
    assert answer[12:20] == request[16:20] + request[12:16]
    assert carrier.told().startswith("2 1 ")
