"""`guest check`: an application of somebody's own, request by request, on a healthy topology."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from harness import beside, output
from harness.running.ground import ground_of
from harness.running.guest_check import check_guest
from harness.running.projects import with_nodes
from harness.scenario import load_guest


def check(options: argparse.Namespace) -> int:
    guest = load_guest(Path(options.file))
    beside_it = beside.nodes_of(options.beside, settings=())
    nodes = replace(beside_it, deployment=replace(beside_it.deployment, guest=guest))
    ground = ground_of(options.backend, [nodes])
    return check_guest(guest, with_nodes(nodes, output.note), ground, output.say)
