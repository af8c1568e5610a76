"""`guest check`: an application of somebody's own, request by request, on a healthy topology."""

from __future__ import annotations

import argparse
from pathlib import Path

from harness import beside, output
from harness.running.ground import ground_of
from harness.running.guest_check import check_guest
from harness.scenario import load_guest


def check(options: argparse.Namespace) -> int:
    guest = load_guest(Path(options.file))
    nodes = beside.nodes_of(options.beside, settings=())
    return check_guest(guest, nodes, ground_of(options.backend, [nodes], guests=True), output.say)
