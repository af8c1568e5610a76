"""`replay`: a saved run once more, with the same plan."""

from __future__ import annotations

import argparse
import shlex
from dataclasses import replace
from pathlib import Path

from harness import output
from harness.cli import run
from harness.cli.arguments import parser
from harness.running.replaying import saved_run


def carry_out(options: argparse.Namespace) -> int:
    saved = saved_run(Path(options.run))
    words = ["run", *saved.words, "--out", options.out]
    output.say(f"replay: failover-kit {shlex.join(words)}")
    return run.shown(replace(run.asked_for(parser().parse_args(words)), same_as=saved))
