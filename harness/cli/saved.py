"""What is done with saved runs: `judge`, `show`, `why`, `history`, `prune`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import output, saved
from harness.model.results import SuiteResult
from harness.report import terminal
from harness.visible import visible_json


def judge(options: argparse.Namespace) -> int:
    return _shown(saved.judge_again(Path(options.run)))


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
