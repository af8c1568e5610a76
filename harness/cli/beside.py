"""`with`: nodes, a command of somebody's own, and faults meanwhile."""

from __future__ import annotations

import argparse
import secrets
from dataclasses import replace
from pathlib import Path

from harness import beside
from harness.running.ground import choose_ground
from harness.running.selection import engines_of
from harness.running.vocabulary import shipped
from harness.scenario import load_faults


def carry_out(options: argparse.Namespace) -> int:
    engine = (f"deployment.engine={options.engine}",) if options.engine else ()
    scenario = beside.nodes_of(options.target, settings=(*options.set, *engine))
    faults = load_faults(options.fault, scenario, shipped())
    ground = choose_ground(options.backend, engines_of([scenario]), beside_command=True)
    return beside.with_command(
        replace(scenario, faults=faults),
        ground,
        command=options.command,
        environment=options.env,
        seed=options.seed if options.seed is not None else secrets.randbelow(2**31),
        out=Path(options.out),
    )
