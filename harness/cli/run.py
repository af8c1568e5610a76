"""`run`: scenarios against real topologies, and the report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harness import output
from harness.cli import submitting
from harness.cli.choice import choice_of, given_in, suite_of
from harness.cli.pipeline import tell_pipeline
from harness.errors import UsageError
from harness.report import terminal
from harness.report.explain import KIT
from harness.run import NotWritten, RunRequest, run
from harness.scenario.overrides import without_secrets


def _name(options: argparse.Namespace) -> str:
    given = given_in(options)
    if given.matrices:
        return "matrix"
    return "selected" if given.scenarios else suite_of(options)


def carry_out(options: argparse.Namespace) -> int:
    if options.submit:
        return submitting.submit(options, _name(options))
    if options.shards:
        raise UsageError("--shards: expected --submit beside it, found none; --shard I/N runs one part here")
    return shown(asked_for(options))


def asked_for(options: argparse.Namespace) -> RunRequest:
    asked = RunRequest(
        choice=choice_of(options),
        name=_name(options),
        backend=options.backend,
        seed=options.seed,
        jobs=options.jobs,
        out=Path(options.out),
        shard=options.shard,
        resume=Path(options.resume) if options.resume else None,
        until_sure=options.until_sure,
        command=_as_typed(getattr(options, "words", ())),
    )
    if asked.until_sure and asked.choice.repeat == 1:
        raise UsageError("--until-sure: expected --repeat N beside it, the most runs of each, found none")
    return asked


def _as_typed(words: Sequence[str]) -> str:
    """What a page may show; empty: nobody typed it."""
    told = (without_secrets(one) if "=" in one else one for one in words)
    return shlex.join([KIT, *told]) if words else ""


def shown(asked: RunRequest) -> int:
    """Run it, and show what came of it."""
    try:
        suite = run(asked, terminal.display(sys.stdout), warn=output.note)
    except NotWritten as problem:  # what was learnt is shown all the same
        terminal.show(problem.suite, sys.stdout)
        raise
    terminal.show(suite, sys.stdout)
    tell_pipeline(suite)
    return suite.exit_code
