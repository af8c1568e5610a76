"""`run`: scenarios against real topologies, and the report."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import output
from harness.cli.choice import choice_of, given_in, suite_of
from harness.report import terminal
from harness.run import Asked, NotWritten, run


def carry_out(options: argparse.Namespace) -> int:
    asked = Asked(
        choice=choice_of(options),
        name="selected" if given_in(options).scenarios else suite_of(options),
        backend=options.backend,
        seed=options.seed,
        jobs=options.jobs,
        out=Path(options.out),
    )
    try:
        suite = run(asked, terminal.display(sys.stdout), warn=output.note)
    except NotWritten as problem:  # what was learnt is shown all the same
        terminal.show(problem.suite, sys.stdout)
        raise
    terminal.show(suite, sys.stdout)
    return suite.exit_code
