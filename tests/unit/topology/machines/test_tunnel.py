"""Packets in a stream, each after its length."""

from __future__ import annotations

import pytest

from harness.topology.machines.tunnel import Frames, framed

PACKETS = [b"", b"E" * 20, b"x" * 1450, b"\x00\x01\x02"]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1000, 10_000])
def test_packets_come_out_whole(piece: int) -> None:
    """However a stream is cut into pieces."""
    stream, frames = b"".join(map(framed, PACKETS)), Frames()
    pieces = (stream[at : at + piece] for at in range(0, len(stream), piece))
    assert [packet for data in pieces for packet in frames.packets(data)] == PACKETS
