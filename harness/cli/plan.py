"""`plan`: what a run would do, without starting anything."""

from __future__ import annotations

import argparse

from harness import output
from harness import plan as planning
from harness.cli.choice import choice_of
from harness.running.compiling import compile_chosen
from harness.running.ground import ground_for_planning
from harness.running.selection import choose
from harness.running.vocabulary import shipped


def carry_out(options: argparse.Namespace) -> int:
    ground = ground_for_planning(options.backend)
    seed = options.seed if options.seed is not None else 0
    for plan in compile_chosen(choose(choice_of(options)), seed=seed, ground=ground):
        output.say(planning.describe(plan, shipped()))
    return 0
