"""`compare`, `decide` and `merge`: what is done with several suites."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from harness import output, saved
from harness.errors import ExitStatus, UsageError
from harness.many.candidates import candidates_of
from harness.many.cells import cells_of
from harness.many.compare import compare as compared_with
from harness.many.summary import SIZE_MAX, Summary, read_summary
from harness.report.comparison import markdown, show_comparison
from harness.report.decision import decision, in_short
from harness.report.terminal import show
from harness.safe_files import read_file, write_file
from harness.saved.folders import near, own_folder, point_latest, writing_into

DECISION = "decide.html"
"""The page, in the folder of the results that it is about."""


def merge(options: argparse.Namespace) -> int:
    merged = saved.merge([Path(part) for part in options.parts], Path(options.out))
    point_latest(merged)
    show(merged, sys.stdout)
    return merged.exit_code


def decide(options: argparse.Namespace) -> int:
    folder = own_folder(Path(options.run))
    suite = saved.load(folder)
    cells = cells_of(suite.results)
    candidates = candidates_of(cells)
    if not candidates:
        raise UsageError(f"{options.run}: expected runs to decide by, found none that was not skipped")
    with writing_into(folder):
        write_file(folder / DECISION, decision(suite, cells).encode())
    for line in in_short(candidates):
        output.say(line)
    output.say(f"page: {near(folder)}/{DECISION}")
    return ExitStatus.PASSED


def compare(options: argparse.Namespace) -> int:
    if (options.baseline is None) == (options.after is None):
        raise UsageError("compare: expected two results, or one result and --baseline FILE")
    names = (options.baseline or options.before, options.after or options.before)
    before, after = map(_summary, names)
    found = compared_with(before, after)
    if options.format == "markdown":
        output.say(markdown(found, names).rstrip("\n"))
    else:
        show_comparison(found, names, sys.stdout)
    return ExitStatus.WORSE if options.fail_on_regression and found.worse else ExitStatus.PASSED


def _summary(name: str) -> Summary:
    """Of a results folder, or of a summary.json that was kept as a baseline."""
    path = Path(name)
    if path.is_dir():
        path = own_folder(path) / "summary.json"
    try:
        return read_summary(read_file(path, most_bytes=SIZE_MAX), str(path))
    except FileNotFoundError as problem:
        raise UsageError(f"{path}: expected a results folder or a summary.json, found nothing") from problem
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path}: cannot be read: {problem}") from problem
