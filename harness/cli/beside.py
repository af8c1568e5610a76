"""`with`: nodes, a command of somebody's own, and faults meanwhile."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path

from harness import beside, output
from harness.running.ground import enter_own_network, ground_of
from harness.running.pinning import pinned
from harness.running.projects import with_nodes
from harness.running.vocabulary import shipped
from harness.scenario import load_faults


def carry_out(options: argparse.Namespace) -> int:
    fixed = pinned(options.pin)
    settings = (*fixed.settings, *options.set)
    scenario = beside.nodes_of(options.target, settings=settings, engine=options.engine)
    ground = ground_of(options.backend, [scenario], beside_command=True)
    if options.own_network:
        enter_own_network(ground)
    ground = fixed.ground(ground)
    scenario = with_nodes(scenario, output.note)
    faults = load_faults(options.fault, scenario, shipped())
    return beside.with_command(
        replace(scenario, faults=faults),
        ground,
        command=options.command,
        environment=options.env,
        seed=options.seed if options.seed is not None else secrets.randbelow(2**31),
        out=Path(options.out),
        join=options.join,
        pins=fixed.pins,
    )
