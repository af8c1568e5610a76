"""What is done with saved runs: `judge`, `show`, `why`, `history`, `prune`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import output, saved
from harness.errors import UsageError
from harness.model.results import SuiteResult
from harness.report import terminal
from harness.saved.foreign import judge_file
from harness.visible import visible_json


def judge(options: argparse.Namespace) -> int:
    if (options.run is None) == (options.history is None):
        raise UsageError("judge: expected either a results folder or --history FILE")
    if options.history is not None:
        return _judge_history(Path(options.history), partial=options.partial)
    if options.partial:
        raise UsageError("judge: --partial belongs to --history")
    return _shown(saved.judge_again(Path(options.run)))


def _judge_history(file: Path, *, partial: bool) -> int:
    lines, exit_code = judge_file(file, partial=partial)
    output.say("\n".join(lines))
    return exit_code


def show(options: argparse.Namespace) -> int:
    return _shown(saved.load(Path(options.run)))


def _shown(result: SuiteResult) -> int:
    terminal.show(result, sys.stdout)
    return result.exit_code


def why(options: argparse.Namespace) -> int:
    for line in saved.why(Path(options.run), options.session, scenario=options.scenario):
        output.say(line)
    return 0


def history(options: argparse.Namespace) -> int:
    for line in saved.lines(Path(options.run)):
        if output.unread():
            break
        sys.stdout.buffer.write(visible_json(line.decode()).encode() + b"\n")
    return 0


def prune(options: argparse.Namespace) -> int:
    for line in saved.prune(Path(options.out), keep=options.keep):
        output.say(line)
    return 0
